//! Numbers, `bool`, `char`, `NonZero` and pointers: types whose values all take as many bytes.

use std::cmp::Ordering;
use std::num::{NonZero, Saturating, Wrapping};
use std::sync::atomic;

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::put;
use crate::format::types::Type;

/// Implements `Encode` for a `Copy` type that is written as `$wire`.
macro_rules! encode_fixed {
    ($($ty:ty as $wire:ty => $kind:ident, |$value:ident| $convert:expr;)*) => {$(
        // SAFETY: `write` writes one `$wire`, whose size all the lengths are.
        unsafe impl Encode for $ty {
            const TYPE: Type = Type::$kind;
            const BASE_BYTES: usize = size_of::<$wire>();
            const FIXED: bool = true;

            #[inline(always)]
            fn bytes(self) -> usize {
                size_of::<$wire>()
            }

            #[inline(always)]
            unsafe fn write(self, to: *mut u8) -> *mut u8 {
                let $value = self;
                let wire: $wire = $convert;
                // SAFETY: the caller's promise.
                unsafe { put(to, wire) }
            }
        }
    )*};
}

encode_fixed! {
    bool as u8 => Bool, |value| value as u8;
    char as u32 => Char, |value| value as u32;
    Ordering as u8 => Ordering, |value| (value as i8 + 1) as u8;
    u8 as u8 => U8, |value| value;
    u16 as u16 => U16, |value| value;
    u32 as u32 => U32, |value| value;
    u64 as u64 => U64, |value| value;
    u128 as u128 => U128, |value| value;
    usize as u64 => Usize, |value| value as u64;
    i8 as i8 => I8, |value| value;
    i16 as i16 => I16, |value| value;
    i32 as i32 => I32, |value| value;
    i64 as i64 => I64, |value| value;
    i128 as i128 => I128, |value| value;
    isize as i64 => Isize, |value| value as i64;
    f32 as f32 => F32, |value| value;
    f64 as f64 => F64, |value| value;
    Pointer as u64 => Pointer, |value| value.0 as u64;
}

macro_rules! argument {
    ($($ty:ty: $plain:expr),*) => {$(
        impl Sealed for $ty {}
        impl Argument for $ty {
            type Captured<'a> = $ty;

            const PLAIN: bool = $plain;

            #[inline(always)]
            fn capture(&self) -> $ty {
                *self
            }
        }
    )*};
}

argument! {
    bool: true, char: true, Ordering: false, f32: true, f64: true,
    u8: true, u16: true, u32: true, u64: true, u128: true, usize: size_of::<usize>() == 8,
    i8: true, i16: true, i32: true, i64: true, i128: true, isize: size_of::<isize>() == 8
}

macro_rules! non_zero {
    ($($ty:ty),*) => {$(
        impl Sealed for NonZero<$ty> {}
        impl Argument for NonZero<$ty> {
            type Captured<'a> = $ty;

            const PLAIN: bool = <$ty as Argument>::PLAIN;

            #[inline(always)]
            fn capture(&self) -> $ty {
                self.get()
            }
        }
    )*};
}

non_zero!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

macro_rules! transparent {
    ($($ty:ident),*) => {$(
        impl<T: Argument> Sealed for $ty<T> {}
        impl<T: Argument> Argument for $ty<T> {
            type Captured<'a> = T::Captured<'a> where T: 'a;

            #[inline(always)]
            fn capture(&self) -> T::Captured<'_> {
                self.0.capture()
            }
        }
    )*};
}

transparent!(Wrapping, Saturating);

macro_rules! atomics {
    ($($atomic:ident $ty:ty),*) => {$(
        impl Sealed for atomic::$atomic {}
        impl Argument for atomic::$atomic {
            type Captured<'a> = $ty;

            #[inline(always)]
            fn capture(&self) -> $ty {
                // Relaxed: a value of the program, which orders nothing for kymo. `{:?}` loads it
                // so, too.
                self.load(atomic::Ordering::Relaxed)
            }
        }
    )*};
}

atomics!(AtomicBool bool, AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64, AtomicUsize usize);
atomics!(AtomicI8 i8, AtomicI16 i16, AtomicI32 i32, AtomicI64 i64, AtomicIsize isize);

/// An address, as `{:p}` prints it.
#[derive(Clone, Copy, Debug)]
pub struct Pointer(usize);

/// A value that `{:p}` takes: raw pointers, references, `Box`, `Rc` and `Arc` to values of a size
/// that is known at compile time. The address is logged.
///
/// Pointers to slices and trait objects are not taken: what `format!` prints for them differs
/// between versions of Rust.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pointer that can be logged",
    label = "not a pointer to a value of a size known at compile time"
)]
pub trait PointerArgument: SealedPointer {
    #[doc(hidden)]
    fn address(&self) -> Pointer;
}

mod sealed {
    pub trait SealedPointer {}
}

use sealed::SealedPointer;

macro_rules! raw_pointer {
    ($($ty:ty),*) => {$(
        impl<T> Sealed for $ty {}
        impl<T> SealedPointer for $ty {}

        impl<T> Argument for $ty {
            type Captured<'a> = Pointer where Self: 'a;

            #[inline(always)]
            fn capture(&self) -> Pointer {
                self.address()
            }
        }

        impl<T> PointerArgument for $ty {
            #[inline(always)]
            fn address(&self) -> Pointer {
                Pointer(self.addr())
            }
        }
    )*};
}

raw_pointer!(*const T, *mut T);

impl<T> Sealed for atomic::AtomicPtr<T> {}
impl<T> Argument for atomic::AtomicPtr<T> {
    type Captured<'a>
        = Pointer
    where
        Self: 'a;

    #[inline(always)]
    fn capture(&self) -> Pointer {
        self.load(atomic::Ordering::Relaxed).address()
    }
}

macro_rules! smart_pointer {
    ($($ty:ty),*) => {$(
        impl<T> SealedPointer for $ty {}
        impl<T> PointerArgument for $ty {
            #[inline(always)]
            fn address(&self) -> Pointer {
                Pointer((&raw const **self).addr())
            }
        }
    )*};
}

smart_pointer!(&T, &mut T, Box<T>, std::rc::Rc<T>, std::sync::Arc<T>);
