//! Types of the standard library whose text is defined, and which only the program can make.
//!
//! Their fields cannot be reached, or what their `Debug` prints differs between releases of Rust. So
//! the statement formats them, as it does with what [`as_display`](super::as_display) and
//! [`as_debug`](super::as_debug) wrap, and they cannot be part of an `Option`, a slice or a tuple either.

use std::ffi::{CStr, CString};
use std::fmt::{self, Write};
use std::panic::Location;
use std::thread::ThreadId;

use crate::argument::eager::{Capture, MadeText, Shown, Texts, make, sealed};
use crate::argument::{as_debug, as_display};

/// Formats a type with what `$wrap` makes of a reference to it.
macro_rules! printed {
    ($wrap:ident: $($ty:ty),*) => {$(
        printed!(@capture $ty, $wrap);
        printed!(@capture &$ty, $wrap);
    )*};
    (@capture $ty:ty, $wrap:ident) => {
        impl sealed::Sealed for $ty {}
        impl Capture for $ty {
            type Captured<'a> = MadeText where Self: 'a;
            type Formatted<'a, const N: usize> = Texts<N> where Self: 'a;

            #[inline]
            fn capture(&self) -> MadeText {
                make(|out| write!(out, "{}", $wrap(self)))
            }

            #[inline]
            fn capture_formatted<const N: usize>(
                &self,
                format: impl Fn(usize, Shown<'_>, &mut dyn Write) -> fmt::Result,
            ) -> Texts<N> {
                let shown = $wrap(self);
                Texts(std::array::from_fn(|way| make(|out| format(way, Shown(&shown), out))))
            }
        }
    };
}

printed!(as_display: fmt::Arguments<'_>, Location<'_>);
printed!(as_debug: CStr, CString, ThreadId);
