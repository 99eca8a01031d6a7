//! `Option`, `Result`, ranges and tuples.

use std::ops::{Range, RangeInclusive};

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::put;
use crate::format::types::Type;

// SAFETY: one byte, and the value's own encoding if there is a value.
unsafe impl<T: Encode> Encode for Option<T> {
    const TYPE: Type = Type::Option(&T::TYPE);
    // Whatever else is cut: `Some` never becomes `None`.
    const BASE_BYTES: usize = 1 + T::BASE_BYTES;
    const FIXED: bool = false;
    const MADE: bool = T::MADE;

    #[inline(always)]
    fn release(self) {
        if let Some(value) = self {
            value.release();
        }
    }

    #[inline(always)]
    fn is_short(self) -> bool {
        self.is_none_or(T::is_short)
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        self.map_or(1, |value| 1 + value.bytes())
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least one byte.
        let to = unsafe { put(to, u8::from(self.is_some())) };
        match self {
            // SAFETY: the caller's promise: the value's bytes follow the first.
            Some(value) => unsafe { value.write(to) },
            None => to,
        }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        self.map_or(1, |value| 1 + value.cut_bytes(spare))
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least one byte.
        let to = unsafe { put(to, u8::from(self.is_some())) };
        match self {
            // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
            Some(value) => unsafe { value.write_cut(spare, to) },
            None => to,
        }
    }
}

// SAFETY: one byte, and the encoding of the value or of the error.
unsafe impl<T: Encode, E: Encode> Encode for Result<T, E> {
    const TYPE: Type = Type::Result(&[T::TYPE, E::TYPE]);
    const BASE_BYTES: usize =
        1 + if T::BASE_BYTES > E::BASE_BYTES { T::BASE_BYTES } else { E::BASE_BYTES };
    const FIXED: bool = false;
    const MADE: bool = T::MADE || E::MADE;

    #[inline(always)]
    fn release(self) {
        match self {
            Ok(value) => value.release(),
            Err(error) => error.release(),
        }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        1 + match self {
            Ok(value) => value.bytes(),
            Err(error) => error.bytes(),
        }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least one byte.
        let to = unsafe { put(to, u8::from(self.is_err())) };
        match self {
            // SAFETY: the caller's promise: the value's bytes follow the first.
            Ok(value) => unsafe { value.write(to) },
            // SAFETY: as for the value.
            Err(error) => unsafe { error.write(to) },
        }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        1 + match self {
            Ok(value) => value.cut_bytes(spare),
            Err(error) => error.cut_bytes(spare),
        }
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least one byte.
        let to = unsafe { put(to, u8::from(self.is_err())) };
        match self {
            // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
            Ok(value) => unsafe { value.write_cut(spare, to) },
            // SAFETY: as for the value.
            Err(error) => unsafe { error.write_cut(spare, to) },
        }
    }
}

/// The bounds of a captured range. `R` is [`EndExcluded`] or [`EndIncluded`].
#[derive(Clone, Copy)]
pub struct Bounds<T, R> {
    start: T,
    end: T,
    rest: R,
}

/// The rest of `start..end`: nothing.
#[derive(Clone, Copy)]
pub struct EndExcluded;

/// The rest of `start..=end`: whether it was iterated over to its end.
#[derive(Clone, Copy)]
pub struct EndIncluded(bool);

impl EndExcluded {
    /// Writes nothing.
    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        to
    }
}

impl EndIncluded {
    /// # Safety
    /// `to` is valid for a write of one byte.
    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { put(to, u8::from(self.0)) }
    }
}

macro_rules! bounds {
    ($rest:ident $kind:ident $rest_bytes:literal) => {
        // SAFETY: the encodings of the bounds, one after the other, and what `rest` writes.
        unsafe impl<T: Encode> Encode for Bounds<T, $rest> {
            const TYPE: Type = Type::$kind(&T::TYPE);
            const BASE_BYTES: usize = 2 * T::BASE_BYTES + $rest_bytes;
            const FIXED: bool = T::FIXED;
            const MADE: bool = T::MADE;

            #[inline(always)]
            fn release(self) {
                self.start.release();
                self.end.release();
            }

            #[inline(always)]
            fn bytes(self) -> usize {
                self.start.bytes() + self.end.bytes() + $rest_bytes
            }

            #[inline(always)]
            unsafe fn write(self, to: *mut u8) -> *mut u8 {
                // SAFETY: the caller's promise; each bound takes what it counted.
                let to = unsafe { self.start.write(to) };
                // SAFETY: as above.
                let to = unsafe { self.end.write(to) };
                // SAFETY: as above: `$rest_bytes` more than the bounds take.
                unsafe { self.rest.write(to) }
            }

            fn cut_bytes(self, spare: &mut usize) -> usize {
                self.start.cut_bytes(spare) + self.end.cut_bytes(spare) + $rest_bytes
            }

            unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
                // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
                let to = unsafe { self.start.write_cut(spare, to) };
                // SAFETY: as above.
                let to = unsafe { self.end.write_cut(spare, to) };
                // SAFETY: as above: `$rest_bytes` more than the bounds take.
                unsafe { self.rest.write(to) }
            }
        }
    };
}

bounds!(EndExcluded Range 0);
bounds!(EndIncluded RangeInclusive 1);

impl<T: Argument> Sealed for Range<T> {}
impl<T: Argument> Argument for Range<T> {
    type Captured<'a>
        = Bounds<T::Captured<'a>, EndExcluded>
    where
        T: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        Bounds { start: self.start.capture(), end: self.end.capture(), rest: EndExcluded }
    }
}

impl<T: Argument + PartialOrd> Sealed for RangeInclusive<T> {}
impl<T: Argument + PartialOrd> Argument for RangeInclusive<T> {
    type Captured<'a>
        = Bounds<T::Captured<'a>, EndIncluded>
    where
        T: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        let (start, end) = (self.start(), self.end());
        // No other method tells it.
        let exhausted = self.is_empty() && start <= end;
        Bounds { start: start.capture(), end: end.capture(), rest: EndIncluded(exhausted) }
    }
}

impl<T: Argument, E: Argument> Sealed for Result<T, E> {}
impl<T: Argument, E: Argument> Argument for Result<T, E> {
    type Captured<'a>
        = Result<T::Captured<'a>, E::Captured<'a>>
    where
        Self: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        self.as_ref().map(T::capture).map_err(E::capture)
    }
}

impl<T: Argument> Sealed for Option<T> {}
impl<T: Argument> Argument for Option<T> {
    type Captured<'a>
        = Option<T::Captured<'a>>
    where
        T: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        self.as_ref().map(T::capture)
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),*) => {
        impl<$($name: Argument),*> Sealed for ($($name,)*) {}
        impl<$($name: Argument),*> Argument for ($($name,)*) {
            type Captured<'a> = ($($name::Captured<'a>,)*) where Self: 'a;

            #[inline(always)]
            #[allow(clippy::unused_unit, reason = "the unit is the empty tuple")]
            fn capture(&self) -> Self::Captured<'_> {
                ($(self.$index.capture(),)*)
            }
        }

        // SAFETY: the members' own encodings, one after the other.
        unsafe impl<$($name: Encode),*> Encode for ($($name,)*) {
            const TYPE: Type = Type::Tuple(&[$($name::TYPE),*]);
            const BASE_BYTES: usize = 0 $(+ $name::BASE_BYTES)*;
            const FIXED: bool = true $(&& $name::FIXED)*;
            const MADE: bool = false $(|| $name::MADE)*;

            #[inline(always)]
            fn release(self) {
                $(self.$index.release();)*
            }

            #[inline(always)]
            fn is_short(self) -> bool {
                true $(&& self.$index.is_short())*
            }

            #[inline(always)]
            fn bytes(self) -> usize {
                0 $(+ self.$index.bytes())*
            }

            #[inline(always)]
            unsafe fn write(self, to: *mut u8) -> *mut u8 {
                $(
                    // SAFETY: the caller's promise; each member takes what it counted.
                    let to = unsafe { self.$index.write(to) };
                )*
                to
            }

            fn cut_bytes(self, _spare: &mut usize) -> usize {
                0 $(+ self.$index.cut_bytes(_spare))*
            }

            unsafe fn write_cut(self, _spare: &mut usize, to: *mut u8) -> *mut u8 {
                $(
                    // SAFETY: the caller's promise, and `spare` is what it was when it was
                    // measured.
                    let to = unsafe { self.$index.write_cut(_spare, to) };
                )*
                to
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
