//! The path of a log call: gate, time stamp, room in the ring, arguments, publication.
//!
//! Everything here that is not `#[cold]` runs in every call, and its machine code is kept in
//! `benches/assembly/`.
//!
//! Invariants:
//! - INV-1: a thread's [`Producer`] is used by one call at a time. A call *takes* the pointer to it
//!   out of [`AVAILABLE`], and puts it back when it is done; who finds nothing there, because it
//!   runs in a signal handler that interrupted a call, does not touch the producer.
//! - INV-2: a record's header is as `record` says. The address of a static fits into 48 bits: Linux
//!   gives programs no higher ones unless they ask for them (x86-64 five-level paging, arm64 LVA),
//!   and other systems' program images lie low too.
//! - INV-3: between taking and putting back, no code of the user runs but a custom clock (in the
//!   outlined path), and nothing of kymo's panics; should something panic all the same, the
//!   producer is put back.

use std::cell::Cell;
use std::ptr;

use crate::argument::Arguments;
use crate::call_site::{AtLevel, CallSite};
use crate::clock;
use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::policy::Mode;
use crate::producer::Producer;
use crate::record::{self, HEADER_BYTES};
use crate::recorded;
use crate::ring::WORD_BYTES;
use crate::sync::statics::{AtomicU8, Ordering, compiler_fence};
use crate::thread;

/// The least urgent level that is in force, as its number. Everything passes while there is no
/// logger, in order to be counted.
pub(crate) static GATE: AtomicU8 = AtomicU8::new(Level::Trace as u8);

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

thread_local! {
    /// This thread's producer, while no call uses it; null also where the thread has none.
    pub(crate) static AVAILABLE: Cell<*mut Producer> = const { Cell::new(ptr::null_mut()) };
}

/// Whether a statement of this level is to be logged.
#[inline(always)]
pub fn enabled(level: Level) -> bool {
    // Relaxed: the gate orders nothing; a call that just misses a change of it is as good as one
    // that came before.
    level as u8 <= COMPILED && level as u8 <= GATE.load(Ordering::Relaxed)
}

/// Logs a record where nothing is out of the ordinary; returns false, having done nothing, where
/// something is.
#[inline(always)]
#[must_use]
pub(crate) fn log<V: AtLevel, L: Arguments>(site: &'static CallSite, arguments: L) -> bool {
    let taken = AVAILABLE.with(Cell::get);
    if taken.is_null() {
        return false;
    }
    AVAILABLE.with(|available| available.set(ptr::null_mut()));
    // A signal handler must not see the store above move down, nor those of the record move out of
    // the call.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: INV-1: the pointer was there, so nobody else uses the producer, which lives until the
    // thread takes it from here for good.
    let producer = unsafe { &mut *taken };
    let _put_back = PutBack(taken);
    try_log::<V, L>(producer, site, arguments)
}

/// Puts a thread's producer back, also if a call should panic.
pub(crate) struct PutBack(pub(crate) *mut Producer);

impl Drop for PutBack {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        AVAILABLE.with(|available| available.set(self.0));
    }
}

/// The same with the thread's producer.
#[inline(always)]
pub(crate) fn try_log<V: AtLevel, L: Arguments>(
    producer: &mut Producer,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let ticks = match producer.mode(V::index(site)) {
        Mode::COUNTER => clock::counter(),
        Mode::COARSE => clock::coarse(),
        _ => return false,
    };
    let bytes = HEADER_BYTES + arguments.bytes();
    let Some(mut slot) = producer.ring.reserve_known(bytes.div_ceil(WORD_BYTES)) else {
        return false;
    };
    let to = slot.as_mut_ptr().cast::<u8>();
    // SAFETY: the slot has `bytes` bytes at least, aligned to 8.
    unsafe { write_header(to, site, bytes as u64, ticks) };
    // SAFETY: as above.
    let to = unsafe { to.add(HEADER_BYTES) };
    // SAFETY: what is left of `bytes` is `arguments.bytes()`.
    unsafe { arguments.write(to) };
    // SAFETY: the record is whole. (Of its last word, what lies behind `bytes` is as it was.)
    unsafe { slot.publish() };
    true
}

/// Writes a record's header (INV-2).
///
/// # Safety
/// `to` is valid for writes of `HEADER_BYTES`, and aligned to 8.
#[inline(always)]
pub(crate) unsafe fn write_header(to: *mut u8, site: &'static CallSite, length: u64, ticks: u64) {
    let to = to.cast::<u64>();
    // SAFETY: the caller's promise.
    unsafe { to.write(record::first_word(site, length)) };
    // SAFETY: the caller's promise.
    let to = unsafe { to.add(1) };
    // SAFETY: the caller's promise.
    unsafe { to.write(ticks) };
}

/// Logs a record where there is something to be done first: make the thread's ring, take another
/// clock, cut, wait for room, or count the record as dropped.
#[inline]
pub(crate) fn log_slow<L: Arguments>(site: &'static CallSite, arguments: L) {
    if recorded::log(site, arguments) {
        return;
    }
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
    if recorded::try_log(producer, site, arguments) {
        return;
    }
    let ticks = producer.stamp();
    let Some(fit) = Fit::new(&arguments, producer.max_record_bytes()) else {
        return producer.drop_record(site.level, ticks, DropReason::TooLarge);
    };
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
        // SAFETY: the caller's promise.
        unsafe { write_header(to, site, self.bytes as u64 | u64::from(cut_bits), ticks) };
    }
}
