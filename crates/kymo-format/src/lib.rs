//! The layout of a segment file, shared by the writer and the reader.
//!
//! `docs/format.md` is the specification; this module is its constants and its smallest parts. All
//! numbers in a file are little-endian, and no machine-sized integer ever reaches it.

pub mod compressed;
pub mod drop_reason;
pub mod dump;
pub mod escaped;
pub mod frame;
pub mod header;
pub mod index;
pub mod level;
pub mod payload;
pub mod purpose;
pub mod rotated;
pub mod types;
pub mod varint;

pub use drop_reason::DropReason;
pub use level::{Level, ParseLevelError};
pub use purpose::Purpose;

/// The version of the file format that this release writes. It reads this one and all earlier ones.
/// Version 2 has types that version 1 has not.
pub const VERSION: u32 = 2;

/// The first bytes of a segment. The high bit, the line endings and the end-of-file character make
/// the damage that text-mode transfers do to a file visible at once.
pub const MAGIC: [u8; 8] = *b"\x89KYMO\r\n\x1a";

/// Where the frames begin: the length of the header page in bytes.
pub const HEADER_BYTES: usize = 4096;

/// Every frame begins at a multiple of this many bytes from the beginning of the file.
pub const ALIGNMENT: usize = 8;

/// The length of a frame's header in bytes.
pub const FRAME_HEADER_BYTES: usize = 8;

/// The longest payload of a frame in bytes. A longer one is damage.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// The longest record in a ring, in bytes, including its header of 16 bytes.
pub const MAX_RECORD_BYTES: usize = 32_760;

/// The most arguments that one statement may have.
pub const MAX_ARGUMENTS: usize = 64;

/// The longest text in an entry of the dictionary, in bytes: format string, target, file.
pub const MAX_TEXT_BYTES: usize = 16 << 10;

/// The most types that the type of one argument may be made of.
pub const MAX_TYPE_MEMBERS: usize = 1024;

/// The most bytes that the types of a statement's arguments may have in the dictionary, all together. They are that
/// long only with names of fields and variants.
pub const MAX_TYPE_BYTES: usize = 64 << 10;

/// The most placeholders in the format string of a struct or a variant.
pub const MAX_STRUCT_PLACEHOLDERS: usize = 128;

/// How deep argument types may nest: `Option<Vec<(u8, u8)>>` is four deep.
pub const MAX_TYPE_DEPTH: usize = 16;

/// Returns the length in bytes of the longest beginning of `text` that has at most `limit` bytes and ends between
/// two characters.
#[inline]
pub fn boundary(text: &str, limit: usize) -> usize {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Whether a character of a foreign text may not reach a terminal: the control characters (C0, DEL, C1), the line and
/// paragraph separators, and what turns the direction of writing (Unicode's property `Bidi_Control`).
#[inline]
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}')
        || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
