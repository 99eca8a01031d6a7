//! `Option`, slices, arrays, `Vec` and tuples.

use super::encode::{CUT, MAX_LEN, put};
use super::{Argument, Encode, Sealed};
use crate::format::types::Type;

// SAFETY: one byte, and the value's own encoding where there is one.
unsafe impl<T: Encode> Encode for Option<T> {
    const TYPE: Type = Type::Option(&T::TYPE);
    // Whatever else is cut: `Some` never becomes `None`.
    const BASE_BYTES: usize = 1 + T::BASE_BYTES;
    const FIXED: bool = false;

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
            // SAFETY: the caller's promise: the value's bytes are behind the first.
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

/// The length in bytes of what is certainly too long. The sum over all arguments must not overflow.
const TOO_LONG: usize = usize::MAX >> 16;

/// A captured slice.
pub struct Sequence<'a, T>(&'a [T]);

impl<T> Clone for Sequence<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Sequence<'_, T> {}

impl<'a, T: Argument> Sequence<'a, T> {
    /// How many elements fit, taking them out of `spare`, and how many bytes they take.
    fn cut_elements(self, spare: &mut usize) -> (usize, usize) {
        let mut bytes = 0;
        for (index, element) in self.0.iter().enumerate() {
            let min = T::Captured::<'a>::BASE_BYTES;
            if index == MAX_LEN || *spare < min {
                return (index, bytes);
            }
            *spare -= min;
            bytes += element.capture().cut_bytes(spare);
        }
        (self.0.len(), bytes)
    }
}

// SAFETY: two bytes of length, and the elements' own encodings; where `PLAIN`, those are the
// slice's memory.
unsafe impl<'a, T: Argument> Encode for Sequence<'a, T> {
    const TYPE: Type = Type::Sequence(&T::Captured::<'a>::TYPE);
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;

    #[inline]
    fn bytes(self) -> usize {
        if self.0.len() > MAX_LEN {
            TOO_LONG
        } else if T::Captured::<'a>::FIXED {
            2 + self.0.len() * T::Captured::<'a>::BASE_BYTES
        } else {
            let elements = self.0.iter().map(|element| element.capture().bytes());
            2 + elements.fold(0, usize::saturating_add).min(TOO_LONG)
        }
    }

    #[inline]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least two bytes.
        let mut to = unsafe { put(to, self.0.len() as u16) };
        if T::PLAIN {
            let bytes = size_of_val(self.0);
            // SAFETY: the caller's promise; a record's memory is not the slice's.
            unsafe { self.0.as_ptr().cast::<u8>().copy_to_nonoverlapping(to, bytes) };
            // SAFETY: just behind what the caller promised.
            return unsafe { to.add(bytes) };
        }
        for element in self.0 {
            // SAFETY: the caller's promise, of which each element takes what it counted.
            to = unsafe { element.capture().write(to) };
        }
        to
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        2 + self.cut_elements(spare).1
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let (count, _) = self.cut_elements(&mut { *spare });
        let cut = if count < self.0.len() { CUT } else { 0 };
        // SAFETY: the caller's promise: at least two bytes.
        let mut to = unsafe { put(to, count as u16 | cut) };
        for element in &self.0[..count] {
            *spare -= T::Captured::<'a>::BASE_BYTES;
            // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
            to = unsafe { element.capture().write_cut(spare, to) };
        }
        to
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

macro_rules! sequence {
    ($([$($generics:tt)*] $ty:ty),*) => {$(
        impl<T: Argument, $($generics)*> Sealed for $ty {}
        impl<T: Argument, $($generics)*> Argument for $ty {
            type Captured<'a> = Sequence<'a, T> where T: 'a;

            #[inline(always)]
            fn capture(&self) -> Sequence<'_, T> {
                Sequence(self)
            }
        }
    )*};
}

sequence!([] [T], [const N: usize] [T; N], [] Vec<T>);

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

        // SAFETY: the members' own encodings, one behind the other.
        unsafe impl<$($name: Encode),*> Encode for ($($name,)*) {
            const TYPE: Type = Type::Tuple(&[$($name::TYPE),*]);
            const BASE_BYTES: usize = 0 $(+ $name::BASE_BYTES)*;
            const FIXED: bool = true $(&& $name::FIXED)*;

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
                    // SAFETY: the caller's promise, of which each member takes what it counted.
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
