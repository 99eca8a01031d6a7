//! Notices: what the consumer has to tell the program while it works.
//!
//! In: the counters and rings, looked at every ten milliseconds, which costs the sweeps in between
//! nothing. Out: calls of the program's hook, and kymo's own warnings in the log.

use std::fmt::{self, Write};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::drop_reason::DropReason;
use crate::filter::setting::{Commanded, WrongDirective};
use crate::filter::{Filter, ParseFilterError};
use crate::format::escaped::Escaped;
use crate::format::rotated::Deleted;
use crate::process::thread_info::ThreadInfo;
use crate::ring::WORD_BYTES;
use crate::rotation::predecessors::Unclosed;
use crate::segment::LogOutput;
use crate::segment::crash_proof::{CrashProof, RingRoom};
use crate::segment::drop_counts::DropCounts;
use crate::shared::Shared;
use crate::statement::call_site::CallSite;
use crate::statement::rate;
use crate::sync::Arc;

/// Something about the logger that its program may want to know: see
/// [`Builder::on_notice`](crate::Builder::on_notice).
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A ring was found as full as [`Builder::high_water`](crate::Builder::high_water) says. Told
    /// once. It is told again if the ring was less than half as full in between.
    HighWater {
        /// The thread's name, empty if it has none.
        thread: &'a str,
        /// The operating system's id of the thread.
        os_id: u64,
        /// How many bytes were found in the ring.
        used: usize,
        /// The ring's capacity in bytes.
        capacity: usize,
    },
    /// Records were dropped. Told at most once a second. The marks in the file say the rest.
    Dropped {
        /// How many since the last notice of this kind.
        records: u64,
    },
    /// The output could not be written.
    OutputFailed {
        /// Why the attempt failed.
        error: &'a io::Error,
    },
    /// The output can be written again.
    OutputRecovered {
        /// How many records were lost meanwhile.
        lost: u64,
    },
    /// The log could not be brought to the disk: records that are in the file may not survive a power failure. See
    /// [`Builder::durability`](crate::Builder::durability). Told once a second at most.
    SyncFailed {
        /// Why.
        error: &'a io::Error,
    },
    /// A thread's ring, or a statement, could not be put into a file. Its records do not survive a
    /// `SIGKILL`: see [`Builder::crash_proof`](crate::Builder::crash_proof). Told at most once a
    /// second.
    RingFileFailed {
        /// How many rings and statements since the last notice of this kind.
        count: u64,
        /// Why the last of these attempts failed.
        error: &'a io::Error,
    },
    /// The directory of the rings has room for the rings of only a few threads. Further threads get
    /// rings in memory, whose records do not survive a `SIGKILL`: see
    /// [`Builder::crash_proof`](crate::Builder::crash_proof). Told once, after the start.
    FewRingsFit {
        /// How many threads the room is enough for.
        threads: u64,
        /// How many bytes the rings of a thread take.
        bytes_per_thread: u64,
        /// The directory.
        directory: &'a Path,
    },
    /// There was no memory for a thread's rings, so records were not logged.
    /// [`unlogged`](crate::unlogged) counts them. Told at most once a second.
    NoMemory {
        /// How many records since the last notice of this kind.
        records: u64,
    },
    /// The log cannot be rotated, because the next segment could not be made: the current one goes on, past its limits.
    /// Told once, until there is another segment.
    RotationFailed {
        /// Why.
        error: &'a io::Error,
    },
    /// Old segments were deleted, because the log had reached its limits. A mark in the log says so, too; there is no
    /// warning.
    SegmentsDeleted {
        /// The number of the first of them.
        first: u64,
        /// The number of the last of them.
        last: u64,
        /// How many bytes they took on the disk.
        bytes: u64,
    },
    /// The log may take more bytes than its limit ([`Builder::keep`](crate::Builder::keep)), because nothing more can
    /// be deleted: the next segment is late, and the current one grows, or files could not be deleted. No record is
    /// lost by that. Told once, until there is another segment.
    LimitExceeded {
        /// By how many bytes.
        bytes: u64,
    },
    /// A segment of a dead process was not closed, and stays as it is: it has no index and no end. Told once for each
    /// such segment, after the start.
    SegmentUnclosed {
        /// The segment.
        segment: &'a Path,
        /// The reason. [`io::ErrorKind::ResourceBusy`]: its process has left rings, and a recovery closes it.
        error: &'a io::Error,
    },
    /// Nobody has chosen how much of a rotated log is kept: see [`Builder::keep`](crate::Builder::keep). Told once,
    /// after the start.
    DefaultLimits {
        /// How many bytes the log may take.
        bytes: u64,
    },
    /// The file system of the log cannot map files, or cannot allocate blocks for them (some FUSE file systems, NFS).
    /// The log is written by system calls, which takes the consumer more time. Nothing else is different. Told once,
    /// after the start.
    NotMapped {
        /// What the file system said.
        error: &'a io::Error,
    },
    /// The file system of a rotated log has no symbolic links, so that no link leads to the current segment. Commands
    /// find the segments by the path of the log nevertheless. Told once, after the start.
    NoLink {
        /// What the file system said.
        error: &'a io::Error,
    },
    /// The log was overwritten ([`Builder::overwrite`](crate::Builder::overwrite)), or a segment was deleted
    /// ([`Builder::keep`](crate::Builder::keep)), while the rings of its dead process still held records. They are
    /// gone, too.
    RecordsDiscarded {
        /// How many records they held.
        records: u64,
    },
    /// A directive in the environment is wrong, and was left out of the filter: see
    /// [`Builder::filter_env`](crate::Builder::filter_env). Told once for each, after the start.
    DirectiveIgnored {
        /// The name of the variable.
        variable: &'a str,
        /// What is wrong.
        error: &'a ParseFilterError,
    },
    /// Somebody outside the program has set the filter, by `kymo ctl LOG filter`; or the time of such a filter is over,
    /// and the one before is in force again. See `Builder::control`.
    FilterCommanded {
        /// The filter that is in force.
        filter: &'a Filter,
        /// For how long, if that is limited.
        duration: Option<Duration>,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match self {
            Self::HighWater { thread, os_id, used, capacity } => {
                write!(
                    f,
                    "the ring of thread {thread:?} ({os_id}) holds {used} of {capacity} bytes"
                )
            }
            Self::Dropped { records } => write!(f, "{records} records were dropped"),
            Self::OutputFailed { error } => write!(f, "the log cannot be written: {error}"),
            Self::OutputRecovered { lost } => {
                write!(f, "the log can be written again: {lost} records are lost")
            }
            Self::SyncFailed { error } => {
                write!(f, "the log could not be brought to the disk: {error}")
            }
            Self::RingFileFailed { count, error } => {
                write!(f, "{count} rings or statements are not safe from SIGKILL: {error}")
            }
            Self::FewRingsFit { threads, bytes_per_thread, directory } => write!(
                f,
                "{} has room for the rings of {threads} threads, of {bytes_per_thread} bytes each: \
                 more threads are not safe from SIGKILL",
                directory.display()
            ),
            Self::NoMemory { records } => {
                write!(f, "{records} records were not logged: there was no memory for rings")
            }
            Self::RotationFailed { error } => {
                write!(f, "the log cannot be rotated, and goes on in its segment: {error}")
            }
            Self::SegmentsDeleted { first, last, bytes } => {
                write!(f, "segments {first} to {last} of the log were deleted, {bytes} bytes")
            }
            Self::LimitExceeded { bytes } => {
                write!(
                    f,
                    "the log may exceed its limit by {bytes} bytes: nothing more can be deleted"
                )
            }
            Self::SegmentUnclosed { segment, error } => {
                write!(
                    f,
                    "{}: the segment of a dead process was not closed: {error}",
                    segment.display()
                )
            }
            Self::DefaultLimits { bytes } => write!(
                f,
                "the log keeps its last {bytes} bytes, and 5 % of the file system free: choose \
                 other limits with `keep`"
            ),
            Self::NotMapped { error } => write!(
                f,
                "the file system cannot map or allocate files, so that the log is written by system calls: {error}"
            ),
            Self::NoLink { error } => {
                write!(f, "no link leads to the current segment: the file system has none: {error}")
            }
            Self::RecordsDiscarded { records } => write!(
                f,
                "the log of a killed process was written over or deleted, and {records} records in its \
                 rings were discarded"
            ),
            Self::DirectiveIgnored { variable, error } => {
                write!(f, "{variable}: a directive was left out: {error}")
            }
            Self::FilterCommanded { filter, duration: None } => {
                write!(f, "the filter is now {filter}, by command")
            }
            Self::FilterCommanded { filter, duration: Some(duration) } => {
                write!(f, "the filter is now {filter} for {duration:?}, by command")
            }
        }
    }
}

/// The program's hook for notices.
pub(crate) type Hook = Arc<dyn Fn(&Notice<'_>) + Send + Sync>;

/// What the logger itself says in the log.
pub(crate) enum OwnRecord<'a> {
    Notice(&'a Notice<'a>),
    /// So many records of a statement were suppressed, and no record of it says so.
    Suppressed(&'static CallSite, u64),
}

/// Writes a record of the logger itself into the log.
pub(crate) type OwnRecords = Box<dyn FnMut(OwnRecord<'_>, &Arc<Shared>) + Send>;

/// How many statements are looked after at a time that have suppressed records.
const MOST_SUPPRESSED: usize = 64;

/// The time between two looks, in nanoseconds.
const INTERVAL_NS: u64 = 10_000_000;

/// The least time between two notices of drops, in nanoseconds.
const DROPS_INTERVAL_NS: u64 = 1_000_000_000;

/// The time between two looks at what was suppressed, in nanoseconds.
const SUPPRESSED_INTERVAL_NS: u64 = 1_000_000_000;

/// Looks at what the consumer does.
pub(crate) struct Watch {
    hook: Option<Hook>,
    /// The share of a ring's capacity that is its high-water mark.
    share: f64,
    log: OwnRecords,
    next_ns: u64,
    next_drops_ns: u64,
    next_suppressed_ns: u64,
    /// How many drops have been told.
    dropped: u64,
    next_ring_files_ns: u64,
    /// How many failures of ring files have been told.
    ring_file_errors: u64,
    next_no_memory_ns: u64,
    /// Whether the notice about few rings has been given, or is not needed.
    told_room: bool,
    /// How many rings without memory have been told.
    ring_errors: u64,
    /// How many records in rings were discarded with their logs, until that is told.
    discarded: u64,
}

impl Watch {
    pub(crate) fn new(hook: Option<Hook>, log: OwnRecords, share: f64, discarded: u64) -> Self {
        Self {
            hook,
            share,
            log,
            next_ns: 0,
            next_drops_ns: 0,
            next_suppressed_ns: 0,
            dropped: 0,
            next_ring_files_ns: 0,
            ring_file_errors: 0,
            next_no_memory_ns: 0,
            ring_errors: 0,
            told_room: false,
            discarded,
        }
    }

    /// So many more records in rings were discarded with their logs.
    pub(super) fn note_discarded(&mut self, records: u64) {
        self.discarded += records;
    }

    /// The log has ended: only the hook can still be told what was deleted, and how many records were discarded.
    pub(super) fn tell_last(&mut self, deleted: &[Deleted], discarded: u64) {
        for Deleted { first, last, bytes, .. } in deleted {
            self.tell_hook(&Notice::SegmentsDeleted { first: *first, last: *last, bytes: *bytes });
        }
        let records = discarded + std::mem::take(&mut self.discarded);
        if records > 0 {
            self.tell_hook(&Notice::RecordsDiscarded { records });
        }
    }

    /// Gives a notice to the hook and to the log.
    fn tell(&mut self, notice: &Notice<'_>, shared: &Arc<Shared>) {
        (self.log)(OwnRecord::Notice(notice), shared);
        self.tell_hook(notice);
    }

    /// Says how many records of silent statements were suppressed. Returns whether more is to be said.
    fn tell_suppressed(&mut self, now_ns: u64, shared: &Arc<Shared>) -> bool {
        let allows = |site: &CallSite| shared.filter.allows(site.level, site.location.target);
        let tell = |site, records| (self.log)(OwnRecord::Suppressed(site, records), shared);
        rate::outstanding(now_ns, MOST_SUPPRESSED, allows, tell)
    }

    /// Gives a notice to the hook alone.
    fn tell_hook(&mut self, notice: &Notice<'_>) {
        let told = self.hook.as_ref().map(|hook| catch_unwind(AssertUnwindSafe(|| hook(notice))));
        if matches!(told, Some(Err(_))) {
            // The hook is not called again. The panic hook has reported its panic.
            self.hook = None;
        }
    }
}

impl<O: LogOutput> Consumer<O> {
    /// Lets a watch look at what the consumer does.
    pub(crate) fn set_watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Looks, if it is time to.
    #[inline]
    pub(crate) fn look(&mut self, now_ns: u64) {
        if self.watch.as_ref().is_some_and(|watch| now_ns >= watch.next_ns) {
            self.look_now(now_ns);
        }
    }

    /// Looks, and gives the notices that are due.
    #[cold]
    pub(crate) fn look_now(&mut self, now_ns: u64) {
        self.shared.filter.look(now_ns);
        for log in 0..self.logs.len() {
            self.hear_housekeeper(log);
        }
        self.look_after_followers();
        // Taken out, so that it can look at the rest.
        let Some(mut watch) = self.watch.take() else { return };
        watch.next_ns = now_ns.saturating_add(INTERVAL_NS);
        for lane in &mut self.lanes {
            if let Some(used) = lane.passed_high_water(watch.share) {
                let ThreadInfo { name, os_id } = &lane.state.thread;
                let (used, capacity) = (used * WORD_BYTES, lane.state.ring_words * WORD_BYTES);
                let notice = Notice::HighWater { thread: name, os_id: *os_id, used, capacity };
                watch.tell(&notice, &self.shared);
            }
        }
        // The program's own records. (Dropped warnings of kymo are no news.)
        let dropped_of = |log| self.totals(log).dropped - self.own_totals(log).dropped;
        let dropped = (0..self.logs.len()).map(dropped_of).sum::<u64>();
        if dropped > watch.dropped && now_ns >= watch.next_drops_ns {
            watch.next_drops_ns = now_ns.saturating_add(DROPS_INTERVAL_NS);
            let records = dropped - watch.dropped;
            watch.dropped = dropped;
            watch.tell(&Notice::Dropped { records }, &self.shared);
        }
        for log in 0..self.logs.len() {
            self.look_at_log(log, &mut watch, now_ns);
        }
        if watch.discarded > 0 {
            let records = std::mem::take(&mut watch.discarded);
            watch.tell(&Notice::RecordsDiscarded { records }, &self.shared);
        }
        for WrongDirective { variable, error } in self.shared.filter.take_wrong() {
            let notice = Notice::DirectiveIgnored { variable: &variable, error: &error };
            watch.tell(&notice, &self.shared);
        }
        for Commanded { filter, duration } in self.shared.filter.take_commanded() {
            watch.tell(&Notice::FilterCommanded { filter: &filter, duration }, &self.shared);
        }
        if !std::mem::replace(&mut watch.told_room, true)
            && let Some(crash_proof) = self.shared.crash_proof()
            && let Some(RingRoom { threads, bytes_per_thread }) = crash_proof.scarce_room()
        {
            let directory = &crash_proof.place().directory;
            let notice = Notice::FewRingsFit { threads, bytes_per_thread, directory };
            watch.tell(&notice, &self.shared);
        }
        let errors = self.shared.counters.ring_errors.get();
        if errors > watch.ring_errors && now_ns >= watch.next_no_memory_ns {
            watch.next_no_memory_ns = now_ns.saturating_add(DROPS_INTERVAL_NS);
            let records = errors - std::mem::replace(&mut watch.ring_errors, errors);
            watch.tell(&Notice::NoMemory { records }, &self.shared);
        }
        let errors = self.shared.counters.ring_file_errors.get();
        if errors > watch.ring_file_errors
            && now_ns >= watch.next_ring_files_ns
            && let Some(error) = self.shared.crash_proof().and_then(CrashProof::take_error)
        {
            watch.next_ring_files_ns = now_ns.saturating_add(DROPS_INTERVAL_NS);
            let count = errors - std::mem::replace(&mut watch.ring_file_errors, errors);
            watch.tell(&Notice::RingFileFailed { count, error: &error }, &self.shared);
        }
        if now_ns >= watch.next_suppressed_ns {
            watch.next_suppressed_ns = match watch.tell_suppressed(now_ns, &self.shared) {
                true => now_ns,
                false => now_ns.saturating_add(SUPPRESSED_INTERVAL_NS),
            };
        }
        self.watch = Some(watch);
    }

    /// Gives the notices that are due about one log.
    fn look_at_log(&mut self, index: usize, watch: &mut Watch, now_ns: u64) {
        let lost = self.lost(index);
        let (shared, log) = (&self.shared, &mut self.logs[index]);
        if let Some((error, lost_before)) = log.untold.take()
            && log.told_failing.is_none()
        {
            log.told_failing = Some(lost_before);
            watch.tell(&Notice::OutputFailed { error: &error }, shared);
        }
        if !log.failing
            && let Some(before) = log.told_failing.take()
        {
            watch.tell(&Notice::OutputRecovered { lost: lost - before }, shared);
        }
        if !std::mem::replace(&mut log.told_unmapped, true)
            && let Some(error) = log.writer.output().unmapped()
        {
            watch.tell(&Notice::NotMapped { error }, shared);
        }
        let errors = shared.counters_of(index).sync_errors.get();
        if errors > log.told_sync_errors
            && now_ns >= log.next_sync_ns
            && let Some(error) = shared.disk_of(index).take_error()
        {
            log.next_sync_ns = now_ns.saturating_add(DROPS_INTERVAL_NS);
            log.told_sync_errors = errors;
            let error = shared.of_log(index, error);
            watch.tell(&Notice::SyncFailed { error: &error }, shared);
        }
        let Some(rotating) = &mut log.rotating else { return };
        if let Some(error) = rotating.take_untold() {
            watch.tell(&Notice::RotationFailed { error: &error }, shared);
        }
        if let Some(bytes) = rotating.default_bytes.take() {
            watch.tell(&Notice::DefaultLimits { bytes }, shared);
        }
        for Deleted { first, last, bytes, .. } in std::mem::take(&mut rotating.deleted) {
            watch.tell_hook(&Notice::SegmentsDeleted { first, last, bytes });
        }
        if let Some(bytes) = rotating.excess_bytes.take() {
            watch.tell(&Notice::LimitExceeded { bytes }, shared);
        }
        for Unclosed { path, error } in std::mem::take(&mut rotating.unclosed) {
            watch.tell(&Notice::SegmentUnclosed { segment: &path, error: &error }, shared);
        }
        if let Some(error) = rotating.no_link.take() {
            watch.tell(&Notice::NoLink { error: &error }, shared);
        }
    }

    /// Says how many records of all statements were suppressed that no record has told. Returns whether more is to be
    /// said, after a sweep.
    pub(super) fn tell_suppressed(&mut self) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        watch.tell_suppressed(u64::MAX, &self.shared)
    }

    /// How many records of the program a log has lost to failures of its output so far.
    pub(crate) fn lost(&self, log: usize) -> u64 {
        let lost = |drops: &DropCounts| {
            let by_output = [DropReason::OutputFailed, DropReason::FileRemoved];
            let drops = drops.iter().filter(|(reason, ..)| by_output.contains(reason));
            drops.map(|(.., count)| count).sum::<u64>()
        };
        let lanes = self.lanes.iter().filter(|lane| !lane.state.is_own);
        let of_lanes = lanes.map(|lane| lost(&lane.logs[log].drops())).sum::<u64>();
        let log = &self.logs[log];
        log.earlier.lost + lost(&log.ended.drops) + of_lanes
    }
}
