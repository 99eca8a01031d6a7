//! Arguments whose number and types are known only at run time.
//!
//! In come names and values, one by one, as a statement of another crate has them. Out go [`Values`], a list that a log
//! call takes, and the codes of their types for the call site. All of it is on the stack.

use std::fmt::Write;
use std::mem::MaybeUninit;
use std::slice;

use crate::argument::eager::{MadeText, ScratchWriter, make};
use crate::argument::encode::{CUT, put};
use crate::argument::{Arguments, Encode};
use crate::format::MAX_ARGUMENTS;
use crate::format::types::code;
use crate::statement::call_site::TypeList;

/// A value of a record.
#[derive(Clone, Copy)]
pub(crate) enum GatheredValue<'a> {
    /// No value: an `Option` that is none.
    None,
    Bool(bool),
    Char(char),
    U64(u64),
    I64(i64),
    F64(f64),
    // As words, which are aligned to 8: the list is shorter so.
    U128([u64; 2]),
    I128([u64; 2]),
    Str(&'a str),
    Text(MadeText),
}

impl GatheredValue<'_> {
    /// A value that `format` writes, now.
    pub(crate) fn formatted(format: impl FnOnce(&mut dyn Write) -> std::fmt::Result) -> Self {
        Self::Text(make(|out: &mut ScratchWriter| format(out)))
    }

    /// The code of its type.
    #[inline(always)]
    fn code(self) -> u8 {
        match self {
            Self::None => code::OPTION,
            Self::Bool(_) => code::BOOL,
            Self::Char(_) => code::CHAR,
            Self::U64(_) => code::U64,
            Self::I64(_) => code::I64,
            Self::F64(_) => code::F64,
            Self::U128(_) => code::U128,
            Self::I128(_) => code::I128,
            Self::Str(_) => code::STR,
            Self::Text(_) => code::TEXT,
        }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        match self {
            Self::None | Self::Bool(_) => 1,
            Self::Char(_) => 4,
            Self::U64(_) | Self::I64(_) | Self::F64(_) => 8,
            Self::U128(_) | Self::I128(_) => 16,
            Self::Str(text) => Encode::bytes(text),
            Self::Text(text) => text.bytes(),
        }
    }

    /// The fewest bytes that a record must have for it.
    fn base_bytes(self) -> usize {
        match self {
            Self::Str(_) | Self::Text(_) => 2,
            other => other.bytes(),
        }
    }

    fn cut_bytes(self, spare: &mut usize, last: bool) -> usize {
        match self {
            Self::Str(text) if last => text.last_cut_bytes(spare),
            Self::Str(text) => text.cut_bytes(spare),
            Self::Text(text) => text.cut_bytes(spare),
            other => other.bytes(),
        }
    }

    /// # Safety
    /// `to` is valid for writes of `bytes()` bytes.
    #[inline(always)]
    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY (of each `put` and `write`): the caller's promise, and `bytes` is what it writes.
        match self {
            // SAFETY: see above.
            Self::None => unsafe { put(to, 0_u8) },
            // SAFETY: see above.
            Self::Bool(value) => unsafe { value.write(to) },
            // SAFETY: see above.
            Self::Char(value) => unsafe { value.write(to) },
            // SAFETY: see above.
            Self::U64(value) => unsafe { value.write(to) },
            // SAFETY: see above.
            Self::I64(value) => unsafe { value.write(to) },
            // SAFETY: see above.
            Self::F64(value) => unsafe { value.write(to) },
            // SAFETY: see above.
            Self::U128(value) | Self::I128(value) => unsafe { put(to, value) },
            // SAFETY: see above.
            Self::Str(text) => unsafe { text.write(to) },
            // SAFETY: see above.
            Self::Text(text) => unsafe { text.write(to) },
        }
    }

    /// Writes what [`Self::cut_bytes`] measured. Returns the address past it.
    ///
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare, false)` bytes.
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        match self {
            // SAFETY: the caller's promise.
            Self::Str(text) => unsafe { text.write_cut(spare, to) },
            // SAFETY: the caller's promise.
            Self::Text(text) => unsafe { text.write_cut(spare, to) },
            // SAFETY: the caller's promise: such a value is not cut.
            other => unsafe { other.write(to) },
        }
    }
}

/// Names and values of one record.
pub(crate) struct Gathered<'a> {
    len: usize,
    bytes: usize,
    mixed_codes: u64,
    /// The first text in the thread's scratch buffer.
    first_text: Option<MadeText>,
    names: [MaybeUninit<&'a str>; MAX_ARGUMENTS],
    codes: [MaybeUninit<u8>; MAX_ARGUMENTS],
    values: [MaybeUninit<GatheredValue<'a>>; MAX_ARGUMENTS],
}

impl<'a> Gathered<'a> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            len: 0,
            bytes: 0,
            mixed_codes: 0,
            first_text: None,
            names: [MaybeUninit::uninit(); MAX_ARGUMENTS],
            codes: [MaybeUninit::uninit(); MAX_ARGUMENTS],
            values: [MaybeUninit::uninit(); MAX_ARGUMENTS],
        }
    }

    /// Adds a value. There must be fewer than [`MAX_ARGUMENTS`].
    #[inline(always)]
    pub(crate) fn push(&mut self, name: &'a str, value: GatheredValue<'a>) {
        let code = value.code();
        if let GatheredValue::Text(text) = value {
            self.first_text.get_or_insert(text);
        }
        self.names[self.len].write(name);
        self.codes[self.len].write(code);
        self.values[self.len].write(value);
        self.len += 1;
        self.bytes += value.bytes();
        self.mixed_codes = self.mixed_codes.rotate_left(5) ^ u64::from(code);
    }

    #[inline(always)]
    pub(crate) fn names(&self) -> &[&'a str] {
        // SAFETY: `push` has written so many.
        unsafe { slice::from_raw_parts(self.names.as_ptr().cast(), self.len) }
    }

    #[inline(always)]
    pub(crate) fn codes(&self) -> &[u8] {
        // SAFETY: `push` has written so many.
        unsafe { slice::from_raw_parts(self.codes.as_ptr().cast(), self.len) }
    }

    /// A number that differs if the codes do, mostly.
    #[inline(always)]
    pub(crate) fn mixed_codes(&self) -> u64 {
        self.mixed_codes
    }

    #[inline(always)]
    pub(crate) fn values(&self) -> Values<'_, 'a> {
        // SAFETY: `push` has written so many.
        let list: &[GatheredValue<'a>] =
            unsafe { slice::from_raw_parts(self.values.as_ptr().cast(), self.len) };
        // A string that is the last has no length.
        let saved = if let Some(GatheredValue::Str(_)) = list.last() { 2 } else { 0 };
        Values { list, bytes: self.bytes - saved, first_text: self.first_text }
    }
}

/// The values of one record.
#[derive(Clone, Copy)]
pub(crate) struct Values<'g, 'a> {
    list: &'g [GatheredValue<'a>],
    bytes: usize,
    first_text: Option<MadeText>,
}

impl Values<'_, '_> {
    /// Divides `spare` bytes: how many the first value, which may be the message, may use. It gets half of them if it
    /// needs so many, and what the others leave.
    fn spare_of_first(self, spare: usize) -> (usize, usize) {
        let Some((first, others)) = self.list.split_first() else { return (0, spare) };
        let first_least = (first.bytes() - first.base_bytes()).min(spare / 2);
        let others_spare = spare - first_least;
        let mut left = others_spare;
        let last = others.len().wrapping_sub(1);
        for (at, value) in others.iter().enumerate() {
            value.cut_bytes(&mut left, at == last);
        }
        (first_least + left, others_spare)
    }
}

// SAFETY: `bytes` is the sum of what the values write, and the last one is written as a last one. When they are cut,
// `spare_of_first` divides alike for both functions.
unsafe impl Arguments for Values<'_, '_> {
    const TYPES: Option<&'static TypeList> = None;
    const FIXED: bool = false;

    #[inline(always)]
    fn are_short(self) -> bool {
        false
    }

    #[inline(always)]
    fn release(self) {
        // It takes those that follow with it.
        if let Some(text) = self.first_text {
            text.release();
        }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        self.bytes
    }

    #[inline(always)]
    unsafe fn write(self, mut to: *mut u8) {
        let Some((last, others)) = self.list.split_last() else { return };
        for value in others {
            // SAFETY: the caller's promise, counted likewise.
            to = unsafe { value.write(to) };
        }
        match last {
            // SAFETY: the caller's promise, counted likewise.
            GatheredValue::Str(text) => unsafe { text.write_last(to) },
            // SAFETY: the caller's promise, counted likewise.
            last => _ = unsafe { last.write(to) },
        }
    }

    fn base_bytes(self) -> usize {
        self.list.iter().map(|value| value.base_bytes()).sum()
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let (mut of_first, mut of_others) = self.spare_of_first(*spare);
        let Some((first, others)) = self.list.split_first() else { return 0 };
        let last = others.len().wrapping_sub(1);
        let rest = others.iter().enumerate();
        let rest =
            rest.map(|(at, value)| value.cut_bytes(&mut of_others, at == last)).sum::<usize>();
        first.cut_bytes(&mut of_first, others.is_empty()) + rest
    }

    unsafe fn write_cut(self, spare: &mut usize, mut to: *mut u8) -> u16 {
        let (mut of_first, mut of_others) = self.spare_of_first(*spare);
        let Some((last, others)) = self.list.split_last() else { return 0 };
        for (at, value) in others.iter().enumerate() {
            let spare = if at == 0 { &mut of_first } else { &mut of_others };
            // SAFETY: the caller's promise, counted likewise.
            to = unsafe { value.write_cut(spare, to) };
        }
        let spare = if others.is_empty() { &mut of_first } else { &mut of_others };
        let is_cut = match last {
            // SAFETY: the caller's promise, counted likewise.
            GatheredValue::Str(text) => unsafe { text.write_last_cut(spare, to) },
            last => {
                // SAFETY: the caller's promise, counted likewise.
                unsafe { last.write_cut(spare, to) };
                false
            }
        };
        if is_cut { CUT } else { 0 }
    }
}
