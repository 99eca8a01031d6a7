//! Arguments: which values can be logged, and how they are written into a record.
//!
//! In come references to values; out go their bytes, and their types for the dictionary. Nothing
//! here knows of rings, threads or files.
//!
//! There are two steps, because the second must know the whole record's length.
//! [`Argument::capture`] turns a reference to a value into something that fits in registers (a
//! number, a pointer and a length). [`Encode`] measures it and copies it into the ring. Many types
//! share a captured form (`String`, `&str` and `Cow<str>` are all `&str`), so that few versions of
//! the log functions exist in a program.

use std::borrow::Cow;

mod collection;
mod compound;
mod eager;
mod encode;
pub(crate) mod error;
#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) mod gathered;
mod list;
mod net;
mod os;
pub mod own;
mod printed;
mod scalar;
mod text;

#[expect(deprecated, reason = "the former name of `as_display`")]
pub use eager::display;
pub(crate) use eager::prepare as prepare_scratch;
pub use eager::{Capture, Debugged, Displayed, Shown, as_debug, as_display};
pub(crate) use encode::CUT;
pub use encode::Encode;
pub use list::Arguments;
pub use scalar::{Pointer, PointerArgument};

/// A value that a log statement takes as it is. Its bytes are copied into the record, and the
/// reader formats them.
///
/// - numbers of all widths, `bool`, `char`, `NonZero`, `Wrapping`, `Saturating`, atomics, `Ordering`
/// - strings, paths and `OsStr`
/// - `Duration`, IP and socket addresses, raw pointers
/// - `Option`, `Result`, ranges, tuples, slices, arrays, `Vec` and the standard library's other
///   collections of these
/// - references, `Box`, `Rc`, `Arc`, `Cow` and the guards of `RefCell`, `Mutex` and `RwLock` to these
///
/// The statement formats `CStr`, `CString`, `ThreadId`, `fmt::Arguments` and `panic::Location` by
/// itself. They cannot be part of the types above. A `Location` prints as `{}` does for `{:?}`, too.
///
/// Other values go through [`as_display`] or [`as_debug`], which let the statement format them. That
/// includes `SystemTime` and `Instant`, for whose text the standard library has no rule.
///
/// `#[derive(kymo::Value)]` (feature `derive`) implements it for a struct or an enum.
///
/// The trait is sealed: a reader has to know every type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be logged as it is: write `kymo::as_display(&value)` or `kymo::as_debug(&value)`",
    label = "not a type that the reader knows",
    note = "within another value, the whole has to be wrapped: `kymo::as_debug(&whole)`",
    note = "a type of your own can derive `kymo::Value`; give a field of another type `#[kymo(debug)]` or `#[kymo(display)]`"
)]
pub trait Argument: sealed::Sealed {
    /// What is copied into the record.
    #[doc(hidden)]
    type Captured<'a>: Encode
    where
        Self: 'a;

    /// Whether a slice of this type has in memory, byte for byte, the encoding of its elements.
    #[doc(hidden)]
    const PLAIN: bool = false;

    #[doc(hidden)]
    fn capture(&self) -> Self::Captured<'_>;
}

mod sealed {
    /// Implemented by what implements [`Argument`](super::Argument).
    pub trait Sealed {}
}

use sealed::Sealed;

macro_rules! pass_through {
    ($($ty:ty),*) => {$(
        impl<T: Argument + ?Sized> Sealed for $ty {}
        impl<T: Argument + ?Sized> Argument for $ty {
            type Captured<'a> = T::Captured<'a> where Self: 'a;

            #[inline(always)]
            fn capture(&self) -> Self::Captured<'_> {
                (**self).capture()
            }
        }
    )*};
}

pass_through!(&T, &mut T, Box<T>, std::rc::Rc<T>, std::sync::Arc<T>);
pass_through!(std::cell::Ref<'_, T>, std::cell::RefMut<'_, T>, std::sync::MutexGuard<'_, T>);
pass_through!(std::sync::RwLockReadGuard<'_, T>, std::sync::RwLockWriteGuard<'_, T>);

impl<T: Argument + ToOwned + ?Sized> Sealed for Cow<'_, T> {}
impl<T: Argument + ToOwned + ?Sized> Argument for Cow<'_, T> {
    type Captured<'a>
        = T::Captured<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        (**self).capture()
    }
}
