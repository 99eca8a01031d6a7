//! The layout of a compressed segment: a zstd file in the *seekable* format, which begins with the segment's header.
//!
//! 1. A skippable frame with a copy of the segment's header. So files can be listed without decompressing them.
//! 2. Independent zstd frames, which together are the segment, byte for byte.
//! 3. A skippable frame with the seek table of the
//!    [seekable format](https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md).

use crate::header::COPY_BYTES;

/// The first eight bytes of a compressed segment: the magic number of a skippable frame, and its length.
pub const START: [u8; 8] = {
    let [a, b, c, d] = 0x184D_2A5B_u32.to_le_bytes();
    let [e, f, g, h] = (COPY_BYTES as u32).to_le_bytes();
    [a, b, c, d, e, f, g, h]
};

/// Whether a file that begins with these bytes is one of zstd: with a frame, or with a skippable one.
pub fn is_zstd(start: &[u8]) -> bool {
    let Some(magic) = start.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)) else {
        return false;
    };
    magic == 0xFD2F_B528 || magic & 0xFFFF_FFF0 == 0x184D_2A50
}

/// Returns the copy of the header with which a compressed segment begins. `None` if these bytes begin no such file.
pub fn header_copy(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(&START)?.get(..COPY_BYTES)
}
