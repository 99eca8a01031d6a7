//! Mapped parts of a file that others may cut.
//!
//! If a file is shorter than its mapping, the pages past its end cannot be written: the kernel
//! sends SIGBUS. It also does so if a page had no block yet and the disk is full. No check before a
//! write rules this out, because the file can be cut in between.
//!
//! So each [`Mapping`] is entered into a table, and a handler for SIGBUS looks there. If the
//! address is in a mapping of kymo, the handler puts zero pages that belong to no file over the
//! rest of that mapping. It notes that the mapping was cut, and lets the writer go on. The writer
//! looks at the note after each write, and only then counts anything as written.
//!
//! For any other address the handler does what was there before it: the program's own handler, the
//! one of Rust's standard library, or the default. The default ends the process with the status and
//! the core file that it would have had.
//!
//! The handler is installed when a process starts its first logger. A program that installs one of
//! its own later must call the one before it, as handlers that share a signal do.
//!
//! Invariants:
//! - INV-1: A word of the table that is not zero gives the place of a mapping that exists and
//!   belongs to a [`Mapping`].
//! - INV-2: The handler uses loads and stores of atomics, and system calls. Nothing in it allocates
//!   or locks. It may run on an alternate stack of the smallest size.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::{mem, ptr};

use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{MapFlags, ProtFlags};

use crate::process::signal_action::{self, Action};
use crate::sync::statics::{AtomicBool, AtomicU64, Mutex, OnceLock, Ordering, PoisonError};

/// The smallest page, as a power of two. Addresses and lengths in the table are multiples of it.
const UNIT_BITS: u32 = 12;

/// How many bits of a word are the length of a mapping.
const LENGTH_BITS: u32 = 28;

/// The table of mappings. A log has three at most, and a logger up to 64 logs.
static TABLE: [MappingEntry; 256] = [const { MappingEntry::new() }; 256];

/// An entry of the table.
#[derive(Debug)]
struct MappingEntry {
    /// The place of the mapping, as `pack` makes it; zero if there is none. It is one word, so that
    /// the handler never sees half of a change.
    place: AtomicU64,
    /// Whether pages of the mapping were replaced.
    cut: AtomicBool,
}

impl MappingEntry {
    const fn new() -> Self {
        Self { place: AtomicU64::new(0), cut: AtomicBool::new(false) }
    }
}

/// Returns the place of a mapping as one word. `None` if it does not fit: it has more than a
/// tebibyte, lies past 48 bits of address, or the system's pages are smaller than any known.
fn pack(start: usize, bytes: usize) -> Option<u64> {
    let (start, bytes) = (start as u64, bytes as u64);
    let units = bytes.div_ceil(1 << UNIT_BITS);
    let fits = start % (1 << UNIT_BITS) == 0 && units < 1 << LENGTH_BITS && start < 1 << 48;
    fits.then_some((start >> UNIT_BITS) << LENGTH_BITS | units)
}

/// Returns the addresses that `pack` made a word of.
fn unpack(place: u64) -> std::ops::Range<usize> {
    let start = (place >> LENGTH_BITS) << UNIT_BITS;
    let bytes = (place & ((1 << LENGTH_BITS) - 1)) << UNIT_BITS;
    start as usize..(start + bytes) as usize
}

/// A part of a file in memory. It can be written whatever becomes of the file.
#[derive(Debug)]
pub(super) struct Mapping {
    map: MmapRaw,
    entry: &'static MappingEntry,
}

impl Mapping {
    /// Maps `bytes` of the file from `offset` on, a multiple of the page size.
    pub(super) fn new(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(bytes).map_raw(file)?;
        // So that a child of a fork can neither write to the file nor, by having it open, keep its
        // lock.
        map.advise(memmap2::Advice::DontFork)?;
        let place = pack(map.as_ptr().addr(), map.len())
            .ok_or_else(|| io::Error::other("the mapped part is too large"))?;
        let entry = TABLE.iter().find(|entry| {
            // Acquire: pairs with the release in `drop`: the note of the mapping before was
            // cleared. Release: so is this one's.
            entry.place.compare_exchange(0, place, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        });
        let entry = entry.ok_or_else(|| io::Error::other("too many mapped parts of files"))?;
        Ok(Self { map, entry })
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn as_mut_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// Whether something that was written here did not get into the file. To be called after a
    /// write, in the thread that made it.
    pub(super) fn is_cut(&self) -> bool {
        // Relaxed: the handler runs on the thread that writes, between two of its instructions. The
        // fence keeps the compiler from moving the load before the write.
        crate::sync::statics::compiler_fence(Ordering::SeqCst);
        self.entry.cut.load(Ordering::Relaxed)
    }

    /// Asks the kernel to take pages of megabytes from `from` to `to`, if it can.
    pub(super) fn prefer_large_pages(&self, from: usize, to: usize) {
        // Fails if the kernel has none.
        let _ = self.map.advise_range(memmap2::Advice::HugePage, from, to - from);
    }

    /// Populates the pages from `from` to `to`.
    pub(super) fn populate(&self, from: usize, to: usize) {
        // Fails if the kernel is older than 5.14, or the file was cut. Then each page faults by
        // itself.
        let _ = self.map.advise_range(memmap2::Advice::PopulateWrite, from, to - from);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `new`, which so finds the note cleared. The map is
        // unmapped after this (INV-1).
        self.entry.cut.store(false, Ordering::Relaxed);
        self.entry.place.store(0, Ordering::Release);
    }
}

/// Clears the table in the child of a fork, which did not inherit the mappings.
pub(crate) fn begin_child() {
    // Relaxed: there is no other thread.
    TABLE.iter().for_each(|entry| entry.place.store(0, Ordering::Relaxed));
}

/// Lets the calling thread receive SIGBUS: a fault in a thread that blocks it ends the process. For
/// the thread that writes to mappings. The thread that made it may block all signals.
pub(crate) fn unblock_in_this_thread() {
    // SAFETY: an all-zero set is a value of this type.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the set is valid and writable.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: as above, and the signal exists.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGBUS) };
    // SAFETY: the set is initialised, and the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

/// The action for SIGBUS before kymo's.
static PREVIOUS: OnceLock<Action> = OnceLock::new();

/// The size of a page, in bytes.
static PAGE_BYTES: AtomicU64 = AtomicU64::new(4096);

/// Installs the handler, unless it is installed. If the signal has its default action again, the
/// handler is installed again: the standard library's handler resets itself.
///
/// # Errors
/// The error of the system.
pub(super) fn install() -> io::Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let current = signal_action::current(libc::SIGBUS).ok_or_else(io::Error::last_os_error)?;
    if PREVIOUS.get().is_some() && !signal_action::is_default(&current) {
        return Ok(());
    }
    // Relaxed, and the cell's release: both are there before the handler is.
    PAGE_BYTES.store(rustix::param::page_size() as u64, Ordering::Relaxed);
    let previous = PREVIOUS.get_or_init(|| current);
    let mut ours = *previous;
    ours.sa_sigaction = on_bus_error as *const () as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO
        | libc::SA_ONSTACK
        | previous.sa_flags & (libc::SA_RESTART | libc::SA_NODEFER);
    if signal_action::set(libc::SIGBUS, &ours) { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The handler. See the module's documentation.
extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid one.
    let info_now = unsafe { &*info };
    if !absorb(info_now) {
        pass_on(signal, info_now.si_code, info, context);
    }
}

/// Returns whether a SIGBUS was caused by a write to a mapping that was cut. Then there is memory
/// to write to, and the handler may return. For every handler of kymo that gets SIGBUS.
pub(crate) fn absorb(info: &libc::siginfo_t) -> bool {
    if info.si_signo != libc::SIGBUS || info.si_code != libc::BUS_ADRERR {
        return false;
    }
    // SAFETY: a SIGBUS that the kernel made, as the code says, has an address.
    let address = unsafe { info.si_addr() };
    replace_pages(address.addr())
}

/// Puts zero pages over the rest of the mapping, from the page of `address`, if that address is in
/// the table. Returns whether it did.
fn replace_pages(address: usize) -> bool {
    for entry in &TABLE {
        // Relaxed: a fault in a mapping is on the thread that uses it. That thread has entered it
        // into the table, or was given it after that.
        let range = unpack(entry.place.load(Ordering::Relaxed));
        if !range.contains(&address) {
            continue;
        }
        // Relaxed: as above.
        let page = PAGE_BYTES.load(Ordering::Relaxed) as usize;
        let start = address / page * page;
        let bytes = range.end.next_multiple_of(page) - start;
        // SAFETY: the range is a mapping of kymo (INV-1). Nothing that was written there is
        // believed once it is noted as cut.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::without_provenance_mut(start),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::FIXED,
            )
        };
        // Relaxed: read by this thread, in `is_cut`.
        entry.cut.store(mapped.is_ok(), Ordering::Relaxed);
        return mapped.is_ok();
    }
    false
}

/// Calls the action for the signal from before kymo's.
fn pass_on(signal: c_int, code: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(previous) = PREVIOUS.get() else { return take_default(signal, code) };
    if signal_action::is_function(previous) {
        // SAFETY: called in the handler of the signal, with that handler's arguments.
        unsafe { signal_action::call(previous, signal, info, context) };
    } else if signal_action::is_default(previous) || !is_sent(code) {
        // A fault cannot be ignored.
        take_default(signal, code);
    }
}

/// Whether the signal was sent. Otherwise it is the effect of an instruction, and comes again when
/// the handler returns.
fn is_sent(code: c_int) -> bool {
    /// A memory error that was found before any instruction met it.
    const BUS_MCEERR_AO: c_int = 5;
    code <= 0 || code == BUS_MCEERR_AO
}

/// Makes the signal end the process.
fn take_default(signal: c_int, code: c_int) {
    // SAFETY: an all-zero action is a value of this type: the default, and no flags.
    let default: Action = unsafe { mem::zeroed() };
    // Cannot fail: the signal exists.
    signal_action::set(signal, &default);
    if is_sent(code) {
        // SAFETY: sends a signal to this thread, which takes effect when the handler returns.
        unsafe { libc::raise(signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_word() {
        for (start, bytes) in [(0x7fff_ffff_f000, 4096), (1 << 16, 64 << 20), (4096, 1 << 39)] {
            assert_eq!(unpack(pack(start, bytes).unwrap()), start..start + bytes);
        }
        assert_eq!(pack(1 << 48, 4096), None);
        assert_eq!(pack(4096, 1 << 40), None);
        assert_eq!(pack(4097, 4096), None);
    }

    #[test]
    fn what_is_written_behind_the_end_of_a_file_is_noted_and_harmless() {
        let path = std::env::temp_dir().join(format!("kymo-guard-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(64 << 10).unwrap();
        install().unwrap();
        let mapping = Mapping::new(&file, 0, 64 << 10).unwrap();
        let write = |at: usize| {
            assert!(at < mapping.len());
            // SAFETY: within the mapping.
            unsafe { mapping.as_mut_ptr().wrapping_add(at).write_volatile(7) };
        };
        write(5_000);
        assert!(!mapping.is_cut());
        file.set_len(5_001).unwrap();
        write(5_000);
        assert!(!mapping.is_cut());
        write(60_000);
        assert!(mapping.is_cut());
        write(65_535);

        drop(mapping);
        file.set_len(64 << 10).unwrap();
        let mapping = Mapping::new(&file, 0, 64 << 10).unwrap();
        assert!(!mapping.is_cut());
    }
}
