//! Types of the program: what `#[derive(kymo::Value)]` makes of a struct or an enum.
//!
//! The derived code is safe. It only says names ([`Described`]), and puts captured fields together:
//!
//! ```text
//! struct Order { id: u64, px: f64, venue: &str }     Struct<names, Both<One<u64>, Both<One<f64>, One<&str>>>>
//! enum Event { New(Order), Gone, Moved { to: u32 } }  Enum<names, Either<Struct<…>, Either<Struct<…>, Struct<…>>>>
//! ```
//!
//! Lists are balanced trees, for the compiler limits how deep types may nest.
//!
//! In a ring, a struct is its fields, one after the other. An enum is the number of the variant (`u16`) and the
//! fields of that variant. Padding is never read.

use std::fmt::{self, LowerHex, Write};
use std::marker::PhantomData;

use crate::argument::Encode;
use crate::argument::eager::make;
use crate::argument::encode::put;
use crate::format::types::{self, Type};

pub use crate::argument::Argument;
pub use crate::argument::eager::MadeText;
pub use crate::argument::sealed::Sealed;
pub use crate::format::types::{Field, Fields, Hint, Struct as Variant};

/// What the derived code says of a struct or a variant.
pub trait Described {
    /// Its name.
    const NAME: &'static str;
    /// How its fields are written.
    const KIND: Fields;
    /// The format string of `{}`, if there is one.
    const FORMAT: Option<&'static str>;
    /// Names and hints of the fields.
    const FIELDS: &'static [Field];
}

/// What the derived code says of an enum.
pub trait Named {
    /// Its name.
    const NAME: &'static str;
}

/// What the derived code says of an enum without fields.
pub trait Plain: Named {
    /// The names of its variants.
    const VARIANTS: &'static [&'static str];
    /// Its variants, made by [`plain_variants`].
    const LISTED: &'static [Variant];
}

/// The variants of an enum without fields.
pub const fn plain_variants<const N: usize>(names: &'static [&'static str]) -> [types::Struct; N] {
    let unit = types::Struct {
        name: "",
        kind: Fields::Unit,
        format: None,
        fields: &[],
        types: types::Members::NONE,
    };
    let (mut variants, mut at) = ([unit; N], 0);
    while at < N {
        variants[at].name = names[at];
        at += 1;
    }
    variants
}

/// Captured values, one after the other.
///
/// # Safety
/// As for `Encode`: `write` writes exactly `bytes()` bytes, `write_cut` what `cut_bytes` returns for the same
/// `spare`, at most `BASE_BYTES` and what it takes from that. They are the encodings of `TYPES`.
#[allow(missing_docs, reason = "as in `Encode`")]
pub unsafe trait Members: Copy {
    const TYPES: types::Members;
    const BASE_BYTES: usize;
    const FIXED: bool;
    const MADE: bool;

    fn is_short(self) -> bool;
    fn release(self);
    fn bytes(self) -> usize;
    /// # Safety
    /// `to` is valid for writes of `bytes()` bytes.
    unsafe fn write(self, to: *mut u8) -> *mut u8;
    fn cut_bytes(self, spare: &mut usize) -> usize;
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare)` bytes.
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8;
}

/// The methods of a wrapper: those of its only part.
macro_rules! as_its {
    ($part:tt) => {
        #[inline(always)]
        fn is_short(self) -> bool {
            self.$part.is_short()
        }

        #[inline(always)]
        fn release(self) {
            self.$part.release();
        }

        #[inline(always)]
        fn bytes(self) -> usize {
            self.$part.bytes()
        }

        #[inline(always)]
        unsafe fn write(self, to: *mut u8) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { self.$part.write(to) }
        }

        fn cut_bytes(self, spare: &mut usize) -> usize {
            self.$part.cut_bytes(spare)
        }

        unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { self.$part.write_cut(spare, to) }
        }
    };
}

/// No field.
#[derive(Clone, Copy)]
pub struct Nothing;

// SAFETY: nothing is written.
unsafe impl Members for Nothing {
    const TYPES: types::Members = types::Members::NONE;
    const BASE_BYTES: usize = 0;
    const FIXED: bool = true;
    const MADE: bool = false;

    #[inline(always)]
    fn is_short(self) -> bool {
        true
    }

    #[inline(always)]
    fn release(self) {}

    #[inline(always)]
    fn bytes(self) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        to
    }

    fn cut_bytes(self, _: &mut usize) -> usize {
        0
    }

    unsafe fn write_cut(self, _: &mut usize, to: *mut u8) -> *mut u8 {
        to
    }
}

/// One field.
#[derive(Clone, Copy)]
pub struct One<C>(pub C);

// SAFETY: the field's own encoding.
unsafe impl<C: Encode> Members for One<C> {
    const TYPES: types::Members = types::Members::Listed(&[C::TYPE]);
    const BASE_BYTES: usize = C::BASE_BYTES;
    const FIXED: bool = C::FIXED;
    const MADE: bool = C::MADE;

    as_its!(0);
}

/// Fields, and then others.
#[derive(Clone, Copy)]
pub struct Both<A, B>(pub A, pub B);

// SAFETY: the encodings of the one, and then those of the other.
unsafe impl<A: Members, B: Members> Members for Both<A, B> {
    const TYPES: types::Members = types::Members::Both(&A::TYPES, &B::TYPES);
    const BASE_BYTES: usize = A::BASE_BYTES + B::BASE_BYTES;
    const FIXED: bool = A::FIXED && B::FIXED;
    const MADE: bool = A::MADE || B::MADE;

    #[inline(always)]
    fn is_short(self) -> bool {
        self.0.is_short() && self.1.is_short()
    }

    #[inline(always)]
    fn release(self) {
        self.0.release();
        self.1.release();
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        self.0.bytes() + self.1.bytes()
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise; each takes what it counted.
        let to = unsafe { self.0.write(to) };
        // SAFETY: as above.
        unsafe { self.1.write(to) }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        self.0.cut_bytes(spare) + self.1.cut_bytes(spare)
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
        let to = unsafe { self.0.write_cut(spare, to) };
        // SAFETY: as above.
        unsafe { self.1.write_cut(spare, to) }
    }
}

/// A captured struct, or a captured variant. `D` describes it.
pub struct Struct<D, M> {
    members: M,
    described: PhantomData<fn() -> D>,
}

impl<D, M: Copy> Clone for Struct<D, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<D, M: Copy> Copy for Struct<D, M> {}

impl<D: Described, M: Members> Struct<D, M> {
    const DESCRIBED: types::Struct = {
        assert!(D::FIELDS.len() == M::TYPES.count(), "a name and a hint for each field");
        types::Struct {
            name: D::NAME,
            kind: D::KIND,
            format: D::FORMAT,
            fields: D::FIELDS,
            types: M::TYPES,
        }
    };

    /// Puts captured fields together.
    #[inline(always)]
    pub fn new(members: M) -> Self {
        Self { members, described: PhantomData }
    }
}

// SAFETY: the encodings of its fields.
unsafe impl<D: Described, M: Members> Encode for Struct<D, M> {
    const TYPE: Type = Type::Struct(&Self::DESCRIBED);
    const BASE_BYTES: usize = M::BASE_BYTES;
    const FIXED: bool = M::FIXED;
    const MADE: bool = M::MADE;

    as_its!(members);
}

/// One of several captured variants.
///
/// # Safety
/// As for [`Members`], but for `index`: they are the encodings of the variant of that number in `VARIANTS`.
#[allow(missing_docs, reason = "as in `Encode`")]
pub unsafe trait Alternatives: Copy {
    const VARIANTS: types::Variants;
    const BASE_BYTES: usize;
    const MADE: bool;

    /// The number of the variant.
    fn index(self) -> usize;
    fn is_short(self) -> bool;
    fn release(self);
    fn bytes(self) -> usize;
    /// # Safety
    /// `to` is valid for writes of `bytes()` bytes.
    unsafe fn write(self, to: *mut u8) -> *mut u8;
    fn cut_bytes(self, spare: &mut usize) -> usize;
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare)` bytes.
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8;
}

// SAFETY: the only variant: the encodings of its fields.
unsafe impl<D: Described, M: Members> Alternatives for Struct<D, M> {
    const VARIANTS: types::Variants = types::Variants::Listed(&[Self::DESCRIBED]);
    const BASE_BYTES: usize = M::BASE_BYTES;
    const MADE: bool = M::MADE;

    #[inline(always)]
    fn index(self) -> usize {
        0
    }

    as_its!(members);
}

/// One of the variants of `A`, or, after these, of `B`.
#[derive(Clone, Copy)]
pub enum Either<A, B> {
    /// One of those of `A`.
    First(A),
    /// One of those of `B`.
    Second(B),
}

// SAFETY: the encodings of the one or of the other; the variants of `B` follow those of `A`.
unsafe impl<A: Alternatives, B: Alternatives> Alternatives for Either<A, B> {
    const VARIANTS: types::Variants = types::Variants::Both(&A::VARIANTS, &B::VARIANTS);
    const BASE_BYTES: usize =
        if A::BASE_BYTES > B::BASE_BYTES { A::BASE_BYTES } else { B::BASE_BYTES };
    const MADE: bool = A::MADE || B::MADE;

    #[inline(always)]
    fn index(self) -> usize {
        match self {
            Self::First(first) => first.index(),
            Self::Second(second) => (const { A::VARIANTS.count() }) + second.index(),
        }
    }

    #[inline(always)]
    fn is_short(self) -> bool {
        match self {
            Self::First(first) => first.is_short(),
            Self::Second(second) => second.is_short(),
        }
    }

    #[inline(always)]
    fn release(self) {
        match self {
            Self::First(first) => first.release(),
            Self::Second(second) => second.release(),
        }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        match self {
            Self::First(first) => first.bytes(),
            Self::Second(second) => second.bytes(),
        }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        match self {
            // SAFETY: the caller's promise.
            Self::First(first) => unsafe { first.write(to) },
            // SAFETY: the caller's promise.
            Self::Second(second) => unsafe { second.write(to) },
        }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        match self {
            Self::First(first) => first.cut_bytes(spare),
            Self::Second(second) => second.cut_bytes(spare),
        }
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        match self {
            // SAFETY: the caller's promise.
            Self::First(first) => unsafe { first.write_cut(spare, to) },
            // SAFETY: the caller's promise.
            Self::Second(second) => unsafe { second.write_cut(spare, to) },
        }
    }
}

/// The length of a variant's number.
const INDEX_BYTES: usize = 2;

/// A captured enum. `N` has its name.
pub struct Enum<N, A> {
    variant: A,
    named: PhantomData<fn() -> N>,
}

impl<N, A: Copy> Clone for Enum<N, A> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<N, A: Copy> Copy for Enum<N, A> {}

impl<N: Named, A: Alternatives> Enum<N, A> {
    /// Makes it of its captured variant.
    #[inline(always)]
    pub fn new(variant: A) -> Self {
        Self { variant, named: PhantomData }
    }
}

// SAFETY: the number of the variant, and the encodings of the variant's fields.
unsafe impl<N: Named, A: Alternatives> Encode for Enum<N, A> {
    const TYPE: Type = Type::Enum(&types::Enum { name: N::NAME, variants: A::VARIANTS });
    const BASE_BYTES: usize = INDEX_BYTES + A::BASE_BYTES;
    const FIXED: bool = false;
    const MADE: bool = A::MADE;

    #[inline(always)]
    fn is_short(self) -> bool {
        self.variant.is_short()
    }

    #[inline(always)]
    fn release(self) {
        self.variant.release();
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        INDEX_BYTES + self.variant.bytes()
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least two bytes.
        let to = unsafe { put(to, self.variant.index() as u16) };
        // SAFETY: the caller's promise: the fields follow them.
        unsafe { self.variant.write(to) }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        INDEX_BYTES + self.variant.cut_bytes(spare)
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: at least two bytes.
        let to = unsafe { put(to, self.variant.index() as u16) };
        // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
        unsafe { self.variant.write_cut(spare, to) }
    }
}

/// A captured enum without fields: the number of its variant. `P` names them.
pub struct PlainEnum<P> {
    /// Less than the number of variants.
    index: u16,
    plain: PhantomData<fn() -> P>,
}

impl<P> Clone for PlainEnum<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for PlainEnum<P> {}

impl<P: Plain> PlainEnum<P> {
    /// Makes it of the number of its variant.
    #[inline(always)]
    pub fn new(index: u16) -> Self {
        assert!(usize::from(index) < P::LISTED.len(), "one of the variants");
        Self { index, plain: PhantomData }
    }
}

// SAFETY: two bytes: the number of a variant, which has no fields.
unsafe impl<P: Plain> Encode for PlainEnum<P> {
    const TYPE: Type =
        Type::Enum(&types::Enum { name: P::NAME, variants: types::Variants::Listed(P::LISTED) });
    const BASE_BYTES: usize = INDEX_BYTES;
    const FIXED: bool = true;

    #[inline(always)]
    fn bytes(self) -> usize {
        INDEX_BYTES
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise: two bytes.
        unsafe { put(to, self.index) }
    }
}

/// A captured field that is not in the log.
#[derive(Clone, Copy)]
pub struct Redacted;

// SAFETY: nothing is written.
unsafe impl Encode for Redacted {
    const TYPE: Type = Type::Redacted;
    const BASE_BYTES: usize = 0;
    const FIXED: bool = true;

    #[inline(always)]
    fn bytes(self) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        to
    }
}

/// Captures a field.
#[inline(always)]
pub fn field<T: Argument + ?Sized>(value: &T) -> One<T::Captured<'_>> {
    One(value.capture())
}

/// Captures a field that is shown in hexadecimal.
#[inline(always)]
pub fn hex_field<T: Argument + LowerHex + ?Sized>(value: &T) -> One<T::Captured<'_>> {
    One(value.capture())
}

/// Formats a field with its `Debug`, now.
#[inline]
pub fn debugged<T: fmt::Debug + ?Sized>(value: &T) -> One<MadeText> {
    One(make(|out| write!(out, "{value:?}")))
}

/// Formats a field with its `Display`, now.
#[inline]
pub fn displayed<T: fmt::Display + ?Sized>(value: &T) -> One<MadeText> {
    One(make(|out| write!(out, "{value}")))
}

/// Leaves a field out.
#[inline(always)]
pub fn redacted() -> One<Redacted> {
    One(Redacted)
}
