//! Values that only the program can format: `as_display` and `as_debug`.
//!
//! The statement makes the text, as its placeholder asks, before anything is reserved in the ring.
//! So a `Display` that logs leaves whole records in the right order. The text is kept in a scratch
//! buffer of the thread, used as a stack:
//!
//! ```text
//! | texts of a statement | the text that is being made | texts of a statement within that | …
//! ```
//!
//! - INV-1: A statement releases its texts when it has logged. So what follows a text that is being
//!   made is gone when more of that text is written.
//! - INV-2: If a `Display` panics, the unwinding releases what its statement had made.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::mem::{self, ManuallyDrop};

use crate::argument::Argument;
use crate::argument::Encode;
use crate::argument::encode::{CUT, copy, put};
use crate::format::MAX_RECORD_BYTES;
use crate::format::boundary;
use crate::format::types::Type;

/// The length of a thread's scratch buffer in bytes: one record's worth of text, and as much for
/// what is logged meanwhile. It grows if that is not enough, and shrinks again.
const SCRATCH_BYTES: usize = 2 * MAX_RECORD_BYTES;

/// The texts of a thread.
struct TextScratch {
    texts: RefCell<ManuallyDrop<String>>,
    /// Where the texts of the running statement begin.
    base: Cell<usize>,
}

/// Frees the scratch buffer when its thread ends.
struct Freed;

impl Drop for Freed {
    fn drop(&mut self) {
        SCRATCH.with(TextScratch::free);
    }
}

thread_local! {
    // Without a destructor, so that it can be used by what other destructors log.
    static SCRATCH: TextScratch = const {
        TextScratch {
            texts: RefCell::new(ManuallyDrop::new(String::new())),
            base: Cell::new(0),
        }
    };
    static FREED: Freed = const { Freed };
}

impl TextScratch {
    /// Allocates the buffer if there is none.
    fn allocate(&self) {
        if let Ok(mut texts) = self.texts.try_borrow_mut()
            && texts.capacity() == 0
        {
            texts.reserve_exact(SCRATCH_BYTES);
        }
        // Registers the destructor. Fails if that has run.
        let _ = FREED.try_with(|_| ());
    }

    fn free(&self) {
        if let Ok(mut texts) = self.texts.try_borrow_mut() {
            drop(mem::take(&mut **texts));
        }
    }

    /// Drops what was written from `start` on.
    fn truncate(&self, start: usize) {
        let Ok(mut texts) = self.texts.try_borrow_mut() else { return };
        texts.truncate(start);
        if texts.is_empty() {
            if texts.capacity() > SCRATCH_BYTES {
                texts.shrink_to(SCRATCH_BYTES);
            }
            drop(texts);
            if FREED.try_with(|_| ()).is_err() {
                self.free();
            }
        }
    }
}

/// Allocates this thread's scratch buffer now, rather than when the first value is formatted.
pub(crate) fn prepare() {
    SCRATCH.with(|scratch| {
        scratch.allocate();
        if let Ok(mut texts) = scratch.texts.try_borrow_mut()
            && texts.is_empty()
        {
            // Touches each page, and leaves the buffer empty.
            texts.extend(std::iter::repeat_n('\0', SCRATCH_BYTES));
            texts.clear();
        }
    });
}

/// A value that the log statement formats with its `Display`. Made by [`as_display`].
#[derive(Clone, Copy)]
pub struct Displayed<T>(T);

/// A value that the log statement formats with its `Debug`. Made by [`as_debug`].
#[derive(Clone, Copy)]
pub struct Debugged<T>(T);

/// Lets the log statement format `value` with its `Display`, in the calling thread.
///
/// For types that are not an [`Argument`] themselves. The placeholder's flags,
/// width and precision are handed to the value's own `Display`, so the text is what
/// [`format!`](std::format) prints. `{:?}` prints what `{}` prints.
///
/// The value is formatted after all arguments have been evaluated, once for all placeholders that
/// ask for the same form. That costs what `write!` costs (`cargo bench --bench encode`). kymo
/// allocates nothing for it, unless a thread has more than 64 KB of such texts at once.
///
/// Text past 32 KB is cut and marked. So is the text of a signal handler that interrupted the
/// making of another text.
///
/// The wrapper cannot be part of an `Option`, a slice or a tuple: wrap the whole,
/// `kymo::as_debug(&list)`.
///
/// ```
/// let path = std::path::Path::new("/etc/hosts");
/// kymo::info!("reading {:>20}", kymo::as_display(path.display()));
/// ```
pub fn as_display<T: fmt::Display>(value: T) -> Displayed<T> {
    Displayed(value)
}

/// Lets the log statement format `value` with its `Debug`, in the calling thread. See [`as_display`].
///
/// ```
/// #[derive(Debug)]
/// struct Order { id: u64 }
/// let order = Order { id: 7 };
/// kymo::info!("filled {:?}", kymo::as_debug(&order));
/// kymo::info!("filled {:#?}", kymo::as_debug(&order));
/// ```
pub fn as_debug<T: fmt::Debug>(value: T) -> Debugged<T> {
    Debugged(value)
}

/// Wraps a value as [`as_display`] does. This is its former name.
// `debug`, the former name of `as_debug`, is not kept: a deprecated function would warn at each
// import of the macro `debug!`.
#[deprecated(note = "renamed to `as_display`, beside `as_debug`")]
pub fn display<T: fmt::Display>(value: T) -> Displayed<T> {
    as_display(value)
}

macro_rules! wrapper {
    ($wrapper:ident: $bound:path) => {
        impl<T: $bound> fmt::Display for $wrapper<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                <T as $bound>::fmt(&self.0, f)
            }
        }

        /// The text of `Display`: the wrapper decides how the value is formatted.
        impl<T: $bound> fmt::Debug for $wrapper<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                <T as $bound>::fmt(&self.0, f)
            }
        }

        wrapper!(@capture [] $wrapper<T>: $bound);
        wrapper!(@capture ['r] &'r $wrapper<T>: $bound);
    };
    (@capture [$($lifetime:lifetime)?] $ty:ty: $bound:path) => {
        impl<$($lifetime,)? T: $bound> sealed::Sealed for $ty {}
        impl<$($lifetime,)? T: $bound> Capture for $ty {
            type Captured<'a> = MadeText where Self: 'a;
            type Formatted<'a, const N: usize> = Texts<N> where Self: 'a;

            #[inline]
            fn capture(&self) -> MadeText {
                make(|out| write!(out, "{self}"))
            }

            #[inline]
            fn capture_formatted<const N: usize>(
                &self,
                format: impl Fn(usize, Shown<'_>, &mut dyn Write) -> fmt::Result,
            ) -> Texts<N> {
                Texts(std::array::from_fn(|way| make(|out| format(way, Shown(self), out))))
            }
        }
    };
}

wrapper!(Displayed: fmt::Display);
wrapper!(Debugged: fmt::Debug);

pub(super) mod sealed {
    pub trait Sealed {}
    impl<T: super::Argument + ?Sized> Sealed for T {}
}

/// A value that a placeholder takes: an [`Argument`], or a wrapped value that the statement
/// formats.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be logged as it is: write `kymo::as_display(&value)` or `kymo::as_debug(&value)`",
    label = "not a type that the reader knows"
)]
pub trait Capture: sealed::Sealed {
    /// The captured form for `{}` and `{:?}`.
    type Captured<'a>: Encode
    where
        Self: 'a;

    /// The captured form if `N` placeholders differ, or have flags, a width or a precision.
    type Formatted<'a, const N: usize>: Encode
    where
        Self: 'a;

    /// Captures it for `{}` and `{:?}`.
    fn capture(&self) -> Self::Captured<'_>;

    /// Captures it for other placeholders. `format` formats it for the one with this number.
    fn capture_formatted<const N: usize>(
        &self,
        format: impl Fn(usize, Shown<'_>, &mut dyn Write) -> fmt::Result,
    ) -> Self::Formatted<'_, N>;
}

impl<T: Argument + ?Sized> Capture for T {
    type Captured<'a>
        = T::Captured<'a>
    where
        T: 'a;
    type Formatted<'a, const N: usize>
        = T::Captured<'a>
    where
        T: 'a;

    #[inline(always)]
    fn capture(&self) -> Self::Captured<'_> {
        Argument::capture(self)
    }

    #[inline(always)]
    fn capture_formatted<const N: usize>(
        &self,
        _: impl Fn(usize, Shown<'_>, &mut dyn Write) -> fmt::Result,
    ) -> Self::Captured<'_> {
        Argument::capture(self)
    }
}

/// A wrapped value without its type, for a placeholder to format.
pub struct Shown<'a>(pub(super) &'a dyn fmt::Display);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Writes a text to the scratch buffer.
pub(super) struct ScratchWriter {
    start: usize,
    len: usize,
    cut: bool,
    /// Where the texts of this text's statement begin.
    base: usize,
}

/// Makes a text.
pub(super) fn make(format: impl FnOnce(&mut ScratchWriter) -> fmt::Result) -> MadeText {
    let Some(mut writer) = ScratchWriter::new() else { return MadeText::new(0, 0, true) };
    // If the `Display` failed, what it wrote until then is logged, and marked as cut.
    let cut = format(&mut writer).is_err();
    writer.finish(cut)
}

impl ScratchWriter {
    /// Begins a text. `None` in a signal handler that interrupted the writing of another text.
    pub(super) fn new() -> Option<Self> {
        SCRATCH.with(|scratch| {
            scratch.allocate();
            let start = scratch.texts.try_borrow().ok()?.len();
            Some(Self { start, len: 0, cut: false, base: scratch.base.replace(start) })
        })
    }

    /// Ends the text. `cut`: its end is missing.
    pub(super) fn finish(mut self, cut: bool) -> MadeText {
        self.cut |= cut;
        SCRATCH.with(|scratch| scratch.base.set(self.base));
        let text = MadeText::new(self.start, self.len, self.cut);
        mem::forget(self);
        text
    }
}

impl Write for ScratchWriter {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        let taken = boundary(piece, MAX_RECORD_BYTES - self.len);
        self.cut = taken < piece.len();
        SCRATCH.with(|scratch| {
            let Ok(mut texts) = scratch.texts.try_borrow_mut() else {
                self.cut = true;
                return;
            };
            texts.push_str(&piece[..taken]);
            self.len += taken;
            scratch.base.set(self.start + self.len);
        });
        Ok(())
    }
}

/// Unwinding ends the statement: its texts are dropped.
impl Drop for ScratchWriter {
    fn drop(&mut self) {
        SCRATCH.with(|scratch| {
            scratch.truncate(self.base);
            scratch.base.set(self.base);
        });
    }
}

/// A text in the scratch buffer.
#[derive(Clone, Copy)]
pub struct MadeText {
    start: u32,
    /// The length, shifted left by one. Bit 0 says that the text was cut.
    len: u32,
}

impl MadeText {
    fn new(start: usize, len: usize, cut: bool) -> Self {
        Self { start: start as u32, len: (len as u32) << 1 | u32::from(cut) }
    }

    fn len(self) -> usize {
        self.len as usize >> 1
    }

    fn is_cut(self) -> bool {
        self.len & 1 != 0
    }

    fn with<R>(self, f: impl FnOnce(&str) -> R) -> R {
        let start = self.start as usize;
        SCRATCH.with(|scratch| f(&scratch.texts.borrow()[start..start + self.len()]))
    }

    /// Writes the first `len` bytes of the text.
    ///
    /// # Safety
    /// `to` is valid for writes of `2 + len` bytes, and `len` is at most the text's length.
    unsafe fn put(self, len: usize, cut: bool, to: *mut u8) -> *mut u8 {
        let cut = if cut { CUT } else { 0 };
        // SAFETY: the caller's promise: two bytes and `len`.
        let to = unsafe { put(to, len as u16 | cut) };
        if len > 0 {
            // SAFETY: the caller's promise; a record's memory is not the text's.
            self.with(|text| unsafe { copy(text.as_ptr(), to, len) });
        }
        // SAFETY: just past what the caller promised.
        unsafe { to.add(len) }
    }
}

// SAFETY: two bytes of length and the bytes of the text, whole or up to `boundary`.
unsafe impl Encode for MadeText {
    const TYPE: Type = Type::Text;
    const BASE_BYTES: usize = 2;
    const FIXED: bool = false;
    const MADE: bool = true;

    fn bytes(self) -> usize {
        2 + self.len()
    }

    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.put(self.len(), self.is_cut(), to) }
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        let len = if self.len() == 0 { 0 } else { self.with(|text| boundary(text, *spare)) };
        *spare -= len;
        2 + len
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        let len = self.cut_bytes(spare) - 2;
        // SAFETY: the caller's promise; `boundary` returns at most the text's length.
        unsafe { self.put(len, self.is_cut() || len < self.len(), to) }
    }

    #[inline]
    fn release(self) {
        SCRATCH.with(|scratch| scratch.truncate(self.start as usize));
    }
}

/// The texts of the placeholders that print one argument, in their order. There is one if all ask
/// for the same form.
#[derive(Clone, Copy)]
pub struct Texts<const N: usize>(pub(super) [MadeText; N]);

// SAFETY: the texts, one after the other.
unsafe impl<const N: usize> Encode for Texts<N> {
    const TYPE: Type = {
        assert!(N <= u8::MAX as usize, "an argument can be printed in at most 255 ways");
        Type::Formatted(N as u8)
    };
    const BASE_BYTES: usize = N * MadeText::BASE_BYTES;
    const FIXED: bool = false;

    fn bytes(self) -> usize {
        self.0.into_iter().map(MadeText::bytes).sum()
    }

    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise; each text takes what it counted.
        self.0.into_iter().fold(to, |to, text| unsafe { text.write(to) })
    }

    fn cut_bytes(self, spare: &mut usize) -> usize {
        self.0.into_iter().map(|text| text.cut_bytes(spare)).sum()
    }

    unsafe fn write_cut(self, spare: &mut usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise, and `spare` is what it was when it was measured.
        self.0.into_iter().fold(to, |to, text| unsafe { text.write_cut(spare, to) })
    }

    #[inline]
    fn release(self) {
        self.0[0].release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SCRATCH.with(|scratch| scratch.texts.borrow().len())
    }

    fn read(text: MadeText) -> String {
        text.with(str::to_owned)
    }

    /// Makes texts of its own, as a `Display` that logs does.
    struct Nested;

    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer ")?;
            let (first, second) = (as_display("first").capture(), as_display("second").capture());
            assert_eq!((read(first), read(second)), ("first".to_owned(), "second".to_owned()));
            first.release();
            second.release();
            write!(f, "goes {}", as_display("on"))
        }
    }

    #[test]
    fn a_display_that_logs_keeps_its_text_whole() {
        let before = as_display("before").capture();
        let text = as_display(Nested).capture();
        let after = as_debug("after").capture();
        assert_eq!(read(before), "before");
        assert_eq!(read(text), "outer goes on");
        assert_eq!(read(after), "\"after\"");
        [before, text, after].into_iter().for_each(MadeText::release);
        assert_eq!(kept(), 0);
    }

    #[test]
    fn a_panic_gives_up_what_its_statement_made() {
        struct Panics;
        impl fmt::Display for Panics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("begun")?;
                panic!("while it is formatted")
            }
        }
        /// Logs two texts, the second of which panics, and goes on.
        struct Catches;
        impl fmt::Display for Catches {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one ")?;
                let caught = std::panic::catch_unwind(|| {
                    as_display("made").capture();
                    as_display(Panics).capture();
                });
                assert!(caught.is_err());
                f.write_str("two")
            }
        }
        let text = as_display(Catches).capture();
        assert_eq!(read(text), "one two");
        text.release();
        assert_eq!(kept(), 0);
    }

    #[test]
    fn a_full_buffer_grows_and_shrinks_again() {
        let long = "x".repeat(MAX_RECORD_BYTES);
        let texts: Vec<MadeText> = (0..5).map(|_| as_display(&long).capture()).collect();
        assert!(texts.iter().all(|text| read(*text) == long && !text.is_cut()));
        texts.into_iter().for_each(MadeText::release);
        let capacity = SCRATCH.with(|scratch| scratch.texts.borrow().capacity());
        assert_eq!((kept(), capacity), (0, SCRATCH_BYTES));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_character() {
        let text = as_display("ä".repeat(MAX_RECORD_BYTES)).capture();
        assert!(text.is_cut());
        assert_eq!(text.len(), MAX_RECORD_BYTES);
        text.release();
    }
}
