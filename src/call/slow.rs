//! The slow path of a log call: all that the fast paths do not do.
//!
//! In come a call site and captured arguments. Out goes a record in the thread's ring, or a count
//! of one more drop. It makes the thread's ring, reads any clock, cuts arguments, and waits for
//! room. If the thread's rings are in files, it writes the call site into a file. It knows the
//! thread's producer, and no consumer.

use crate::argument::Arguments;
use crate::call::overwriting;
use crate::drop_reason::DropReason;
use crate::ring::WORD_BYTES;
use crate::ring::cursor::Claim;
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::statement::call_site::{AtLevel, CallSite};
use crate::thread;
use crate::thread::producer::Producer;

/// Logs a record, or counts it as dropped or unlogged.
#[inline]
pub(crate) fn log<L: Arguments>(site: &'static CallSite, arguments: L) {
    if let Some(mut lease) = thread::lease(site) {
        log_with(&mut lease, site, arguments);
    }
}

/// Releases the cursor. Returns whether the record that a fast path refused has words now: then that path is
/// to be tried again.
#[inline(always)]
pub(crate) fn refill<V: AtLevel, L: Arguments>(
    claim: Claim<'static>,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let bytes = (HEADER_BYTES + arguments.bytes()).next_multiple_of(WORD_BYTES);
    thread::refill(claim, V::index(site), bytes)
}

/// Logs a record with the thread's producer: registers the call site, cuts the arguments or waits for room,
/// then logs or drops.
#[inline]
pub(crate) fn log_with<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) {
    if overwriting::log_slow(producer, site, arguments) {
        return;
    }
    let ticks = producer.stamp();
    let Some(fit) = RecordFit::new(&arguments, producer.max_record_bytes()) else {
        return producer.drop_record(site, ticks, DropReason::TooLarge);
    };
    // Before the record is published: a recovery that finds the record needs the call site.
    producer.make_known(site);
    let words = fit.bytes.div_ceil(WORD_BYTES);
    if let Some(policy) = producer.write_through_policy(site.level) {
        let mut record = vec![0; words];
        // SAFETY: so many words are there.
        unsafe { fit.write(record.as_mut_ptr(), site, ticks, arguments) };
        return producer.write_through(site, ticks, &record, policy);
    }
    let room = producer.wait_for_room(words, producer.overflow(site.level));
    if let Err(reason) = room {
        return producer.drop_record(site, ticks, reason);
    }
    let Ok(mut slot) = producer.ring.reserve(words) else { return };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole.
    unsafe { slot.publish() };
}

/// Logs a record if there is room, and counts it as dropped if not. For the consumer, which cannot wait for
/// itself.
pub(crate) fn log_at_once<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) {
    let ticks = producer.stamp();
    let fit = RecordFit::new(&arguments, producer.max_record_bytes());
    let slot = fit.and_then(|fit| {
        producer.ring.reserve(fit.bytes.div_ceil(WORD_BYTES)).ok().map(|slot| (fit, slot))
    });
    let Some((fit, mut slot)) = slot else {
        return producer.drop_record(site, ticks, DropReason::Full);
    };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole.
    unsafe { slot.publish() };
}

/// How a record is made to fit into a ring.
pub(crate) struct RecordFit {
    /// The record's length in bytes, header included.
    pub(crate) bytes: usize,
    /// If the record has to be cut: how many bytes its arguments may have beyond the least they need.
    spare: Option<usize>,
}

impl RecordFit {
    /// `None` if even the least that the arguments need is too long.
    pub(crate) fn new<L: Arguments>(arguments: &L, max_bytes: usize) -> Option<Self> {
        let bytes = HEADER_BYTES + arguments.bytes();
        if bytes <= max_bytes {
            return Some(Self { bytes, spare: None });
        }
        let spare = max_bytes.checked_sub(HEADER_BYTES + arguments.base_bytes())?;
        let bytes = HEADER_BYTES + arguments.cut_bytes(&mut { spare });
        Some(Self { bytes, spare: Some(spare) })
    }

    /// Writes the record.
    ///
    /// # Safety
    /// `to` is valid for writes of `self.bytes`, rounded up to words, and this is the fit of these
    /// arguments.
    pub(crate) unsafe fn write<L: Arguments>(
        self,
        to: *mut u64,
        site: &'static CallSite,
        ticks: u64,
        arguments: L,
    ) {
        let to = to.cast::<u8>();
        // SAFETY: the caller's promise; a record has a header.
        let arguments_at = unsafe { to.add(HEADER_BYTES) };
        let cut_bits = match self.spare {
            // SAFETY: what is left of `bytes` is what `cut_bytes` measured with the same `spare`.
            Some(mut spare) => unsafe { arguments.write_cut(&mut spare, arguments_at) },
            None => {
                // SAFETY: what is left of `bytes` is `arguments.bytes()`.
                unsafe { arguments.write(arguments_at) };
                0
            }
        };
        // SAFETY: the caller's promise. The length fits: it is at most `MAX_RECORD_BYTES`.
        unsafe { write_first_word(to, site, self.bytes as u16 | cut_bits) };
        // SAFETY: as above.
        let to = unsafe { to.add(WORD_BYTES) };
        // SAFETY: as above.
        unsafe { to.cast::<u64>().write(ticks) };
    }
}
