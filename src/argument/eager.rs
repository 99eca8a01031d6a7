//! Values that only the program can format: `display` and `debug`.
//!
//! The text is made when the wrapper is made, before anything is reserved in the ring, so that a
//! `Display` which itself logs leaves whole records in the right order. It is kept in a scratch
//! buffer that each thread has, used as a stack: what lies there is released when the last wrapper
//! of the thread is dropped.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::marker::PhantomData;

use super::encode::{CUT, copy, put};
use super::text::boundary;
use super::{Argument, Encode, Sealed};
use crate::format::MAX_RECORD_BYTES;
use crate::format::types::Type;

/// The length of a thread's scratch buffer in bytes: one record's worth of text, and as much for
/// what is logged meanwhile.
const SCRATCH_BYTES: usize = 2 * MAX_RECORD_BYTES;

/// Where the texts of a thread lie.
struct Scratch {
    texts: RefCell<String>,
    /// How many wrappers have their text there.
    live: Cell<usize>,
}

thread_local! {
    static SCRATCH: Scratch = Scratch {
        texts: RefCell::new(String::with_capacity(SCRATCH_BYTES)),
        live: const { Cell::new(0) },
    };
}

/// Makes this thread's scratch buffer now rather than when the first value is formatted.
pub(crate) fn prepare() {
    let _ = SCRATCH.try_with(|scratch| {
        if let Ok(mut texts) = scratch.texts.try_borrow_mut()
            && texts.is_empty()
        {
            // Touches each page, and leaves the buffer empty.
            texts.extend(std::iter::repeat_n('\0', SCRATCH_BYTES));
            texts.clear();
        }
    });
}

/// A value that was formatted when it was wrapped. Made by [`display`] and [`debug`].
pub struct Eager {
    place: Place,
    cut: bool,
    /// The text lies with the thread that made it.
    not_send: PhantomData<*const u8>,
}

/// Where a text is.
enum Place {
    Scratch {
        start: usize,
        len: usize,
    },
    /// Where the scratch buffer is full or gone, or is being read.
    Heap(String),
}

/// Formats `value` with its `Display`, now, for a log statement.
///
/// The way for all types that are not an [`Argument`](crate::Argument) themselves. It costs what
/// `write!` costs, see `cargo bench --bench encode`, but never an allocation of kymo's (unless a thread holds
/// more than 64 KB of such texts at once, or ends). What goes beyond 32 KB is cut off and marked.
///
/// ```
/// let version = std::format_args!("{}.{}", 1, 2).to_string();
/// let path = std::path::Path::new("/etc/hosts");
/// kymo::info!("version {version}, reading {}", kymo::display(path.display()));
/// ```
pub fn display<T: fmt::Display>(value: T) -> Eager {
    Eager::new(format_args!("{value}"))
}

/// Formats `value` with its `Debug`, now, for a log statement. As [`display`].
///
/// ```
/// #[derive(Debug)]
/// struct Order { id: u64 }
/// kymo::info!("filled {:?}", kymo::debug(&Order { id: 7 }));
/// ```
///
/// For `{:#?}` and other flags wrap the formatted arguments:
/// ```
/// let map = std::collections::BTreeMap::from([(1, 2)]);
/// kymo::info!("{}", kymo::display(format_args!("{map:#?}")));
/// ```
pub fn debug<T: fmt::Debug>(value: T) -> Eager {
    Eager::new(format_args!("{value:?}"))
}

impl Eager {
    fn new(arguments: fmt::Arguments<'_>) -> Self {
        let mut eager = Self { place: Place::begin(), cut: false, not_send: PhantomData };
        if eager.write_fmt(arguments).is_err() {
            // A `Display` that fails: what it wrote until then is what there is to say.
            eager.cut = true;
        }
        eager
    }

    fn len(&self) -> usize {
        match &self.place {
            Place::Scratch { len, .. } => *len,
            Place::Heap(text) => text.len(),
        }
    }

    fn with_text<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        self.place.with_text(f)
    }
}

impl Place {
    fn begin() -> Self {
        SCRATCH
            .try_with(|scratch| {
                let start = scratch.texts.try_borrow_mut().ok()?.len();
                scratch.live.set(scratch.live.get() + 1);
                Some(Self::Scratch { start, len: 0 })
            })
            .ok()
            .flatten()
            .unwrap_or_else(|| Self::Heap(String::new()))
    }

    fn with_text<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        match self {
            // What lies below it in the buffer may have been released, and its place with that.
            Self::Scratch { len: 0, .. } => f(""),
            Self::Scratch { start, len } => {
                SCRATCH.with(|scratch| f(&scratch.texts.borrow()[*start..*start + *len]))
            }
            Self::Heap(text) => f(text),
        }
    }

    /// Appends `piece`, up to the longest text that a record can hold; says how many bytes that
    /// was.
    fn push(&mut self, piece: &str) -> usize {
        let taken = boundary(piece, MAX_RECORD_BYTES.saturating_sub(self.len()));
        let piece = &piece[..taken];
        if !self.push_to_scratch(piece) {
            self.push_to_heap(piece);
        }
        taken
    }

    fn push_to_scratch(&mut self, piece: &str) -> bool {
        let Self::Scratch { start, len } = self else { return false };
        SCRATCH.with(|scratch| {
            let Ok(mut texts) = scratch.texts.try_borrow_mut() else { return false };
            if *len == 0 {
                *start = texts.len();
            }
            // A wrapper that the `Display` made, and still holds, may stand behind what was written
            // so far. Then this one begins again behind that.
            let moved = if texts.len() == *start + *len { 0 } else { *len };
            if texts.capacity() - texts.len() < moved + piece.len() {
                return false;
            }
            if moved > 0 {
                let begin = texts.len();
                texts.extend_from_within(*start..*start + *len);
                *start = begin;
            }
            texts.push_str(piece);
            *len += piece.len();
            true
        })
    }

    /// For when the scratch buffer is full, gone, or being read because another wrapper is being
    /// printed into this one.
    fn push_to_heap(&mut self, piece: &str) {
        if let Self::Scratch { .. } = self {
            let text = self.with_text(str::to_owned);
            self.leave_scratch();
            *self = Self::Heap(text);
        }
        if let Self::Heap(text) = self {
            text.push_str(piece);
        }
    }

    /// Gives up the place in the scratch buffer.
    fn leave_scratch(&self) {
        let Self::Scratch { start, len } = *self else { return };
        let _ = SCRATCH.try_with(|scratch| {
            let live = scratch.live.get() - 1;
            scratch.live.set(live);
            let Ok(mut texts) = scratch.texts.try_borrow_mut() else { return };
            if live == 0 {
                texts.clear();
            } else if len > 0 && texts.len() == start + len {
                texts.truncate(start);
            }
        });
    }

    fn len(&self) -> usize {
        match self {
            Self::Scratch { len, .. } => *len,
            Self::Heap(text) => text.len(),
        }
    }
}

impl Write for Eager {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if !self.cut && self.place.push(piece) < piece.len() {
            self.cut = true;
        }
        Ok(())
    }
}

impl Drop for Eager {
    fn drop(&mut self) {
        self.place.leave_scratch();
    }
}

/// The text, with width and precision applied to it as to a string.
impl fmt::Display for Eager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            return self.with_text(|text| f.pad(text));
        }
        // Piece by piece, so that the scratch buffer is not borrowed while `f` writes: it may be
        // writing there.
        let mut printed = 0;
        while printed < self.len() {
            let mut piece = [0; 256];
            let len = self.with_text(|text| {
                let rest = &text[printed..];
                let len = boundary(rest, piece.len());
                piece[..len].copy_from_slice(&rest.as_bytes()[..len]);
                len
            });
            f.write_str(std::str::from_utf8(&piece[..len]).unwrap_or_default())?;
            printed += len;
        }
        Ok(())
    }
}

/// The same text as `Display`: it was chosen when the value was wrapped.
impl fmt::Debug for Eager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A captured wrapper.
#[derive(Clone, Copy)]
pub struct Text<'a>(&'a Eager);

impl Text<'_> {
    /// Writes the first `len` bytes of the text.
    ///
    /// # Safety
    /// `to` is valid for writes of `2 + len` bytes, and `len` is at most the text's length.
    unsafe fn put(self, len: usize, cut: bool, to: *mut u8) -> *mut u8 {
        let cut = if cut { CUT } else { 0 };
        // SAFETY: the caller's promise: two bytes and `len`.
        let to = unsafe { put(to, len as u16 | cut) };
        // SAFETY: the caller's promise; a record's memory is not the text's.
        self.0.with_text(|text| unsafe { copy(text.as_ptr(), to, len) });
        // SAFETY: just behind what the caller promised.
        unsafe { to.add(len) }
    }
}

// SAFETY: two bytes of length and the bytes of the text, whole or up to `boundary`.
unsafe impl Encode for Text<'_> {
    const TYPE: Type = Type::Text;
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;

    fn bytes(self) -> usize {
        2 + self.0.len()
    }

    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.put(self.0.len(), self.0.cut, to) }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let len = self.0.with_text(|text| boundary(text, *spare));
        *spare -= len;
        2 + len
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let len = self.cut_bytes(spare) - 2;
        // SAFETY: the caller's promise; `boundary` answers at most the text's length.
        unsafe { self.put(len, self.0.cut || len < self.0.len(), to) }
    }
}

impl Sealed for Eager {}
impl Argument for Eager {
    type Captured<'a> = Text<'a>;

    fn capture(&self) -> Text<'_> {
        Text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes and drops wrappers while it is being formatted.
    struct Nested(Cell<Option<Eager>>);

    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer ")?;
            drop(display("dropped"));
            f.write_str("goes ")?;
            self.0.set(Some(display("kept")));
            f.write_str("on")
        }
    }

    #[test]
    fn a_display_that_wraps_others_keeps_its_text_whole() {
        let nested = Nested(Cell::new(None));
        let outer = display(&nested);
        let behind = debug("behind");
        assert_eq!(outer.to_string(), "outer goes on");
        assert_eq!(nested.0.take().unwrap().to_string(), "kept");
        assert_eq!(format!("{behind:>10}"), "  \"behind\"");
        drop(outer);
        assert_eq!(behind.to_string(), "\"behind\"");
    }

    #[test]
    fn a_wrapper_may_be_printed_into_another() {
        let inner = display("inner ".repeat(100));
        let outer = display(format_args!("<{inner}|{:>8}>", display("padded")));
        assert_eq!(outer.to_string(), format!("<{}|  padded>", "inner ".repeat(100)));
        assert!(!outer.cut);
        drop((inner, outer));
        SCRATCH.with(|scratch| assert_eq!(scratch.live.get(), 0));
    }

    #[test]
    fn an_empty_text_needs_no_place() {
        let (first, empty) = (display("hello"), display(""));
        drop(first);
        assert_eq!(empty.to_string(), "");
        assert_eq!(display(&empty).to_string(), "");
    }

    #[test]
    fn a_full_buffer_is_left_for_the_heap() {
        let long = "x".repeat(SCRATCH_BYTES / 3);
        let texts: Vec<Eager> = (0..5).map(|_| display(&long)).collect();
        assert!(texts.iter().all(|text| text.to_string() == long && !text.cut));
        drop(texts);
        SCRATCH.with(|scratch| assert_eq!(scratch.texts.borrow().len(), 0));
    }

    #[test]
    fn the_buffer_is_empty_again_when_all_are_dropped_in_any_order() {
        let (a, b, c) = (display(1), display(22), display(333));
        drop(b);
        drop(a);
        assert_eq!(c.to_string(), "333");
        drop(c);
        SCRATCH.with(|scratch| assert_eq!(scratch.texts.borrow().len(), 0));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_character() {
        let long = "ä".repeat(MAX_RECORD_BYTES);
        let eager = display(&long);
        assert!(eager.cut);
        assert_eq!(eager.len(), MAX_RECORD_BYTES);
    }
}
