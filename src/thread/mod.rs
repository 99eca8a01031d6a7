//! The calling thread's producer: made at the first call or ahead of it, handed over when the
//! thread ends.
//!
//! Thread-locals without destructors hold the thread's cursor
//! ([`CURSOR`]), its producer, and what it shares with the
//! consumer. One more, [`Guard`], has the destructor that hands the ring over. After that, a call
//! makes a small ring for its one record.
//!
//! Log calls come in; they get a [`Lease`] of the producer. The folder knows the running logger,
//! and no builder.

mod make;
pub(crate) mod producer;

use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::Duration;

use crate::argument;
use crate::clock::{monotonic_ns, nanoseconds};
use crate::drop_reason::DropReason;
use crate::process::inside::Inside;
use crate::process::statics::{CURSOR, GATE, NO_CURSOR, OWNED, STATE, UNLOGGED};
use crate::process::thread_info::ThreadInfo;
use crate::ring::cursor::Claim;
use crate::shared::orphans;
use crate::shared::running::{self, count_unlogged};
use crate::statement::call_site::CallSite;
use crate::sync::Arc;
use crate::sync::statics::{Ordering, compiler_fence};
use crate::thread::producer::Producer;

/// The capacity of the ring of a thread that logs while it ends, in words. A record of any length
/// fits.
const LAST_RING_WORDS: usize = 2 * crate::format::MAX_RECORD_BYTES / 8;

thread_local! {
    static GUARD: Guard = const { Guard };
}

/// Returns how many log calls of this process found no running logger. Their records are lost.
///
/// These are calls before [`Builder::start`](crate::Builder::start), after the shutdown, or too
/// late to be drained by it. Calls from inside the logger (an allocator that logs, for instance)
/// count, too.
///
/// ```
/// let before = kymo::unlogged();
/// kymo::info!("nobody listens");
/// assert_eq!(kymo::unlogged(), before + 1);
/// ```
pub fn unlogged() -> u64 {
    count_unlogged(orphans::count());
    // Relaxed: a number to look at; nothing is read on its account.
    UNLOGGED.load(Ordering::Relaxed)
}

/// Forgets the producer of the parent, in the only thread of a forked child.
pub(crate) fn begin_child() {
    // Relaxed, all: there is nobody else.
    UNLOGGED.store(0, Ordering::Relaxed);
    GATE.begin_child();
    let state = STATE.get();
    if !OWNED.get().is_null() && !state.is_null() {
        // SAFETY: the producer, which owns this too, is there: the child has a copy of it.
        let state = unsafe { &*state };
        state.cursor.close();
    }
}

/// Makes this thread's ring ahead of its first log call, so that this call costs no more than
/// others.
///
/// Returns false if no logger runs. Without it the first log call makes the ring, which takes some
/// hundred microseconds for 1 MiB.
///
/// ```
/// assert!(!kymo::prepare_thread(), "no logger runs");
/// ```
pub fn prepare_thread() -> bool {
    argument::prepare_scratch();
    take(None).is_some()
}

/// Waits until all that the calling thread has logged is in the file.
///
/// Returns false
///
/// - if no logger runs, or the logger ended before;
/// - if a record that the thread logged since its last flush could not be written (a full disk, for
///   instance), or is gone with its file;
/// - in a signal handler that interrupted a log call, where it does nothing.
///
/// ```
/// assert!(!kymo::flush(), "no logger runs");
/// ```
pub fn flush() -> bool {
    flush_until(None)
}

/// Waits up to `timeout` until all that the calling thread has logged is in the file.
///
/// Returns false if the time is over, and in the cases of [`flush`].
pub fn flush_timeout(timeout: Duration) -> bool {
    flush_until(Some(monotonic_ns().saturating_add(nanoseconds(timeout))))
}

fn flush_until(deadline_ns: Option<u64>) -> bool {
    if is_in_use() || Inside::is_here() {
        return false;
    }
    if let Some(mut lease) = existing() {
        return lease.flush(deadline_ns);
    }
    // It has no ring: it never logged to this logger, or did so while it ended, in a ring that one
    // sweep empties.
    running::current().is_some_and(|shared| shared.control.request_sweep(deadline_ns))
}

/// Returns whether this is a signal handler that interrupted a log call of its own thread.
fn is_in_use() -> bool {
    let cursor = CURSOR.get();
    // SAFETY: the state lives as long as the cell points to it.
    !ptr::eq(cursor, NO_CURSOR) && unsafe { &*cursor }.is_claimed()
}

/// The right to use this thread's producer, until dropped.
pub(crate) struct Lease {
    producer: *mut Producer,
    /// Set if the thread is ending and has this producer for one record only. What the allocator
    /// does meanwhile is not logged once more.
    last: Option<Inside>,
}

impl Deref for Lease {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        // SAFETY: INV-1 of `fast`: the cursor was taken for the lease, or the producer made.
        unsafe { &*self.producer }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Producer {
        // SAFETY: as above.
        unsafe { &mut *self.producer }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.last.is_some() {
            // SAFETY: made by `Box::into_raw` in `make`, and known to nobody else.
            drop(unsafe { Box::from_raw(self.producer) });
        } else {
            self.release_cursor();
        }
    }
}

/// Returns the producer for a record of this call site, and makes it if necessary. `None` if the call
/// is not to be logged; it has been counted.
///
/// No call is logged if no logger runs. Nor is one that comes from an allocator or a signal
/// handler, inside the logger or inside another call of its thread.
pub(crate) fn lease(site: &CallSite) -> Option<Lease> {
    take(Some(site))
}

/// Returns the producer. `None` for the call site: this is no log call, and does not count as one.
#[cold]
fn take(site: Option<&CallSite>) -> Option<Lease> {
    if is_in_use() {
        if let Some(site) = site {
            // SAFETY: the producer, which owns this too, lives until the interrupted call goes on,
            // which is only when this has returned.
            let state = unsafe { &*STATE.get() };
            state.count_drop(site, state.clock.stamp(), DropReason::InSignalHandler);
        }
        return None;
    }
    if Inside::is_here() {
        if site.is_some() {
            count_unlogged(1);
        }
        return None;
    }
    let made = existing().or_else(make);
    if made.is_none() && site.is_some() {
        count_unlogged(1);
    }
    made
}

/// Returns this thread's producer, if it has one whose logger still runs. Not to be called while a
/// call is under way.
fn existing() -> Option<Lease> {
    let producer = OWNED.get();
    if producer.is_null() {
        return None;
    }
    let mut lease = Lease { producer, last: None };
    lease.claim_cursor();
    if !lease.is_shut_down() {
        return Some(lease);
    }
    // Its logger was shut down. The producer stays until there is another one: this may be a signal
    // handler that interrupted a call which has just read where the cursor is.
    std::mem::forget(lease);
    CURSOR.set(NO_CURSOR);
    None
}

/// Makes this thread's producer; `None` if no logger runs.
fn make() -> Option<Lease> {
    let inside = Inside::enter();
    let shared = running::current()?;
    let ending = GUARD.try_with(|_| ()).is_err();
    let ring_words =
        if ending { LAST_RING_WORDS.min(shared.ring_words) } else { shared.ring_words };
    let producer = if ending {
        shared.make_plain_producer(ring_words, ThreadInfo::of_ending_thread())?
    } else {
        shared.make_producer(ring_words, ThreadInfo::current())?
    };
    // If threads come and go quickly, the consumer should soon release the rings of those that
    // went.
    shared.control.wake();
    let state = Arc::as_ptr(&producer.state);
    let producer = Box::into_raw(Box::new(producer));
    if !ending {
        release();
        STATE.set(state);
        compiler_fence(Ordering::SeqCst);
        // From here on a signal handler finds the cursor taken, as it was made.
        // SAFETY: the producer, which owns this too, has just been made.
        CURSOR.set(unsafe { &raw const (*state).cursor });
        compiler_fence(Ordering::SeqCst);
        OWNED.set(producer);
    }
    Some(Lease { producer, last: ending.then_some(inside) })
}

/// Releases the cursor, after adding the words that have become free. Returns whether the record
/// may be tried again.
///
/// It adds words only if a record of this level and of `bytes` bytes lacks them. This is the
/// shortest part of the slow path, because a call comes here each time the ring wraps.
#[inline(never)]
pub(crate) fn refill(claim: Claim<'_>, level: usize, bytes: usize) -> bool {
    if !claim.lacks_words(level, bytes) {
        claim.release();
        return false;
    }
    // SAFETY: INV-1 of `fast`: the cursor of a thread with a producer is claimed. (No other cursor
    // has words.)
    let producer = unsafe { &mut *OWNED.get() };
    producer.refill(claim.into_next(), bytes)
}

/// Gives up this thread's producer, if it has one.
fn release() {
    let producer = OWNED.get();
    if producer.is_null() {
        return;
    }
    let _inside = Inside::enter();
    // A signal handler finds the cursor claimed, and later that there is none: it does not see what
    // happens here.
    // SAFETY: the producer lives as long as the cell points to it, and no call is under way.
    unsafe { (*producer).claim_cursor() };
    OWNED.set(ptr::null_mut());
    compiler_fence(Ordering::SeqCst);
    CURSOR.set(NO_CURSOR);
    compiler_fence(Ordering::SeqCst);
    // SAFETY: made by `Box::into_raw` in `make`; nothing leads to it any more.
    drop(unsafe { Box::from_raw(producer) });
}

/// Hands the ring over to the consumer when the thread ends.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        release();
    }
}
