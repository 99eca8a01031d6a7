//! Where a thread's next record goes: all that a log call needs to know, in one cache line.
//!
//! The thread's [`Producer`](crate::producer::Producer) lends the words of the ring that are known
//! to be free to the cursor; calls write into them until there are too few left, or something is
//! out of the ordinary. Then a call *takes* the cursor, and its producer takes the words back.
//!
//! One comparison finds all that out: whether a record ends before its level's *limit*. The limit
//! is the end of the words that are lent; or so low that no record does, where the thread has no
//! ring, where the level's records go another way, where the logger was shut down. While a call is
//! under way the cursor is so high that none does.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;

use crate::crash_proof::KnownSites;
use crate::format::MAX_RECORD_BYTES;
use crate::ring::producer::Lent;
use crate::ring::recorder::bounded::Publisher;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::statics::compiler_fence;
use crate::twin::{self, Twin};

/// No words are lent to this level.
const NONE: usize = 0;

/// The logger was shut down. As an end it is as good as none.
const CLOSED: usize = 1;

/// Where the next record goes while a call is under way: behind all limits.
const TAKEN: *mut u64 = ptr::without_provenance_mut((usize::MAX - 2 * MAX_RECORD_BYTES) & !7);

/// Which path of a log call the records of a level take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Path {
    /// The shortest: the processor's counter, and a ring on the heap.
    First,
    /// The coarse clock, or a ring in a file.
    Second,
    /// Something out of the ordinary is to be done: no words are lent.
    Outlined,
}

/// How many paths words are lent to.
const LENDING: usize = Path::Outlined as usize;

/// The levels that are looked at. (The models log at one, or they would take hours.)
const LEVELS: Range<usize> = if cfg!(kymo_loom) { 2..3 } else { 0..5 };

/// See the module.
///
/// Invariants:
/// - INV-1: all but the limits is used by one thread only: the one whose ring it is. The limits are
///   raised by that thread, and closed by the consumer.
/// - INV-2: a limit that is neither [`NONE`] nor [`CLOSED`] is the end of words that the producer
///   has lent, and while it is that, `next` is [`TAKEN`] or an address among these words or at
///   their end, and `publisher` is what came with them.
#[repr(C, align(128))]
pub(crate) struct Cursor {
    next: Cell<*mut u64>,
    publisher: Cell<Option<Publisher>>,
    /// By path, then level.
    limits: [[AtomicUsize; 5]; LENDING],
    /// By level.
    paths: [Path; 5],
    is_coarse: bool,
    /// Where the ring is in a file: the call sites that are in theirs, or cannot be.
    known: Option<KnownSites>,
}

// SAFETY: INV-1.
unsafe impl Send for Cursor {}
// SAFETY: INV-1.
unsafe impl Sync for Cursor {}

/// The cursor of threads that have no ring.
#[cfg(not(kymo_loom))]
pub(crate) static NOWHERE: Cursor = Cursor {
    next: Cell::new(ptr::null_mut()),
    publisher: Cell::new(None),
    limits: [const { [const { AtomicUsize::new(NONE) }; 5] }; LENDING],
    paths: [Path::Outlined; 5],
    is_coarse: false,
    known: None,
};

impl Cursor {
    /// A cursor that is taken, and to which nothing was lent.
    pub(crate) fn new(paths: [Path; 5], is_coarse: bool) -> Self {
        Self {
            next: Cell::new(TAKEN),
            publisher: Cell::new(None),
            limits: std::array::from_fn(|_| std::array::from_fn(|_| AtomicUsize::new(NONE))),
            paths,
            is_coarse,
            known: None,
        }
    }

    /// The same for a ring in a file.
    pub(crate) fn in_file(self) -> Self {
        let paths = self.paths.map(|path| match path {
            Path::First => Path::Second,
            other => other,
        });
        Self { paths, known: Some(KnownSites::new()), ..self }
    }

    /// Whether the second path stamps with the coarse clock.
    #[inline(always)]
    pub(crate) fn is_coarse(&self) -> bool {
        self.is_coarse
    }

    /// Where the ring is in a file: the call sites that are in theirs, or cannot be.
    #[inline(always)]
    pub(crate) fn known_sites(&self) -> Option<&KnownSites> {
        self.known.as_ref()
    }

    /// Takes words for a record of this level and of so many bytes; `None` where there are none, or
    /// where something else has to be done first.
    ///
    /// # Safety
    /// The calling thread is the one whose ring it is, and the ring lives. `bytes` is a multiple of
    /// eight and at most [`MAX_RECORD_BYTES`].
    #[inline(always)]
    pub(crate) unsafe fn room(&self, path: Path, level: usize, bytes: usize) -> Option<Room<'_>> {
        let start = self.next.get();
        // No sum of these wraps: see `TAKEN`, and INV-3 of `ring`.
        let end = start.wrapping_byte_add(bytes);
        // Relaxed: the words are those that this thread lent itself. That the logger was shut down
        // need not be seen at once; a record that comes too late stays in the ring, where `orphans`
        // counts it.
        if end.addr() > self.limits[path as usize][level].load(Ordering::Relaxed) {
            return None;
        }
        self.next.set(TAKEN);
        // A signal handler must not see the store above move down, nor those of the record move up.
        compiler_fence(Ordering::SeqCst);
        Some(Room { cursor: self, start, end })
    }

    /// Whether a call is under way.
    pub(crate) fn is_taken(&self) -> bool {
        self.next.get() == TAKEN
    }

    /// Takes it: the address behind the last record that was published in the words that are lent.
    pub(crate) fn take(&self) -> *mut u64 {
        self.next.replace(TAKEN)
    }

    /// Whether words are lent to any level.
    pub(crate) fn lends(&self) -> bool {
        self.paths.iter().any(|path| *path != Path::Outlined)
    }

    /// Gives it words, and lets calls use it again.
    pub(crate) fn give(&self, lent: &Lent) {
        self.publisher.set(Some(lent.publisher));
        for limit in self.limits(|path| path != Path::Outlined) {
            // Relaxed, both: the consumer only ever stores `CLOSED`, of which nothing depends; what
            // it stores between the two is kept.
            let before = limit.load(Ordering::Relaxed);
            if twin::broken(Twin::LendOverClosed) && before != CLOSED {
                limit.store(lent.end.addr(), Ordering::Relaxed);
            } else if before != CLOSED && before != lent.end.addr() {
                let _ = limit.compare_exchange(
                    before,
                    lent.end.addr(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        self.put_back(lent.next);
    }

    /// Lets calls use it again.
    #[inline(always)]
    pub(crate) fn put_back(&self, next: *mut u64) {
        self.next.set(next);
    }

    /// For the consumer: the logger was shut down.
    pub(crate) fn close(&self) {
        for limit in self.limits(|_| true) {
            // Relaxed: a call that misses it leaves a last record in the ring. `swap`, so that
            // `give` does not store over it.
            limit.swap(CLOSED, Ordering::Relaxed);
        }
    }

    /// Whether the logger was shut down.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: see `close`.
        self.limits(|_| true).any(|limit| limit.load(Ordering::Relaxed) == CLOSED)
    }

    /// The limits of the levels that have such paths, each of its path, or any if words are lent to
    /// none.
    fn limits(&self, which: impl Fn(Path) -> bool) -> impl Iterator<Item = &AtomicUsize> {
        LEVELS.filter_map(move |level| {
            let path = self.paths[level];
            let lending = if path == Path::Outlined { Path::First } else { path };
            which(path).then(|| &self.limits[lending as usize][level])
        })
    }
}

/// Words for a record, of a cursor that is taken.
#[must_use = "the cursor stays taken until `publish`"]
pub(crate) struct Room<'a> {
    cursor: &'a Cursor,
    start: *mut u64,
    end: *mut u64,
}

impl Room<'_> {
    /// Where the record begins.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut u64 {
        self.start
    }

    /// Shows the record to the consumer: one release store.
    ///
    /// # Safety
    /// The record has been written.
    #[inline(always)]
    pub(crate) unsafe fn publish(self) {
        // SAFETY: INV-2: words were lent, as there was room.
        let publisher = unsafe { self.cursor.publisher.get().unwrap_unchecked() };
        // SAFETY: INV-2: the words are lent, and begin where the last record ended; they are
        // written, as the caller promises, who had promised that the ring lives.
        unsafe { publisher.publish(self.start, self.end) };
        // A signal handler that logs must not do so before the tail is where it belongs.
        compiler_fence(Ordering::SeqCst);
        self.cursor.put_back(self.end);
    }
}
