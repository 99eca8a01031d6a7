//! The arguments of a statement as one list: `(a, (b, (c, ())))`.

use crate::argument::Encode;
use crate::argument::encode::CUT;
use crate::statement::call_site::TypeList;

/// All arguments of a statement, first to last.
///
/// # Safety
/// `write` writes exactly `bytes()` bytes, and `write_cut` exactly what `cut_bytes` returns for the
/// same `spare`.
pub unsafe trait Arguments: Copy {
    /// The types, for the call site.
    const TYPES: Option<&'static TypeList>;

    /// Whether this is the end of the list.
    const EMPTY: bool = false;

    /// Whether all records with these types have the same length.
    const FIXED: bool;

    /// Whether writing them takes neither a loop nor a call.
    fn are_short(self) -> bool;

    /// Releases what they keep for the record. Called when the record has been logged.
    fn release(self);

    /// Their length in bytes.
    fn bytes(self) -> usize;

    /// Writes them.
    ///
    /// # Safety
    /// `to` is valid for writes of `bytes()` bytes.
    unsafe fn write(self, to: *mut u8);

    /// The fewest bytes that the record must have for them, however much is cut.
    fn base_bytes(self) -> usize;

    /// Their length in bytes, if at most `spare` bytes more than `base_bytes()` may be used.
    fn cut_bytes(self, spare: &mut usize) -> usize;

    /// Writes what [`Arguments::cut_bytes`] measured. Returns the bits that the length in the
    /// record's header has to have.
    ///
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare)` bytes.
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> u16;
}

// SAFETY: nothing is written.
unsafe impl Arguments for () {
    const TYPES: Option<&'static TypeList> = None;
    const EMPTY: bool = true;
    const FIXED: bool = true;

    #[inline(always)]
    fn are_short(self) -> bool {
        true
    }

    #[inline(always)]
    fn release(self) {}

    #[inline(always)]
    fn bytes(self) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn write(self, _to: *mut u8) {}

    fn base_bytes(self) -> usize {
        0
    }

    fn cut_bytes(self, _spare: &mut usize) -> usize {
        0
    }

    unsafe fn write_cut(self, _spare: &mut usize, _to: *mut u8) -> u16 {
        0
    }
}

// SAFETY: the first one's encoding, then those of the others; the last one is written as a last
// one.
unsafe impl<A: Encode, R: Arguments> Arguments for (A, R) {
    const TYPES: Option<&'static TypeList> = Some(&TypeList { first: A::TYPE, rest: R::TYPES });
    const FIXED: bool = A::FIXED && R::FIXED;

    #[inline(always)]
    fn are_short(self) -> bool {
        self.0.is_short() && self.1.are_short()
    }

    #[inline(always)]
    fn release(self) {
        self.0.release();
        self.1.release();
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        if R::EMPTY { self.0.last_bytes() } else { self.0.bytes() + self.1.bytes() }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) {
        if R::EMPTY {
            // SAFETY: the caller's promise, counted likewise.
            unsafe { self.0.write_last(to) };
        } else {
            // SAFETY: the caller's promise, counted likewise.
            let to = unsafe { self.0.write(to) };
            // SAFETY: what the first one left of the caller's promise.
            unsafe { self.1.write(to) };
        }
    }

    fn base_bytes(self) -> usize {
        A::BASE_BYTES + self.1.base_bytes()
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        if R::EMPTY {
            self.0.last_cut_bytes(spare)
        } else {
            self.0.cut_bytes(spare) + self.1.cut_bytes(spare)
        }
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> u16 {
        if R::EMPTY {
            // SAFETY: the caller's promise, counted likewise.
            let cut = unsafe { self.0.write_last_cut(spare, to) };
            return if cut { CUT } else { 0 };
        }
        // SAFETY: the caller's promise, counted likewise.
        let to = unsafe { self.0.write_cut(spare, to) };
        // SAFETY: what the first one left of the caller's promise.
        unsafe { self.1.write_cut(spare, to) }
    }
}
