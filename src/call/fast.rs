//! The fast paths of a log call: claim the cursor, stamp, write header and arguments, publish.
//!
//! In come a call site and captured arguments, out goes a record in the words that the thread's
//! [`Cursor`] has. A path that does not take the record says so, and has written nothing; `call` tries the
//! next. Nothing here knows of rings that are full, of policies, or of files.
//!
//! All of it runs in every call. Its machine code is kept in `benches/assembly/`.
//!
//! Invariants:
//! - INV-1: One call at a time uses a thread's cursor and its [`Producer`](crate::thread::producer::Producer).
//!   A call *claims* the cursor, and releases it when it is done. A re-entrant call, from a signal handler,
//!   finds the cursor claimed and touches neither.
//! - INV-2: A record's header is as `record` says. The address of a static fits into 48 bits: Linux gives
//!   programs no higher ones unless they ask for them (x86-64 five-level paging, arm64 LVA).
//! - INV-3: While a cursor is claimed, no code of the user runs but a custom clock (on the slow path), and
//!   nothing of kymo's panics. If the slow path panics all the same, it releases the cursor.

use std::cell::Cell;

use crate::argument::Arguments;
use crate::clock;
use crate::format::MAX_RECORD_BYTES;
use crate::process::statics::CURSOR;
use crate::ring::WORD_BYTES;
use crate::ring::cursor::{Claim, Cursor, Limits};
use crate::ring::record::{HEADER_BYTES, write_first_word};
use crate::statement::call_site::{AtLevel, CallSite};

/// A path that writes into reserved words.
pub(crate) trait FastPath {
    /// The limits that it compares with.
    const LIMITS: Limits;

    /// Whether a record of this call site may take it.
    #[inline(always)]
    fn admits(_: &Cursor, _: &'static CallSite) -> bool {
        true
    }

    /// Writes a time stamp.
    ///
    /// # Safety
    /// `to` is valid for writes, and aligned to 8.
    unsafe fn stamp(cursor: &Cursor, to: *mut u64);
}

/// The processor's counter, and a ring on the heap: the fastest path.
pub(crate) struct CounterPath;

impl FastPath for CounterPath {
    const LIMITS: Limits = Limits::Counter;

    #[inline(always)]
    unsafe fn stamp(_: &Cursor, to: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { clock::write_counter(to) };
    }
}

/// The coarse clock, and a ring on the heap.
pub(crate) struct CoarsePath;

impl FastPath for CoarsePath {
    const LIMITS: Limits = Limits::Coarse;

    #[inline(always)]
    unsafe fn stamp(_: &Cursor, to: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { to.write(clock::coarse()) };
    }
}

/// A ring in a file, and either clock.
pub(crate) struct FilePath;

impl FastPath for FilePath {
    const LIMITS: Limits = Limits::File;

    #[inline(always)]
    fn admits(cursor: &Cursor, site: &'static CallSite) -> bool {
        cursor.known_sites().is_some_and(|known| known.has(site))
    }

    #[inline(always)]
    unsafe fn stamp(cursor: &Cursor, to: *mut u64) {
        if cursor.is_coarse() {
            // SAFETY: the caller's promise.
            unsafe { CoarsePath::stamp(cursor, to) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { CounterPath::stamp(cursor, to) };
        }
    }
}

/// Why the fastest path does not take a record.
pub(crate) enum PathRefused {
    /// This is a signal handler that interrupted a call of its own thread.
    Reentrant,
    /// Another path may take it. The cursor is claimed.
    NotThisPath(Claim<'static>),
}

/// Logs a record on the fastest path.
#[inline(always)]
pub(crate) fn log<V: AtLevel, L: Arguments>(
    site: &'static CallSite,
    arguments: L,
) -> Result<(), PathRefused> {
    let cursor = CURSOR.with(Cell::get);
    // Models have no statements.
    assert!(!(cfg!(kymo_loom) && cursor.is_null()));
    // SAFETY: it lives until the thread makes another ring, or ends, which no signal handler does.
    let cursor = unsafe { &*cursor };
    let claim = cursor.claim().ok_or(PathRefused::Reentrant)?;
    // SAFETY: it is this thread's, and its ring, if there is one, lives as long as the cursor.
    unsafe { write::<CounterPath, V, L>(claim, site, arguments) }.map_err(PathRefused::NotThisPath)
}

/// Logs a record on another fast path, with the claim that [`log`] left.
#[inline(always)]
pub(crate) fn log_on<P: FastPath, V: AtLevel, L: Arguments>(
    claim: Claim<'static>,
    site: &'static CallSite,
    arguments: L,
) -> Result<(), Claim<'static>> {
    // SAFETY: as in `log`, which made the claim.
    unsafe { write::<P, V, L>(claim, site, arguments) }
}

/// Logs a record on one fast path, for tests and models. Returns false, having done nothing, if the path does
/// not take it.
///
/// # Safety
/// The cursor is the calling thread's, and its ring lives.
#[cfg(any(test, kymo_loom))]
pub(crate) unsafe fn try_log<P: FastPath, V: AtLevel, L: Arguments>(
    cursor: &Cursor,
    site: &'static CallSite,
    arguments: L,
) -> bool {
    let Some(claim) = cursor.claim() else { return false };
    // SAFETY: the caller's promise.
    let logged = unsafe { write::<P, V, L>(claim, site, arguments) };
    logged.map_err(Claim::release).is_ok()
}

/// Writes a record and publishes it. The cursor stays claimed if the path does not take the record.
///
/// # Safety
/// The cursor is the calling thread's, and its ring lives.
#[inline(always)]
unsafe fn write<'a, P: FastPath, V: AtLevel, L: Arguments>(
    claim: Claim<'a>,
    site: &'static CallSite,
    arguments: L,
) -> Result<(), Claim<'a>> {
    let cursor = claim.cursor();
    let bytes = HEADER_BYTES + arguments.bytes();
    // The first is decided at compile time if the length is bounded.
    if bytes > MAX_RECORD_BYTES || !P::admits(cursor, site) {
        return Err(claim);
    }
    // Not `next_multiple_of`, which takes five instructions more.
    let whole_words = (bytes + WORD_BYTES - 1) & !(WORD_BYTES - 1);
    // SAFETY: the caller's promise; a record that is not too long is no longer when rounded up.
    let words = unsafe { claim.words(P::LIMITS, V::index(site), whole_words) }?;
    let to = words.start();
    // SAFETY: there are words for the header.
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
    // SAFETY: the record is whole. (Of its last word, the bytes past `bytes` are as they were.)
    unsafe { words.publish(!matches!(P::LIMITS, Limits::File)) };
    Ok(())
}
