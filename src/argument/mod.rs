//! What can be logged, and how it is written into a ring.
//!
//! Two steps, because the second must know the whole record's length. [`Argument::capture`] turns a
//! reference to a value into something that fits in registers (a number, a pointer and a length),
//! [`Encode`] measures it and copies it into the ring. Many types share a captured form (`String`,
//! `&str` and `Cow<str>` are all `&str`), so that few versions of the log functions exist in a
//! program.

mod compound;
mod eager;
mod encode;
mod list;
mod net;
mod scalar;
mod text;

pub(crate) use eager::prepare as prepare_scratch;
pub use eager::{Eager, debug, display};
pub use encode::Encode;
pub use list::Arguments;
pub use scalar::{Pointer, PointerArgument};

/// A value that a log statement takes as it is: it is copied into the record, and formatted by the
/// reader.
///
/// Integers of all widths, `f32` and `f64`, `bool`, `char`, strings (`&str`, `String`, `Cow<str>`),
/// `NonZero`, `Duration`, IP and socket addresses, raw pointers; `Option`, tuples, slices, arrays
/// and `Vec` of these; references, `Box`, `Rc` and `Arc` to these. Everything else goes through
/// [`display`] or [`debug`], which format on the spot.
///
/// The trait is sealed: a reader has to know every type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be logged as it is",
    label = "not a type that the reader knows",
    note = "wrap it: `kymo::display(&value)` or `kymo::debug(&value)` format it on the spot"
)]
pub trait Argument: sealed::Sealed {
    /// What is copied into the record.
    #[doc(hidden)]
    type Captured<'a>: Encode
    where
        Self: 'a;

    /// Whether a slice of this type in memory is what its encoded elements are, byte for byte.
    #[doc(hidden)]
    const PLAIN: bool = false;

    #[doc(hidden)]
    fn capture(&self) -> Self::Captured<'_>;
}

mod sealed {
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
