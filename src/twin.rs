//! Negative twins: the places that a loom model can break, to prove that it would notice.
//!
//! Each model in `loom-tests/` has twins, which run the same story with one ordering weakened or
//! one step out of its place, and must fail. A [`Twin`] names the place; the one line that asks for
//! it is the line that it breaks (`grep 'Twin::LastLook'`). In the shipped crate the answer is the
//! constant "no", and nothing of this remains.

use crate::sync::atomic::Ordering;

/// The line that a twin breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// `ring::consumer`: the flag is read after the tail, not before.
    LastLook,
    /// `ring::producer`: the rest of the ring is skipped by a commit of its own, before the filler
    /// says so.
    FillerLate,
    /// `ring::recorder`, either producer: the store of the tail is relaxed.
    RecorderTailStore,
    /// `ring::recorder`, either consumer: the load of the tail is relaxed.
    RecorderTailLoad,
    /// `ring::storage::bounded`, the consumer's consume: the store of the head is relaxed.
    RecorderHeadStore,
    /// `ring::storage::bounded`, the producer's look for room: the load of the head is relaxed.
    RecorderHeadLoad,
    /// `ring::storage::bounded`, the producer's commit: the tail is stored before the words are.
    RecorderCommitBeforeWrite,
    /// `ring::recorder`, either producer's end: the store of the flag is relaxed.
    RecorderEndedStore,
    /// `ring::recorder`, either consumer's look: the load of that flag is relaxed.
    RecorderEndedLoad,
    /// `ring::storage::overwriting`, the producer: no fence between saying what will be written
    /// over and doing it.
    RecorderReserveFence,
    /// `ring::storage::overwriting`, the producer: the index is written over before that is said.
    RecorderIndexEarly,
    /// `ring::storage::overwriting`, the consumer: no fence between copying and validating.
    RecorderCopyFence,
    /// `consumer::dump`, the asker: the store that says so is relaxed.
    DumpAskedStore,
    /// `consumer::dump`, the consumer: the load that finds it is relaxed.
    DumpAskedLoad,
    /// `ring::storage::overwriting`, the consumer: the copy is not validated.
    RecorderUnvalidated,
    /// `ring::storage::accounts`: the log is committed without an account of it in the ring.
    RecorderAccountUnsaid,
    /// `registry`, the consumer's `take`: the flag is cleared when the lock has been released.
    FlagClearedLate,
    /// `registry`, the consumer's `close`: rings that come later are not refused.
    RegistryStaysOpen,
    /// `control`, a request: the number is raised with a relaxed operation.
    RequestAdd,
    /// `control`, the consumer's look for requests: the load of the number is relaxed.
    RequestLoad,
    /// `control`, a request: the consumer is woken before the number is raised.
    WakeBeforeRequest,
    /// `control`, the stop: the store of the flag is relaxed.
    StopStore,
    /// `control`, the consumer's look for a stop: the load of the flag is relaxed.
    StopLoad,
    /// `control`, the stop: the consumer is woken before the flag is raised.
    WakeBeforeStop,
    /// `control`, the consumer's end: it does not say that it serves no more.
    EndUnsaid,
    /// `consumer`: its thread says whom to wake only after its first sleep.
    AttachLate,
    /// `consumer`: the request that a sweep serves is read after it.
    RequestReadLate,
    /// `consumer`: drops are looked for before the ring is.
    MarkBeforeLook,
    /// `consumer`: the rings get their room back before the output has what was in it.
    RoomBeforeOutput,
    /// `consumer`, at the end: producers are not told.
    ModeStaysOpen,
    /// `cursor`, lending: what the consumer stored meanwhile is stored over.
    LendOverClosed,
    /// `consumer::lane`: the thread counts as finished while records are left.
    FinishedEarly,
    /// `orphans`: what was dropped too late to be in the file is not counted.
    LateDropsForgotten,
    /// `producer`, the wait for room: the consumer is not woken.
    WaitAsleep,
    /// `producer`, a critical record: nobody waits for it to be in the file.
    WriteThroughAtOnce,
    /// `signals::mailbox`, a request: it is made with a relaxed operation.
    SignalRequest,
    /// `signals::mailbox`, the consumer's look for requests: the load is relaxed.
    SignalPendingLoad,
    /// `signals::mailbox`, the answer: the store is relaxed.
    SignalAcknowledge,
    /// `signals::mailbox`, the look for the answer: the load is relaxed.
    SignalServedLoad,
    /// `published`, a reader: it is counted with a relaxed operation.
    PublishedReaders,
    /// `published`, the withdrawal: the value is freed whether there are readers or not.
    PublishedFreed,
    /// `signals::pending`, the handler: the exchange that leaves a signal is relaxed.
    PendingPost,
    /// `signals::pending`, the handler: the signal is left without a look whether anybody stands by.
    PendingPostBlind,
    /// `signals::pending`, the standby's take: the exchange is relaxed.
    PendingTake,
    /// `signals::pending`, the standby's end: a signal that had been left is not looked for.
    PendingCloseBlind,
    /// `consumer::rescue`: a request is answered before it is served.
    SignalServedEarly,
    /// `state`, a thread's end: the flag is raised with a relaxed operation.
    EndedStore,
    /// `state`, the consumer's look at whether a thread has ended: the load is relaxed.
    EndedLoad,
    /// `consumer::lane`: whether the thread has ended is read after the ring, not before.
    EndedLast,
    /// `state`, a drop: the total is raised with a relaxed operation.
    DropsAdd,
    /// `state`, the consumer's look at drops: the load of the total is relaxed.
    DropsLoad,
}

/// Whether this place is broken in the model that runs on this thread.
#[cfg(not(kymo_loom))]
#[inline(always)]
pub const fn broken(_: Twin) -> bool {
    false
}

/// `sound`, or `Relaxed` where this place is broken.
#[inline(always)]
pub fn ordering(sound: Ordering, place: Twin) -> Ordering {
    if broken(place) { Ordering::Relaxed } else { sound }
}

#[cfg(kymo_loom)]
pub use switch::{breaking, broken};

#[cfg(kymo_loom)]
mod switch {
    use super::Twin;
    use std::cell::Cell;

    // loom runs all threads of a model on the thread of its test, so that tests do not disturb each
    // other.
    std::thread_local! {
        static BROKEN: Cell<Option<Twin>> = const { Cell::new(None) };
    }

    /// Whether this place is broken in the model that runs on this thread.
    pub fn broken(place: Twin) -> bool {
        BROKEN.get() == Some(place)
    }

    /// Runs `f` with one place broken.
    pub fn breaking<R>(place: Twin, f: impl FnOnce() -> R) -> R {
        struct Mend;
        impl Drop for Mend {
            fn drop(&mut self) {
                BROKEN.set(None);
            }
        }
        let _mend = Mend;
        BROKEN.set(Some(place));
        f()
    }
}
