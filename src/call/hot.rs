//! The path of a log call: gate, time stamp, room in the ring, arguments, publication.
//!
//! Everything here that is not `#[cold]` runs in every call, and its machine code is kept in
//! `benches/assembly/`.
//!
//! A function for each way that a record may go and each list of argument types, tried one after the
//! other. Three write into the words that the thread's [`Cursor`] has: for the processor's counter, for
//! the coarse clock, and for rings in files. Levels whose records go round have another (`recorded`). The
//! last is outlined: it does what is out of the ordinary.
//!
//! Invariants:
//! - INV-1: a thread's cursor and [`Producer`] are used by one call at a time. A call *takes* the
//!   cursor, and puts it back when it is done; who finds it taken, because it runs in a signal
//!   handler that interrupted a call, touches neither.
//! - INV-2: a record's header is as `record` says. The address of a static fits into 48 bits: Linux
//!   gives programs no higher ones unless they ask for them (x86-64 five-level paging, arm64 LVA),
//!   and other systems' program images lie low too.
//! - INV-3: while a cursor is taken, no code of the user runs but a custom clock (in the outlined
//!   path), and nothing of kymo's panics; should something panic all the same in the outlined path,
//!   the cursor is put back.

use std::cell::Cell;

use crate::argument::Arguments;
use crate::call::recorded;
use crate::clock;
use crate::drop_reason::DropReason;
use crate::format::MAX_RECORD_BYTES;
use crate::level::Level;
use crate::process::statics::{CURSOR, GATE};
use crate::ring::WORD_BYTES;
use crate::ring::cursor::{Cursor, Path, Taken};
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::statement::call_site::{AtLevel, CallSite};
use crate::sync::statics::Ordering;
use crate::thread;
use crate::thread::producer::Producer;

/// The least urgent level that was compiled in.
pub(crate) const COMPILED: u8 = compiled_level();

const fn compiled_level() -> u8 {
    const fn first(choices: [bool; 5]) -> Option<u8> {
        let mut level = 0;
        while level < choices.len() {
            if choices[level] {
                return Some(level as u8);
            }
            level += 1;
        }
        None
    }
    let release = [
        cfg!(feature = "release_max_level_off"),
        cfg!(feature = "release_max_level_error"),
        cfg!(feature = "release_max_level_warn"),
        cfg!(feature = "release_max_level_info"),
        cfg!(feature = "release_max_level_debug"),
    ];
    let always = [
        cfg!(feature = "max_level_off"),
        cfg!(feature = "max_level_error"),
        cfg!(feature = "max_level_warn"),
        cfg!(feature = "max_level_info"),
        cfg!(feature = "max_level_debug"),
    ];
    if !cfg!(debug_assertions)
        && let Some(level) = first(release)
    {
        return level;
    }
    match first(always) {
        Some(level) => level,
        None => Level::Trace as u8,
    }
}

/// Whether a statement of this level is to be logged.
#[inline(always)]
pub fn enabled(level: Level) -> bool {
    // Relaxed: the gate orders nothing; a call that just misses a change of it is as good as one
    // that came before.
    level as u8 <= COMPILED && level as u8 <= GATE.load(Ordering::Relaxed)
}

/// A path that writes into the words that the cursor has.
pub(crate) trait Lent {
    /// Which one.
    const PATH: Path;

    /// Whether a record of this call site may go this way.
    #[inline(always)]
    fn knows(_: &Cursor, _: &'static CallSite) -> bool {
        true
    }

    /// Writes a time stamp.
    ///
    /// # Safety
    /// `to` is valid for writes, and aligned to 8.
    unsafe fn stamp(cursor: &Cursor, to: *mut u64);
}

/// The shortest path: the processor's counter, and a ring on the heap.
pub(crate) struct Counter;

impl Lent for Counter {
    const PATH: Path = Path::Counter;

    #[inline(always)]
    unsafe fn stamp(_: &Cursor, to: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { clock::write_counter(to) };
    }
}

/// The coarse clock, and a ring on the heap.
pub(crate) struct Coarse;

impl Lent for Coarse {
    const PATH: Path = Path::Coarse;

    #[inline(always)]
    unsafe fn stamp(_: &Cursor, to: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { to.write(clock::coarse()) };
    }
}

/// A ring in a file, and one of the two clocks.
pub(crate) struct InFile;

impl Lent for InFile {
    const PATH: Path = Path::InFile;

    #[inline(always)]
    fn knows(cursor: &Cursor, site: &'static CallSite) -> bool {
        cursor.known_sites().is_some_and(|known| known.has(site))
    }

    #[inline(always)]
    unsafe fn stamp(cursor: &Cursor, to: *mut u64) {
        if cursor.is_coarse() {
            // SAFETY: the caller's promise.
            unsafe { Coarse::stamp(cursor, to) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { Counter::stamp(cursor, to) };
        }
    }
}

/// What is out of the ordinary.
pub(crate) enum Other {
    /// This is a signal handler, which has interrupted a call of its own thread.
    Nested,
    /// The record goes another way. The cursor is taken.
    Way(Taken<'static>),
}

/// Logs a record on the shortest path, where nothing is out of the ordinary. Where the record goes
/// another way, leaves the cursor taken for that.
#[inline(always)]
pub(crate) fn counter<V: AtLevel, L: Arguments>(
    site: &'static CallSite,
    arguments: L,
) -> Result<(), Other> {
    let cursor = CURSOR.with(Cell::get);
    // Models have no statements.
    assert!(!(cfg!(kymo_loom) && cursor.is_null()));
    // SAFETY: it lives until the thread makes another ring, or ends, which no signal handler does.
    let cursor = unsafe { &*cursor };
    let taken = cursor.take_for_call().ok_or(Other::Nested)?;
    // SAFETY: it is this thread's, and its ring, if there is one, lives as long as the cursor.
    unsafe { log_taken::<Counter, V, L>(taken, site, arguments) }.map_err(Other::Way)
}

/// The same on another path, behind `counter`.
#[inline(always)]
pub(crate) fn lent<P: Lent, V: AtLevel, L: Arguments>(
    taken: Taken<'static>,
    site: &'static CallSite,
    arguments: L,
) -> Result<(), Taken<'static>> {
    // SAFETY: as in `counter`, whence it comes.
    unsafe { log_taken::<P, V, L>(taken, site, arguments) }
}

/// Which path the record takes for which the cursor was taken.
#[inline(always)]
pub(crate) fn path<V: AtLevel>(taken: &Taken<'_>, site: &'static CallSite) -> Path {
    taken.cursor().path(V::index(site))
}

/// Puts the cursor back; says whether there is room for the record now, which there was not.
#[inline(always)]
pub(crate) fn refill<V: AtLevel, L: Arguments>(
    taken: Taken<'static>,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let bytes = (HEADER_BYTES + arguments.bytes()).next_multiple_of(WORD_BYTES);
    thread::refill(taken, V::index(site), bytes)
}

/// Logs a record on one path; returns false, having done nothing, where something is out of the
/// ordinary.
///
/// # Safety
/// The cursor is the calling thread's, and its ring lives.
#[cfg(any(test, kymo_loom))]
pub(crate) unsafe fn try_log<P: Lent, V: AtLevel, L: Arguments>(
    cursor: &Cursor,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let Some(taken) = cursor.take_for_call() else { return false };
    // SAFETY: the caller's promise.
    let logged = unsafe { log_taken::<P, V, L>(taken, site, arguments) };
    logged.map_err(Taken::put_back).is_ok()
}

/// The same with a cursor that is taken, and stays so where something is out of the ordinary.
///
/// # Safety
/// The cursor is the calling thread's, and its ring lives.
#[inline(always)]
unsafe fn log_taken<'a, P: Lent, V: AtLevel, L: Arguments>(
    taken: Taken<'a>,
    site: &'static CallSite,
    arguments: L,
) -> Result<(), Taken<'a>> {
    let cursor = taken.cursor();
    let bytes = HEADER_BYTES + arguments.bytes();
    // The first is decided at compile time where the length is bounded.
    if bytes > MAX_RECORD_BYTES || !P::knows(cursor, site) {
        return Err(taken);
    }
    // Not `next_multiple_of`, which takes five instructions more.
    let whole_words = (bytes + WORD_BYTES - 1) & !(WORD_BYTES - 1);
    // SAFETY: the caller's promise; a record that is not too long is no longer when rounded up.
    let room = unsafe { taken.room(P::PATH, V::index(site), whole_words) }?;
    let to = room.start();
    // SAFETY: there is room for the header.
    let ticks = unsafe { to.add(1) };
    // SAFETY: as above.
    unsafe { P::stamp(cursor, ticks) };
    let to = to.cast::<u8>();
    // SAFETY: as above. The length fits: see `MAX_RECORD_BYTES`.
    unsafe { write_first_word(to, site, bytes as u16) };
    // SAFETY: as above.
    let to = unsafe { to.add(HEADER_BYTES) };
    // SAFETY: what is left of `bytes` is `arguments.bytes()`.
    unsafe { arguments.write(to) };
    // SAFETY: the record is whole. (Of its last word, what lies behind `bytes` is as it was.)
    unsafe { room.publish(P::PATH != Path::InFile) };
    Ok(())
}

/// Logs a record where there is something to be done first: make the thread's ring, write the call
/// site into its file, take another clock, cut, wait for room, or count the record as dropped.
#[inline]
pub(crate) fn log_slow<L: Arguments>(site: &'static CallSite, arguments: L) {
    if let Some(mut lease) = thread::lease(site.level) {
        log_outlined(&mut lease, site, arguments);
    }
}

/// The same with the thread's producer.
#[inline]
pub(crate) fn log_outlined<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) {
    if recorded::log_outlined(producer, site, arguments) {
        return;
    }
    let ticks = producer.stamp();
    let Some(fit) = Fit::new(&arguments, producer.max_record_bytes()) else {
        return producer.drop_record(site.level, ticks, DropReason::TooLarge);
    };
    // Before the record is published: a recovery that finds the one needs the other.
    producer.make_known(site);
    let words = fit.bytes.div_ceil(WORD_BYTES);
    if let Some(policy) = producer.write_through_policy(site.level) {
        let mut record = vec![0; words];
        // SAFETY: so many words are there.
        unsafe { fit.write(record.as_mut_ptr(), site, ticks, arguments) };
        return producer.write_through(site.level, ticks, &record, policy);
    }
    let room = producer.wait_for_room(words, producer.overflow(site.level));
    if let Err(reason) = room {
        return producer.drop_record(site.level, ticks, reason);
    }
    let Ok(mut slot) = producer.ring.reserve(words) else { return };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole.
    unsafe { slot.publish() };
}

/// Logs a record if there is room, and else counts it as dropped. For the consumer, which cannot
/// wait for itself.
pub(crate) fn log_at_once<L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) {
    let ticks = producer.stamp();
    let fit = Fit::new(&arguments, producer.max_record_bytes());
    let slot = fit.and_then(|fit| {
        producer.ring.reserve(fit.bytes.div_ceil(WORD_BYTES)).ok().map(|slot| (fit, slot))
    });
    let Some((fit, mut slot)) = slot else {
        return producer.drop_record(site.level, ticks, DropReason::Full);
    };
    // SAFETY: the slot has so many words.
    unsafe { fit.write(slot.as_mut_ptr(), site, ticks, arguments) };
    // SAFETY: the record is whole.
    unsafe { slot.publish() };
}

/// How a record is made to fit.
pub(crate) struct Fit {
    /// Its length, header included.
    pub(crate) bytes: usize,
    /// Where it has to be cut: how many bytes its arguments may have beyond the least they need.
    spare: Option<usize>,
}

impl Fit {
    /// `None` where even the least is too much.
    pub(crate) fn new<L: Arguments>(arguments: &L, max_bytes: usize) -> Option<Self> {
        let bytes = HEADER_BYTES + arguments.bytes();
        if bytes <= max_bytes {
            return Some(Self { bytes, spare: None });
        }
        let spare = max_bytes.checked_sub(HEADER_BYTES + L::BASE_BYTES)?;
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
