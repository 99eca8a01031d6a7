//! Rings as a dead process may leave them, and worse.

use arbitrary::{Result, Unstructured};
use kymo::internals::ring::header;
use kymo::internals::ring::storage::layout::{
    HEADER_BYTES, Purpose, RingAccount, RingIdentity, RingMode, SHARED_OFFSET, account_offset,
    tail_at,
};
use kymo_format::frame::{Clock, Kind, put_str};
use kymo_format::header::{COMMITTED_OFFSET, ClockSource, Header};
use kymo_format::types::code;
use kymo_format::varint;

use super::frames;

/// The logger whose ring it is.
const LOGGER: [u8; 16] = *b"a logger's id...";

/// The types of the arguments of each call site: their codes.
const SITES: &[&[&[u8]]] = &[
    &[],
    &[&[code::U64]],
    &[&[code::U8], &[code::STR]],
    &[&[code::STR], &[code::BOOL], &[code::F64]],
    &[&[code::OPTION, code::SEQUENCE, code::U16], &[code::TEXT]],
    &[&[code::DURATION], &[code::SOCKET_ADDR], &[code::CHAR]],
    &[&[code::TUPLE, 2, code::I128, code::SEQUENCE, code::TUPLE, 0]],
];

/// A good file of call sites.
pub fn sites() -> Vec<u8> {
    sites_with(|_| {})
}

/// Makes a file of call sites. `u` chooses what is wrong in it. The checksums are right, unless
/// they are what is wrong.
pub fn hostile_sites(u: &mut Unstructured<'_>) -> Vec<u8> {
    let changes = if u.ratio(1, 2).unwrap_or(false) { 0 } else { 4 };
    let mut file = sites_with(|entry| {
        let _ = (0..changes).try_for_each(|_| change(u, entry));
    });
    // Where the choices run out, what was made so far is the file.
    let _ = spoil(u, &mut file);
    file
}

/// Changes something of the payload of a frame.
fn change(u: &mut Unstructured<'_>, entry: &mut Vec<u8>) -> Result<()> {
    if u.ratio(7, 8)? || entry.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(entry.len())?;
    match u.int_in_range(0..=3)? {
        0 => entry[at] = u.arbitrary()?,
        1 => entry[at] ^= 1 << u.int_in_range(0..=7)?,
        2 => entry.truncate(at),
        _ => drop(entry.splice(at..at, u.bytes(8)?.iter().copied())),
    }
    Ok(())
}

/// Adds clock frames to the header page, and changes what a file says of its length.
fn spoil(u: &mut Unstructured<'_>, file: &mut Vec<u8>) -> Result<()> {
    for slot in 0..u.int_in_range(0..=4)? {
        let mut payload = Vec::new();
        hostile_clock(u)?.put(&mut payload);
        let mut frame = Vec::new();
        frames::append(&mut frame, Kind::Clock as u8, &payload, 0);
        file[3072 + slot * frame.len()..][..frame.len()].copy_from_slice(&frame);
    }
    if u.ratio(1, 8)? {
        let committed = if u.arbitrary()? { u.arbitrary()? } else { u.int_in_range(0..=8_192)? };
        file[COMMITTED_OFFSET..][..8].copy_from_slice(&u64::to_le_bytes(committed));
    }
    if u.ratio(1, 8)? {
        let at = u.choose_index(file.len())?;
        file[at] = u.arbitrary()?;
    }
    if u.ratio(1, 16)? {
        file.truncate(u.choose_index(file.len())?);
    }
    Ok(())
}

fn hostile_clock(u: &mut Unstructured<'_>) -> Result<Clock> {
    let mut number = || -> Result<u64> {
        let near = u.int_in_range(0..=1_000)?;
        Ok(*u.choose(&[near, 1 << 32, 1 << 63, u64::MAX, u64::MAX - near, near << 40])?)
    };
    Ok(Clock {
        ticks: number()?,
        time_ns: number()? as i64,
        rate: number()?,
        wall_ns: number()? as i64,
        monotonic_ns: number()?,
        uncertainty_ns: number()?,
    })
}

fn sites_with(mut change: impl FnMut(&mut Vec<u8>)) -> Vec<u8> {
    let mut file =
        Header { salt: 0, segment: LOGGER, ..Header::new(ClockSource::Custom) }.to_page();
    for (number, types) in SITES.iter().enumerate() {
        let mut site = Vec::new();
        varint::put(&mut site, number as u64);
        site.push(1 + number as u8 % 5);
        varint::put(&mut site, 1);
        varint::put(&mut site, 2);
        (0..3).for_each(|_| put_str(&mut site, "target"));
        put_str(&mut site, &"{} ".repeat(types.len()));
        varint::put(&mut site, types.len() as u64);
        for ty in *types {
            put_str(&mut site, "");
            varint::put(&mut site, ty.len() as u64);
            site.extend_from_slice(ty);
        }
        site.extend_from_slice(&address(number).to_le_bytes());
        change(&mut site);
        frames::append(&mut file, 1, &site, 0);
    }
    frames::commit(&mut file);
    file
}

fn address(site: usize) -> u64 {
    0x5500_0000_1000 + 136 * site as u64
}

/// A ring file that `u` chooses, and how much of the log is committed.
pub fn hostile(u: &mut Unstructured<'_>) -> (Vec<u8>, u64) {
    let (mut file, mut committed) = (vec![0; HEADER_BYTES], 0);
    // Where the choices run out, what was made so far is the file.
    let _ = make(u, &mut file, &mut committed);
    (file, committed)
}

fn make(u: &mut Unstructured<'_>, file: &mut Vec<u8>, committed: &mut u64) -> Result<()> {
    let shift = u.int_in_range(4..=9)?;
    let claimed = if u.ratio(1, 20)? { u.int_in_range(0..=41)? } else { shift };
    let mode = if u.ratio(1, 4)? { RingMode::Overwriting } else { RingMode::Bounded };
    let purpose = if u.ratio(1, 4)? { Purpose::FlightRecorder } else { Purpose::Log };
    let identity = RingIdentity {
        capacity_words: 1 << claimed,
        mode,
        purpose,
        logger: LOGGER,
        clock_source: ClockSource::Custom,
        clock: Clock { rate: 1 << 32, ..Clock::default() },
        thread_name: "a \u{1b}thread".to_owned(),
        ..RingIdentity::default()
    };
    for offset in [0, 2048] {
        let copy = identity.to_copy();
        file[offset..offset + copy.len()].copy_from_slice(&copy);
    }
    let capacity = 1_u64 << shift;
    file.resize(HEADER_BYTES + 8 * capacity as usize, 0);
    let begin = if u.arbitrary()? { 0 } else { u.int_in_range(0..=4 * capacity)? };
    let mut tail = begin;
    while tail - begin < capacity {
        let room = (capacity - (tail - begin)).min(capacity - tail % capacity);
        let mut record = if u.ratio(1, 8)? { filler(room) } else { record(u)? };
        if record.len() as u64 > room {
            record = filler(room);
        }
        for word in &record {
            let at = HEADER_BYTES + 8 * (tail % capacity) as usize;
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
            tail += 1;
        }
        if u.ratio(1, 12)? {
            break;
        }
    }
    let mut put = |at: usize, words: &[u64]| {
        for (word, to) in words.iter().zip(file[at..].chunks_exact_mut(8)) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    };
    let block = capacity / 16;
    let reserved = (tail / block + 1) * block;
    put(SHARED_OFFSET, &[tail_at(tail), reserved]);
    put(SHARED_OFFSET + 384, &[begin]);
    *committed = u.int_in_range(0..=3)?;
    for index in 0..2 {
        let position = if u.ratio(1, 4)? { u.int_in_range(begin..=tail)? } else { begin };
        let account =
            RingAccount { position, records: 7, segment: 1, committed: u.int_in_range(0..=3)? };
        put(account_offset(index), &account.to_words());
    }
    if u.ratio(1, 4)? {
        let clock = hostile_clock(u)?;
        for offset in [0, 2048] {
            let copy = RingIdentity { clock, ..identity.clone() }.to_copy();
            file[offset..offset + copy.len()].copy_from_slice(&copy);
        }
    }
    for _ in 0..u.int_in_range(0..=4)? {
        let at = 8 * u.choose_index(file.len() / 8)?;
        let word = if u.arbitrary()? { u.arbitrary()? } else { u.int_in_range(0..=capacity)? };
        file[at..at + 8].copy_from_slice(&u64::to_le_bytes(word));
    }
    if u.ratio(1, 10)? {
        file.truncate(u.choose_index(file.len())?);
    }
    Ok(())
}

fn filler(words: u64) -> Vec<u64> {
    let mut filler = vec![0; words as usize];
    filler[0] = header(0, 8 * words as usize);
    filler
}

fn record(u: &mut Unstructured<'_>) -> Result<Vec<u64>> {
    let site = u.choose_index(SITES.len() + 1)?;
    let mut bytes = Vec::new();
    for ty in SITES.get(site).copied().unwrap_or(&[&[code::U32]]) {
        value(u, &mut &ty[..], &mut bytes)?;
    }
    if u.ratio(1, 8)? {
        bytes.truncate(u.int_in_range(0..=bytes.len())?);
    }
    let length = 16 + bytes.len();
    bytes.resize(bytes.len().next_multiple_of(8), 0xAA);
    let arguments =
        bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    Ok([header(address(site), length), u.arbitrary()?].into_iter().chain(arguments).collect())
}

/// A value of the type that `types` begins with, as it is in memory, or nearly.
fn value(u: &mut Unstructured<'_>, types: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    let Some((&code, rest)) = types.split_first() else { return Ok(()) };
    *types = rest;
    let bytes = match code {
        code::STR | code::TEXT => {
            let text =
                u.choose(&["", "text", "\u{202e}é\u{1b}[2J", "a longer text that is cut"])?;
            let cut = if u.ratio(1, 4)? { 1 << 15 } else { 0 };
            out.extend_from_slice(&(text.len() as u16 | cut).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        code::OPTION => {
            let is_some = u.int_in_range(0..=1)?;
            out.push(is_some);
            let mut nothing = Vec::new();
            return value(u, types, if is_some == 1 { out } else { &mut nothing });
        }
        code::SEQUENCE => {
            let count = u.int_in_range(0..=3_u16)?;
            out.extend_from_slice(&count.to_le_bytes());
            let element = *types;
            for _ in 0..count {
                *types = element;
                value(u, types, out)?;
            }
            if count == 0 {
                value(u, types, &mut Vec::new())?;
            }
            return Ok(());
        }
        code::TUPLE => {
            let Some((&members, rest)) = types.split_first() else { return Ok(()) };
            *types = rest;
            return (0..members).try_for_each(|_| value(u, types, out));
        }
        code::SOCKET_ADDR => {
            let version = *u.choose(&[4_u8, 6, 5])?;
            out.push(version);
            if version == 4 { 6 } else { 26 }
        }
        code::BOOL => {
            out.push(u.int_in_range(0..=2)?);
            0
        }
        code::CHAR => {
            out.extend_from_slice(&u32::to_le_bytes(*u.choose(&[65, 0x1B, 0xD800, 0x202E])?));
            0
        }
        code::DURATION => {
            out.extend_from_slice(u.bytes(8)?);
            out.extend_from_slice(&u.int_in_range(0..=1_000_000_000_u32)?.to_le_bytes());
            0
        }
        code::U8 => 1,
        code::U16 => 2,
        code::U32 => 4,
        code::I128 => 16,
        _ => 8,
    };
    out.extend_from_slice(u.bytes(bytes)?);
    Ok(())
}
