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

/// What a file may take besides its bytes: the blocks in which the file system notes where those are.
const NOTES_BYTES: u64 = UNIT_BYTES;

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
    /// What was done while the logger ran, until the consumer tells that.
    untold: Mutex<Retained>,
}

/// What is left of the limit since somebody deleted the last time.
#[derive(Debug, Default)]
struct Spare {
    bytes: u64,
    /// The segment that grew last, and up to how many bytes.
    grown: (u64, u64),
    /// The greatest number of a segment that was deleted.
    deleted: u64,
    /// The log gets its end: the housekeeper deletes nothing any more.
    has_ended: bool,
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
        let full_bytes = full_bytes.saturating_add(NOTES_BYTES);
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
        // The current one, and the one that is prepared.
        self.keep.check_files(2)?;
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

    /// Deletes what the limits delete now, for the housekeeper. The consumer takes what is to be told.
    pub(crate) fn look(&self, first_kept: u64) {
        let mut spare = self.turn();
        if !spare.has_ended {
            let retained = self.retain_in_turn(&mut spare, first_kept, self.full_bytes);
            self.untold().add(retained);
        }
    }

    /// The log gets its end: waits for a deletion that goes on, and ends them. So the end comes after the marks of all
    /// that was deleted. The limits hold without it, because the segment that was prepared counted as the current one.
    pub(crate) fn end(&self) {
        self.turn().has_ended = true;
    }

    /// Runs this while nobody deletes.
    #[cfg(feature = "compress")]
    pub(crate) fn in_turn(&self, change: &mut dyn FnMut()) {
        let _turn = self.turn();
        change();
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
                other_files: 1,
                space,
            };
            retention::enforce(&self.log, self.id, self.owner, &self.keep, &now, &self.discard)
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => return Retained { failed: vec![error], ..Retained::default() },
        };
        (spare.bytes, spare.grown) = (found.spare_bytes, (first_kept, bytes));
        if let Some((_, last)) = found.sequences {
            spare.deleted = spare.deleted.max(last);
        }
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

    /// Takes what was deleted and is not told yet.
    pub(crate) fn take_untold(&self) -> Retained {
        std::mem::take(&mut *self.untold())
    }

    fn untold(&self) -> Locked<MutexGuard<'_, Retained>> {
        Locked::by(|| self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MakesRoom for Limits {
    fn make_room(&self, sequence: u64, bytes: u64) {
        let bytes = bytes.saturating_add(NOTES_BYTES);
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
        // In the turn, so that the deletions are told in their order.
        let made = self.retain_in_turn(&mut spare, sequence, bytes);
        self.untold().add(made);
    }

    fn has_deleted(&self, sequence: u64) -> bool {
        sequence <= self.turn().deleted
    }
}

impl Retained {
    fn add(&mut self, mut other: Self) {
        self.deleted.append(&mut other.deleted);
        self.failed.append(&mut other.failed);
        self.discarded += other.discarded;
        self.excess_bytes = self.excess_bytes.max(other.excess_bytes);
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

    /// The housekeeper is late, and the consumer has deleted a segment that is not closed yet. Nobody else has done it.
    #[test]
    fn a_segment_may_go_before_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let names = LogName::new(&directory.path().join("app.kymo"));
        let owner = Owner::of(&directory.path().metadata().unwrap());
        let log = Segment::log_header(9, 1).log;
        let keep = Keep::unlimited().files(2);
        let limits = Limits::new(names.clone(), log, owner, keep, FULL_BYTES, false);
        let limits = Arc::new(limits);
        let room = || Making { room: Some(limits.clone()), ..Making::of_tests(FULL_BYTES) };
        let mut segments: Vec<MappedFile> = [1, 2]
            .map(|sequence| {
                let temporary = directory.path().join(".app.kymo.1.next");
                let (file, temporary) = create_temporary(&temporary, 0o600).unwrap();
                let mut made = MappedFile::ahead(file, temporary.clone(), room()).unwrap();
                let path = names.segment(sequence as i64, sequence);
                let (path, previous) = (&path, [0; 16]);
                let identity = Identity { path, log, previous, sequence, opened_ns: 0, run: 1 };
                made.take_name(&identity).unwrap();
                let _ = fs::remove_file(temporary);
                made
            })
            .into();
        limits.look(2);
        assert_eq!(limits.take_untold().deleted.len(), 1);
        segments[0].close().unwrap();
        // Somebody else has deleted the other.
        fs::remove_file(names.segment(2, 2)).unwrap();
        let error = segments[1].close().unwrap_err();
        assert!(error.to_string().contains("somebody else"), "{error}");
        // The log gets its end.
        limits.end();
        limits.look(3);
        assert!(limits.take_untold().deleted.is_empty());
    }
}
