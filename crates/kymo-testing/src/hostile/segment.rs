//! Files whose checksums are right and whose content is not: what the rules of the format are for.

use arbitrary::{Result, Unstructured};
use kymo_format::header::{COMMITTED_OFFSET, ClockSource, Header};
use kymo_format::types::code;
use kymo_format::{MAX_PAYLOAD_BYTES, varint};

use super::frames;

/// A file with one of everything, from the first version.
const GOLDEN: &[u8] = include_bytes!("../../../../tests/golden/v1.kymo");

/// What format strings are made of, here.
const PIECES: &[&str] = &[
    "{}",
    "{:?}",
    "{:#?}",
    "{0}",
    "{1:?}",
    "{a}",
    "{:65535}",
    "{:\u{1F600}>65535.65535}",
    "{:.65535}",
    "{:1$}",
    "{:.*}",
    "{:a$.0$}",
    "{:#x}",
    "{:+e}",
    "{:08.3}",
    "{:#010b}",
    "{:02X?}",
    "{:^9}",
    "{:p}",
    "{{",
    "}}",
    "{",
    "}",
    "{:",
    "{99999}",
    "{:99999}",
    "{none}",
    "text ",
    "\u{1b}[2J",
    "\u{202e}",
    "\n",
    "é",
];

/// A file that `u` chooses.
pub fn hostile(u: &mut Unstructured<'_>) -> Vec<u8> {
    // Where the choices run out, what was made so far is the file.
    let mut frames = Vec::new();
    let _ = match u.ratio(1, 4) {
        Ok(true) => {
            frames = self::frames::split(GOLDEN);
            Ok(())
        }
        _ => make(u, &mut frames),
    };
    let _ = change(u, &mut frames);
    let salt = u.arbitrary().unwrap_or(0);
    let mut file = Header { salt, ..Header::new(ClockSource::Counter) }.to_page();
    for (kind, payload) in &frames {
        self::frames::append(
            &mut file,
            *kind,
            &payload[..payload.len().min(MAX_PAYLOAD_BYTES)],
            salt,
        );
    }
    self::frames::commit(&mut file);
    let _ = damage(u, &mut file);
    file
}

type Frames = Vec<(u8, Vec<u8>)>;

fn make(u: &mut Unstructured<'_>, frames: &mut Frames) -> Result<()> {
    let mut sites = vec![(0, Vec::new())];
    while !u.is_empty() {
        let mut payload = Vec::new();
        let kind = match u.int_in_range(0..=17)? {
            0..=3 => {
                sites.push(site(u, &mut payload)?);
                1
            }
            4 => {
                put(u, &mut payload, 2)?;
                text(u, &mut payload)?;
                2
            }
            5..=10 => records(u, &sites, &mut payload)?,
            11 => {
                (0..6).try_for_each(|_| fixed(u, &mut payload))?;
                5
            }
            12 => {
                put(u, &mut payload, 1)?;
                (0..2).try_for_each(|_| fixed(u, &mut payload))?;
                let count = number(u)?;
                varint::put(&mut payload, count);
                for _ in 0..count.min(8) {
                    payload.extend_from_slice(&[u.arbitrary()?, u.arbitrary()?]);
                    put(u, &mut payload, 1)?;
                }
                6
            }
            13 => {
                fixed(u, &mut payload)?;
                7
            }
            14 => {
                put(u, &mut payload, 3)?;
                8
            }
            15 => {
                put(u, &mut payload, 1)?;
                payload.push(u.arbitrary()?);
                fixed(u, &mut payload)?;
                11
            }
            16 => {
                index(u, &mut payload)?;
                frames.push((10, std::mem::take(&mut payload)));
                // It counts only directly before the end.
                put(u, &mut payload, 3)?;
                fixed(u, &mut payload)?;
                9
            }
            _ => {
                put(u, &mut payload, 3)?;
                fixed(u, &mut payload)?;
                9 + u.int_in_range(0..=3)?
            }
        };
        frames.push((kind, payload));
    }
    Ok(())
}

/// An entry of the dictionary: its number, and the types of its arguments in order.
fn site(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<(u64, Vec<u8>)> {
    let number = small(u)?;
    varint::put(out, number);
    out.push(u.int_in_range(0..=6)?);
    put(u, out, 2)?;
    (0..3).try_for_each(|_| text(u, out))?;
    let mut format = String::new();
    for _ in 0..u.int_in_range(0..=12)? {
        format.push_str(u.choose(PIECES)?);
    }
    kymo_format::frame::put_str(out, &format);
    let arguments = u.int_in_range(0..=4)?;
    varint::put(out, arguments);
    let mut types = Vec::new();
    for _ in 0..arguments {
        text(u, out)?;
        let start = types.len();
        ty(u, &mut types, 0)?;
        varint::put(out, (types.len() - start) as u64);
        out.extend_from_slice(&types[start..]);
    }
    Ok((number, types))
}

fn index(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let steps = u.int_in_range(0..=4)?;
    varint::put(out, steps);
    put(u, out, 4 * steps as usize)?;
    let frames = u.int_in_range(0..=8)?;
    varint::put(out, frames);
    put(u, out, frames as usize)?;
    out.resize((out.len() + 8).next_multiple_of(8), 0);
    Ok(())
}

fn ty(u: &mut Unstructured<'_>, out: &mut Vec<u8>, depth: usize) -> Result<()> {
    const SCALARS: &[u8] = &[
        code::BOOL,
        code::CHAR,
        code::ORDERING,
        code::U8,
        code::U16,
        code::U32,
        code::U64,
        code::U128,
        code::I8,
        code::I64,
        code::I128,
        code::F32,
        code::F64,
        code::STR,
        code::TEXT,
        code::OS_STR,
        code::POINTER,
        code::DURATION,
        code::REDACTED,
        code::IP_ADDR,
        code::SOCKET_ADDR_V6,
        code::SOCKET_ADDR,
    ];
    match u.int_in_range(0..=14)? {
        13 if depth < 17 => {
            out.push(code::STRUCT);
            structure(u, out, depth + 1)
        }
        14 if depth < 17 => {
            out.push(code::ENUM);
            text(u, out)?;
            let variants = u.int_in_range(0..=3)?;
            out.push(variants << 1 | 1);
            (0..variants).try_for_each(|_| structure(u, out, depth + 1))
        }
        10 if depth < 17 => {
            out.push(*u.choose(&[code::SET, code::RANGE, code::RANGE_INCLUSIVE])?);
            ty(u, out, depth + 1)
        }
        11 if depth < 17 => {
            out.push(*u.choose(&[code::MAP, code::RESULT])?);
            (0..2).try_for_each(|_| ty(u, out, depth + 1))
        }
        12 => {
            out.extend_from_slice(&[code::FORMATTED, u.int_in_range(0..=3)?]);
            Ok(())
        }
        0..=1 if depth < 17 => {
            out.push(code::OPTION);
            ty(u, out, depth + 1)
        }
        2..=3 if depth < 17 => {
            out.push(code::SEQUENCE);
            ty(u, out, depth + 1)
        }
        4 if depth < 17 => {
            let members = u.int_in_range(0..=3)?;
            out.extend_from_slice(&[code::TUPLE, members]);
            (0..members).try_for_each(|_| ty(u, out, depth + 1))
        }
        5 => {
            out.push(u.arbitrary()?);
            Ok(())
        }
        _ => {
            out.push(*u.choose(SCALARS)?);
            Ok(())
        }
    }
}

/// A struct or a variant, or nearly.
fn structure(u: &mut Unstructured<'_>, out: &mut Vec<u8>, depth: usize) -> Result<()> {
    text(u, out)?;
    let kind = *u.choose(&[0, 1, 2, 5, 6, 3])?;
    out.push(kind);
    if kind & 4 != 0 {
        let mut format = String::new();
        for _ in 0..u.int_in_range(0..=4)? {
            format.push_str(u.choose(PIECES)?);
        }
        kymo_format::frame::put_str(out, &format);
    }
    let fields = if kind == 0 { u8::from(u.ratio(1, 16)?) } else { u.int_in_range(0..=3)? };
    out.push(fields << 1 | 1);
    for _ in 0..fields {
        if kind & 3 == 2 {
            text(u, out)?;
        }
        let hint = u.int_in_range(0..=3)?;
        out.push(hint);
        if hint == 2 {
            text(u, out)?;
        }
        ty(u, out, depth)?;
    }
    Ok(())
}

fn records(u: &mut Unstructured<'_>, sites: &[(u64, Vec<u8>)], out: &mut Vec<u8>) -> Result<u8> {
    put(u, out, 2)?;
    fixed(u, out)?;
    for _ in 0..u.int_in_range(0..=6)? {
        let (number, types) = u.choose(sites)?;
        varint::put(out, *number);
        put(u, out, 1)?;
        let mut types = &types[..];
        while !types.is_empty() {
            value(u, &mut types, out)?;
        }
    }
    let last = u.ratio(1, 3)?;
    if last {
        out.extend_from_slice(&u.arbitrary::<u32>()?.to_le_bytes());
    }
    Ok(if last { 4 } else { 3 })
}

/// A value of the type that `types` begins with, or nearly.
fn value(u: &mut Unstructured<'_>, types: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    let Some((&code, rest)) = types.split_first() else { return Ok(()) };
    *types = rest;
    match code {
        code::BOOL | code::ORDERING => out.push(u.int_in_range(0..=2)?),
        code::U8 | code::I8 => out.push(u.arbitrary()?),
        code::CHAR => {
            varint::put(out, *u.choose(&[65, 0xD800, 0x0011_0000, 0x1B, 0x202E, 0x0010_FFFF])?)
        }
        code::U128 | code::I128 | code::IPV6_ADDR => out.extend_from_slice(u.bytes(16)?),
        code::F32 | code::IPV4_ADDR => out.extend_from_slice(u.bytes(4)?),
        code::F64 => out.extend_from_slice(u.bytes(8)?),
        code::STR | code::TEXT | code::OS_STR => {
            let bytes = u.int_in_range(0..=20)?;
            let bytes = u.bytes(bytes)?;
            varint::put(out, (bytes.len() as u64) << 1 | u64::from(u.ratio(1, 4)?));
            out.extend_from_slice(bytes);
        }
        code::DURATION => put(u, out, 2)?,
        code::IP_ADDR => {
            out.push(*u.choose(&[4, 6, 5])?);
            out.extend_from_slice(u.bytes(4)?);
        }
        code::SOCKET_ADDR_V4 | code::SOCKET_ADDR_V6 | code::SOCKET_ADDR => {
            out.push(*u.choose(&[4, 6])?);
            out.extend_from_slice(u.bytes(26)?);
        }
        code::OPTION => {
            let some = u.ratio(2, 3)?;
            out.push(some.into());
            match some {
                true => value(u, types, out)?,
                false => value(u, types, &mut Vec::new())?,
            }
        }
        code::SEQUENCE => {
            let honest = u.ratio(3, 4)?;
            let count = if honest { u.int_in_range(0..=3)? } else { number(u)? };
            varint::put(out, count << 1 | u64::from(u.arbitrary::<bool>()?));
            let element = *types;
            for _ in 0..count.min(3) {
                *types = element;
                value(u, types, out)?;
            }
            if count == 0 {
                value(u, types, &mut Vec::new())?;
            }
        }
        code::SET | code::MAP => {
            let count = u.int_in_range(0..=3)?;
            varint::put(out, count << 1 | u64::from(u.arbitrary::<bool>()?));
            let inside = *types;
            for skipped in 0..=count {
                *types = inside;
                let mut ignored = Vec::new();
                let out = if skipped == 0 { &mut ignored } else { &mut *out };
                (0..=u8::from(code == code::MAP)).try_for_each(|_| value(u, types, out))?;
            }
        }
        code::RESULT => {
            let error = u.arbitrary::<bool>()?;
            out.push(error.into());
            for side in [false, true] {
                let mut ignored = Vec::new();
                value(u, types, if side == error { out } else { &mut ignored })?;
            }
        }
        code::RANGE | code::RANGE_INCLUSIVE => {
            let bound = *types;
            for _ in 0..2 {
                *types = bound;
                value(u, types, out)?;
            }
            if code == code::RANGE_INCLUSIVE {
                out.push(u.int_in_range(0..=2)?);
            }
        }
        code::FORMATTED => {
            let Some((&texts, rest)) = types.split_first() else { return Ok(()) };
            *types = rest;
            (0..texts).try_for_each(|_| value(u, &mut &[code::STR][..], out))?;
        }
        code::TUPLE => {
            let Some((&members, rest)) = types.split_first() else { return Ok(()) };
            *types = rest;
            (0..members).try_for_each(|_| value(u, types, out))?;
        }
        code::STRUCT => fields(u, types, out)?,
        code::ENUM => {
            pass_text(types);
            let variants = varint::get(types).map_or(0, |(count, _)| count);
            *types = types.get(1..).unwrap_or_default();
            let chosen = u.int_in_range(0..=variants)?;
            varint::put(out, chosen);
            for variant in 0..variants {
                let mut ignored = Vec::new();
                fields(u, types, if variant == chosen { &mut *out } else { &mut ignored })?;
            }
        }
        code::REDACTED => {}
        _ => put(u, out, 1)?,
    }
    Ok(())
}

/// The fields of the struct that `types` begins with, or nearly.
fn fields(u: &mut Unstructured<'_>, types: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    let byte = |types: &mut &[u8]| {
        let (first, rest) = types.split_first().unwrap_or((&0, &[]));
        *types = rest;
        *first
    };
    pass_text(types);
    let kind = byte(types);
    if kind & 4 != 0 {
        pass_text(types);
    }
    for _ in 0..byte(types) >> 1 {
        if kind & 3 == 2 {
            pass_text(types);
        }
        if byte(types) == 2 {
            pass_text(types);
        }
        value(u, types, out)?;
    }
    Ok(())
}

fn pass_text(types: &mut &[u8]) {
    let (length, bytes) = varint::get(types).unwrap_or((0, 0));
    *types = types.get(bytes + length as usize..).unwrap_or_default();
}

/// Something is done to the frames.
fn change(u: &mut Unstructured<'_>, frames: &mut Frames) -> Result<()> {
    if frames.is_empty() {
        return Ok(());
    }
    for _ in 0..u.int_in_range(0..=8)? {
        let (one, other) = (u.choose_index(frames.len())?, u.choose_index(frames.len())?);
        let several = frames.len() > 1;
        let payload = &mut frames[one].1;
        let at = u.int_in_range(0..=payload.len())?;
        match u.int_in_range(0..=8)? {
            0 => frames.swap(one, other),
            1 => frames.insert(one, frames[other].clone()),
            2 if several => drop(frames.remove(one)),
            3 => frames[one].0 = u.arbitrary()?,
            4 => payload.truncate(at),
            5 => payload.extend_from_slice(u.bytes(at.min(16))?),
            6 => payload[at..]
                .iter_mut()
                .take(8)
                .try_for_each(|byte| u.arbitrary().map(|new| *byte = new))?,
            7 => {
                let mut bytes = Vec::new();
                varint::put(&mut bytes, number(u)?);
                let end = payload.len().min(at + u.int_in_range(0..=9)?);
                payload.splice(at..end, bytes);
            }
            // Repeats one piece: a block of many records, a name of many letters.
            _ => {
                let piece = payload[at..].to_vec();
                let times = u.int_in_range(0..=64)?;
                (0..times).for_each(|_| payload.extend_from_slice(&piece));
                payload.truncate(1 << 16);
            }
        }
    }
    Ok(())
}

/// Something is done to the file.
fn damage(u: &mut Unstructured<'_>, file: &mut Vec<u8>) -> Result<()> {
    if u.ratio(1, 4)? {
        let committed = number(u)?;
        file[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed.to_le_bytes());
    }
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.choose_index(file.len())?;
        match u.int_in_range(0..=2)? {
            0 => file[at] ^= u.arbitrary::<u8>()?,
            1 => file.truncate(at.max(1)),
            _ => file.resize(file.len() + at % 100, 0),
        }
    }
    Ok(())
}

/// A number of some interest.
fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    const NUMBERS: &[u64] = &[
        0,
        1,
        2,
        64,
        65,
        127,
        128,
        255,
        32_766,
        32_767,
        32_768,
        65_535,
        65_536,
        1 << 20,
        i32::MAX as u64,
        1 << 31,
        u32::MAX as u64,
        1 << 32,
        1 << 62,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ];
    match u.ratio(1, 2)? {
        true => u.choose(NUMBERS).copied(),
        false => small(u),
    }
}

fn small(u: &mut Unstructured<'_>) -> Result<u64> {
    u.int_in_range(0..=9)
}

fn put(u: &mut Unstructured<'_>, out: &mut Vec<u8>, numbers: usize) -> Result<()> {
    (0..numbers).try_for_each(|_| number(u).map(|number| varint::put(out, number)))
}

fn fixed(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    number(u).map(|number| out.extend_from_slice(&number.to_le_bytes()))
}

fn text(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let text = *u.choose(&["", "a", "b", "main", "\u{1b}]0;\u{7}", "\u{2066}"])?;
    kymo_format::frame::put_str(out, text);
    Ok(())
}
