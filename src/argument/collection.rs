//! Slices, arrays, `Vec`, and the collections of the standard library.
//!
//! A captured collection is a reference to it. Its elements are captured twice: when they are
//! measured, and when they are written.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::Sealed;
use crate::argument::encode::{CUT, MAX_LEN, put};
use crate::format::types::Type;

/// A length in bytes that is certainly too long, small enough that the sum over all arguments
/// cannot overflow.
const TOO_LONG: usize = usize::MAX >> 16;

/// A value that is made of elements.
pub trait Collection {
    /// The captured form of an element; of a map's, the tuple of key and value.
    type Element<'a>: Encode
    where
        Self: 'a;

    const KIND: CollectionKind;

    fn len(&self) -> usize;

    fn elements(&self) -> impl Iterator<Item = Self::Element<'_>>;

    /// The bytes of all elements, if memory holds them as they are to be written.
    #[inline(always)]
    fn plain(&self) -> Option<&[u8]> {
        None
    }
}

/// How a collection is printed.
#[derive(Clone, Copy)]
pub enum CollectionKind {
    Sequence,
    Set,
    Map,
}

/// A captured collection.
pub struct Elements<'a, C: ?Sized>(&'a C);

impl<C: ?Sized> Clone for Elements<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: ?Sized> Copy for Elements<'_, C> {}

impl<'a, C: Collection + ?Sized> Elements<'a, C> {
    const ELEMENT: &'static Type = {
        // They are captured twice, and the texts may differ.
        assert!(
            !<C::Element<'a> as Encode>::MADE,
            "a collection cannot have elements of which the statement formats a part, as with `#[kymo(debug)]`: \
             wrap the whole, `kymo::as_debug(&list)`"
        );
        &<C::Element<'a> as Encode>::TYPE
    };

    /// Returns how many elements fit, and how many bytes they take. Takes these out of `spare`.
    fn cut_elements(self, spare: &mut usize) -> (usize, usize) {
        let mut bytes = 0;
        for (index, element) in self.0.elements().enumerate() {
            let min = C::Element::<'a>::BASE_BYTES;
            if index == MAX_LEN || *spare < min {
                return (index, bytes);
            }
            *spare -= min;
            bytes += element.cut_bytes(spare);
        }
        (self.0.len(), bytes)
    }
}

// SAFETY: two bytes of length, and the elements' own encodings.
unsafe impl<'a, C: Collection + ?Sized> Encode for Elements<'a, C> {
    const TYPE: Type = match C::KIND {
        CollectionKind::Sequence => Type::Sequence(Self::ELEMENT),
        CollectionKind::Set => Type::Set(Self::ELEMENT),
        CollectionKind::Map => match Self::ELEMENT {
            Type::Tuple(both) => match both.first_chunk() {
                Some(both) => Type::Map(both),
                None => unreachable!(),
            },
            _ => unreachable!(),
        },
    };
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;

    #[inline]
    fn bytes(self) -> usize {
        if self.0.len() > MAX_LEN {
            TOO_LONG
        } else if C::Element::<'a>::FIXED {
            2 + self.0.len() * C::Element::<'a>::BASE_BYTES
        } else {
            let elements = self.0.elements().map(Encode::bytes);
            2 + elements.fold(0, usize::saturating_add).min(TOO_LONG)
        }
    }

    #[inline]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least two bytes.
        let mut to = unsafe { put(to, self.0.len() as u16) };
        if let Some(plain) = self.0.plain() {
            // SAFETY: the caller's promise; a record's memory is not the collection's.
            unsafe { plain.as_ptr().copy_to_nonoverlapping(to, plain.len()) };
            // SAFETY: just past what the caller promised.
            return unsafe { to.add(plain.len()) };
        }
        for element in self.0.elements() {
            // SAFETY: the caller's promise; each element takes what it counted.
            to = unsafe { element.write(to) };
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
        for element in self.0.elements().take(count) {
            *spare -= C::Element::<'a>::BASE_BYTES;
            // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
            to = unsafe { element.write_cut(spare, to) };
        }
        to
    }
}

impl<T: Argument> Collection for [T] {
    type Element<'a>
        = T::Captured<'a>
    where
        T: 'a;

    const KIND: CollectionKind = CollectionKind::Sequence;

    #[inline(always)]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn elements(&self) -> impl Iterator<Item = T::Captured<'_>> {
        self.iter().map(T::capture)
    }

    #[inline(always)]
    fn plain(&self) -> Option<&[u8]> {
        // SAFETY: types that are `PLAIN` have neither padding nor cells; the length is the slice's.
        T::PLAIN
            .then(|| unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), size_of_val(self)) })
    }
}

macro_rules! slice {
    ($([$($generics:tt)*] $ty:ty),*) => {$(
        impl<T: Argument, $($generics)*> Sealed for $ty {}
        impl<T: Argument, $($generics)*> Argument for $ty {
            type Captured<'a> = Elements<'a, [T]> where T: 'a;

            #[inline(always)]
            fn capture(&self) -> Elements<'_, [T]> {
                Elements(self)
            }
        }
    )*};
}

slice!([] [T], [const N: usize] [T; N], [] Vec<T>);

macro_rules! collection {
    ($($kind:ident [$($generics:ident)*] [$($plain:ident)?] $ty:ty, $element:ty, |$item:pat_param| $captured:expr;)*) => {$(
        impl<$($generics: Argument,)* $($plain)?> Sealed for $ty {}
        impl<$($generics: Argument,)* $($plain)?> Argument for $ty {
            type Captured<'a> = Elements<'a, Self> where Self: 'a;

            #[inline(always)]
            fn capture(&self) -> Elements<'_, Self> {
                Elements(self)
            }
        }

        impl<$($generics: Argument,)* $($plain)?> Collection for $ty {
            type Element<'a> = $element where Self: 'a;

            const KIND: CollectionKind = CollectionKind::$kind;

            #[inline]
            fn len(&self) -> usize {
                self.len()
            }

            #[inline]
            fn elements(&self) -> impl Iterator<Item = Self::Element<'_>> {
                self.iter().map(|$item| $captured)
            }
        }
    )*};
}

collection! {
    Sequence [T] [] VecDeque<T>, T::Captured<'a>, |element| element.capture();
    Sequence [T] [] LinkedList<T>, T::Captured<'a>, |element| element.capture();
    Sequence [T] [] BinaryHeap<T>, T::Captured<'a>, |element| element.capture();
    Set [T] [] BTreeSet<T>, T::Captured<'a>, |element| element.capture();
    Set [T] [S] HashSet<T, S>, T::Captured<'a>, |element| element.capture();
    Map [K V] [] BTreeMap<K, V>, (K::Captured<'a>, V::Captured<'a>), |(key, value)| (key.capture(), value.capture());
    Map [K V] [S] HashMap<K, V, S>, (K::Captured<'a>, V::Captured<'a>), |(key, value)| (key.capture(), value.capture());
}
