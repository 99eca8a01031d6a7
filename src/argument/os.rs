//! Paths and other strings of the operating system.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::{CUT, MAX_LEN, copy, put};
use crate::format::types::Type;

/// The bytes of a captured string.
#[derive(Clone, Copy)]
pub struct OsBytes<'a>(&'a [u8]);

// SAFETY: two bytes of length, and the bytes of the string, whole or as many as fit.
unsafe impl Encode for OsBytes<'_> {
    const TYPE: Type = Type::OsStr;
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;

    #[inline(always)]
    fn bytes(self) -> usize {
        2 + self.0.len()
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: two bytes and the string's.
        let to = unsafe { put(to, self.0.len() as u16) };
        // SAFETY: the caller's promise; a record's memory is not the string's.
        unsafe { copy(self.0.as_ptr(), to, self.0.len()) };
        // SAFETY: just past what the caller promised.
        unsafe { to.add(self.0.len()) }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let len = self.0.len().min(*spare).min(MAX_LEN);
        *spare -= len;
        2 + len
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let len = self.cut_bytes(spare) - 2;
        let cut = if len < self.0.len() { CUT } else { 0 };
        // SAFETY: the caller's promise: two bytes and `len`.
        let to = unsafe { put(to, len as u16 | cut) };
        // SAFETY: the caller's promise; `len` is at most the string's.
        unsafe { copy(self.0.as_ptr(), to, len) };
        // SAFETY: just past what the caller promised.
        unsafe { to.add(len) }
    }
}

macro_rules! argument {
    ($($ty:ty),*) => {$(
        impl Sealed for $ty {}
        impl Argument for $ty {
            type Captured<'a> = OsBytes<'a>;

            #[inline(always)]
            fn capture(&self) -> OsBytes<'_> {
                OsBytes(AsRef::<OsStr>::as_ref(self).as_encoded_bytes())
            }
        }
    )*};
}

argument!(OsStr, OsString, Path, PathBuf);
