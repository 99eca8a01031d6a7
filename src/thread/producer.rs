//! A thread's end of its ring, and the slow path's steps: waiting for room, dropping, flushing,
//! writing through.

use std::mem::ManuallyDrop;
use std::ptr;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::mutant::{self, Mutant};
use crate::ring::overwriting_rings::OverwritingProducers;
use crate::ring::producer::Refusal;
use crate::ring::storage::overwriting::OverwritingProducer;
use crate::ring::{RingProducer, WORD_BYTES};
use crate::shared::Shared;
use crate::shared::policy::{Overflow, WriteThrough};
use crate::shared::state::RingState;
use crate::statement::call_site::CallSite;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, hint, thread};

/// How often a producer that waits for room looks again while it spins, before it yields.
const SPINS: u32 = 64;

/// How often it yields before it sleeps.
const YIELDS: u32 = 64;

/// With what it begins. (In the models spinning and yielding are only more of the same.)
const FIRST_ROUND: u32 = if cfg!(kymo_loom) { SPINS + YIELDS } else { 0 };

/// How long it sleeps before it looks again.
const SLEEP: Duration = Duration::from_micros(50);

/// A thread's end of its ring.
pub(crate) struct Producer {
    pub(crate) ring: ManuallyDrop<RingProducer>,
    pub(crate) state: Arc<RingState>,
    /// What its recorded levels go to, if there are any, or null.
    recorders: *mut OverwritingProducers,
    shared: Arc<Shared>,
    /// How many failures the last flush knew of.
    failures: u64,
}

// SAFETY: the recorders are this producer's own, and go with it.
unsafe impl Send for Producer {}

impl Producer {
    pub(crate) fn new(
        ring: RingProducer,
        recorders: Option<Box<OverwritingProducers>>,
        state: Arc<RingState>,
        shared: Arc<Shared>,
    ) -> Self {
        let recorders = recorders.map_or(ptr::null_mut(), Box::into_raw);
        state.cursor.set_overwriting(recorders);
        Self { ring: ManuallyDrop::new(ring), state, recorders, shared, failures: 0 }
    }

    /// The ring of this level if it is one that overwrites.
    pub(crate) fn overwriting(&mut self, level: Level) -> Option<&mut OverwritingProducer> {
        // SAFETY: INV-3 of `cursor`: null, or what this owns; who has the producer has taken the
        // cursor.
        let recorders = unsafe { self.recorders.as_mut() };
        let ring = self.state.cursor.ring(level.index());
        if ring.overwrites() { recorders?.of(ring) } else { None }
    }

    fn drop_recorders(&mut self) {
        self.state.cursor.set_overwriting(ptr::null_mut());
        let recorders = std::mem::replace(&mut self.recorders, ptr::null_mut());
        if !recorders.is_null() {
            // SAFETY: made by `Box::into_raw` in `new`, and not to be found any more.
            let recorders = unsafe { Box::from_raw(recorders) };
            if recorders.is_of_parent() {
                std::mem::forget(recorders);
            }
        }
    }

    /// Where a ring is in a file, sees to it that the call site is in its own. If that is not
    /// possible, the record is logged all the same, and the thread does not try again: its calls are
    /// not to be slow for as long as a disk is full.
    pub(crate) fn make_known(&mut self, site: &'static CallSite) {
        if let Some(sites) = self.state.cursor.known_sites()
            && !sites.has(site)
        {
            self.shared.register(site);
            sites.add(site);
        }
    }

    /// Reserves what has become free, for a cursor that is claimed and has this next address, and releases the
    /// cursor. Returns whether there is room for a record of so many bytes now.
    pub(crate) fn refill(&mut self, next: *mut u64, bytes: usize) -> bool {
        // SAFETY: INV-2 of `cursor`.
        unsafe { self.ring.return_unused(next) };
        self.ring.wrap_for(bytes / WORD_BYTES);
        let reserved = self.ring.reserve_free();
        self.state.cursor.release_with(&reserved);
        reserved.end.addr() - reserved.next.addr() >= bytes
    }

    /// Reserves what is free of the ring, and releases the cursor.
    pub(crate) fn release_cursor(&mut self) {
        let cursor = &self.state.cursor;
        if cursor.has_fast_levels() {
            cursor.release_with(&self.ring.reserve_free());
        } else {
            cursor.release(ptr::null_mut());
        }
    }

    /// Claims the cursor, and returns the reserved words that are not used.
    pub(crate) fn claim_cursor(&mut self) {
        if let Some(next) = self.state.cursor.claim_next() {
            // SAFETY: INV-2 of `cursor`. If no words are reserved, none are returned.
            unsafe { self.ring.return_unused(next) };
        }
    }

    /// Returns whether the logger was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.state.cursor.is_closed()
    }

    /// Returns whether no consumer reads the ring any more: the logger was shut down, or its
    /// consumer has died.
    fn is_closed(&self) -> bool {
        self.is_shut_down() || self.ring.is_abandoned()
    }

    /// Returns the time stamp for a record.
    pub(crate) fn stamp(&self) -> u64 {
        self.state.clock.stamp()
    }

    /// Returns what to do with a record of this level if there is no room.
    pub(crate) fn overflow(&self, level: Level) -> Overflow {
        self.shared.policies.overflow(level)
    }

    /// Returns how records of this level are written through; `None` if they are not.
    pub(crate) fn write_through_policy(&self, level: Level) -> Option<WriteThrough> {
        self.shared.policies.write_through(level)
    }

    /// Returns the length of the longest record that this ring takes, in bytes.
    pub(crate) fn max_record_bytes(&self) -> usize {
        self.ring.longest() * WORD_BYTES
    }

    /// Waits until a record of `words` words has room. If it gets none, returns the reason.
    pub(crate) fn wait_for_room(
        &mut self,
        words: usize,
        overflow: Overflow,
    ) -> Result<(), DropReason> {
        match self.ring.reserve(words) {
            Ok(_) => return Ok(()),
            Err(Refusal::Full) => {}
            Err(Refusal::TooLong) => return Err(DropReason::TooLarge),
        }
        let Overflow::Wait { timeout } = overflow else { return Err(DropReason::Full) };
        if self.shared.control.is_consumer() {
            // The consumer would wait for itself. (A hook that logs runs in its thread.)
            return Err(DropReason::Full);
        }
        // The consumer may sleep, and the waiting thread may call the system. Once is enough: the
        // consumer does not sleep again before it has taken something, and then there is room.
        if !mutant::broken(Mutant::WaitAsleep) {
            self.shared.control.wake();
        }
        let deadline = timeout.map(|limit| monotonic_ns().saturating_add(nanoseconds(limit)));
        let mut round = FIRST_ROUND;
        loop {
            if self.ring.reserve(words).is_ok() {
                return Ok(());
            }
            // Checked after the attempt: a consumer that has gone makes no more room.
            if self.is_closed() {
                return Err(DropReason::AfterShutdown);
            }
            if deadline.is_some_and(|deadline| monotonic_ns() >= deadline) {
                return Err(DropReason::TimedOut);
            }
            Self::pause(round);
            round += 1;
        }
    }

    /// Publishes a critical record, and waits until it is in the file, with all records before it.
    ///
    /// If the consumer cannot do that in time, this thread writes the record itself, into the side
    /// file.
    pub(crate) fn write_through(
        &mut self,
        site: &CallSite,
        ticks: u64,
        record: &[u64],
        policy: WriteThrough,
    ) {
        let deadline_ns = monotonic_ns().saturating_add(nanoseconds(policy.limit()));
        let failures = self.failures();
        let room =
            self.wait_for_room(record.len(), Overflow::Wait { timeout: Some(policy.limit()) });
        if room.is_ok()
            && let Ok(mut slot) = self.ring.reserve(record.len())
        {
            let to = slot.as_mut_ptr();
            // SAFETY: the slot has as many words as the record, and is not Rust memory that the
            // record might overlap.
            unsafe { to.copy_from_nonoverlapping(record.as_ptr(), record.len()) };
            // SAFETY: the record is whole.
            unsafe { slot.publish() };
            let at_once = mutant::broken(Mutant::WriteThroughAtOnce);
            if at_once || self.drain(Some(deadline_ns)) && self.failures() == failures {
                if policy.is_synced() {
                    // A failure is counted, and told by the consumer.
                    let _ = self.shared.sync();
                }
                return;
            }
        }
        let is_written = room.is_ok();
        let (shared, thread) = (self.shared.clone(), self.state.thread.clone());
        let rescued = shared.rescue(record, &thread, policy.is_synced(), || {
            !(is_written && self.is_drained() && self.failures() == failures)
        });
        if let Err(reason) = room {
            let reason = if rescued { DropReason::Rescued } else { reason };
            self.drop_record(site, ticks, reason);
        }
    }

    /// Lets time pass for the consumer: little at first, then more.
    fn pause(round: u32) {
        if round < SPINS {
            for _ in 0..32 {
                hint::spin_loop();
            }
        } else if round < SPINS + YIELDS {
            thread::yield_now();
        } else {
            thread::sleep(SLEEP);
        }
    }

    /// Counts a record as dropped.
    pub(crate) fn drop_record(&self, site: &CallSite, ticks: u64, reason: DropReason) {
        self.state.count_drop(site, ticks, reason);
    }

    /// Waits until all that was logged here is in the file.
    ///
    /// Returns false if a record could not be written since the last flush, or if the logger ended
    /// before.
    pub(crate) fn flush(&mut self, deadline_ns: Option<u64>) -> bool {
        let drained = self.drain(deadline_ns);
        let failures = self.failures();
        drained && std::mem::replace(&mut self.failures, failures) == failures
    }

    /// Waits until the consumer has taken all that was logged here, written or not; returns false
    /// if it has not.
    fn drain(&mut self, deadline_ns: Option<u64>) -> bool {
        while !self.is_drained() {
            if self.is_closed() || !self.shared.control.request_sweep(deadline_ns) {
                break;
            }
        }
        self.is_drained()
    }

    fn is_drained(&mut self) -> bool {
        // SAFETY: as in `recorder`.
        let recorders = unsafe { self.recorders.as_ref() };
        let overwriting = recorders.and_then(|recorders| recorders.log.as_ref());
        self.ring.is_drained() && overwriting.is_none_or(OverwritingProducer::is_drained)
    }

    /// Returns how often records that were logged here could not be written, or were lost.
    fn failures(&self) -> u64 {
        // Acquire: pairs with the release in `Lane::say_failed`, which comes before the ring's room
        // is given back.
        self.state.failures.load(Ordering::Acquire)
    }
}

impl Drop for Producer {
    /// Hands the ring back: another thread may get it.
    fn drop(&mut self) {
        // Before the ring, with which the thread has ended for the consumer.
        self.drop_recorders();
        self.claim_cursor();
        if self.ring.has_reserved() {
            // A call of the thread never returned: a signal handler jumped out of it, or ended the
            // thread. How far it came is unknown, so the ring is leaked.
            return;
        }
        // SAFETY: taken once, here, and not used afterwards.
        let ring = unsafe { ManuallyDrop::take(&mut self.ring) };
        self.state.end(ring);
    }
}
