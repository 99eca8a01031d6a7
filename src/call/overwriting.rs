//! The path of a log call whose ring overwrites its oldest records: levels with that policy, and those of the
//! flight recorder.
//!
//! The record is made on the stack and moved to the ring by words. The reason: the consumer may be
//! copying the words that it overwrites (see `ring::storage::overwriting`). There is always room.
//! This path knows nothing of reserved words and their limits.

use std::mem::MaybeUninit;

use crate::argument::Arguments;
use crate::call::slow::RecordFit;
use crate::drop_reason::DropReason;
use crate::ring::WORD_BYTES;
use crate::ring::cursor::Claim;
use crate::ring::overwriting_rings::class_of;
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::statement::call_site::{AtLevel, CallSite};
use crate::thread::producer::Producer;

/// The longest record that is made on the stack, in words.
const STACK_WORDS: usize = 32;

/// Logs a record of a level whose ring overwrites, and releases the cursor. Returns false, having done nothing
/// else, if the slow path has to log it.
#[inline(always)]
#[must_use]
pub(crate) fn log<V: AtLevel, L: Arguments>(
    claim: Claim<'_>,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let cursor = claim.cursor();
    let bytes = HEADER_BYTES + arguments.bytes();
    // Before the record is published: a recovery that finds the record needs the call site.
    if bytes > STACK_WORDS * WORD_BYTES
        || cursor.known_sites().is_some_and(|known| !known.has(site))
    {
        claim.release();
        return false;
    }
    let level = V::index(site);
    let mut claim = match claim.overwriting(level) {
        Ok(claim) => claim,
        Err(claim) => {
            claim.release();
            return false;
        }
    };
    let producers = claim.producers();
    let ticks = producers.clock.stamp();
    let logged = producers.of(cursor.ring(level)).is_some_and(|ring| {
        let words = bytes.div_ceil(WORD_BYTES);
        let mut record = [const { MaybeUninit::<u64>::uninit() }; STACK_WORDS];
        // The bytes past the arguments, in the last word, are not left uninitialised.
        record[words - 1].write(0);
        record[1].write(ticks);
        let to = record.as_mut_ptr().cast::<u8>();
        // SAFETY: aligned to 8, and there is room for a header. The length fits: see `STACK_WORDS`.
        unsafe { write_first_word(to, site, bytes as u16) };
        // SAFETY: as above.
        let to = unsafe { to.add(HEADER_BYTES) };
        // SAFETY: what is left of `bytes` is `arguments.bytes()`.
        unsafe { arguments.write(to) };
        // SAFETY: `bytes` bytes were written, and before that those past them up to the next word.
        let record = unsafe { std::slice::from_raw_parts(record.as_ptr().cast::<u64>(), words) };
        let class = class_of(level);
        ring.push_known(record, class) || ring.push(record, class).is_ok()
    });
    claim.into_claim().release();
    logged
}

/// Slow path: registers the call site, cuts the arguments, and logs or drops. Returns false, having done
/// nothing, if the record's ring is not one that overwrites.
pub(crate) fn log_slow<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    if producer.overwriting(site.level).is_none() {
        return false;
    }
    let ticks = producer.stamp();
    producer.make_known(site);
    let Some(ring) = producer.overwriting(site.level) else { return false };
    let fit = RecordFit::new(&arguments, ring.longest() * WORD_BYTES);
    let slot = fit.and_then(|fit| {
        let slot = ring.reserve(fit.bytes.div_ceil(WORD_BYTES))?;
        Some((fit, slot))
    });
    let Some((fit, mut slot)) = slot else {
        producer.drop_record(site, ticks, DropReason::TooLarge);
        return true;
    };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole. (The bytes past `bytes` are initialised.)
    unsafe { slot.publish(class_of(site.level.index())) };
    true
}
