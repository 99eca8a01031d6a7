//! Where a thread's next record goes: all that a log call needs to know, in a cache line (and, of the
//! least urgent level, the first word of the one behind it, which processors fetch along with it).
//!
//! The thread's [`Producer`](crate::thread::producer::Producer) lends the words of the ring that are known
//! to be free to the cursor; calls write into them until there are too few left, or something is
//! out of the ordinary. Then a call *takes* the cursor, and its producer takes the words back.
//!
//! One comparison finds most of that out: whether a record ends before its level's *limit*. The limit
//! is the end of the words that are lent; or so low that no record does, where the thread has no
//! ring, where the level's records go another way, where the logger was shut down.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;

use crate::mutant::{self, Mutant};
use crate::ring::known_sites::KnownSites;
use crate::ring::producer::Lent;
use crate::ring::recorders::Recorders;
use crate::ring::storage::bounded::Publisher;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::statics::{AtomicPtr, compiler_fence};

/// No words are lent to this level.
const NONE: usize = 0;

/// The logger was shut down. As an end it is as good as none.
const CLOSED: usize = 1;

/// Nobody has taken the cursor: one less than zero.
const FREE: u64 = u64::MAX;

/// Which path of a log call the records of a level take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Path {
    /// The processor's counter, and a ring on the heap.
    Counter,
    /// The coarse clock, and a ring on the heap.
    Coarse,
    /// A ring in a file, and one of the two clocks.
    InFile,
    /// Something out of the ordinary is to be done: no words are lent.
    Outlined,
    /// The record goes to a ring of its own, where it takes the place of the oldest.
    Overwriting,
    /// The same, of the flight recorder.
    Flight,
    /// As the two before, and the ring is in a file: the call site has to be in one first.
    OverwritingInFile,
    FlightInFile,
}

impl Path {
    /// The same where rings are in files.
    fn in_file(self) -> Self {
        match self {
            Self::Counter | Self::Coarse => Self::InFile,
            Self::Overwriting => Self::OverwritingInFile,
            Self::Flight => Self::FlightInFile,
            other => other,
        }
    }

    /// Whether words are lent for it.
    fn lends(self) -> bool {
        (self as usize) < LENDING
    }

    /// Whether it leads to a ring in a file that overwrites its oldest records.
    pub(crate) fn is_in_file(self) -> bool {
        matches!(self, Self::OverwritingInFile | Self::FlightInFile)
    }

    /// Whether it leads to a ring that overwrites its oldest records.
    #[inline(always)]
    pub(crate) fn records(self) -> bool {
        self as usize > LENDING
    }
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
///   has lent, and while it is that and nobody has taken the cursor, `next` is an address among these
///   words or at their end, and `publisher` is what came with them.
/// - INV-3: `recorders` is null, or what the producer owns, which uses it only while the cursor is
///   taken.
/// - INV-4: a signal handler may interrupt everything here, behind each instruction, and log. Where
///   it finds the cursor taken it changes nothing of it; where not, it leaves it as another call
///   would. So nothing else is read or written but by who has taken it. A handler that comes while
///   the cursor is being taken has put it back when the interrupted call goes on, which then takes it
///   all the same, and reads all the rest behind that.
#[repr(C, align(128))]
pub(crate) struct Cursor {
    /// [`FREE`], or how often it was taken or tried to be. An atomic, as the next, for the sake of
    /// [`NOWHERE`], which all threads without a ring take.
    taken: AtomicU64,
    /// The address behind the last record that was published in the words that are lent.
    next: AtomicPtr<u64>,
    publisher: Cell<Option<Publisher>>,
    /// By path, then level.
    limits: [[AtomicUsize; 5]; LENDING],
    /// By level.
    paths: [Path; 5],
    /// Where those levels' records go that go round; null where there are none.
    recorders: Cell<*mut Recorders>,
    is_coarse: bool,
    /// Where a ring is in a file: the call sites that are in theirs, or cannot be.
    known: Option<KnownSites>,
}

// SAFETY: INV-1.
unsafe impl Send for Cursor {}
// SAFETY: INV-1. Of `NOWHERE` nothing is written but `taken`, and `next`, always with null; both are
// atomics. Where two threads count at once there, it may stay taken for ever, which does not matter:
// calls of a thread without a ring take the outlined path either way.
unsafe impl Sync for Cursor {}

/// The cursor of threads that have no ring.
#[cfg(not(kymo_loom))]
pub(crate) static NOWHERE: Cursor = Cursor {
    taken: AtomicU64::new(FREE),
    next: AtomicPtr::new(ptr::null_mut()),
    publisher: Cell::new(None),
    limits: [const { [const { AtomicUsize::new(NONE) }; 5] }; LENDING],
    paths: [Path::Outlined; 5],
    recorders: Cell::new(ptr::null_mut()),
    is_coarse: false,
    known: None,
};

impl Cursor {
    /// A cursor that is taken, and to which nothing was lent.
    pub(crate) fn new(paths: [Path; 5], is_coarse: bool) -> Self {
        Self {
            taken: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            publisher: Cell::new(None),
            limits: std::array::from_fn(|_| std::array::from_fn(|_| AtomicUsize::new(NONE))),
            paths,
            recorders: Cell::new(ptr::null_mut()),
            is_coarse,
            known: None,
        }
    }

    /// The same for a thread with rings in files.
    pub(crate) fn in_file(self) -> Self {
        let paths = self.paths.map(Path::in_file);
        Self { paths, known: Some(KnownSites::new()), ..self }
    }

    /// Whether calls are stamped with the coarse clock, where the path leaves that open.
    #[inline(always)]
    pub(crate) fn is_coarse(&self) -> bool {
        self.is_coarse
    }

    /// Where a ring is in a file: the call sites that are in theirs, or cannot be.
    #[inline(always)]
    pub(crate) fn known_sites(&self) -> Option<&KnownSites> {
        self.known.as_ref()
    }

    /// The path of a level, by its index.
    #[inline(always)]
    pub(crate) fn path(&self, level: usize) -> Path {
        self.paths[level]
    }

    /// These are the thread's recorders now.
    pub(crate) fn set_recorders(&self, recorders: *mut Recorders) {
        self.recorders.set(recorders);
    }

    /// Takes the cursor for a record of a level that is recorded; `None` where it is not, or where
    /// something else has to be done first.
    #[inline(always)]
    pub(crate) fn recording(&self, level: usize) -> Option<Recording<'_>> {
        let path = self.paths[level];
        if !path.records() {
            return None;
        }
        let next = self.take()?;
        let recorders = self.recorders.get();
        // Relaxed: see `room`.
        if recorders.is_null() || self.limits[0][level].load(Ordering::Relaxed) == CLOSED {
            self.put_back(next);
            return None;
        }
        Some(Recording { cursor: self, next, recorders, path })
    }

    /// Takes it for a call; `None` where one is under way.
    #[inline(always)]
    pub(crate) fn take_for_call(&self) -> Option<Taken<'_>> {
        self.take().map(|next| Taken { cursor: self, next })
    }

    /// Whether a call is under way.
    pub(crate) fn is_taken(&self) -> bool {
        // Relaxed: who else takes it is a signal handler of this thread, which puts it back.
        self.taken.load(Ordering::Relaxed) != FREE
    }

    /// Takes it: the address behind the last record that was published in the words that are lent.
    /// `None` where it is taken already.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<*mut u64> {
        if !count_up(&self.taken) {
            return None;
        }
        // For signal handlers: what follows does not move up. (INV-4.)
        compiler_fence(Ordering::SeqCst);
        // Relaxed: it is this thread's own.
        Some(self.next.load(Ordering::Relaxed))
    }

    /// Whether words are lent to any level.
    pub(crate) fn lends(&self) -> bool {
        self.paths.iter().any(|path| path.lends())
    }

    /// Gives it words, and lets calls use it again.
    pub(crate) fn give(&self, lent: &Lent) {
        self.publisher.set(Some(lent.publisher));
        for limit in self.limits(Path::lends) {
            // Relaxed, both: the consumer only ever stores `CLOSED`, of which nothing depends; what
            // it stores between the two is kept.
            let before = limit.load(Ordering::Relaxed);
            if mutant::broken(Mutant::LimitOverClosed) && before != CLOSED {
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
        // Relaxed, both: see `take`.
        self.next.store(next, Ordering::Relaxed);
        // For signal handlers: what was done before does not move down. (INV-4.)
        compiler_fence(Ordering::SeqCst);
        self.taken.store(FREE, Ordering::Relaxed);
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
            let lending = if path.lends() { path } else { Path::Counter };
            which(path).then(|| &self.limits[lending as usize][level])
        })
    }
}

/// A cursor that was taken for a call.
#[must_use = "the cursor stays taken until `put_back`"]
pub(crate) struct Taken<'a> {
    cursor: &'a Cursor,
    next: *mut u64,
}

impl<'a> Taken<'a> {
    /// The cursor.
    #[inline(always)]
    pub(crate) fn cursor(&self) -> &'a Cursor {
        self.cursor
    }

    /// Takes words for a record of this level and of so many bytes. `Err` where there are none, or
    /// where something else has to be done first: then there may be some for another path.
    ///
    /// # Safety
    /// The calling thread is the one whose ring it is, and the ring lives. `bytes` is a multiple of
    /// eight and at most [`MAX_RECORD_BYTES`](crate::format::MAX_RECORD_BYTES).
    #[inline(always)]
    pub(crate) unsafe fn room(
        self,
        path: Path,
        level: usize,
        bytes: usize,
    ) -> Result<Room<'a>, Self> {
        let Self { cursor, next: start } = self;
        // No sum of these wraps: INV-3 of `ring`.
        let end = start.wrapping_byte_add(bytes);
        needed_later(start, end);
        // Relaxed: the words are those that this thread lent itself. That the logger was shut down
        // need not be seen at once; a record that comes too late stays in the ring, where `orphans`
        // counts it.
        if end.addr() > cursor.limits[path as usize][level].load(Ordering::Relaxed) {
            return Err(self);
        }
        Ok(Room { cursor, start, end })
    }

    /// Whether words are lent to the level, but not as many bytes.
    pub(crate) fn lacks_room(&self, level: usize, bytes: usize) -> bool {
        let path = self.cursor.path(level);
        if !path.lends() {
            return false;
        }
        // Relaxed: see `room`.
        let limit = self.cursor.limits[path as usize][level].load(Ordering::Relaxed);
        limit > CLOSED && self.next.wrapping_byte_add(bytes).addr() > limit
    }

    /// The address behind the last record, of a cursor that stays taken.
    pub(crate) fn into_next(self) -> *mut u64 {
        self.next
    }

    /// Leaves the cursor as it was.
    #[inline(always)]
    pub(crate) fn put_back(self) {
        self.cursor.put_back(self.next);
    }
}

/// Does nothing, but has the compiler see that it needs both behind where it computes the one from
/// the other. Otherwise it takes two instructions for that, a copy and an addition, instead of one.
#[inline(always)]
fn needed_later(start: *mut u64, end: *mut u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: there is no instruction in it.
    unsafe {
        std::arch::asm!(
            "/* {} {} */", in(reg) start.addr(), in(reg) end.addr(),
            options(nomem, nostack, preserves_flags)
        );
    }
    let _ = (start, end);
}

/// Counts one more, and says whether that makes zero. Counted is not who has taken it, which nobody
/// needs to know, but 64 bits of them never come round.
///
/// On x86-64, one instruction to count and one to ask. Not `xadd`, which would count, and answer what
/// was there, in one: the processors that were measured take ten cycles for it, in which the next
/// call waits for this one.
#[cfg(all(target_arch = "x86_64", not(any(miri, kymo_loom))))]
#[inline(always)]
fn count_up(counter: &AtomicU64) -> bool {
    // SAFETY: this is a relaxed load and a relaxed store of the atomic.
    unsafe {
        std::arch::asm!(
            "inc qword ptr [{counter}]",
            "jnz {more}",
            counter = in(reg) counter.as_ptr(),
            more = label { return false },
            options(nostack)
        );
    }
    true
}

/// Counts one more, and says whether that makes zero.
#[cfg(not(all(target_arch = "x86_64", not(any(miri, kymo_loom)))))]
#[inline(always)]
fn count_up(counter: &AtomicU64) -> bool {
    // Relaxed, both: only signal handlers of this thread count besides, and those leave it as it was,
    // or leave it to who has taken the cursor.
    let count = counter.load(Ordering::Relaxed).wrapping_add(1);
    counter.store(count, Ordering::Relaxed);
    count == 0
}

/// The right to use a thread's recorders: its cursor is taken, until this is dropped.
pub(crate) struct Recording<'a> {
    cursor: &'a Cursor,
    next: *mut u64,
    recorders: *mut Recorders,
    path: Path,
}

impl Recording<'_> {
    /// The recorders, and which of them is meant.
    #[inline(always)]
    pub(crate) fn recorders(&mut self) -> (&mut Recorders, Path) {
        // SAFETY: INV-3: not null, and the cursor is taken.
        (unsafe { &mut *self.recorders }, self.path)
    }
}

impl Drop for Recording<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.cursor.put_back(self.next);
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

    /// Shows the record to the consumer: one release store. `on_heap`: the ring is on the heap.
    ///
    /// # Safety
    /// The record has been written.
    #[inline(always)]
    pub(crate) unsafe fn publish(self, on_heap: bool) {
        // SAFETY: INV-2: words were lent, as there was room.
        let publisher = unsafe { self.cursor.publisher.get().unwrap_unchecked() };
        // SAFETY: INV-2: the words are lent, and begin where the last record ended; they are
        // written, as the caller promises, who had promised that the ring lives.
        unsafe { publisher.publish(self.start, self.end, on_heap) };
        self.cursor.put_back(self.end);
    }
}
