//! Strings.

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::{CUT, MAX_LEN, SHORT_BYTES, copy, put};
use crate::format::boundary;
use crate::format::types::Type;

// SAFETY: the lengths are those of what is written: two bytes of length (none for a last one), and
// the bytes of the string, whole or up to `boundary`.
unsafe impl Encode for &str {
    const TYPE: Type = Type::Str;
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;

    #[inline(always)]
    fn bytes(self) -> usize {
        2 + self.len()
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: two bytes and the string's.
        let to = unsafe { put(to, self.len() as u16) };
        // SAFETY: the caller's promise; a record's memory is not the string's.
        unsafe { copy(self.as_ptr(), to, self.len()) };
        // SAFETY: just past what the caller promised.
        unsafe { to.add(self.len()) }
    }

    #[inline(always)]
    fn is_short(self) -> bool {
        self.len() <= SHORT_BYTES
    }

    #[inline(always)]
    fn last_bytes(self) -> usize {
        self.len()
    }

    #[inline(always)]
    unsafe fn write_last(self, to: *mut u8) {
        // SAFETY: the caller's promise; a record's memory is not the string's.
        unsafe { copy(self.as_ptr(), to, self.len()) };
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let len = boundary(self, (*spare).min(MAX_LEN));
        *spare -= len;
        2 + len
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let len = self.cut_bytes(spare) - 2;
        let cut = if len < self.len() { CUT } else { 0 };
        // SAFETY: the caller's promise: two bytes and `len`.
        let to = unsafe { put(to, len as u16 | cut) };
        // SAFETY: the caller's promise; `len` is at most the string's.
        unsafe { copy(self.as_ptr(), to, len) };
        // SAFETY: just past what the caller promised.
        unsafe { to.add(len) }
    }

    fn last_cut_bytes(self, spare: &mut usize) -> usize {
        self.cut_bytes(spare) - 2
    }

    unsafe fn write_last_cut(self, spare: &mut usize, to: *mut u8) -> bool {
        let len = self.last_cut_bytes(spare);
        // SAFETY: the caller's promise; `len` is at most the string's.
        unsafe { copy(self.as_ptr(), to, len) };
        len < self.len()
    }
}

macro_rules! argument {
    ($($ty:ty),*) => {$(
        impl Sealed for $ty {}
        impl Argument for $ty {
            type Captured<'a> = &'a str where Self: 'a;

            #[inline(always)]
            fn capture(&self) -> &str {
                self
            }
        }
    )*};
}

argument!(str, String);
