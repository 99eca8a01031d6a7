//! The path of a log call whose record goes round in a ring of its own: levels that overwrite their
//! oldest records, and those of the flight recorder.
//!
//! The record is made on the stack and moved to the ring by words, because the consumer may be
//! copying the words that it takes the place of (see `ring::recorder`). There is always room.

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::argument::Arguments;
use crate::call::hot::{CURSOR, Fit};
use crate::clock::TickSource;
use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::process::fork;
use crate::ring::WORD_BYTES;
use crate::ring::cursor::{Cursor, Path};
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::ring::storage::layout::{Identity, Mode as RingMode, Purpose};
use crate::ring::storage::memory::{Ring, capacity_for};
use crate::ring::storage::overwriting::{CLASSES, Follower, Recorder};
use crate::shared::core::Core;
use crate::shared::state::ThreadInfo;
use crate::statement::call_site::{AtLevel, CallSite};
use crate::thread::producer::Producer;

/// The longest record that is made on the stack, in words.
const STACK_WORDS: usize = 32;

/// A thread's ends of the rings of its recorded levels.
pub(crate) struct Recorders {
    /// Where the time stamps come from.
    clock: TickSource,
    /// Of the levels that overwrite their oldest records.
    pub(crate) overwriting: Option<Recorder>,
    flight: Option<Recorder>,
    /// The process that made them.
    generation: u32,
}

impl Recorders {
    /// The one that a path leads to, which is none where rings are in files.
    #[inline(always)]
    pub(crate) fn of(&mut self, path: Path) -> Option<&mut Recorder> {
        match path {
            Path::Overwriting => self.overwriting.as_mut(),
            Path::Flight => self.flight.as_mut(),
            _ => None,
        }
    }

    /// The same where rings are in files.
    #[inline(always)]
    pub(crate) fn in_file(&mut self, path: Path) -> Option<&mut Recorder> {
        match path {
            Path::OverwritingInFile => self.overwriting.as_mut(),
            Path::FlightInFile => self.flight.as_mut(),
            _ => None,
        }
    }

    /// Whether this is the child of a fork: it has no mapping of these rings, and must not even
    /// drop them.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.generation != fork::generation()
    }
}

/// The consumer's ends.
#[derive(Default)]
pub(crate) struct Followers {
    pub(crate) overwriting: Option<Follower>,
    pub(crate) flight: Option<Follower>,
}

impl Followers {
    /// Whether one of the rings is in a file.
    pub(crate) fn any_in_file(&self) -> bool {
        [&self.overwriting, &self.flight].into_iter().flatten().any(Follower::is_in_file)
    }
}

/// The rings of a thread's recorded levels, `None` where there are no such levels.
pub(crate) fn rings(
    core: &Core,
    ring_words: usize,
    thread: &ThreadInfo,
) -> Option<(Option<Box<Recorders>>, Followers)> {
    let ring = |words, purpose| {
        let in_file = core.in_file(|files| files.recorder(words, purpose, thread, core.clock));
        in_file.unwrap_or_else(|| on_heap(words, purpose))
    };
    // The flight recorder first: a recovery, which sees one alone where the thread has ended, relies
    // on it.
    let flight = core.policies.flight.map(|flight| ring(flight.words, Purpose::FlightRecorder));
    let overwriting = core.policies.overwrites_any().then(|| ring(ring_words, Purpose::Log));
    if overwriting.is_none() && flight.is_none() {
        return None;
    }
    let (log_recorder, log_follower) = overwriting.unzip();
    let (flight_recorder, mut flight_follower) = flight.unzip();
    // A dump in a process that crashes is not to ask for memory.
    flight_follower.iter_mut().for_each(Follower::provide);
    let recorders = Recorders {
        clock: core.clock,
        overwriting: log_recorder,
        flight: flight_recorder,
        generation: fork::generation(),
    };
    let followers = Followers { overwriting: log_follower, flight: flight_follower };
    Some((Some(Box::new(recorders)), followers))
}

fn on_heap(words: usize, purpose: Purpose) -> (Recorder, Follower) {
    let capacity_words = capacity_for(words);
    let mode = RingMode::Overwriting;
    let identity = Identity { capacity_words, mode, purpose, ..Identity::default() };
    crate::ring::storage::overwriting(Ring::on_heap(identity))
}

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

/// The class of records of a level. (The models have one for all.)
pub(crate) fn class(level: Level) -> usize {
    class_of(level.index())
}

#[inline(always)]
#[cfg_attr(kymo_loom, expect(clippy::unnecessary_min_or_max, reason = "there is one class"))]
fn class_of(level: usize) -> usize {
    level.min(CLASSES - 1)
}

const _: () = assert!(CLASSES == Level::ALL.len() || cfg!(kymo_loom));
