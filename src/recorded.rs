//! The path of a log call whose record goes round in a ring of its own: levels that overwrite their
//! oldest records, and those of the flight recorder.
//!
//! The record is made on the stack and moved to the ring by words, because the consumer may be
//! copying the words that it takes the place of (see `ring::recorder`). There is always room.

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::argument::Arguments;
use crate::call_site::CallSite;
use crate::core::Core;
use crate::drop_reason::DropReason;
use crate::hot::{self, AVAILABLE, Fit, PutBack};
use crate::level::Level;
use crate::producer::Producer;
use crate::record::HEADER_BYTES;
use crate::ring::WORD_BYTES;
use crate::ring::recorder::layout::{Identity, Mode as RingMode, Purpose};
use crate::ring::recorder::memory::{Ring, capacity_for};
use crate::ring::recorder::overwriting::{CLASSES, Follower, Recorder};
use crate::sync::statics::{Ordering, compiler_fence};

/// The longest record that is made on the stack, in words.
const STACK_WORDS: usize = 32;

/// A thread's ends of the rings of its recorded levels.
#[derive(Default)]
pub(crate) struct Recorders {
    /// Of the levels that overwrite their oldest records.
    pub(crate) overwriting: Option<Recorder>,
    pub(crate) flight: Option<Recorder>,
}

/// The consumer's ends.
#[derive(Default)]
pub(crate) struct Followers {
    pub(crate) overwriting: Option<Follower>,
    pub(crate) flight: Option<Follower>,
}

/// The rings of a thread's recorded levels, `None` where there are no such levels.
pub(crate) fn rings(core: &Core, ring_words: usize) -> Option<(Recorders, Followers)> {
    let overwriting = core.policies.overwrites_any().then(|| ring(ring_words, Purpose::Log));
    let flight = core.policies.flight.map(|flight| ring(flight.words, Purpose::FlightRecorder));
    if overwriting.is_none() && flight.is_none() {
        return None;
    }
    let (log_recorder, log_follower) = overwriting.unzip();
    let (flight_recorder, mut flight_follower) = flight.unzip();
    // A dump in a process that crashes is not to ask for memory.
    flight_follower.iter_mut().for_each(Follower::provide);
    let recorders = Recorders { overwriting: log_recorder, flight: flight_recorder };
    let followers = Followers { overwriting: log_follower, flight: flight_follower };
    Some((recorders, followers))
}

fn ring(words: usize, purpose: Purpose) -> (Recorder, Follower) {
    let capacity_words = capacity_for(words);
    let mode = RingMode::Overwriting;
    let identity = Identity { capacity_words, mode, purpose, ..Identity::default() };
    crate::ring::recorder::overwriting(Ring::on_heap(identity))
}

/// Logs a record of a recorded level of a thread that has its rings; returns false, having done
/// nothing, where it is none.
#[inline]
#[must_use]
pub(crate) fn log<L: Arguments>(site: &'static CallSite, arguments: L) -> bool {
    let taken = AVAILABLE.with(Cell::get);
    if taken.is_null() {
        return false;
    }
    AVAILABLE.with(|available| available.set(std::ptr::null_mut()));
    // As in `hot::log`.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: INV-1 of `hot`: the pointer was there, so nobody else uses the producer, which lives
    // until the thread takes it from here for good.
    let producer = unsafe { &mut *taken };
    let _put_back = PutBack(taken);
    try_log(producer, site, arguments)
}

/// The same with the thread's producer.
#[inline]
#[must_use]
pub(crate) fn try_log<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let class = class(site.level);
    let mode = producer.mode(site.level.index());
    if producer.recorder(mode).is_none() {
        return false;
    }
    let ticks = producer.stamp();
    let Some(recorder) = producer.recorder(mode) else { return false };
    let bytes = HEADER_BYTES + arguments.bytes();
    let words = bytes.div_ceil(WORD_BYTES);
    if words > STACK_WORDS {
        log_long(producer, mode, site, ticks, arguments);
        return true;
    }
    let mut record = [const { MaybeUninit::<u64>::uninit() }; STACK_WORDS];
    // What is behind the arguments in the last word is not left uninitialised.
    record[words - 1].write(0);
    let start = record.as_mut_ptr().cast::<u8>();
    // SAFETY: so many words are there, aligned to 8.
    unsafe { hot::write_header(start, site, bytes as u64, ticks) };
    // SAFETY: as above.
    let to = unsafe { start.add(HEADER_BYTES) };
    // SAFETY: what is left of `bytes` is `arguments.bytes()`.
    unsafe { arguments.write(to) };
    // SAFETY: `bytes` bytes were written, and those behind them up to the next word before that.
    let record = unsafe { std::slice::from_raw_parts(start.cast::<u64>(), words) };
    if !recorder.push_known(record, class) && recorder.push(record, class).is_err() {
        log_long(producer, mode, site, ticks, arguments);
    }
    true
}

/// Logs a record that is too long for the stack, or has to be cut.
#[cold]
fn log_long<L: Arguments>(
    producer: &mut Producer,
    mode: u8,
    site: &'static CallSite,
    ticks: u64,
    arguments: L,
) {
    let Some(recorder) = producer.recorder(mode) else { return };
    let fit = Fit::new(&arguments, recorder.longest() * WORD_BYTES);
    let slot = fit.and_then(|fit| {
        let slot = recorder.reserve_known(fit.bytes.div_ceil(WORD_BYTES))?;
        Some((fit, slot))
    });
    let Some((fit, mut slot)) = slot else {
        return producer.drop_record(site.level, ticks, DropReason::TooLarge);
    };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole. (What the buffer has behind `bytes` is initialised.)
    unsafe { slot.publish(class(site.level)) };
}

/// The class of records of a level. (The models have one for all.)
pub(crate) fn class(level: Level) -> usize {
    level.index().min(CLASSES - 1)
}

const _: () = assert!(CLASSES == Level::ALL.len() || cfg!(kymo_loom));
