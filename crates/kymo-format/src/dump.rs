//! The marks around what a dump of the flight recorder wrote of one thread: the payloads of
//! [`Kind::Dump`](super::frame::Kind::Dump) and [`Kind::DumpEnd`](super::frame::Kind::DumpEnd).

use crate::varint;

/// Why a flight recorder was dumped, and what a mark says of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The number of the thread.
    pub thread: u64,
    /// The code of the reason: [`RECORD`], [`CALL`], [`SIGNAL`], [`RECOVERY`].
    pub reason: u8,
    /// Of a record its level, of a signal its number, else 0.
    pub detail: u8,
    /// The least ticks of the records.
    pub oldest: u64,
    /// The greatest.
    pub newest: u64,
    /// The time of the oldest record, in nanoseconds since the epoch.
    pub oldest_ns: i64,
    /// That of the newest.
    pub newest_ns: i64,
    /// When the dump was made.
    pub time_ns: i64,
    /// How many records follow, if all could be written.
    pub records: u64,
    /// How many records of the thread's recorder were overwritten since the last dump.
    pub overwritten: u64,
    /// The offset of the dump mark before this one; 0 if there is none.
    pub previous: u64,
}

/// A record of some level was logged.
pub const RECORD: u8 = 1;

/// The program asked for it.
pub const CALL: u8 = 2;

/// The process received a fatal signal.
pub const SIGNAL: u8 = 3;

/// What a process left was recovered.
pub const RECOVERY: u8 = 4;

/// The offset of `previous` in the payload. It is first, so that it can be changed when a frame is
/// copied to another place.
pub const PREVIOUS_OFFSET: usize = 0;

impl Dump {
    /// Appends the payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        for word in [self.previous, self.oldest, self.newest] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for time_ns in [self.oldest_ns, self.newest_ns, self.time_ns] {
            out.extend_from_slice(&time_ns.to_le_bytes());
        }
        out.extend([self.reason, self.detail]);
        for value in [self.thread, self.records, self.overwritten] {
            varint::put(out, value);
        }
    }

    /// Decodes the payload; `None` if it is too short. A later version may append to it.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let (words, rest) = payload.split_at_checked(48)?;
        let word = |index: usize| {
            u64::from_le_bytes(words[8 * index..8 * index + 8].try_into().unwrap_or_default())
        };
        let (&[reason, detail], mut rest) = rest.split_first_chunk()?;
        let mut take = || {
            let (value, len) = varint::get(rest)?;
            rest = &rest[len..];
            Some(value)
        };
        Some(Self {
            previous: word(0),
            oldest: word(1),
            newest: word(2),
            oldest_ns: word(3) as i64,
            newest_ns: word(4) as i64,
            time_ns: word(5) as i64,
            reason,
            detail,
            thread: take()?,
            records: take()?,
            overwritten: take()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_decoded() {
        let dump = Dump {
            thread: 300,
            reason: SIGNAL,
            detail: 11,
            oldest: 5,
            newest: u64::MAX,
            oldest_ns: -5,
            newest_ns: i64::MAX,
            time_ns: 1 << 40,
            records: 1 << 20,
            overwritten: 7,
            previous: 4096,
        };
        let mut payload = Vec::new();
        dump.put(&mut payload);
        assert_eq!(Dump::from_payload(&payload), Some(dump));
        assert_eq!(payload[PREVIOUS_OFFSET..][..8], 4096_u64.to_le_bytes());
        for cut in 0..payload.len() {
            assert_eq!(Dump::from_payload(&payload[..cut]), None);
        }
        payload.push(0);
        assert_eq!(Dump::from_payload(&payload), Some(dump));
    }
}
