//! A record in a ring: two words of header, then the arguments, in whole words.
//!
//! The first word is the header of `ring`: the call site's address, and the length in bytes, whose
//! highest bit says that the last argument was cut. The second word is the time stamp.

use std::ptr;

use crate::argument::CUT;
use crate::ring::{self, ADDRESS_BITS, MARK};
use crate::statement::call_site::CallSite;

/// The length of the header in bytes.
pub(crate) const HEADER_BYTES: usize = 16;

// The bit of a length that says that an argument was cut is also that of a header's length.
const _: () = assert!((CUT as u64) << ADDRESS_BITS == MARK);

/// Writes the first word of a record.
///
/// `length` is the record's length in bytes, with [`CUT`] if the last argument was cut.
///
/// # Safety
/// `to` is valid for writes, and aligned to 8.
#[inline(always)]
pub(crate) unsafe fn write_first_word(to: *mut u8, site: &'static CallSite, length: u16) {
    let address = ptr::from_ref(site).expose_provenance() as u64;
    // The address fits into 48 bits (INV-2 of `call::fast`). Two stores take an instruction less
    // than putting the word together. The second one writes the upper 16 bits.
    // SAFETY: the caller's promise.
    unsafe { to.cast::<u64>().write(address) };
    // SAFETY: within the same word.
    let to = unsafe { to.add(ADDRESS_BITS as usize / 8) };
    // SAFETY: as above; 6 is a multiple of 2.
    unsafe { to.cast::<u16>().write(length) };
}

/// The time stamp in the words of a record.
#[inline]
pub(crate) fn ticks_of(record: &[u64]) -> u64 {
    record[1]
}

/// A record in a ring.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) site: &'static CallSite,
    pub(crate) ticks: u64,
    /// Whether the last argument, a string, was cut.
    pub(crate) cut: bool,
    pub(crate) arguments: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the words of a record.
    ///
    /// # Safety
    /// `words` is a record as `call` writes it, and its call site's code has not been unloaded.
    #[inline]
    pub(crate) unsafe fn new(words: &'a [u64]) -> Self {
        let (first, ticks) = (words[0], words[1]);
        let (address, bytes) = (ring::address(first) as usize, ring::bytes(first));
        let arguments = &words[2..];
        assert!(bytes - HEADER_BYTES <= size_of_val(arguments));
        Self {
            // SAFETY: the caller's promise: this is the address of a `&'static CallSite`, exposed.
            site: unsafe { &*ptr::with_exposed_provenance::<CallSite>(address) },
            ticks,
            cut: first & MARK != 0,
            // SAFETY: the words are initialised and long enough.
            arguments: unsafe {
                std::slice::from_raw_parts(arguments.as_ptr().cast(), bytes - HEADER_BYTES)
            },
        }
    }
}
