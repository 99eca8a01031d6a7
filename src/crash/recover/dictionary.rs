//! Reads a file of call sites: the call sites by their addresses, and clock frames.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::format::frame::{Clock, FrameHeader, Kind, valid_at_start};
use crate::format::header::{COMMITTED_OFFSET, COPY_OFFSETS, Header};
use crate::format::types::{
    Enum, Field, Fields, Hint, Members, SpanRole, Struct, Type, Variants, code, hint,
};
use crate::format::{
    ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_ARGUMENTS, MAX_PAYLOAD_BYTES, MAX_TEXT_BYTES,
    MAX_TYPE_BYTES, MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS, Purpose, varint,
};
use crate::level::Level;
use crate::segment::crash_proof::sites::{CLOCK_FRAME_BYTES, CLOCKS, CLOCKS_OFFSET};
use crate::statement::call_site::{CallSite, Location, TypeList};

/// The call sites of a dead process.
///
/// They are of the type that this process uses for its own, so that the segment writer can write
/// their records. So they are leaked: some hundred bytes each.
#[derive(Default)]
pub(crate) struct SitesByAddress {
    sites: HashMap<u64, &'static CallSite>,
    /// The clock frames, the oldest first.
    pub(crate) clocks: Vec<Clock>,
}

impl SitesByAddress {
    /// Returns the call site at an address.
    pub(crate) fn site(&self, address: u64) -> Option<&'static CallSite> {
        self.sites.get(&address).copied()
    }

    /// Returns the header of a file of call sites, if it is not damaged.
    pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
        COPY_OFFSETS.iter().find_map(|at| Header::from_copy(bytes.get(*at..)?))
    }

    /// Reads a file of call sites as far as it is not damaged; returns the damage.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Option<String> {
        let Some(Header { salt, .. }) = Self::header(bytes) else {
            let text = "not a file of call sites, or damaged: neither the copy of its header at \
                        offset 0 nor that at offset 2048 is right";
            return Some(text.to_owned());
        };
        let committed = bytes.get(COMMITTED_OFFSET..).and_then(|at| at.first_chunk());
        let committed = committed.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let missing = committed.saturating_sub(bytes.len() as u64);
        let mut damage = (missing > 0).then_some((bytes.len(), missing));
        for slot in 0..CLOCKS {
            let at = CLOCKS_OFFSET + slot * CLOCK_FRAME_BYTES;
            if let Some((Kind::Clock, payload)) = frame_at(bytes, at, salt) {
                self.clocks.extend(Clock::from_payload(payload));
            }
        }
        self.clocks.sort_by_key(|clock| clock.monotonic_ns);
        let mut at = HEADER_BYTES;
        // So that damage does not take more than linear time.
        let mut budget = 64 * bytes.len();
        while at + FRAME_HEADER_BYTES <= bytes.len() {
            if let Some((kind, payload)) = frame_at(bytes, at, salt) {
                if kind == Kind::CallSite {
                    // A later one at the same address is of a library that was loaded later.
                    self.sites.extend(call_site(payload));
                }
                at += (FRAME_HEADER_BYTES + payload.len()).next_multiple_of(ALIGNMENT);
                continue;
            }
            if at as u64 >= committed {
                break;
            }
            damage.get_or_insert((at, ALIGNMENT as u64));
            // What was checked in vain; a frame that cannot be one was not.
            let claimed = bytes[at..].first_chunk().map(FrameHeader::from_bytes);
            let checked = claimed.map(|it| it.payload_bytes).filter(|payload| {
                *payload <= MAX_PAYLOAD_BYTES.min(bytes.len() - at - FRAME_HEADER_BYTES)
            });
            let Some(left) = budget.checked_sub(checked.unwrap_or(0)) else { break };
            budget = left;
            at += ALIGNMENT;
        }
        damage.map(|(offset, bytes)| {
            format!("call sites damaged: {bytes} bytes or more at byte {offset}")
        })
    }
}

/// Returns the frame at an offset, if there is one.
pub(crate) fn frame_at(bytes: &[u8], at: usize, salt: u32) -> Option<(Kind, &[u8])> {
    let (kind, payload) = valid_at_start(bytes.get(at..)?, salt)?;
    Some((Kind::from_code(kind)?, payload))
}

/// Returns the entry of a call site, and its address.
fn call_site(payload: &[u8]) -> Option<(u64, &'static CallSite)> {
    let mut rest = payload;
    number(&mut rest)?;
    let level = Level::from_code(next(&mut rest)?)?;
    let line = number(&mut rest)?.try_into().ok()?;
    let column = number(&mut rest)?.try_into().ok()?;
    let [target, module, file, format] =
        [text(&mut rest)?, text(&mut rest)?, text(&mut rest)?, text(&mut rest)?];
    let arguments = usize::try_from(number(&mut rest)?).ok()?;
    if arguments > MAX_ARGUMENTS {
        return None;
    }
    let (mut names, mut types, mut type_bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..arguments {
        names.push(leak(text(&mut rest)?));
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let mut ty = TypeBytes { rest: rest.get(..length)?, left: MAX_TYPE_MEMBERS };
        rest = &rest[length..];
        type_bytes += length;
        if type_bytes > MAX_TYPE_BYTES {
            return None;
        }
        types.push(ty.parse(MAX_TYPE_DEPTH)?);
        if !ty.rest.is_empty() {
            return None;
        }
    }
    let (address, rest) = rest.split_first_chunk()?;
    let address = u64::from_le_bytes(*address);
    let purpose = rest.first().map_or(Purpose::Text, |code| Purpose::from_code(*code));
    let types = types.into_iter().rev().fold(None, |rest, first| {
        let list: &'static TypeList = Box::leak(Box::new(TypeList { first, rest }));
        Some(list)
    });
    let location = Location {
        target: leak(target),
        module: leak(module),
        file: leak(file),
        line,
        column,
        format: leak(format),
        names: Box::leak(names.into_boxed_slice()),
    };
    let site = CallSite::new(level, location, types).with_purpose(purpose);
    Some((address, Box::leak(Box::new(site))))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (value, bytes) = varint::get(rest)?;
    *rest = rest.get(bytes..)?;
    Some(value)
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok().filter(|length| *length <= MAX_TEXT_BYTES)?;
    let text = rest.get(..length)?;
    *rest = &rest[length..];
    String::from_utf8(text.to_vec()).ok()
}

/// What is left of a type that is being parsed.
struct TypeBytes<'a> {
    rest: &'a [u8],
    /// Of how many types it may yet be made.
    left: usize,
}

impl TypeBytes<'_> {
    fn parse(&mut self, depth: usize) -> Option<Type> {
        let depth = depth.checked_sub(1)?;
        self.count()?;
        let code = next(&mut self.rest)?;
        Some(match code {
            code::OPTION => Type::Option(self.leaked(depth)?),
            code::SEQUENCE => Type::Sequence(self.leaked(depth)?),
            code::SET => Type::Set(self.leaked(depth)?),
            code::RANGE => Type::Range(self.leaked(depth)?),
            code::RANGE_INCLUSIVE => Type::RangeInclusive(self.leaked(depth)?),
            code::MAP => Type::Map(self.both(depth)?),
            code::RESULT => Type::Result(self.both(depth)?),
            code::FORMATTED => Type::Formatted(next(&mut self.rest)?),
            code::TUPLE => {
                let members = next(&mut self.rest)?;
                let members = (0..members).map(|_| self.parse(depth));
                Type::Tuple(Box::leak(members.collect::<Option<Box<[_]>>>()?))
            }
            code::STRUCT => Type::Struct(Box::leak(Box::new(self.structure(depth)?))),
            code::ENUM => {
                let name = leak(text(&mut self.rest)?);
                let variants = (0..number(&mut self.rest)?).map(|_| {
                    self.count()?;
                    self.structure(depth)
                });
                let variants = variants.collect::<Option<Box<[_]>>>()?;
                let variants = Variants::Listed(Box::leak(variants));
                Type::Enum(Box::leak(Box::new(Enum { name, variants })))
            }
            code => match SpanRole::from_code(code) {
                Some(role) => Type::Span(role),
                None => *SCALARS.iter().find(|ty| ty.code() == code)?,
            },
        })
    }

    /// Counts one more type.
    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn leaked(&mut self, depth: usize) -> Option<&'static Type> {
        Some(Box::leak(Box::new(self.parse(depth)?)))
    }

    fn both(&mut self, depth: usize) -> Option<&'static [Type; 2]> {
        Some(Box::leak(Box::new([self.parse(depth)?, self.parse(depth)?])))
    }

    /// Parses a struct or a variant, without its code.
    fn structure(&mut self, depth: usize) -> Option<Struct> {
        let name = leak(text(&mut self.rest)?);
        let code = next(&mut self.rest)?;
        let kind = Fields::from_code(code & !Fields::HAS_FORMAT)?;
        let format = match code & Fields::HAS_FORMAT {
            0 => None,
            _ => Some(leak(text(&mut self.rest)?)),
        };
        let (mut fields, mut types) = (Vec::new(), Vec::new());
        let count = number(&mut self.rest)?;
        if kind == Fields::Unit && count > 0 {
            return None;
        }
        for _ in 0..count {
            let name = if kind == Fields::Named { leak(text(&mut self.rest)?) } else { "" };
            let hint = match next(&mut self.rest)? {
                hint::NONE => Hint::None,
                hint::HEX => Hint::Hex,
                hint::UNIT => Hint::Unit(leak(text(&mut self.rest)?)),
                _ => return None,
            };
            fields.push(Field { name, hint });
            types.push(self.parse(depth)?);
        }
        let (fields, types) = (Vec::leak(fields), Members::Listed(Vec::leak(types)));
        Some(Struct { name, kind, format, fields, types })
    }
}

/// The types without types inside.
const SCALARS: [Type; 30] = [
    Type::Bool,
    Type::Char,
    Type::Ordering,
    Type::U8,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::U128,
    Type::Usize,
    Type::I8,
    Type::I16,
    Type::I32,
    Type::I64,
    Type::I128,
    Type::Isize,
    Type::F32,
    Type::F64,
    Type::Str,
    Type::Text,
    Type::OsStr,
    Type::Redacted,
    Type::Any,
    Type::Pointer,
    Type::Duration,
    Type::Ipv4Addr,
    Type::Ipv6Addr,
    Type::IpAddr,
    Type::SocketAddrV4,
    Type::SocketAddrV6,
    Type::SocketAddr,
];

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::segment::writer::dictionary::{put_call_site, put_purpose};

    /// An entry of a release that knows no purposes ends with the address.
    #[test]
    fn a_purpose_follows_the_address() {
        const LOCATION: Location = Location {
            target: "t",
            module: "m",
            file: "f",
            line: 1,
            column: 2,
            format: "x",
            names: &["suppressed"],
        };
        const TYPES: TypeList = TypeList { first: Type::U64, rest: None };
        for purpose in Purpose::ALL {
            let site = CallSite::new(Level::Warn, LOCATION, Some(&TYPES)).with_purpose(purpose);
            let mut payload = Vec::new();
            put_call_site(&mut payload, 7, &site);
            payload.extend_from_slice(&0x1234_5678_u64.to_le_bytes());
            let old = call_site(&payload).unwrap();
            assert_eq!((old.0, old.1.purpose), (0x1234_5678, Purpose::Text));
            put_purpose(&mut payload, &site);
            let (address, found) = call_site(&payload).unwrap();
            assert_eq!((address, found.purpose), (0x1234_5678, purpose));
            assert_eq!(found.fingerprint, site.fingerprint);
        }
    }
}
