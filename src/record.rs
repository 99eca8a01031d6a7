//! A record as it stands in a ring: two words of header, then the arguments, in whole words.
//!
//! The first word is the header of `ring`: the call site's address shifted left by 16, and the
//! length in bytes in the low 15 bits; bit 15 says that the last argument was cut. The second word
//! is the time stamp.

use std::ptr;

use crate::call_site::CallSite;
use crate::ring::{LENGTH_BITS, LENGTH_MASK};

/// The length of the header in bytes.
pub(crate) const HEADER_BYTES: usize = 16;

/// The bit of the first word that says that the last argument was cut.
pub(crate) const CUT: u64 = 1 << 15;

const _: () = assert!(CUT == LENGTH_MASK + 1);

/// The first word of a record of `bytes` bytes.
#[inline(always)]
pub(crate) fn first_word(site: &'static CallSite, bytes: u64) -> u64 {
    first_word_at(ptr::from_ref(site).expose_provenance() as u64, bytes)
}

/// The same for the address of a call site.
#[inline(always)]
pub(crate) fn first_word_at(address: u64, bytes: u64) -> u64 {
    address << LENGTH_BITS | bytes
}

/// The address of the call site in the first word of a record.
pub(crate) fn site_address(first: u64) -> u64 {
    first >> LENGTH_BITS
}

/// The length in the first word of a record, in bytes.
pub(crate) fn record_bytes(first: u64) -> usize {
    (first & LENGTH_MASK) as usize
}

/// Whether the last argument was cut, by the first word of a record.
pub(crate) fn is_cut(first: u64) -> bool {
    first & CUT != 0
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
    /// Takes the words of a record apart.
    ///
    /// # Safety
    /// `words` is a record as `hot` writes it, and its call site's code has not been unloaded.
    #[inline]
    pub(crate) unsafe fn new(words: &'a [u64]) -> Self {
        let (first, ticks) = (words[0], words[1]);
        let address = site_address(first) as usize;
        let bytes = record_bytes(first);
        let arguments = &words[2..];
        assert!(bytes - HEADER_BYTES <= size_of_val(arguments));
        Self {
            // SAFETY: the caller's promise: this is the address of a `&'static CallSite`, exposed.
            site: unsafe { &*ptr::with_exposed_provenance::<CallSite>(address) },
            ticks,
            cut: is_cut(first),
            // SAFETY: the words are initialised and long enough.
            arguments: unsafe {
                std::slice::from_raw_parts(arguments.as_ptr().cast(), bytes - HEADER_BYTES)
            },
        }
    }
}
