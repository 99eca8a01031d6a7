//! The numbers of a running logger.
//!
//! The consumer counts what it has written, and failed to write, in the state of each ring. It
//! counts its own work in [`Counters`]. Each thread counts its drops. Reading all of this stops no
//! thread: the counters are atomic. The list of threads has a lock. It is taken only when a thread
//! gets its ring, when it has ended, and when the list is read.

use std::path::PathBuf;
use std::time::Duration;

use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::process::inside::Locked;
use crate::segment::drop_counts::DropCounts;
use crate::shared::routes::MAIN;
use crate::shared::state::RingState;
use crate::shared::tally::{SinkTally, Tally};
use crate::statement::rate;
use crate::sync::Arc;
use crate::sync::statics::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// What a running logger has done so far: see [`Logger::stats`](crate::Logger::stats).
///
/// A record counts when the consumer has written it, or when it was dropped. Records in the rings
/// do not count yet. So after a [`flush`](crate::flush) the numbers of the calling thread are
/// exact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The threads that have a ring.
    pub threads: Vec<ThreadStats>,
    /// What became of the records of all threads, including those that have ended.
    pub total: Account,
    /// The logs that routes lead to: see [`Builder::route`](crate::Builder::route). All other numbers are of the log at
    /// the logger's path, unless they say otherwise.
    pub logs: Vec<LogStats>,
    /// The number of sweeps over all rings.
    pub sweeps: u64,
    /// How long the consumer has worked: its running time without the pauses between sweeps.
    pub busy: Duration,
    /// How long the consumer has run.
    pub running: Duration,
    /// The age of the oldest record of the last sweep when it was written.
    pub lag: Duration,
    /// The largest lag so far.
    pub max_lag: Duration,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// The number of sweeps that could not be written.
    pub output_errors: u64,
    /// The number of failures to write the file to the disk: see
    /// [`Builder::durability`](crate::Builder::durability).
    pub sync_errors: u64,
    /// The time of the last sync, in nanoseconds since the epoch: all that was in the log then is on the disk. 0 before
    /// the first. See [`Logger::sync`](crate::Logger::sync).
    pub synced_ns: i64,
    /// The number of critical records that their threads wrote into the side file: see
    /// [`Builder::write_through`](crate::Builder::write_through).
    pub rescued: u64,
    /// The number of dumps of the flight recorder.
    pub dumps: u64,
    /// The number of records that dumps wrote into the file; they also count as written. Records
    /// that no dump asked for are not counted. See
    /// [`Builder::flight_recorder`](crate::Builder::flight_recorder).
    pub dumped: u64,
    /// The number of records that statements with a rate have suppressed since the logger was started: see
    /// [`info!`](crate::info). They are in no other number.
    pub suppressed: u64,
    /// The number of rings and statements that could not be put into a file. Their records do not
    /// survive `SIGKILL`. See [`Builder::crash_proof`](crate::Builder::crash_proof).
    pub ring_file_errors: u64,
    /// The number of times that there was no memory for a thread's rings.
    /// [`unlogged`](crate::unlogged) counts the records of these calls. The thread's next call
    /// tries again.
    pub ring_errors: u64,
    /// What [`unlogged`](crate::unlogged) returns: calls of the process that were not logged, since it began.
    pub unlogged: u64,
    /// The number of segments that the logger has begun: see [`Builder::rotate`](crate::Builder::rotate). 0 if the log
    /// is not rotated.
    pub segments: u64,
    /// The number of segments that went on past their limits, because the next one was not ready.
    pub segments_late: u64,
    /// The number of times that the log may have exceeded its limit in bytes, because nothing more could be deleted:
    /// see [`Notice::LimitExceeded`](crate::Notice::LimitExceeded).
    pub limit_exceeded: u64,
    /// The number of segments that were deleted because of the log's limits: see
    /// [`Builder::keep`](crate::Builder::keep).
    pub segments_deleted: u64,
    /// The bytes that these took on the disk.
    pub bytes_deleted: u64,
    /// The number of segments that were compressed: see `Builder::compress`. Counted at the next rotation, or within a
    /// minute.
    pub segments_compressed: u64,
    /// By how many bytes these became shorter.
    pub bytes_saved: u64,
    /// The number of failures to make the next segment, or to finish, compress or delete one.
    pub rotation_errors: u64,
    /// The number of records that the console has shown, or hides by choice (`Console::spans`), kymo's own included:
    /// see `Builder::console`.
    pub console_shown: u64,
    /// The number of records that the console has skipped, because its terminal was blocked or slow. They are in the
    /// file.
    pub console_skipped: u64,
    /// The number of failures of the console: to write, after which it has ended or skipped what it had to write, or to
    /// read a segment.
    pub console_errors: u64,
    /// The sinks, in the order in which the builder was given them: see `Builder::sink`.
    pub sinks: Vec<SinkStats>,
}

impl Stats {
    /// Returns the share of its time that the consumer works, from 0 to 1.
    pub fn busy_share(&self) -> f64 {
        if self.running.is_zero() {
            return 0.0;
        }
        self.busy.as_secs_f64() / self.running.as_secs_f64()
    }
}

/// A log that routes lead to: see [`Builder::route`](crate::Builder::route).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogStats {
    /// Its path.
    pub path: PathBuf,
    /// What became of the records that are for it. [`Account::bytes`] is 0: rings are of all logs.
    pub total: Account,
    /// The length of its file in bytes.
    pub file_bytes: u64,
    /// The number of sweeps that could not be written to it.
    pub output_errors: u64,
    /// The number of failures to write its file to the disk.
    pub sync_errors: u64,
    /// The number of segments that were begun. 0 if it is not rotated.
    pub segments: u64,
    /// The number of segments that were deleted because of its limits.
    pub segments_deleted: u64,
    /// The number of failures to make its next segment, or to finish or delete one.
    pub rotation_errors: u64,
}

/// A thread and its ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ThreadStats {
    /// The thread's name, empty if it has none.
    pub name: String,
    /// The operating system's number of the thread, 0 if unknown.
    pub os_id: u64,
    /// What became of its records.
    pub account: Account,
    /// The capacity of its ring in bytes.
    pub ring_capacity: usize,
    /// How many bytes the consumer found in the ring when it last looked.
    pub ring_used: usize,
    /// The most bytes that the consumer has found in the ring at once.
    pub ring_high_water: usize,
}

/// A sink, and what became of the records that it is for: see `Builder::sink`.
///
/// Each record of its levels in the file is counted once, kymo's own included: as delivered, left out, skipped, failed,
/// or unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkStats {
    /// Its name.
    pub name: String,
    /// The least urgent level that it is for.
    pub level: Level,
    /// The number of records that it has taken, and flushed.
    pub delivered: u64,
    /// The number of records that are not for it: those that its own thread, or that of another sink, has logged, and
    /// those that say that a span begins, changes or ends.
    pub left_out: u64,
    /// The number of records that were skipped, because it was late.
    pub skipped: u64,
    /// The number of records for which it returned an error, or panicked; or the flush after them did.
    pub failed: u64,
    /// The number of records that it has not seen when the logger's end did not wait longer. 0 before the end.
    pub unseen: u64,
    /// The number of its failures, panics included.
    pub errors: u64,
    /// The number of its panics.
    pub panics: u64,
    /// What failed last, cut to 1,024 characters.
    pub error: Option<String>,
}

impl SinkStats {
    /// Returns the number of records of which it is known what became of them: all but the unseen ones.
    pub fn settled(&self) -> u64 {
        self.delivered + self.left_out + self.skipped + self.failed
    }
}

/// What became of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    written: [u64; 5],
    dropped: DropCounts,
    bytes: u64,
}

impl Account {
    /// Returns the number of records: written plus dropped.
    pub fn logged(&self) -> u64 {
        self.written() + self.dropped()
    }

    /// Returns the number of records in the file.
    pub fn written(&self) -> u64 {
        self.written.iter().sum()
    }

    /// Returns the number of records of a level in the file.
    pub fn written_at(&self, level: Level) -> u64 {
        self.written[level.index()]
    }

    /// Returns the number of dropped records.
    pub fn dropped(&self) -> u64 {
        self.dropped.total()
    }

    /// Returns the number of dropped records of a level.
    pub fn dropped_at(&self, level: Level) -> u64 {
        self.drops().filter(|(_, at, _)| *at == level).map(|(.., count)| count).sum()
    }

    /// Returns the numbers of dropped records by reason and level, without zeros.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, Level, u64)> {
        self.dropped.iter()
    }

    /// Returns how many bytes the written records took in the rings, headers included. Records that
    /// were later lost with their file are included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.written.iter_mut().zip(other.written) {
            *sum += count;
        }
        self.dropped = self.dropped.plus(&other.dropped);
        self.bytes += other.bytes;
    }

    /// What became of a thread's records that are for this log.
    fn of(state: &RingState, log: usize) -> Self {
        let bytes = if log == MAIN { state.progress.bytes.load(Ordering::Relaxed) } else { 0 };
        let log = &state.logs[log];
        // Before the counts: see `Drops::counts`.
        log.drops.total();
        Self {
            // Relaxed: each number is right by itself. A thread that needs them to be consistent
            // has flushed; the room that its ring got back orders these loads after the stores.
            written: std::array::from_fn(|level| log.written[level].load(Ordering::Relaxed)),
            dropped: log.drops.counts().plus(&log.failed.load()),
            bytes,
        }
    }
}

/// What the consumer has done.
#[derive(Default)]
pub(crate) struct Counters {
    threads: Mutex<Threads>,
    pub(crate) sweeps: Counter,
    /// The ticks before which all that was logged has been taken; the greatest number if the last sweep found nothing.
    pub(crate) complete: Counter,
    pub(crate) busy_ns: Counter,
    pub(crate) running_ns: Counter,
    pub(crate) lag_ns: Counter,
    pub(crate) max_lag_ns: Counter,
    pub(crate) rescued: Counter,
    pub(crate) dumps: Counter,
    pub(crate) dumped: Counter,
    pub(crate) ring_file_errors: Counter,
    pub(crate) ring_errors: Counter,
    /// For the log at the logger's path.
    pub(crate) log: LogCounters,
    /// For the logs that routes lead to.
    routed: Vec<Routed>,
    pub(crate) console: Arc<Tally>,
    pub(crate) sinks: Vec<Arc<SinkTally>>,
    before: SuppressedBefore,
}

/// How many records were suppressed in this process before the logger was started.
struct SuppressedBefore(u64);

impl Default for SuppressedBefore {
    fn default() -> Self {
        Self(rate::suppressed())
    }
}

/// What the consumer has done for one log.
#[derive(Default)]
pub(crate) struct LogCounters {
    pub(crate) file_bytes: Counter,
    pub(crate) output_errors: Counter,
    pub(crate) sync_errors: Counter,
    pub(crate) synced_ns: Counter,
    pub(crate) segments: Counter,
    pub(crate) segments_late: Counter,
    pub(crate) limit_exceeded: Counter,
    pub(crate) segments_deleted: Counter,
    pub(crate) bytes_deleted: Counter,
    pub(crate) segments_compressed: Counter,
    pub(crate) bytes_saved: Counter,
    pub(crate) rotation_errors: Counter,
}

#[derive(Default)]
struct Threads {
    live: Vec<Arc<RingState>>,
    ended: Account,
    /// For each log that routes lead to.
    ended_routed: Vec<Account>,
}

/// A log that routes lead to.
#[derive(Default)]
struct Routed {
    path: PathBuf,
    counters: LogCounters,
}

impl Counters {
    /// Adds a thread that gets a ring.
    pub(crate) fn enlist(&self, state: &Arc<RingState>) {
        self.threads().live.push(state.clone());
    }

    /// Removes a thread that has ended, and adds its numbers to the total.
    pub(crate) fn dismiss(&self, state: &Arc<RingState>) {
        let mut threads = self.threads();
        threads.live.retain(|live| !Arc::ptr_eq(live, state));
        if !state.is_own {
            threads.ended.add(&Account::of(state, MAIN));
            for (index, ended) in threads.ended_routed.iter_mut().enumerate() {
                ended.add(&Account::of(state, index + 1));
            }
        }
    }

    /// Sets the logs that routes lead to.
    pub(crate) fn set_routed(&mut self, paths: Vec<PathBuf>) {
        self.threads().ended_routed = vec![Account::default(); paths.len()];
        let routed = |path| Routed { path, ..Routed::default() };
        self.routed = paths.into_iter().map(routed).collect();
    }

    /// The counters of a log.
    pub(crate) fn of(&self, log: usize) -> &LogCounters {
        if log == MAIN { &self.log } else { &self.routed[log - 1].counters }
    }

    /// Moves what ended threads had written from written to lost, because the file is gone.
    pub(crate) fn lose_ended(&self, log: usize, written: &[u64; 5]) {
        let threads = &mut *self.threads();
        let ended = match log {
            MAIN => &mut threads.ended,
            _ => &mut threads.ended_routed[log - 1],
        };
        // (Kymo's own records are not in this account.)
        let lost = std::array::from_fn(|level| written[level].min(ended.written[level]));
        ended.written.iter_mut().zip(lost).for_each(|(left, lost)| *left -= lost);
        ended.dropped.add_all(DropReason::FileRemoved, lost);
    }

    /// Returns how many records were suppressed since the logger was started.
    pub(crate) fn suppressed(&self) -> u64 {
        rate::suppressed().wrapping_sub(self.before.0)
    }

    /// Returns all numbers.
    pub(crate) fn stats(&self) -> Stats {
        let threads = self.threads();
        let mut total = threads.ended.clone();
        let live = threads.live.iter().filter(|state| !state.is_own).map(|state| {
            let account = Account::of(state, MAIN);
            total.add(&account);
            ThreadStats {
                name: state.thread.name.clone(),
                os_id: state.thread.os_id,
                account,
                ring_capacity: state.ring_words * 8,
                // Relaxed, both: numbers to look at.
                ring_used: state.progress.found_words.load(Ordering::Relaxed) as usize * 8,
                ring_high_water: state.progress.high_water_words.load(Ordering::Relaxed) as usize
                    * 8,
            }
        });
        let live = live.collect();
        let logs = self.routed.iter().enumerate().map(|(index, Routed { path, counters })| {
            let mut total = threads.ended_routed[index].clone();
            let live = threads.live.iter().filter(|state| !state.is_own);
            live.for_each(|state| total.add(&Account::of(state, index + 1)));
            LogStats {
                path: path.clone(),
                total,
                file_bytes: counters.file_bytes.get(),
                output_errors: counters.output_errors.get(),
                sync_errors: counters.sync_errors.get(),
                segments: counters.segments.get(),
                segments_deleted: counters.segments_deleted.get(),
                rotation_errors: counters.rotation_errors.get(),
            }
        });
        let logs = logs.collect();
        Stats {
            logs,
            threads: live,
            total,
            sweeps: self.sweeps.get(),
            busy: Duration::from_nanos(self.busy_ns.get()),
            running: Duration::from_nanos(self.running_ns.get()),
            lag: Duration::from_nanos(self.lag_ns.get()),
            max_lag: Duration::from_nanos(self.max_lag_ns.get()),
            file_bytes: self.log.file_bytes.get(),
            output_errors: self.log.output_errors.get(),
            sync_errors: self.log.sync_errors.get(),
            synced_ns: self.log.synced_ns.get().cast_signed(),
            rescued: self.rescued.get(),
            dumps: self.dumps.get(),
            dumped: self.dumped.get(),
            suppressed: self.suppressed(),
            ring_file_errors: self.ring_file_errors.get(),
            ring_errors: self.ring_errors.get(),
            // Not this logger's: `Logger::stats` adds it.
            unlogged: 0,
            segments: self.log.segments.get(),
            segments_late: self.log.segments_late.get(),
            limit_exceeded: self.log.limit_exceeded.get(),
            segments_deleted: self.log.segments_deleted.get(),
            bytes_deleted: self.log.bytes_deleted.get(),
            segments_compressed: self.log.segments_compressed.get(),
            bytes_saved: self.log.bytes_saved.get(),
            rotation_errors: self.log.rotation_errors.get(),
            console_shown: self.console.taken.get(),
            console_skipped: self.console.skipped.get(),
            console_errors: self.console.errors.get(),
            sinks: self.sinks.iter().map(|sink| sink.stats()).collect(),
        }
    }

    fn threads(&self) -> Locked<MutexGuard<'_, Threads>> {
        // Nothing under this lock leaves a number half changed.
        Locked::by(|| self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn get(&self) -> u64 {
        // Relaxed: a number to look at; nothing is read on its account.
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the number, for its only writer.
    pub(crate) fn set(&self, value: u64) {
        // Relaxed: see `get`.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to the number, for its only writer.
    pub(crate) fn add(&self, value: u64) {
        self.set(self.get() + value);
    }

    /// Adds one, for one of several writers.
    pub(crate) fn increment(&self) {
        self.increase(1);
    }

    /// Adds to the number, for one of several writers.
    pub(crate) fn increase(&self, by: u64) {
        // Relaxed: see `get`.
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}
