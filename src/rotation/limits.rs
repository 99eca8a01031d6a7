//! Keeps a log within its limits: at the start, at each rotation, each minute, and before a segment grows beyond what
//! was planned for it.
//!
//! The last of these is for the consumer. If the next segment is late, the current one goes on, and there is no time to
//! ask the housekeeper. So the consumer itself deletes what makes room, before it takes that. It may wait here for the
//! housekeeper, if that is deleting at this moment: both together would count a segment twice.

use std::io;
use std::path::Path;

use crate::clock::wall_ns;
use crate::derived::Owner;
use crate::format::rotated;
use crate::keep::{Keep, KeepError, Space};
use crate::process::allocate::UNIT_BYTES;
use crate::process::inside::Locked;
use crate::retention::{self, Situation};
use crate::segment::mapped::MakesRoom;
use crate::segments::LogName;
use crate::sync::statics::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// What the unclosed segment of a dead process may grow by: its index and its end.
const CLOSING_BYTES: u64 = (1 << 20) + UNIT_BYTES;

/// The limits of a log, and what they count.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) log: LogName,
    /// The log's id.
    pub(crate) id: [u8; 16],
    pub(crate) owner: Owner,
    pub(crate) keep: Keep,
    /// How many bytes a segment takes that is as long as it may be.
    pub(crate) full_bytes: u64,
    /// Closed segments are compressed.
    pub(crate) compresses: bool,
    /// Removes what the dead process of a segment has left elsewhere, and returns how many records so are lost.
    discard: fn(&Path) -> u64,
    /// How many segments of dead processes may be closed yet.
    unclosed: AtomicU64,
    /// Held by the thread that deletes.
    turn: Mutex<Spare>,
    /// What the consumer has done before segments grew, until it tells that.
    untold: Mutex<Retained>,
}

/// What is left of the limit since somebody deleted the last time.
#[derive(Debug, Default)]
struct Spare {
    bytes: u64,
    /// The segment that grew last, and up to how many bytes.
    grown: (u64, u64),
}

/// What was deleted.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    /// The segments, without the time.
    pub(crate) deleted: Vec<rotated::Deleted>,
    /// What could not be deleted, and why.
    pub(crate) failed: Vec<io::Error>,
    /// How many records went with rings of dead processes.
    pub(crate) discarded: u64,
    /// By how many bytes the log may exceed its limit nevertheless; 0 if it does not.
    pub(crate) excess_bytes: u64,
}

impl Limits {
    pub(crate) fn new(
        log: LogName,
        id: [u8; 16],
        owner: Owner,
        keep: Keep,
        full_bytes: u64,
        compresses: bool,
    ) -> Self {
        let (unclosed, turn, untold) = Default::default();
        let discard = |_: &Path| 0;
        Self { log, id, owner, keep, full_bytes, compresses, discard, unclosed, turn, untold }
    }

    /// Sets what removes that which the dead process of a segment has left elsewhere, before the segment is deleted.
    pub(crate) fn discarding(self, discard: fn(&Path) -> u64) -> Self {
        Self { discard, ..self }
    }

    /// Returns an error if the limits leave no room for the current segment and the one that is prepared.
    pub(crate) fn check(&self) -> Result<(), KeepError> {
        let needed = self.full_bytes.saturating_add(self.hidden_bytes());
        // A directory that cannot be asked is an error later.
        let space = Space::of(self.log.directory()).unwrap_or_default();
        self.keep.check_room(needed, space)
    }

    /// How many bytes hidden files may take: the segment that is prepared, and the one that is being compressed, which
    /// may become a little longer than it was.
    fn hidden_bytes(&self) -> u64 {
        match self.compresses {
            true => self.full_bytes.saturating_mul(2).saturating_add(self.full_bytes / 64),
            false => self.full_bytes,
        }
    }

    /// Says how many segments are going to be closed.
    pub(crate) fn set_unclosed(&self, segments: u64) {
        // Relaxed: the number alone counts.
        self.unclosed.store(segments, Ordering::Relaxed);
    }

    /// Deletes what the limits delete now. `first_kept`: the number of the current segment. `bytes`: how many it may
    /// take before anybody looks again.
    pub(crate) fn retain(&self, first_kept: u64, bytes: u64) -> Retained {
        let mut spare = self.turn();
        self.retain_in_turn(&mut spare, first_kept, bytes)
    }

    /// The consumer takes it, too. So the other threads of the logger must not wait for the consumer meanwhile, as a
    /// log call of the program's allocator may.
    fn turn(&self) -> Locked<MutexGuard<'_, Spare>> {
        Locked::by(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn retain_in_turn(&self, spare: &mut Spare, first_kept: u64, bytes: u64) -> Retained {
        spare.bytes = 0;
        // Relaxed: as above.
        let closing = self.unclosed.load(Ordering::Relaxed).saturating_mul(CLOSING_BYTES);
        let found = Space::of(self.log.directory()).and_then(|space| {
            let now = Situation {
                now_ns: wall_ns(),
                first_kept,
                kept_bytes: bytes,
                other_bytes: self.hidden_bytes().saturating_add(closing),
                space,
            };
            retention::enforce(&self.log, self.id, self.owner, &self.keep, &now, &self.discard)
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => return Retained { failed: vec![error], ..Retained::default() },
        };
        (spare.bytes, spare.grown) = (found.spare_bytes, (first_kept, bytes));
        let failed = found.errors.into_iter().map(|(path, error)| {
            let text = format!("{}: not deleted: {error}", path.display());
            io::Error::new(error.kind(), text)
        });
        let deleted = found.sequences.map(|(first, last)| {
            let (files, bytes) = (found.names.len() as u64, found.bytes);
            rotated::Deleted { ticks: 0, first, last, files, bytes }
        });
        Retained {
            deleted: deleted.into_iter().collect(),
            failed: failed.collect(),
            discarded: found.discarded,
            excess_bytes: found.excess_bytes,
        }
    }

    /// Takes what the consumer has deleted by itself.
    pub(crate) fn take_untold(&self) -> Retained {
        std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MakesRoom for Limits {
    fn make_room(&self, sequence: u64, bytes: u64) {
        if bytes <= self.full_bytes {
            // It counts as full from the beginning.
            return;
        }
        let mut spare = self.turn();
        let (grown, before) = spare.grown;
        let before = if grown == sequence { before.max(self.full_bytes) } else { self.full_bytes };
        let more = bytes.saturating_sub(before);
        if more <= spare.bytes {
            spare.bytes -= more;
            spare.grown = (sequence, bytes.max(before));
            return;
        }
        let mut made = self.retain_in_turn(&mut spare, sequence, bytes);
        drop(spare);
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.deleted.append(&mut made.deleted);
        untold.failed.append(&mut made.failed);
        untold.discarded += made.discarded;
        untold.excess_bytes = made.excess_bytes;
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::segment::mapped::{Making, MappedFile};
    use crate::segment::{Identity, LogOutput, Output, create_temporary};
    use kymo_testing::segment::Segment;

    const FULL_BYTES: u64 = 4 * UNIT_BYTES;
    const CLOSED: u64 = 8;

    /// What all files of the directory take.
    fn taken(directory: &Path) -> u64 {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| {
                let metadata = entry.unwrap().metadata().unwrap();
                metadata.len().max(crate::segments::disk_bytes(&metadata))
            })
            .sum()
    }

    /// The next segment never comes, and the current one grows far beyond its size. The limit holds before and after
    /// each write, as long as there is something to delete. Then nothing is lost, and it is said.
    #[test]
    fn the_limit_holds_without_a_housekeeper() {
        let directory = tempfile::tempdir().unwrap();
        let names = LogName::new(&directory.path().join("app.kymo"));
        let header = Segment::log_header(9, 1);
        for sequence in 1..=CLOSED {
            let mut segment = Segment::of_log(9, sequence);
            segment.frame(77, &vec![1; FULL_BYTES as usize - 8_000]).close();
            fs::write(names.segment(sequence as i64, sequence), &segment.bytes).unwrap();
        }
        // The closed ones, the current one, and the one that is prepared.
        let most = (CLOSED + 2) * FULL_BYTES;
        let owner = Owner::of(&directory.path().metadata().unwrap());
        let keep = Keep::bytes(most);
        let limits = Limits::new(names.clone(), header.log, owner, keep, FULL_BYTES, false);
        let limits = Arc::new(limits);
        limits.check().unwrap();
        let making = Making {
            most_bytes: FULL_BYTES,
            room: Some(limits.clone()),
            ..Making::of_tests(FULL_BYTES)
        };
        let temporary = directory.path().join(".app.kymo.1.next");
        let (file, temporary) = create_temporary(&temporary, 0o600).unwrap();
        let mut current = MappedFile::ahead(file, temporary.clone(), making).unwrap();
        let path = names.segment(CLOSED as i64 + 1, CLOSED + 1);
        let identity = Identity {
            path: &path,
            log: header.log,
            previous: header.segment,
            sequence: CLOSED + 1,
            opened_ns: 0,
            run: 1,
        };
        current.take_name(&identity).unwrap();
        let _ = fs::remove_file(temporary);

        let (mut deleted, mut excess) = (0, 0);
        while current.len() < 2 * most {
            // Odd, and now and then more than a step at once.
            let bytes = if deleted == 3 { 300_000 } else { 10_007 };
            current.append(&vec![7; bytes]).unwrap();
            current.commit().unwrap();
            let found = limits.take_untold();
            assert!(found.failed.is_empty(), "{found:?}");
            deleted += found.deleted.iter().map(|it| it.last - it.first + 1).sum::<u64>();
            excess = excess.max(found.excess_bytes);
            let taken = taken(directory.path());
            let may_exceed = deleted == CLOSED && excess > 0;
            assert!(taken <= most || may_exceed, "{taken} of {most}, {deleted} deleted");
        }
        assert_eq!(deleted, CLOSED, "all but the current one");
        assert!(excess >= most, "{excess}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// Segments of dead processes get an index and an end: room for that is kept until it is done.
    #[test]
    fn what_is_closed_yet_counts() {
        let directory = tempfile::tempdir().unwrap();
        let names = LogName::new(&directory.path().join("app.kymo"));
        let mut segment = Segment::of_log(9, 1);
        segment.frame(77, &[1; 100_000]).close();
        fs::write(names.segment(1, 1), &segment.bytes).unwrap();
        let owner = Owner::of(&directory.path().metadata().unwrap());
        let log = Segment::log_header(9, 1).log;
        let keep = Keep::bytes(3 * FULL_BYTES);
        let limits = Limits::new(names, log, owner, keep, FULL_BYTES, false);
        assert!(limits.retain(2, FULL_BYTES).deleted.is_empty());
        limits.set_unclosed(1);
        assert_eq!(limits.retain(2, FULL_BYTES).deleted.len(), 1);
    }
}
