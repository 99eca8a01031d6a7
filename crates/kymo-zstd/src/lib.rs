//! Compressed segments of kymo logs, in the [seekable format] of zstd.
//!
//! ```text
//! ┌─────────────────────┬────────┬─────────┬─ ─ ─┬─────────┬───────────┬────────────┬────────────┐
//! │ copy of the header, │ header │ block,  │     │ block,  │ index and │ frames of  │ seek table │
//! │ skippable           │ page   │ ≈ 1 MiB │     │ ≈ 1 MiB │ end frame │ the index, │ skippable  │
//! │                     │        │         │     │         │           │ skippable  │            │
//! └─────────────────────┴────────┴─────────┴─ ─ ─┴─────────┴───────────┴────────────┴────────────┘
//!                       └─────── zstd frames: the segment, byte for byte ──────┘
//! ```
//!
//! Any zstd decoder gives the segment back, byte for byte. Each block is a zstd frame of its own that is cut where a
//! kymo frame ends. So a reader decompresses only the blocks that it needs. The layout is specified in kymo's
//! `docs/format.md`, section "Compressed segments".
//!
//! | to | take |
//! | --- | --- |
//! | replace a closed segment by a compressed one | `compress_segment` (Unix) |
//! | write a compressed segment anywhere | [`write()`] |
//! | read one at any place | [`Seekable`] |
//! | read any zstd file from front to back | [`Decoder`] |
//!
//! Each byte of a file is hostile: sizes are bounded before anything is allocated for them, and what does not fit is
//! an [`Error`].
//!
//! Not an interface for other programs.
//!
//! [seekable format]: https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
#![forbid(unsafe_code)]

mod aid;
#[cfg(unix)]
mod closed;
mod cut;
mod decoder;
mod error;
mod input;
#[cfg(unix)]
#[cfg(test)]
mod power;
mod seekable;
mod segment;
mod table;
#[cfg(unix)]
mod temporary;
mod writer;

#[cfg(unix)]
use kymo_files::tap;

#[cfg(unix)]
pub use closed::{CompressError, Problem};
pub use decoder::Decoder;
pub use error::Error;
pub use input::ReadAt;
pub use seekable::Seekable;
#[cfg(unix)]
pub use segment::{Compressed, Compression, compress_segment, sweep};
pub use writer::{DEFAULT_LEVEL, write};

/// The most bytes of a segment that are one block, if another writer made it: 8 MiB.
pub const MAX_BLOCK_BYTES: usize = 8 << 20;
