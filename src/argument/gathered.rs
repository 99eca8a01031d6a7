//! Arguments whose number and types are known only at run time.
//!
//! In come names and values, one by one, as a statement of another crate has them. Out go [`Values`], a list that a log
//! call takes, and the codes of their types for the call site.
//!
//! The values are encoded at once, on the stack, as the record is to have them. So writing the record is one copy. A
//! text that is too long for the stack is in the thread's scratch buffer, and the record is put together:
//!
//! ```text
//! buffer   │ u64 │ f64 │ short text │ u64 │ …           long   │ before which byte of the buffer, text │ …
//! ```

use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::slice;

use crate::argument::eager::{MadeText, ScratchWriter};
use crate::argument::encode::{CUT, SHORT_BYTES, copy};
use crate::argument::{Arguments, Encode};
#[cfg(any(feature = "log", feature = "tracing"))]
use crate::format::types::SpanRole;
use crate::format::types::code;
use crate::format::{MAX_ARGUMENTS, boundary};
use crate::statement::call_site::TypeList;
use crate::statement::made::mix;

/// How many bytes of texts are kept on the stack.
const TEXT_BYTES: usize = 1 << 10;

/// The longest value of fixed length.
const MAX_FIXED_BYTES: usize = 16;

/// The length of a text, which precedes it.
const LEN_BYTES: usize = 2;

/// The texts, and then room for values of fixed length only, each with the code of its type.
const BUFFER_BYTES: usize = TEXT_BYTES + MAX_ARGUMENTS * (1 + MAX_FIXED_BYTES);

/// A text that is not in the buffer.
#[derive(Clone, Copy)]
struct Long {
    /// It precedes this byte of the buffer.
    at: usize,
    text: MadeText,
}

/// How a statement names a value.
pub(crate) trait Name: Copy {
    /// The name of a value that has none.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "ids of spans have it"))]
    const NONE: Self;
}

impl Name for &str {
    const NONE: Self = "";
}

/// Names and values of one record.
pub(crate) struct Gathered<N> {
    /// How many values there are.
    count: usize,
    /// How many bytes of the buffer are used.
    len: usize,
    mixed_codes: u64,
    long_count: usize,
    names: [MaybeUninit<N>; MAX_ARGUMENTS],
    codes: [MaybeUninit<u8>; MAX_ARGUMENTS],
    long: [MaybeUninit<Long>; MAX_ARGUMENTS],
    buffer: [MaybeUninit<u8>; BUFFER_BYTES],
}

impl<N: Name> Gathered<N> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            len: 0,
            mixed_codes: 0,
            long_count: 0,
            names: [MaybeUninit::uninit(); MAX_ARGUMENTS],
            codes: [MaybeUninit::uninit(); MAX_ARGUMENTS],
            long: [MaybeUninit::uninit(); MAX_ARGUMENTS],
            buffer: [MaybeUninit::uninit(); BUFFER_BYTES],
        }
    }

    #[inline(always)]
    fn name(&mut self, name: N, code: u8) {
        let at = self.count;
        assert!(at < MAX_ARGUMENTS);
        self.names[at].write(name);
        self.codes[at].write(code);
        self.count = at + 1;
        self.mixed_codes = mix(self.mixed_codes, code);
    }

    #[inline(always)]
    fn put<const B: usize>(&mut self, bytes: [u8; B]) {
        const { assert!(B <= MAX_FIXED_BYTES) };
        let at = self.len;
        assert!(at <= BUFFER_BYTES - B);
        // SAFETY: within the buffer, as compared.
        let to = unsafe { self.buffer.as_mut_ptr().add(at) };
        // SAFETY: so many bytes are left in the buffer. No alignment is required.
        unsafe { to.cast::<[u8; B]>().write_unaligned(bytes) };
        self.len = at + B;
    }

    /// Adds a value of fixed length, as it is in memory. There must be fewer than [`MAX_ARGUMENTS`].
    #[inline(always)]
    fn push_fixed<const B: usize>(&mut self, name: N, code: u8, bytes: [u8; B]) {
        self.put(bytes);
        self.name(name, code);
    }

    /// Adds no value: an `Option` that is none.
    #[cfg(feature = "log")]
    pub(crate) fn push_none(&mut self, name: N) {
        self.push_fixed(name, code::OPTION, [0]);
    }

    #[inline(always)]
    pub(crate) fn push_bool(&mut self, name: N, value: bool) {
        self.push_fixed(name, code::BOOL, [value.into()]);
    }

    #[cfg(feature = "log")]
    #[inline(always)]
    pub(crate) fn push_char(&mut self, name: N, value: char) {
        self.push_fixed(name, code::CHAR, u32::from(value).to_ne_bytes());
    }

    #[inline(always)]
    pub(crate) fn push_u64(&mut self, name: N, value: u64) {
        self.push_fixed(name, code::U64, value.to_ne_bytes());
    }

    #[inline(always)]
    pub(crate) fn push_i64(&mut self, name: N, value: i64) {
        self.push_fixed(name, code::I64, value.to_ne_bytes());
    }

    #[inline(always)]
    pub(crate) fn push_f64(&mut self, name: N, value: f64) {
        self.push_fixed(name, code::F64, value.to_ne_bytes());
    }

    #[inline(always)]
    pub(crate) fn push_u128(&mut self, name: N, value: u128) {
        self.push_fixed(name, code::U128, value.to_ne_bytes());
    }

    #[inline(always)]
    pub(crate) fn push_i128(&mut self, name: N, value: i128) {
        self.push_fixed(name, code::I128, value.to_ne_bytes());
    }

    /// Adds the id of a span. It follows all values.
    #[cfg(feature = "tracing")]
    #[inline(always)]
    pub(crate) fn push_span(&mut self, role: SpanRole, id: u64) {
        self.push_fixed(N::NONE, role.code(), id.to_ne_bytes());
    }

    /// Adds a text, which is copied.
    #[inline(always)]
    pub(crate) fn push_str(&mut self, name: N, value: &str) {
        let start = self.len + LEN_BYTES;
        if start + value.len() > TEXT_BYTES {
            return self.push_long(name, |out| out.write_str(value));
        }
        let to = &mut self.buffer[start..][..value.len()];
        // SAFETY: so many bytes fit, and nobody else has them.
        unsafe { copy(value.as_ptr(), to.as_mut_ptr().cast(), value.len()) };
        self.end_text(name, value.len(), false);
    }

    /// Adds a text that `format` writes, now.
    #[inline(always)]
    pub(crate) fn push_text(
        &mut self,
        name: N,
        format: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) {
        let start = self.len + LEN_BYTES;
        let Some(room) = self.buffer[..TEXT_BYTES].get_mut(start..) else {
            return self.push_long(name, format);
        };
        let mut writer = TextWriter { room, len: 0, cut: false, moved: None };
        let failed = format(&mut writer).is_err();
        let TextWriter { len, cut, moved, .. } = writer;
        match moved {
            None => self.end_text(name, len, cut || failed),
            Some(text) => self.end_long(name, text, failed),
        }
    }

    /// Adds a text for whose length there is no room.
    #[cold]
    #[inline(never)]
    fn push_long(&mut self, name: N, format: impl FnOnce(&mut dyn Write) -> fmt::Result) {
        let mut writer = TextWriter { room: &mut [], len: 0, cut: false, moved: None };
        let failed = format(&mut writer).is_err();
        match writer.moved {
            None => self.end_text(name, 0, writer.cut || failed),
            Some(text) => self.end_long(name, text, failed),
        }
    }

    /// Adds bytes: a sequence of `u8`, or its text if it is long.
    #[cfg(feature = "tracing")]
    pub(crate) fn push_bytes(&mut self, name: N, value: &[u8]) {
        if self.len + LEN_BYTES + value.len() > TEXT_BYTES {
            return self.push_text(name, |out| write!(out, "{value:?}"));
        }
        self.put((value.len() as u16).to_ne_bytes());
        self.put_all(value);
        self.name(name, code::SEQUENCE);
    }

    /// A text of so many bytes has been written past the place of its length.
    #[inline(always)]
    fn end_text(&mut self, name: N, len: usize, cut: bool) {
        self.put((len as u16 | if cut { CUT } else { 0 }).to_ne_bytes());
        self.len += len;
        self.name(name, code::TEXT);
    }

    #[cold]
    #[inline(never)]
    fn end_long(&mut self, name: N, text: ScratchWriter, cut: bool) {
        let text = text.finish(cut);
        self.long[self.long_count].write(Long { at: self.len, text });
        self.long_count += 1;
        self.name(name, code::TEXT);
    }

    /// Copies them so that each states its type itself: for records of a statement whose types alternate. Ids of spans
    /// do not, nor does a text that comes first: mostly it is the message. Of both, release one.
    #[cfg(any(feature = "log", feature = "tracing"))]
    #[cold]
    pub(crate) fn stating_types(&self) -> Self {
        let mut any = Self::new();
        let mut values = self.values().each();
        for (at, (name, code)) in self.names().iter().zip(self.codes()).enumerate() {
            let keeps_type = SpanRole::from_code(*code).is_some() || at == 0 && *code == code::TEXT;
            if !keeps_type {
                any.put([*code]);
            }
            match values.next().expect("as many as there are codes") {
                Value::Whole(bytes) => any.put_all(bytes),
                Value::Short { text, cut } => {
                    any.put((text.len() as u16 | if cut { CUT } else { 0 }).to_ne_bytes());
                    any.put_all(text.as_bytes());
                }
                Value::Long(text) => {
                    any.long[any.long_count].write(Long { at: any.len, text });
                    any.long_count += 1;
                }
            }
            any.name(*name, if keeps_type { *code } else { code::ANY });
        }
        any
    }

    #[cfg(any(feature = "log", feature = "tracing"))]
    fn put_all(&mut self, bytes: &[u8]) {
        let to = &mut self.buffer[self.len..][..bytes.len()];
        to.iter_mut().zip(bytes).for_each(|(to, byte)| _ = to.write(*byte));
        self.len += bytes.len();
    }

    /// How many values there are.
    #[cfg(feature = "tracing")]
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    pub(crate) fn names(&self) -> &[N] {
        // SAFETY: `name` has written so many.
        unsafe { slice::from_raw_parts(self.names.as_ptr().cast(), self.count) }
    }

    #[inline(always)]
    pub(crate) fn codes(&self) -> &[u8] {
        // SAFETY: `name` has written so many.
        unsafe { slice::from_raw_parts(self.codes.as_ptr().cast(), self.count) }
    }

    /// The last eight codes, a byte each.
    #[inline(always)]
    pub(crate) fn mixed_codes(&self) -> u64 {
        self.mixed_codes
    }

    #[inline(always)]
    fn buffer(&self) -> &[u8] {
        // SAFETY: each value has been written where the one before ended.
        unsafe { slice::from_raw_parts(self.buffer.as_ptr().cast(), self.len) }
    }

    #[inline(always)]
    fn long(&self) -> &[Long] {
        // SAFETY: `end_long` has written so many.
        unsafe { slice::from_raw_parts(self.long.as_ptr().cast(), self.long_count) }
    }

    /// Whether all values are in the buffer, as mostly.
    #[inline(always)]
    pub(crate) fn is_whole(&self) -> bool {
        self.long_count == 0
    }

    /// The values, if all are in the buffer. (Others are left out.)
    #[inline(always)]
    pub(crate) fn whole_values(&self) -> WholeValues<'_> {
        debug_assert!(self.is_whole());
        WholeValues { codes: self.codes(), buffer: self.buffer() }
    }

    #[inline(always)]
    pub(crate) fn values(&self) -> Values<'_> {
        Values { codes: self.codes(), buffer: self.buffer(), long: self.long() }
    }
}

/// Writes a text to the buffer, or to the thread's scratch buffer if it is too long.
struct TextWriter<'r> {
    /// The room that is left in the buffer from the beginning of the text. Empty once the text has moved or is cut.
    room: &'r mut [MaybeUninit<u8>],
    /// How many bytes of it are in the buffer.
    len: usize,
    /// Whether there is more, for which there is no room.
    cut: bool,
    moved: Option<ScratchWriter>,
}

impl TextWriter<'_> {
    #[cold]
    #[inline(never)]
    fn write_long(&mut self, piece: &str) -> fmt::Result {
        if self.moved.is_none() && !self.cut {
            self.moved = self.moved_text();
            // There is none in a signal handler that interrupted the writing of another text.
            self.cut = self.moved.is_none();
            self.room = &mut [];
        }
        self.moved.as_mut().map_or(Ok(()), |text| text.write_str(piece))
    }

    /// Moves what has been written to the scratch buffer.
    fn moved_text(&self) -> Option<ScratchWriter> {
        let mut text = ScratchWriter::new()?;
        let written = &self.room[..self.len];
        // SAFETY: `write_str` has written these.
        let bytes = unsafe { slice::from_raw_parts(written.as_ptr().cast(), written.len()) };
        // SAFETY: they are the pieces, whole ones.
        text.write_str(unsafe { std::str::from_utf8_unchecked(bytes) }).ok()?;
        Some(text)
    }
}

impl Write for TextWriter<'_> {
    #[inline]
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let end = self.len + piece.len();
        let Some(to) = self.room.get_mut(self.len..end) else { return self.write_long(piece) };
        // SAFETY: so many bytes fit, and nobody else has them.
        unsafe { copy(piece.as_ptr(), to.as_mut_ptr().cast(), piece.len()) };
        self.len = end;
        Ok(())
    }
}

/// The values of one record.
#[derive(Clone, Copy)]
pub(crate) struct Values<'g> {
    codes: &'g [u8],
    buffer: &'g [u8],
    long: &'g [Long],
}

/// A value, as it is encoded.
#[derive(Clone, Copy)]
enum Value<'g> {
    /// It is not cut.
    Whole(&'g [u8]),
    Short {
        text: &'g str,
        cut: bool,
    },
    Long(MadeText),
}

impl Value<'_> {
    /// The fewest bytes that a record must have for it.
    fn base_bytes(self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Short { .. } | Self::Long(_) => LEN_BYTES,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Short { text, .. } => LEN_BYTES + text.len(),
            Self::Long(text) => text.bytes(),
        }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Short { text, .. } => {
                let len = boundary(text, *spare);
                *spare -= len;
                LEN_BYTES + len
            }
            Self::Long(text) => text.cut_bytes(spare),
        }
    }

    /// Writes what [`Self::cut_bytes`] measured. Returns the address past it.
    ///
    /// # Safety
    /// `to` is valid for writes of `cut_bytes(spare)` bytes.
    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let put = |bytes: &[u8], to: *mut u8| {
            // SAFETY: the caller's promise, for each of the pieces below.
            unsafe { copy(bytes.as_ptr(), to, bytes.len()) };
            // SAFETY: just past it.
            unsafe { to.add(bytes.len()) }
        };
        match self {
            Self::Whole(bytes) => put(bytes, to),
            Self::Short { text, cut } => {
                let len = self.cut_bytes(spare) - LEN_BYTES;
                let cut = if cut || len < text.len() { CUT } else { 0 };
                let to = put(&(len as u16 | cut).to_ne_bytes(), to);
                put(&text.as_bytes()[..len], to)
            }
            // SAFETY: the caller's promise.
            Self::Long(text) => unsafe { text.write_cut(spare, to) },
        }
    }
}

impl<'g> Values<'g> {
    /// The values one by one, for records in which something has to be cut. The type that a value states is one of
    /// its own before it.
    fn each(self) -> impl Iterator<Item = Value<'g>> {
        let (mut long, mut at) = (self.long.iter().peekable(), 0);
        let (mut codes, mut stated) = (self.codes.iter(), None);
        std::iter::from_fn(move || {
            let code = stated.take().or_else(|| codes.next().copied())?;
            if code == code::TEXT && long.peek().is_some_and(|it| it.at == at) {
                let long = long.next().expect("there is one");
                return Some(Value::Long(long.text));
            }
            let rest = &self.buffer[at..];
            let word = || u16::from_ne_bytes([rest[0], rest[1]]);
            let len = match code {
                code::ANY | code::OPTION | code::BOOL => 1,
                code::CHAR => 4,
                code::U128 | code::I128 => 16,
                code::TEXT | code::SEQUENCE => LEN_BYTES + usize::from(word() & !CUT),
                _ => 8,
            };
            at += len;
            if code == code::ANY {
                stated = Some(rest[0]);
            }
            if code != code::TEXT {
                return Some(Value::Whole(&rest[..len]));
            }
            // SAFETY: copied from texts.
            let text = unsafe { std::str::from_utf8_unchecked(&rest[LEN_BYTES..len]) };
            Some(Value::Short { text, cut: word() & CUT != 0 })
        })
    }

    /// Divides `spare` bytes: how many the first value, which may be the message, may use. It gets half of them if it
    /// needs so many, and what the others leave.
    fn spare_of_first(self, spare: usize) -> (usize, usize) {
        let mut values = self.each();
        let Some(first) = values.next() else { return (0, spare) };
        let first_least = (first.bytes() - first.base_bytes()).min(spare / 2);
        let others_spare = spare - first_least;
        let mut left = others_spare;
        values.for_each(|value| _ = value.cut_bytes(&mut left));
        (first_least + left, others_spare)
    }
}

// SAFETY: `bytes` is the length of the buffer and of the long texts, all of which are written. When they are cut,
// `spare_of_first` divides alike for both functions.
unsafe impl Arguments for Values<'_> {
    const TYPES: Option<&'static TypeList> = None;
    const FIXED: bool = false;

    #[inline(always)]
    fn are_short(self) -> bool {
        false
    }

    #[inline(always)]
    fn release(self) {
        // It takes those that follow with it.
        if let Some(first) = self.long.first() {
            first.text.release();
        }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        let mut bytes = self.buffer.len();
        for long in self.long {
            bytes += long.text.bytes();
        }
        bytes
    }

    #[inline(always)]
    unsafe fn write(self, mut to: *mut u8) {
        let mut written = 0;
        for long in self.long {
            let piece = &self.buffer[written..long.at];
            // SAFETY: the caller's promise, counted likewise.
            unsafe { copy(piece.as_ptr(), to, piece.len()) };
            // SAFETY: just past it.
            to = unsafe { to.add(piece.len()) };
            // SAFETY: the caller's promise, counted likewise.
            to = unsafe { long.text.write(to) };
            written = long.at;
        }
        let rest = &self.buffer[written..];
        // SAFETY: the caller's promise, counted likewise.
        unsafe { copy(rest.as_ptr(), to, rest.len()) };
    }

    fn base_bytes(self) -> usize {
        self.each().map(Value::base_bytes).sum()
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let (mut of_first, mut of_others) = self.spare_of_first(*spare);
        let each = self.each().enumerate();
        each.map(|(at, value)| {
            value.cut_bytes(if at == 0 { &mut of_first } else { &mut of_others })
        })
        .sum()
    }

    unsafe fn write_cut(self, spare: &mut usize, mut to: *mut u8) -> u16 {
        let (mut of_first, mut of_others) = self.spare_of_first(*spare);
        for (at, value) in self.each().enumerate() {
            let spare = if at == 0 { &mut of_first } else { &mut of_others };
            // SAFETY: the caller's promise, counted likewise.
            to = unsafe { value.write_cut(spare, to) };
        }
        0
    }
}

/// The values of one record without long texts: one copy of the buffer.
#[derive(Clone, Copy)]
pub(crate) struct WholeValues<'g> {
    codes: &'g [u8],
    buffer: &'g [u8],
}

impl<'g> WholeValues<'g> {
    /// The values one by one, for records in which something has to be cut.
    fn each(self) -> Values<'g> {
        Values { codes: self.codes, buffer: self.buffer, long: &[] }
    }
}

// SAFETY: `bytes` is the length of the buffer, which is written. What is cut is as with `Values`.
unsafe impl Arguments for WholeValues<'_> {
    const TYPES: Option<&'static TypeList> = None;
    const FIXED: bool = false;

    #[inline(always)]
    fn are_short(self) -> bool {
        false
    }

    #[inline(always)]
    fn release(self) {}

    #[inline(always)]
    fn bytes(self) -> usize {
        self.buffer.len()
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { copy_chunks(self.buffer, to) };
    }

    fn base_bytes(self) -> usize {
        self.each().base_bytes()
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        self.each().cut_bytes(spare)
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> u16 {
        // SAFETY: the caller's promise.
        unsafe { self.each().write_cut(spare, to) }
    }
}

/// The most bytes that [`copy_chunks`] copies without a call.
const MAX_CHUNKED_BYTES: usize = 128;

/// Copies bytes: up to [`MAX_CHUNKED_BYTES`] without a call.
///
/// # Safety
/// `to` is valid for writes of as many bytes, and they do not overlap.
#[inline(always)]
unsafe fn copy_chunks(from: &[u8], to: *mut u8) {
    const CHUNK: usize = SHORT_BYTES;
    let len = from.len();
    if len <= CHUNK || len > MAX_CHUNKED_BYTES {
        // SAFETY: the caller's promise.
        return unsafe { copy(from.as_ptr(), to, len) };
    }
    // The last chunk ends where they end, and may overlap with the one before.
    let last = len - CHUNK;
    let mut at = 0;
    loop {
        let start = at.min(last);
        // SAFETY: `start + CHUNK` is within the bytes.
        let chunk = unsafe { from.as_ptr().add(start) };
        // SAFETY: as above; the caller's promise.
        let to_chunk = unsafe { to.add(start) };
        // SAFETY: as above.
        unsafe { chunk.copy_to_nonoverlapping(to_chunk, CHUNK) };
        if start == last {
            return;
        }
        at += CHUNK;
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn chunks_copy_all_lengths() {
        let from = (0..200).map(|byte| byte as u8 + 1).collect::<Vec<_>>();
        for len in 0..=from.len() {
            let mut to = vec![0; from.len() + 1];
            // SAFETY: there is room for them.
            unsafe { copy_chunks(&from[..len], to.as_mut_ptr()) };
            assert_eq!(to[..len], from[..len]);
            assert!(to[len..].iter().all(|byte| *byte == 0), "{len}");
        }
    }

    #[test]
    fn texts_that_do_not_fit_are_long() {
        for len in [0, 1, TEXT_BYTES - LEN_BYTES, TEXT_BYTES - LEN_BYTES + 1, 3 * TEXT_BYTES] {
            let text = "x".repeat(len);
            let mut gathered = Gathered::new();
            gathered.push_text("", |out| {
                text.as_bytes()
                    .chunks(100)
                    .try_for_each(|piece| out.write_str(std::str::from_utf8(piece).expect("ASCII")))
            });
            assert_eq!(gathered.is_whole(), len + LEN_BYTES <= TEXT_BYTES, "{len}");
            let values = gathered.values();
            let mut to = vec![0; values.bytes()];
            // SAFETY: there is room for them.
            unsafe { values.write(to.as_mut_ptr()) };
            assert_eq!(to[..LEN_BYTES], (len as u16).to_ne_bytes());
            assert_eq!(&to[LEN_BYTES..], text.as_bytes());
            values.release();
        }
    }
}
