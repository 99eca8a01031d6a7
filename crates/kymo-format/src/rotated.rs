//! What a segment of a rotated log says of the segments before it: the payloads of
//! [`Kind::Continued`](super::frame::Kind::Continued) and [`Kind::Deleted`](super::frame::Kind::Deleted).

use crate::varint;

/// The totals of the segments that the logger finished before this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Continued {
    /// How many segments these are.
    pub segments: u64,
    /// How many records they have, the logger's own included.
    pub written: u64,
    /// How many records their marks count as dropped.
    pub dropped: u64,
    /// In how many of those written something was cut to fit.
    pub cut: u64,
    /// How many of those written are the logger's own: its warnings.
    pub own: u64,
}

/// Segments that were deleted, because the log had reached its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// When they were, in ticks.
    pub ticks: u64,
    /// The number of the first of them in the log.
    pub first: u64,
    /// The number of the last. Some between the two may have been missing before.
    pub last: u64,
    /// How many files were deleted.
    pub files: u64,
    /// How many bytes these took on the disk.
    pub bytes: u64,
}

impl Continued {
    /// Appends the payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        let Self { segments, written, dropped, cut, own } = *self;
        [segments, written, dropped, cut, own].into_iter().for_each(|it| varint::put(out, it));
    }

    /// Decodes the payload; `None` if it is too short. A later version may append to it.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let [segments, written, dropped, cut, own] = varints(payload)?;
        Some(Self { segments, written, dropped, cut, own })
    }
}

impl Deleted {
    /// Appends the payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        let Self { ticks, first, last, files, bytes } = *self;
        out.extend_from_slice(&ticks.to_le_bytes());
        [first, last, files, bytes].into_iter().for_each(|it| varint::put(out, it));
    }

    /// Decodes the payload; `None` if it is too short. A later version may append to it.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let (ticks, rest) = payload.split_first_chunk()?;
        let ticks = u64::from_le_bytes(*ticks);
        let [first, last, files, bytes] = varints(rest)?;
        Some(Self { ticks, first, last, files, bytes })
    }
}

fn varints<const N: usize>(mut payload: &[u8]) -> Option<[u64; N]> {
    let mut values = [0; N];
    for value in &mut values {
        let (found, len) = varint::get(payload)?;
        (*value, payload) = (found, &payload[len..]);
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_decoded() {
        let continued = Continued { segments: 1, written: 1 << 40, dropped: 0, cut: 7, own: 300 };
        let deleted = Deleted { ticks: u64::MAX, first: 1, last: 300, files: 299, bytes: 1 << 50 };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        continued.put(&mut first);
        deleted.put(&mut second);
        assert_eq!(Continued::from_payload(&first), Some(continued));
        assert_eq!(Deleted::from_payload(&second), Some(deleted));
        for cut in 0..first.len() {
            assert_eq!(Continued::from_payload(&first[..cut]), None);
        }
        for cut in 0..second.len() {
            assert_eq!(Deleted::from_payload(&second[..cut]), None);
        }
        first.push(0);
        second.push(0);
        assert_eq!(Continued::from_payload(&first), Some(continued));
        assert_eq!(Deleted::from_payload(&second), Some(deleted));
    }
}
