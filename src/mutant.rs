//! Mutants: lines that a loom model can break, to prove that it would notice.
//!
//! Each story in `loom-tests/` also runs as mutants: with one ordering weakened or one step out of its
//! place, it must fail. A [`Mutant`] names the line; `grep 'Mutant::FillerLate'` finds it. In the shipped
//! crate [`broken`] is the constant `false`, and nothing of this remains.

use crate::sync::atomic::Ordering;

/// The line that a mutant breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// `statement::table`, the search: the load of the pointer is relaxed.
    TableLoad,
    /// `statement::table`: a thing is published with a relaxed operation.
    TablePut,
    /// `bridge::slab`, the close: the exchange is relaxed.
    SlabClose,
    /// `bridge::slab`, the search for a free slot: load and exchange are relaxed.
    SlabPop,
    /// `bridge::slab`: the word of the first free slot changes without a new number.
    SlabNumberKept,
    /// `bridge::slab`: the load of a chunk's address is relaxed.
    SlabChunkLoad,
    /// `bridge::slab`: a chunk is published with a relaxed operation.
    SlabChunkPut,
    /// `bridge::slab`: a handle is given up with a relaxed operation.
    SlabHandle,
    /// `ring::producer`: the rest of the ring is skipped by a commit of its own, before the filler
    /// says so.
    FillerLate,
    /// `ring::storage`, either producer: the store of the tail is relaxed.
    RingTailStore,
    /// `ring::storage`, either consumer: the load of the tail is relaxed.
    RingTailLoad,
    /// `ring::storage::bounded`, the consumer's consume: the store of the head is relaxed.
    RingHeadStore,
    /// `ring::storage::bounded`, the producer's look for room: the load of the head is relaxed.
    RingHeadLoad,
    /// `ring::storage::bounded`, the producer's commit: the tail is stored before the words are.
    RingCommitBeforeWrite,
    /// `ring::storage::overwriting`, the producer: no fence between saying what will be written
    /// over and doing it.
    RingReserveFence,
    /// `ring::storage::overwriting`, the producer: the index is written over before that is said.
    RingIndexEarly,
    /// `ring::storage::overwriting`, the consumer: no fence between copying and validating.
    RingCopyFence,
    /// `shared::requests`, the asker: the store that says so is relaxed.
    DumpAskedStore,
    /// `shared::requests`, the consumer: the load that finds it is relaxed.
    DumpAskedLoad,
    /// `ring::storage::overwriting`, the consumer: the copy is not validated.
    RingUnvalidated,
    /// `ring::storage::accounts`: the log is committed without an account of it in the ring.
    RingAccountUnsaid,
    /// `shared::registry`, the consumer's `take`: the flag is cleared when the lock has been released.
    FlagClearedLate,
    /// `shared::registry`, the consumer's `close`: rings that come later are not refused.
    RegistryStaysOpen,
    /// `shared::control`, a request: the number is raised with a relaxed operation.
    RequestAdd,
    /// `shared::control`, the consumer's look for requests: the load of the number is relaxed.
    RequestLoad,
    /// `shared::control`, a request: the consumer is woken before the number is raised.
    WakeBeforeRequest,
    /// `shared::control`, the stop: the store of the flag is relaxed.
    StopStore,
    /// `shared::control`, the consumer's look for a stop: the load of the flag is relaxed.
    StopLoad,
    /// `shared::control`, the stop: the consumer is woken before the flag is raised.
    WakeBeforeStop,
    /// `shared::control`, the consumer's end: it does not say that it serves no more.
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
    /// `ring::cursor`, a release with new limits: a limit that the consumer closed is stored over.
    LimitOverClosed,
    /// `consumer::lane`: the thread counts as finished while records are left.
    FinishedEarly,
    /// `shared::orphans`: what was dropped too late to be in the file is not counted.
    LateDropsForgotten,
    /// `thread::producer`, the wait for room: the consumer is not woken.
    WaitAsleep,
    /// `thread::producer`, a critical record: nobody waits for it to be in the file.
    WriteThroughAtOnce,
    /// `shared::mailbox`, a request: it is made with a relaxed operation.
    SignalRequest,
    /// `shared::mailbox`, the consumer's look for requests: the load is relaxed.
    SignalPendingLoad,
    /// `shared::mailbox`, the answer: the store is relaxed.
    SignalAcknowledge,
    /// `shared::mailbox`, the look for the answer: the load is relaxed.
    SignalServedLoad,
    /// `process::published`, a reader: it is counted with a relaxed operation.
    PublishedReaders,
    /// `process::published`, the withdrawal: the value is freed whether there are readers or not.
    PublishedFreed,
    /// `filter::gate`, a decision: the number is read after the filter, not before.
    FilterNumberLate,
    /// `crash::signals::pending`, the handler: the exchange that leaves a signal is relaxed.
    PendingPost,
    /// `crash::signals::pending`, the handler: leaves the signal without looking whether the
    /// standby thread waits.
    PendingPostBlind,
    /// `crash::signals::pending`, the standby's take: the exchange is relaxed.
    PendingTake,
    /// `crash::signals::pending`, the standby's end: a signal that had been left is not looked for.
    PendingCloseBlind,
    /// `consumer::takeover`: a request is answered before it is served.
    SignalServedEarly,
    /// `rotation::rotator`: the housekeeper is woken before it is told what to do.
    HousekeeperWokenEarly,
    /// `rotation::housekeeper`: whether the consumer has ended is read after its last task, not before.
    HousekeeperEndLate,
    /// `consumer::feed`: the console is woken before it is told what is committed.
    ConsoleWokenEarly,
    /// `consumer::feed`, the consumer: the store of what is committed is relaxed.
    ConsoleCommittedStore,
    /// `consumer::feed`, the console: the load of what is committed is relaxed.
    ConsoleCommittedLoad,
    /// `consumer::feed`: whether the consumer has ended is read after the last look, not before.
    ConsoleEndLate,
    /// `consumer::feed`: all counts as shown that is committed after the last look.
    ConsoleShownEarly,
    /// `shared::state`, a thread's end: the flag is raised with a relaxed operation.
    EndedStore,
    /// `shared::state`, the consumer's look at whether a thread has ended: the load is relaxed.
    EndedLoad,
    /// `consumer::lane`: whether the thread has ended is read after the ring, not before.
    EndedLast,
    /// `shared::state`, a drop: the total is raised with a relaxed operation.
    DropsAdd,
    /// `shared::state`, the consumer's look at drops: the load of the total is relaxed.
    DropsLoad,
}

/// Returns whether the model that runs on this thread breaks this place.
#[cfg(not(kymo_loom))]
#[inline(always)]
pub const fn broken(_: Mutant) -> bool {
    false
}

/// Returns `sound`, or `Relaxed` if the model that runs on this thread breaks this place.
#[inline(always)]
pub fn ordering(sound: Ordering, place: Mutant) -> Ordering {
    if broken(place) { Ordering::Relaxed } else { sound }
}

#[cfg(kymo_loom)]
pub use switch::{breaking, broken};

#[cfg(kymo_loom)]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    // loom runs all threads of a model on the thread of its test, so that tests do not disturb each
    // other.
    std::thread_local! {
        static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Returns whether the model that runs on this thread breaks this place.
    pub fn broken(place: Mutant) -> bool {
        BROKEN.get() == Some(place)
    }

    /// Runs `f` with one place broken.
    pub fn breaking<R>(place: Mutant, f: impl FnOnce() -> R) -> R {
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
