//! What both ends of a ring and the logger share, besides the ring itself.

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
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::statics;

/// What a producer and the consumer share about a ring.
pub(crate) struct RingState {
    /// Where the thread's next record goes. Closed by the consumer, once.
    pub(crate) cursor: Cursor,
    /// Where the time stamps of the thread's records come from.
    pub(crate) clock: TickSource,
    pub(crate) thread: ThreadInfo,
    /// The capacity of the ring.
    pub(crate) ring_words: usize,
    /// Whether these are kymo's own records and not the program's.
    pub(crate) is_own: bool,
    pub(crate) drops: Drops,
    pub(crate) progress: Progress,
    /// How many sweeps that took records from the ring could not be written. Raised by the
    /// consumer.
    pub(crate) failures: AtomicU64,
    /// Whether the thread has ended, and its end of the ring been given back.
    pub(crate) ended: AtomicBool,
    /// The thread's end of the ring, from then on.
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
            drops: Drops::new(),
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

    /// The same for a thread of which a ring is in a file.
    pub(crate) fn in_file(self) -> Self {
        Self { cursor: self.cursor.in_file(), ..self }
    }

    /// The thread's side: it logs no more, and gives its end of the ring back.
    pub(crate) fn end(&self, ring: RingProducer) {
        // Nothing under this lock panics.
        *self.returned.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(ring);
        // Release: pairs with the acquire in `has_ended`: what the thread logged last is seen.
        self.ended.store(true, mutant::ordering(Ordering::Release, Mutant::EndedStore));
    }

    /// The consumer's side: whether the thread has ended. To be asked before the ring is looked at:
    /// then the look finds all that the thread has logged.
    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: pairs with the release in `end`.
        self.ended.load(mutant::ordering(Ordering::Acquire, Mutant::EndedLoad))
    }

    /// The thread's end of the ring, when it has ended.
    pub(crate) fn take_returned(&self) -> Option<RingProducer> {
        self.returned.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

/// What the consumer has done with what it took from a ring. Written by the consumer, before it
/// gives the ring its room back; to be looked at by anybody.
#[derive(Default)]
pub(crate) struct Progress {
    /// How many records are in the file, by level.
    pub(crate) written: [statics::AtomicU64; 5],
    /// How many records the consumer has lost.
    pub(crate) failed: SharedCounts,
    /// How many bytes the written ones took in the ring.
    pub(crate) bytes: statics::AtomicU64,
    /// The most words that were found in the ring.
    pub(crate) high_water_words: statics::AtomicU64,
}

impl Progress {
    /// What was written is gone, but for these.
    pub(crate) fn set_written(&self, counts: &[u64; 5]) {
        for (written, count) in self.written.iter().zip(counts) {
            // Relaxed: see `Account::of`.
            written.store(*count, Ordering::Relaxed);
        }
    }
}

/// [`DropCounts`] that one thread writes and others look at.
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

/// Counts the records that a thread dropped. Written by that thread only, and read by the consumer.
pub(crate) struct Drops {
    /// By reason, then level.
    counts: [[AtomicU64; 5]; DropReason::KNOWN.len()],
    first_ticks: AtomicU64,
    last_ticks: AtomicU64,
    /// The sum of all counts.
    total: AtomicU64,
    /// How many of them the consumer has seen. Written by the consumer only.
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

    /// Counts a record. For the thread that owns the ring, or a signal handler that interrupted it.
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

    /// How many records were dropped.
    pub(crate) fn total(&self) -> u64 {
        // Acquire: pairs with the release in `count`: the counts are at least as new as the total.
        self.total.load(mutant::ordering(Ordering::Acquire, Mutant::DropsLoad))
    }

    /// The counts by reason and level.
    pub(crate) fn counts(&self) -> DropCounts {
        DropCounts {
            // Relaxed: ordered by the acquire load in `total`, which the caller does first.
            counts: std::array::from_fn(|reason| {
                std::array::from_fn(|level| self.counts[reason][level].load(Ordering::Relaxed))
            }),
        }
    }

    /// The ticks of the first and of the last record that was dropped since [`Drops::mark`].
    pub(crate) fn range(&self) -> (u64, u64) {
        // Relaxed: as for the counts.
        (self.first_ticks.load(Ordering::Relaxed), self.last_ticks.load(Ordering::Relaxed))
    }

    /// Notes that the gap of which these `total` drops are the last has been seen: the next drop
    /// begins another.
    pub(crate) fn mark(&self, total: u64) {
        // Relaxed: only says whose ticks are the first ones; a drop that just misses it is the
        // second of its gap.
        self.marked.store(total, Ordering::Relaxed);
    }
}
