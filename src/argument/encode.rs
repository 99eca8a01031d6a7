//! Writes one captured argument into a record.
//!
//! In a ring an argument is as it is in memory, unaligned and without padding. Integers and floats
//! are in the machine's own byte order; strings and sequences follow a 16-bit length. The consumer
//! makes the compact form of the file (`segment::writer::compact`); a producer has no time for it.
//!
//! - `Str`: u16 length in bytes, bytes. As the *last* argument of a statement it has no length: it
//!   takes the rest of the record.
//! - `Text`: u16 length in bytes, bytes.
//! - `Sequence`: u16 number of elements, elements.
//! - `Option`: u8 0 or 1, the value. `Tuple`: the members. Addresses: see `net`.
//!
//! Bit 15 of a length is set if the value was cut. For a last `Str`, that bit is in the record's
//! header.

use crate::format::types::Type;

/// The bit of a length that says that the value was cut.
pub(crate) const CUT: u16 = 1 << 15;

/// The largest length that is written.
pub(crate) const MAX_LEN: usize = CUT as usize - 1;

/// A captured argument.
///
/// # Safety
/// `write` writes exactly `bytes()` bytes, `write_last` exactly `last_bytes()`. The cutting
/// versions write exactly what `cut_bytes` and `last_cut_bytes` return for the same `spare`: at
/// most [`Encode::BASE_BYTES`] and what they take from `spare`. The bytes are what the consumer
/// expects of [`Encode::TYPE`].
pub unsafe trait Encode: Copy {
    /// The type, for the dictionary.
    const TYPE: Type;

    /// The fewest bytes that a record must have for a value of this type, however much of it is
    /// cut. If the type is [`Encode::FIXED`], the length of every encoding.
    const BASE_BYTES: usize;

    /// Whether all values of the type take the same number of bytes.
    const FIXED: bool;

    /// Whether a part of it is text that capturing makes. It must not be captured twice: the texts may differ.
    const MADE: bool = false;

    /// The length of the encoding in bytes. Something very large if the value has to be cut.
    fn bytes(self) -> usize;

    /// Writes the encoding, and returns the address past it.
    ///
    /// # Safety
    /// `to` is valid for writes of `bytes()` bytes.
    unsafe fn write(self, to: *mut u8) -> *mut u8;

    /// Whether writing it takes neither a loop nor a call.
    #[inline(always)]
    fn is_short(self) -> bool {
        Self::FIXED
    }

    /// Releases what it keeps for the record. Called when the record has been logged.
    #[inline(always)]
    fn release(self) {}

    /// [`Encode::bytes`] for the last argument of a statement.
    #[inline(always)]
    fn last_bytes(self) -> usize {
        self.bytes()
    }

    /// [`Encode::write`] for the last argument of a statement.
    ///
    /// # Safety
    /// `to` is valid for writes of `last_bytes()` bytes.
    #[inline(always)]
    unsafe fn write_last(self, to: *mut u8) {
        // SAFETY: the caller's promise, and `last_bytes()` is `bytes()` if neither is overridden.
        unsafe { self.write(to) };
    }

    /// The length of the encoding if at most `spare` bytes more than [`Encode::BASE_BYTES`] may be
    /// used. Takes the used ones out of `spare`.
    #[inline]
    fn cut_bytes(self, spare: &mut usize) -> usize {
        let _ = spare;
        self.bytes()
    }

    /// Writes what [`Encode::cut_bytes`] measured.
    ///
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare)` bytes.
    #[inline]
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let _ = spare;
        // SAFETY: the caller's promise, and `cut_bytes` is `bytes()` if neither is overridden.
        unsafe { self.write(to) }
    }

    /// [`Encode::cut_bytes`] for the last argument.
    #[inline]
    fn last_cut_bytes(self, spare: &mut usize) -> usize {
        self.cut_bytes(spare)
    }

    /// [`Encode::write_cut`] for the last argument. Returns whether the record's header has to say
    /// that it was cut.
    ///
    /// # Safety
    /// `to` is valid for writes of `last_cut_bytes(spare)` bytes.
    #[inline]
    unsafe fn write_last_cut(self, spare: &mut usize, to: *mut u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.write_cut(spare, to) };
        false
    }
}

/// Writes `value` as it is in memory, and returns the address past it.
///
/// # Safety
/// `to` is valid for writes of `size_of::<T>()` bytes.
#[inline(always)]
pub(crate) unsafe fn put<T: Copy>(to: *mut u8, value: T) -> *mut u8 {
    // SAFETY: the caller's promise; no alignment is required.
    unsafe { to.cast::<T>().write_unaligned(value) };
    // SAFETY: still within, or just past, what the caller promised.
    unsafe { to.add(size_of::<T>()) }
}

/// The most bytes that [`copy`] copies without a call.
pub(crate) const SHORT_BYTES: usize = 32;

/// Copies `len` bytes. Few bytes are copied without a call: strings in log statements are mostly
/// short.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `len` bytes, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    /// Copies `len` bytes as one `T` at their beginning, and one that ends where they end.
    ///
    /// # Safety
    /// The conditions of `copy` hold, and `size_of::<T>() <= len <= 2 * size_of::<T>()`.
    #[inline(always)]
    unsafe fn both_ends<T: Copy>(from: *const u8, to: *mut u8, len: usize) {
        let back = len - size_of::<T>();
        // SAFETY: the first `size_of::<T>()` bytes are within `len`.
        let first = unsafe { from.cast::<T>().read_unaligned() };
        // SAFETY: `back` is within `len`.
        let from_back = unsafe { from.add(back) };
        // SAFETY: `back + size_of::<T>()` is `len`.
        let last = unsafe { from_back.cast::<T>().read_unaligned() };
        // SAFETY: as for reading.
        unsafe { to.cast::<T>().write_unaligned(first) };
        // SAFETY: as for reading.
        let to_back = unsafe { to.add(back) };
        // SAFETY: as for reading.
        unsafe { to_back.cast::<T>().write_unaligned(last) };
    }

    // If the compiler knows that `len` is short, this order of comparisons shows it that the call
    // is not needed.
    // SAFETY (of each `both_ends`): the conditions are what it asks for; the rest is the caller's
    // promise.
    if len >= 8 {
        if len <= 16 {
            // SAFETY: see above.
            unsafe { both_ends::<u64>(from, to, len) };
        } else if len <= SHORT_BYTES {
            // SAFETY: see above.
            unsafe { both_ends::<u128>(from, to, len) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { from.copy_to_nonoverlapping(to, len) };
        }
    } else if len >= 4 {
        // SAFETY: see above.
        unsafe { both_ends::<u32>(from, to, len) };
    } else if len >= 2 {
        // SAFETY: see above.
        unsafe { both_ends::<u16>(from, to, len) };
    } else if len == 1 {
        // SAFETY: one byte is within `len`.
        let byte = unsafe { from.read() };
        // SAFETY: as above.
        unsafe { to.write(byte) };
    }
}
