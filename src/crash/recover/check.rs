//! Checks whether words from a ring file can be a record: the bytes may be anything.
#![forbid(unsafe_code)]

use crate::argument::CUT;
use crate::format::types::{Members, Type};
use crate::ring;
use crate::ring::record::HEADER_BYTES;
use crate::statement::call_site::CallSite;

/// The arguments of a record, as they were in memory.
pub(crate) fn arguments(record: &[u64]) -> Option<Vec<u8>> {
    let bytes = ring::bytes(*record.first()?);
    let rest = record.get(2..)?.iter().flat_map(|word| word.to_ne_bytes());
    let arguments: Vec<u8> = rest.take(bytes.checked_sub(HEADER_BYTES)?).collect();
    (arguments.len() == bytes - HEADER_BYTES).then_some(arguments)
}

/// Returns whether the words, which begin with a header, can be a record of this call site.
pub(crate) fn fits(site: &'static CallSite, record: &[u64]) -> bool {
    let Some(arguments) = arguments(record) else { return false };
    let mut rest = &arguments[..];
    let mut types = site.types().peekable();
    while let Some(ty) = types.next() {
        // A string that is the last argument has no length.
        if types.peek().is_none() && *ty == Type::Str {
            return std::str::from_utf8(rest).is_ok();
        }
        if skip(ty, &mut rest).is_none() {
            return false;
        }
    }
    rest.is_empty()
}

/// Skips a value, if there is one.
fn skip(ty: &'static Type, rest: &mut &[u8]) -> Option<()> {
    let bytes = match ty {
        Type::Bool => return (u8::from_ne_bytes(take(rest)?) <= 1).then_some(()),
        Type::Ordering => return (u8::from_ne_bytes(take(rest)?) <= 2).then_some(()),
        Type::Char => return char::from_u32(u32::from_ne_bytes(take(rest)?)).map(|_| ()),
        Type::U8 | Type::I8 => 1,
        Type::U16 | Type::I16 => 2,
        Type::U32 | Type::I32 | Type::F32 | Type::Ipv4Addr => 4,
        Type::SocketAddrV4 => 6,
        Type::U64 | Type::I64 | Type::Usize | Type::Isize | Type::F64 => 8,
        Type::Pointer | Type::Span(_) => 8,
        Type::U128 | Type::I128 | Type::Ipv6Addr => 16,
        Type::SocketAddrV6 => 26,
        Type::Str | Type::Text => {
            let length = u16::from_ne_bytes(take(rest)?) & !CUT;
            let text = rest.get(..length.into())?;
            *rest = &rest[length.into()..];
            return std::str::from_utf8(text).ok().map(|_| ());
        }
        Type::Formatted(texts) => return (0..*texts).try_for_each(|_| skip(&Type::Text, rest)),
        Type::OsStr => usize::from(u16::from_ne_bytes(take(rest)?) & !CUT),
        Type::Duration => {
            take::<8>(rest)?;
            return (u32::from_ne_bytes(take(rest)?) < 1_000_000_000).then_some(());
        }
        Type::IpAddr | Type::SocketAddr => {
            let ports = if *ty == Type::IpAddr { [0, 0] } else { [2, 10] };
            match take(rest)? {
                [4] => 4 + ports[0],
                [6] => 16 + ports[1],
                _ => return None,
            }
        }
        Type::Option(inner) => {
            return match take(rest)? {
                [0] => Some(()),
                [1] => skip(inner, rest),
                _ => None,
            };
        }
        Type::Result(both) => {
            return match take(rest)? {
                [variant @ 0..=1] => skip(&both[usize::from(variant)], rest),
                _ => None,
            };
        }
        Type::Range(bound) => return (0..2).try_for_each(|_| skip(bound, rest)),
        Type::RangeInclusive(bound) => {
            (0..2).try_for_each(|_| skip(bound, rest))?;
            return skip(&Type::Bool, rest);
        }
        Type::Sequence(_) | Type::Set(_) | Type::Map(_) => {
            let length = u16::from_ne_bytes(take(rest)?) & !CUT;
            for _ in 0..length {
                let before = rest.len();
                ty.inside().iter().try_for_each(|inner| skip(inner, rest))?;
                if rest.len() == before {
                    // The others take no bytes either.
                    break;
                }
            }
            return Some(());
        }
        Type::Any => {
            let [code] = take(rest)?;
            return skip(Type::in_any(code)?, rest);
        }
        Type::Redacted => return Some(()),
        Type::Struct(inner) => return skip_members(&inner.types, rest),
        Type::Enum(inner) => {
            let index = u16::from_ne_bytes(take(rest)?);
            return skip_members(&inner.variants.get(index.into())?.types, rest);
        }
        Type::Tuple(members) => return members.iter().try_for_each(|member| skip(member, rest)),
    };
    rest.get(bytes..).map(|after| *rest = after)
}

fn skip_members(members: &'static Members, rest: &mut &[u8]) -> Option<()> {
    members.try_each(&mut |member| skip(member, rest).ok_or(())).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}
