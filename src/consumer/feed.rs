//! How the consumer tells the console what it has committed: both ends, without files and without a reader.
//!
//! ```text
//!  consumer                                            console
//!     │  commits frames to the segment
//!     │  committed = so many bytes (release), unpark ─▶  reads committed (acquire)
//!     │                                                  shows what the segment has
//!     │  another segment ═══ a queue of few places ═══▶  when nothing more is in the one before: goes on
//!     │                                                  shown = what committed was
//!     │  drops its end of the queue, unpark ──────────▶  shows what is left, and ends
//! ```
//!
//! The bytes themselves are in the segment, which the console reads as another process would. So the consumer copies
//! nothing, never waits, and a console that is slow or blocked has no memory.
//!
//! - INV-1: `shown` is never past what was shown or skipped. It is what `committed` was *before* the last look at the
//!   queue and at the segment.
//! - INV-2: a segment for which there is no room in the queue waits for it, as long as it is the current one. If the
//!   next one begins before, it is not shown, and its records are counted ([`Feed::is_followed`]).
//! - INV-3: the console sleeps by `park`, whose token is not lost. It is woken after each store.
//!
//! *Not taken:* a queue of frames. It has to copy each, and what does not fit takes dictionary entries with it, without
//! which later frames cannot be read.

use crate::mutant::{self, Mutant};
use crate::rotation::queue::{Receiver, Sender, queue};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::Thread;

/// How many segments may wait. A file that was deleted takes its room on the disk as long as it is open, so few.
const SEGMENTS: usize = if cfg!(kymo_loom) { 1 } else { 2 };

/// What both ends see.
#[derive(Default)]
pub(crate) struct Progress {
    /// How many bytes of all segments are committed.
    committed: AtomicU64,
    /// Up to which of them everything was shown, or skipped.
    shown: AtomicU64,
    /// The console shows nothing any more.
    ended: AtomicBool,
    /// The consumer does not wait for it any more: what is not shown yet counts as not shown.
    given_up: AtomicBool,
}

/// A segment on its way to the console.
pub(crate) struct Next<S> {
    pub(crate) segment: S,
    /// How many bytes the segments before it have.
    pub(crate) begins_at: u64,
}

/// The consumer's end.
pub(crate) struct Feed<S> {
    /// `None` once it has ended.
    segments: Option<Sender<Next<S>>>,
    progress: Arc<Progress>,
    console: Thread,
    /// How many bytes the segments before the current one have.
    before: u64,
    /// The length of the current one.
    len: u64,
    /// The current one, as long as there is no room for it.
    waiting: Option<Next<S>>,
}

/// The console's end.
pub(crate) struct Source<S> {
    segments: Receiver<Next<S>>,
    progress: Arc<Progress>,
}

/// Shows segments: a reader and a terminal, or a model of them.
pub(crate) trait View {
    /// A segment, while it is written.
    type Segment;

    /// Goes on with another segment.
    fn begin(&mut self, next: Next<Self::Segment>);

    /// Shows a part of what is new in the segment. `committed`: how many bytes of all segments there are. Returns
    /// whether there may be more; `None`: nothing can be shown any more.
    fn show(&mut self, committed: u64) -> Option<bool>;

    /// Nothing more is shown. The consumer waits for this, too.
    fn end(&mut self) {}
}

/// Makes both ends, for a console whose thread is known later.
pub(crate) fn ends<S>() -> (impl FnOnce(Thread) -> Feed<S>, Source<S>) {
    let (sender, receiver) = queue(SEGMENTS);
    let progress = Arc::new(Progress::default());
    let its_progress = progress.clone();
    let feed = move |console| Feed {
        segments: Some(sender),
        progress: its_progress,
        console,
        before: 0,
        len: 0,
        waiting: None,
    };
    (feed, Source { segments: receiver, progress })
}

impl<S> Feed<S> {
    /// The log goes on in this segment. If the one before [is not followed](Self::is_followed), it is skipped.
    pub(crate) fn begin(&mut self, segment: Option<S>) {
        self.before += std::mem::take(&mut self.len);
        self.waiting = segment.map(|segment| Next { segment, begins_at: self.before });
        self.retry();
    }

    /// Hands the current segment over, if it waits for room and there is some.
    pub(crate) fn retry(&mut self) {
        let Some(segments) = &mut self.segments else { return };
        let Some(next) = self.waiting.take() else { return };
        self.waiting = segments.push(next).err();
        if self.waiting.is_none() {
            self.wake();
        }
    }

    /// So many bytes of the segment are committed.
    pub(crate) fn committed(&mut self, len: u64) {
        self.len = len;
        self.retry();
        if mutant::broken(Mutant::ConsoleWokenEarly) {
            self.wake();
        }
        let release = mutant::ordering(Ordering::Release, Mutant::ConsoleCommittedStore);
        // Release: pairs with the acquire in `follow`, which then sees the segment, and what is in it.
        self.progress.committed.store(self.before + len, release);
        if !mutant::broken(Mutant::ConsoleWokenEarly) {
            self.wake();
        }
    }

    fn wake(&self) {
        // Relaxed: at worst an ended thread is woken.
        if !self.progress.ended.load(Ordering::Relaxed) {
            self.console.unpark();
        }
    }

    /// Whether the console has the current segment.
    pub(crate) fn is_followed(&self) -> bool {
        self.waiting.is_none()
    }

    /// Whether the console has shown, or skipped, all that is committed; or shows nothing any more.
    pub(crate) fn has_caught_up(&mut self) -> bool {
        self.retry();
        let Progress { committed, shown, ended, .. } = &*self.progress;
        // Acquire, both: pair with the releases in `follow`, after which the console's counts are what they are.
        // Relaxed: this thread's own.
        ended.load(Ordering::Acquire)
            || self.waiting.is_none()
                && shown.load(Ordering::Acquire) >= committed.load(Ordering::Relaxed)
    }

    /// Ends it, if the current segment need not wait any more: nothing more is committed. Returns whether the console
    /// has ended.
    pub(crate) fn end(&mut self) -> bool {
        self.retry();
        if self.waiting.is_none() && self.segments.is_some() {
            // What was committed before this is seen by who sees this.
            self.segments = None;
            self.console.unpark();
        }
        // Acquire: pairs with the release in `SayEnded`.
        self.progress.ended.load(Ordering::Acquire)
    }

    /// Does not wait for the console any more.
    #[cfg(not(kymo_loom))]
    pub(crate) fn give_up(&self) {
        // Relaxed: nothing is read on its account.
        self.progress.given_up.store(true, Ordering::Relaxed);
    }
}

/// Shows what the consumer commits, until that has ended and everything was shown. Sleeps by `park`.
pub(crate) fn follow<V: View>(view: &mut V, source: Source<V::Segment>, park: impl Fn()) {
    let Source { mut segments, progress } = source;
    let _ended = SayEnded(progress.clone());
    let acquire = mutant::ordering(Ordering::Acquire, Mutant::ConsoleCommittedLoad);
    let mut next = None;
    // Relaxed: see `Feed::give_up`.
    while !progress.given_up.load(Ordering::Relaxed) {
        // In this order, and before the look at the segment. After the end nothing is committed. What is committed is
        // in segments that were pushed. A segment that has a next one is complete, and the look at it sees that: it
        // asks again how much there is. Acquire: pairs with the release in `Feed::committed`.
        let mut has_ended = segments.is_abandoned();
        let mut committed = progress.committed.load(acquire);
        next = next.or_else(|| segments.pop());
        match view.show(progress.committed.load(acquire)) {
            None => break,
            Some(true) => continue,
            Some(false) => {}
        }
        if mutant::broken(Mutant::ConsoleEndLate) {
            has_ended = segments.is_abandoned();
        }
        if let Some(next) = next.take() {
            view.begin(next);
            continue;
        }
        if mutant::broken(Mutant::ConsoleShownEarly) {
            committed = progress.committed.load(acquire);
        }
        // Release: pairs with the acquire in `Feed::has_caught_up`.
        progress.shown.store(committed, Ordering::Release);
        if has_ended {
            break;
        }
        park();
    }
    view.end();
}

/// Says that the console has ended, also if it panicked.
struct SayEnded(Arc<Progress>);

impl Drop for SayEnded {
    fn drop(&mut self) {
        // Release: pairs with the acquires in `Feed`.
        self.0.ended.store(true, Ordering::Release);
    }
}
