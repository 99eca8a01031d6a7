//! The state of one ring that the thread, the consumer and the logger share, besides the ring
//! itself.

use crate::clock::TickSource;
use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::mutant::{self, Mutant};
use crate::process::thread_info::ThreadInfo;
use crate::ring::RingProducer;
use crate::ring::cursor::Cursor;
use crate::ring::storage::memory::capacity_for;
use crate::segment::drop_counts::DropCounts;
use crate::shared::Shared;
use crate::shared::routes::Routes;
use crate::statement::call_site::CallSite;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::statics;
use crate::sync::{Arc, Mutex};

/// The state of a ring: cursor, clock, drops, and what the consumer has done.
pub(crate) struct RingState {
    /// The cursor. The consumer closes it, once.
    pub(crate) cursor: Cursor,
    /// The source of the time stamps of the thread's records.
    pub(crate) clock: TickSource,
    pub(crate) thread: ThreadInfo,
    /// The capacity of the ring.
    pub(crate) ring_words: usize,
    /// True for kymo's own records, which are not the program's.
    pub(crate) is_own: bool,
    /// Which logs the thread's records are for.
    pub(crate) routes: Arc<Routes>,
    /// What became of the records for each log.
    pub(crate) logs: Box<[LogCounts]>,
    pub(crate) progress: Progress,
    /// The number of sweeps that took records from the ring and could not be written. The consumer
    /// raises it.
    pub(crate) failures: AtomicU64,
    /// True if the thread has ended and has returned its end of the ring.
    pub(crate) ended: AtomicBool,
    /// The thread's end of the ring, after the thread has ended.
    pub(crate) returned: Mutex<Option<RingProducer>>,
}

impl RingState {
    pub(crate) fn new(shared: &Shared, ring_words: usize, thread: ThreadInfo) -> Self {
        Self {
            cursor: Cursor::new(
                Level::ALL.map(|level| shared.policies.plain_ring(level)),
                shared.clock.fast_clock(),
            ),
            clock: shared.clock,
            thread,
            ring_words: capacity_for(ring_words) as usize,
            is_own: false,
            routes: shared.routes.clone(),
            logs: (0..shared.routes.logs()).map(|_| LogCounts::new()).collect(),
            progress: Progress::default(),
            failures: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            returned: Mutex::new(None),
        }
    }

    /// For a thread that has rings that overwrite.
    pub(crate) fn with_overwriting(mut self, shared: &Shared) -> Self {
        let rings = Level::ALL.map(|level| shared.policies.ring(level));
        self.cursor = Cursor::new(rings, shared.clock.fast_clock());
        self
    }

    /// Makes the state that of a thread that has a ring file.
    pub(crate) fn in_file(self) -> Self {
        Self { cursor: self.cursor.in_file(), ..self }
    }

    /// Counts a dropped record in each of its logs. To be called by the thread that owns the ring, or a signal handler
    /// that interrupted it.
    pub(crate) fn count_drop(&self, site: &CallSite, ticks: u64, reason: DropReason) {
        for log in self.routes.of(site).iter() {
            self.logs[log].drops.count(site.level, ticks, reason);
        }
    }

    /// The thread's side: ends, and returns the thread's end of the ring.
    pub(crate) fn end(&self, ring: RingProducer) {
        // Nothing under this lock panics.
        *self.returned.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(ring);
        // Release: pairs with the acquire in `has_ended`: what the thread logged last is seen.
        self.ended.store(true, mutant::ordering(Ordering::Release, Mutant::EndedStore));
    }

    /// The consumer's side: returns whether the thread has ended.
    ///
    /// To be called before the consumer looks at the ring: then that look finds all that the thread
    /// has logged.
    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: pairs with the release in `end`.
        self.ended.load(mutant::ordering(Ordering::Acquire, Mutant::EndedLoad))
    }

    /// Takes the thread's end of the ring, if the thread has ended.
    pub(crate) fn take_returned(&self) -> Option<RingProducer> {
        self.returned.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

/// What became of a thread's records that are for one log. Any thread may read it.
pub(crate) struct LogCounts {
    /// The records that the thread has dropped.
    pub(crate) drops: Drops,
    /// The number of records in the file, by level. The consumer writes it before it releases the words of the records.
    pub(crate) written: [statics::AtomicU64; 5],
    /// The number of records that the consumer has lost. The consumer writes it likewise.
    pub(crate) failed: SharedCounts,
}

impl LogCounts {
    fn new() -> Self {
        let (written, failed) = Default::default();
        Self { drops: Drops::new(), written, failed }
    }

    /// Sets the counts of written records, because the file with the others is gone.
    pub(crate) fn set_written(&self, counts: &[u64; 5]) {
        for (written, count) in self.written.iter().zip(counts) {
            // Relaxed: see `Account::of`.
            written.store(*count, Ordering::Relaxed);
        }
    }
}

/// The consumer's progress with a ring. The consumer writes it before it releases the words of the
/// records; any thread may read it.
#[derive(Default)]
pub(crate) struct Progress {
    /// How many bytes the written records took in the ring.
    pub(crate) bytes: statics::AtomicU64,
    /// How many words the last sweep found in the ring.
    pub(crate) found_words: statics::AtomicU64,
    /// The most words that a sweep found in the ring.
    pub(crate) high_water_words: statics::AtomicU64,
}

/// [`DropCounts`] that one thread writes and others read.
#[derive(Default)]
pub(crate) struct SharedCounts([[statics::AtomicU64; 5]; DropReason::KNOWN.len()]);

impl SharedCounts {
    pub(crate) fn load(&self) -> DropCounts {
        // Relaxed: see `Account::of`.
        let load = |reason: usize, level: usize| self.0[reason][level].load(Ordering::Relaxed);
        DropCounts {
            counts: std::array::from_fn(|reason| std::array::from_fn(|level| load(reason, level))),
        }
    }

    pub(crate) fn store(&self, counts: &DropCounts) {
        for (reason, level, count) in counts.iter() {
            // Relaxed: see `Account::of`.
            self.0[reason.index()][level.index()].store(count, Ordering::Relaxed);
        }
    }
}

/// The counts of records that a thread dropped. That thread writes them, and the consumer reads
/// them.
pub(crate) struct Drops {
    /// By reason, then level.
    counts: [[AtomicU64; 5]; DropReason::KNOWN.len()],
    first_ticks: AtomicU64,
    last_ticks: AtomicU64,
    /// The sum of all counts.
    total: AtomicU64,
    /// The number of drops that the consumer has marked. Only the consumer writes it.
    marked: AtomicU64,
}

impl Drops {
    fn new() -> Self {
        Self {
            counts: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            first_ticks: AtomicU64::new(0),
            last_ticks: AtomicU64::new(0),
            total: AtomicU64::new(0),
            marked: AtomicU64::new(0),
        }
    }

    /// Counts a dropped record. To be called by the thread that owns the ring, or a signal handler
    /// that interrupted it.
    pub(crate) fn count(&self, level: Level, ticks: u64, reason: DropReason) {
        // Relaxed, but for the last: the store of the total publishes them. `fetch_add`, because a
        // signal handler may come between.
        if self.total.load(Ordering::Relaxed) == self.marked.load(Ordering::Relaxed) {
            self.first_ticks.store(ticks, Ordering::Relaxed);
        }
        self.last_ticks.store(ticks, Ordering::Relaxed);
        self.counts[reason.index()][level.index()].fetch_add(1, Ordering::Relaxed);
        // Release: pairs with the acquire load in `total`.
        self.total.fetch_add(1, mutant::ordering(Ordering::Release, Mutant::DropsAdd));
    }

    /// Returns the number of dropped records.
    pub(crate) fn total(&self) -> u64 {
        // Acquire: pairs with the release in `count`: the counts are at least as new as the total.
        self.total.load(mutant::ordering(Ordering::Acquire, Mutant::DropsLoad))
    }

    /// Returns the counts by reason and level.
    pub(crate) fn counts(&self) -> DropCounts {
        DropCounts {
            // Relaxed: ordered by the acquire load in `total`, which the caller does first.
            counts: std::array::from_fn(|reason| {
                std::array::from_fn(|level| self.counts[reason][level].load(Ordering::Relaxed))
            }),
        }
    }

    /// Returns the ticks of the first and the last record that was dropped since [`Drops::mark`].
    pub(crate) fn range(&self) -> (u64, u64) {
        // Relaxed: as for the counts.
        (self.first_ticks.load(Ordering::Relaxed), self.last_ticks.load(Ordering::Relaxed))
    }

    /// Notes that the consumer has marked the gap that ends with drop number `total`. The next drop
    /// begins another gap.
    pub(crate) fn mark(&self, total: u64) {
        // Relaxed: only says whose ticks are the first ones; a drop that just misses it is the
        // second of its gap.
        self.marked.store(total, Ordering::Relaxed);
    }
}
