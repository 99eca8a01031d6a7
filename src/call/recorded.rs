//! The path of a log call whose record goes round in a ring of its own: levels that overwrite their
//! oldest records, and those of the flight recorder.
//!
//! The record is made on the stack and moved to the ring by words, because the consumer may be
//! copying the words that it takes the place of (see `ring::recorder`). There is always room.

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::argument::Arguments;
use crate::call::hot::Fit;
use crate::drop_reason::DropReason;
use crate::process::statics::CURSOR;
use crate::ring::WORD_BYTES;
use crate::ring::cursor::Cursor;
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::ring::recorders::class_of;
use crate::statement::call_site::{AtLevel, CallSite};
use crate::thread::producer::Producer;

/// The longest record that is made on the stack, in words.
const STACK_WORDS: usize = 32;

/// Logs a record of a recorded level where nothing is out of the ordinary; returns false, having done
/// nothing, where something is.
#[inline(always)]
#[must_use]
pub(crate) fn log<V: AtLevel, L: Arguments>(site: &'static CallSite, arguments: L) -> bool {
    let cursor = CURSOR.with(Cell::get);
    if cfg!(kymo_loom) && cursor.is_null() {
        return false;
    }
    // SAFETY: it lives as long as it stands there.
    let cursor = unsafe { &*cursor };
    try_log::<V, L>(cursor, site, arguments)
}

/// The same with the thread's cursor.
#[inline(always)]
pub(crate) fn try_log<V: AtLevel, L: Arguments>(
    cursor: &Cursor,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let bytes = HEADER_BYTES + arguments.bytes();
    if bytes > STACK_WORDS * WORD_BYTES {
        return false;
    }
    let Some(mut recording) = cursor.recording(V::index(site)) else { return false };
    let (recorders, path) = recording.recorders();
    let ticks = recorders.clock.stamp();
    let recorder = match recorders.of(path) {
        Some(recorder) => recorder,
        // Before the record is published: a recovery that finds the one needs the other.
        None if cursor.known_sites().is_none_or(|known| known.has(site)) => {
            match recorders.in_file(path) {
                Some(recorder) => recorder,
                None => return false,
            }
        }
        None => return false,
    };
    let words = bytes.div_ceil(WORD_BYTES);
    let mut record = [const { MaybeUninit::<u64>::uninit() }; STACK_WORDS];
    // What is behind the arguments in the last word is not left uninitialised.
    record[words - 1].write(0);
    record[1].write(ticks);
    let to = record.as_mut_ptr().cast::<u8>();
    // SAFETY: aligned to 8, and there is room for a header. The length fits: see `STACK_WORDS`.
    unsafe { write_first_word(to, site, bytes as u16) };
    // SAFETY: as above.
    let to = unsafe { to.add(HEADER_BYTES) };
    // SAFETY: what is left of `bytes` is `arguments.bytes()`.
    unsafe { arguments.write(to) };
    // SAFETY: `bytes` bytes were written, and those behind them up to the next word before that.
    let record = unsafe { std::slice::from_raw_parts(record.as_ptr().cast::<u64>(), words) };
    let class = class_of(V::index(site));
    recorder.push_known(record, class) || recorder.push(record, class).is_ok()
}

/// Logs a record whatever its length; returns false, having done nothing, where it is not of a
/// recorded level, or its thread has no rings for these.
pub(crate) fn log_outlined<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    if producer.recorder(site.level).is_none() {
        return false;
    }
    let ticks = producer.stamp();
    producer.make_known(site);
    let Some(recorder) = producer.recorder(site.level) else { return false };
    let fit = Fit::new(&arguments, recorder.longest() * WORD_BYTES);
    let slot = fit.and_then(|fit| {
        let slot = recorder.reserve_known(fit.bytes.div_ceil(WORD_BYTES))?;
        Some((fit, slot))
    });
    let Some((fit, mut slot)) = slot else {
        producer.drop_record(site.level, ticks, DropReason::TooLarge);
        return true;
    };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole. (What the buffer has behind `bytes` is initialised.)
    unsafe { slot.publish(class_of(site.level.index())) };
    true
}
