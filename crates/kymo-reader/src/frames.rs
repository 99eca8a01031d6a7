//! Finds the valid frames of a segment in order, and reports the bytes between them.
//!
//! A frame that is not valid is skipped by trying every following multiple of 8. Whatever the
//! bytes, this takes time in proportion to their number ([`Checker`]), and holds no more of them
//! than one frame.
//!
//! Past the committed length, the first frame that is not valid is the end: the writer died while
//! it copied frames there, and a copy does not go from front to back. A valid frame that follows
//! may hold records whose predecessors are lost, or which the writer has written again.
//!
//! INV-1: a frame is never handed out twice. Every byte past the header page belongs to exactly one
//! of these: a frame handed out, a skipped range, the rest after the last of them, or a part that
//! was jumped over because it is not wanted.

use super::checksum::Checker;
use super::error::Error;
use super::source::{Kept, Source};
use kymo_format::frame::FrameHeader;
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// The frames of a segment.
pub(super) struct Frames<'a> {
    source: Source<'a>,
    checker: Checker,
    /// The committed length, as last read.
    committed: u64,
    /// Nothing is read from beyond this offset.
    limit: u64,
    /// The limit is the committed length, and moves with it.
    follow: bool,
    /// The length of the frame that was handed out last, with padding.
    current_bytes: usize,
    payload_bytes: usize,
    /// Where the bytes began that are being skipped.
    skipped_from: Option<u64>,
    /// Bytes that were skipped past the committed length are not all zero.
    torn: bool,
}

/// How far is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// To the last valid frame before the committed length, and from there to the first one that is
    /// not valid.
    All,
    /// To the committed length as it was when the file was opened.
    Snapshot,
    /// To the committed length as it is now.
    Follow,
}

/// The result of looking for the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A valid frame. Its payload is at hand until the next call.
    Frame { kind: u8, offset: u64 },
    /// Bytes before the committed length, or before a valid frame, that are none.
    /// `cut`: they end where the file does, which is before the committed length.
    Skipped { offset: u64, bytes: u64, cut: bool },
    /// The committed bytes end here, for now.
    Pending,
    /// The bytes end. `rest_bytes` after the last frame are no frame; `torn` if they are not all zero.
    End { length: u64, rest_bytes: u64, torn: bool },
}

impl<'a> Frames<'a> {
    /// The frames from the position of `source` on.
    pub(super) fn new(mut source: Source<'a>, salt: u32, committed: u64, extent: Extent) -> Self {
        let limit = if extent == Extent::All { u64::MAX } else { committed };
        source.set_limit(limit);
        Self {
            limit,
            source,
            checker: Checker::new(salt),
            committed,
            follow: extent == Extent::Follow,
            current_bytes: 0,
            payload_bytes: 0,
            skipped_from: None,
            torn: false,
        }
    }

    /// Nothing is read from beyond this offset, for now.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Nobody writes the file any more: it is read to its last valid frame.
    pub(super) fn stop_following(&mut self) {
        (self.follow, self.limit) = (false, u64::MAX);
        self.source.set_limit(self.limit);
    }

    /// Reads on in another source, from where this one is.
    pub(super) fn close(&mut self, empty: Source<'a>) {
        (self.source, self.current_bytes, self.payload_bytes) = (empty, 0, 0);
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// The offset of the first byte that was not yet looked at.
    pub(super) fn offset(&self) -> u64 {
        self.source.offset() + self.current_bytes as u64
    }

    /// The payload of the frame that was found last.
    #[inline]
    pub(super) fn payload(&self) -> &[u8] {
        &self.source.window()[FRAME_HEADER_BYTES..][..self.payload_bytes]
    }

    /// The payload of the current frame, kept beyond the next call.
    pub(super) fn keep_payload(&self, spare: Vec<u8>) -> Kept<'a> {
        self.source.keep(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + self.payload_bytes, spare)
    }

    /// Looks for the next frame.
    pub(super) fn next(&mut self) -> Result<Scanned, Error> {
        self.leave_current();
        loop {
            let offset = self.source.offset();
            let Some(header) = self.header_here()? else {
                match self.at_end()? {
                    Some(found) => return Ok(found),
                    None => continue,
                }
            };
            let committed = self.believed_end();
            if offset > committed && self.skipped_from.is_some() {
                return self.end_at(committed);
            }
            if self.is_valid(header, offset)? {
                if let Some(from) = self.skipped_from.take() {
                    return Ok(Scanned::Skipped { offset: from, bytes: offset - from, cut: false });
                }
                self.torn = false;
                self.payload_bytes = header.payload_bytes;
                self.current_bytes = header.frame_bytes();
                return Ok(Scanned::Frame { kind: header.kind, offset });
            }
            if offset >= committed {
                return self.end_at(committed);
            }
            self.skipped_from.get_or_insert(offset);
            self.skip();
        }
    }

    /// From where on frames count only as long as all of them are valid: the committed length. If
    /// that is damaged (it is less than the header page), none is doubted.
    fn believed_end(&self) -> u64 {
        if self.committed < HEADER_BYTES as u64 { u64::MAX } else { self.committed }
    }

    /// Where the frames end that count: past the committed length, before the first that is not
    /// valid. [`Frames::jump`] must follow.
    pub(super) fn whole_end(&mut self) -> Result<u64, Error> {
        let mut end = self.believed_end();
        while end.is_multiple_of(ALIGNMENT as u64)
            && let Some(kind) = self.frame_at(end, u64::MAX)?
        {
            let payload_bytes = self.payload_bytes;
            end += FrameHeader { checksum: 0, kind, payload_bytes }.frame_bytes() as u64;
        }
        Ok(end)
    }

    /// Ends at a frame past the committed length that is not valid. What was skipped before that is
    /// handed out first.
    fn end_at(&mut self, committed: u64) -> Result<Scanned, Error> {
        match self.skipped_from {
            Some(from) if from < committed => {
                self.skipped_from = Some(committed);
                Ok(Scanned::Skipped { offset: from, bytes: committed - from, cut: false })
            }
            _ => self.past_end(),
        }
    }

    /// Whether the bytes can be read in any order.
    pub(super) fn can_jump(&self) -> bool {
        self.source.can_jump()
    }

    /// Goes on at `offset`, where a frame begins.
    pub(super) fn jump(&mut self, offset: u64) {
        self.source.set_limit(self.limit);
        self.move_to(offset);
    }

    fn move_to(&mut self, offset: u64) {
        (self.current_bytes, self.payload_bytes) = (0, 0);
        (self.skipped_from, self.torn) = (None, false);
        self.checker.forget();
        self.source.jump(offset);
    }

    /// Looks at the frame at `offset`, which ends at `end` or before; its payload is then at hand.
    /// `None` if there is none that is valid. [`Frames::jump`] must follow.
    pub(super) fn frame_at(&mut self, offset: u64, end: u64) -> Result<Option<u8>, Error> {
        /// Most frames are this short, and the next one to be read is elsewhere.
        const PROBE_BYTES: u64 = 4096;
        self.source.set_limit(offset.saturating_add(PROBE_BYTES).min(self.limit));
        self.move_to(offset);
        let Some(header) = self.header_here()? else { return Ok(None) };
        let bytes = header.frame_bytes();
        if header.payload_bytes > MAX_PAYLOAD_BYTES || offset.saturating_add(bytes as u64) > end {
            return Ok(None);
        }
        let following = offset.saturating_add((bytes as u64).max(PROBE_BYTES));
        self.source.set_limit(following.min(self.limit));
        let valid = self.is_valid(header, offset)?;
        self.payload_bytes = if valid { header.payload_bytes } else { 0 };
        Ok(valid.then_some(header.kind))
    }

    /// The header of the frame that is said to begin at `offset`, and the first bytes of its payload,
    /// unchecked; `None` if the bytes end before that. At least `probe` bytes are read with it.
    /// [`Frames::jump`] must follow.
    pub(super) fn head_at(
        &mut self,
        offset: u64,
        probe: u64,
    ) -> Result<Option<(FrameHeader, &[u8])>, Error> {
        /// Of a block: its thread, at least.
        const HEAD_BYTES: usize = 24;
        self.source.set_limit(offset.saturating_add(probe).min(self.limit));
        self.move_to(offset);
        self.fill(HEAD_BYTES)?;
        let window = self.source.window();
        let Some(header) = window.first_chunk().map(FrameHeader::from_bytes) else {
            return Ok(None);
        };
        Ok(Some((header, &window[FRAME_HEADER_BYTES..window.len().min(HEAD_BYTES)])))
    }

    /// The next `len` bytes, or as many as there are. [`Frames::jump`] must follow.
    pub(super) fn peek(&mut self, len: usize) -> Result<&[u8], Error> {
        self.fill(len)?;
        let window = self.source.window();
        Ok(&window[..window.len().min(len)])
    }

    /// Says what follows the last frame that counts: nothing, zeros, or bytes that nobody will read.
    pub(super) fn past_end(&mut self) -> Result<Scanned, Error> {
        self.leave_current();
        let offset = *self.skipped_from.get_or_insert(self.source.offset());
        loop {
            self.pass_hole();
            self.fill(1)?;
            let window = self.source.window();
            if window.is_empty() {
                break;
            }
            self.torn |= !is_zeros(window);
            self.source.advance(window.len());
        }
        let length = self.source.offset();
        Ok(Scanned::End { length, rest_bytes: length - offset, torn: self.torn })
    }

    fn leave_current(&mut self) {
        // The padding of the last frame may be missing.
        let bytes = self.current_bytes.min(self.source.window().len());
        self.source.advance(bytes);
        self.current_bytes = 0;
        self.payload_bytes = 0;
    }

    /// The header at the current position; `None` if the bytes end before it does.
    fn header_here(&mut self) -> Result<Option<FrameHeader>, Error> {
        self.fill(FRAME_HEADER_BYTES)?;
        if self.allowed() < FRAME_HEADER_BYTES {
            return Ok(None);
        }
        Ok(self.source.window().first_chunk().map(FrameHeader::from_bytes))
    }

    fn is_valid(&mut self, header: FrameHeader, offset: u64) -> Result<bool, Error> {
        if header.kind == 0 || header.payload_bytes > MAX_PAYLOAD_BYTES {
            return Ok(false);
        }
        self.fill(header.frame_bytes())?;
        // At the end of a file the padding may be missing; what is committed is whole.
        let bytes = match self.follow {
            true => header.frame_bytes(),
            false => FRAME_HEADER_BYTES + header.payload_bytes,
        };
        let window = self.source.window();
        let whole = self.allowed() >= bytes && window.len() >= bytes;
        Ok(whole && self.checker.check(header, window, offset))
    }

    /// How many bytes from here may be looked at.
    fn allowed(&self) -> usize {
        if !self.follow {
            return usize::MAX;
        }
        let bytes = self.committed.saturating_sub(self.source.offset());
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn fill(&mut self, len: usize) -> Result<(), Error> {
        self.source.fill(len).map_err(|error| Error::Io { offset: self.source.offset(), error })
    }

    /// Skips a word that begins no frame, and the zeros after it.
    fn skip(&mut self) {
        let is_uncommitted = self.source.offset() >= self.committed;
        let window = self.source.window();
        self.torn |= is_uncommitted && window.iter().take(ALIGNMENT).any(|&byte| byte != 0);
        let end = window.len().min(self.allowed());
        let mut words = window[..end].chunks_exact(ALIGNMENT).skip(1);
        let zeros = words.by_ref().take_while(|word| **word == [0; ALIGNMENT]).count();
        self.source.advance((1 + zeros) * ALIGNMENT);
        if zeros > 0 {
            self.pass_hole();
        }
    }

    /// Passes over a hole of the file, which may have terabytes of zeros. (What is followed has none.)
    fn pass_hole(&mut self) {
        if !self.follow {
            self.source.pass_hole();
        }
    }

    /// The bytes end here: looks whether there are more by now, and otherwise says so. `None`: look
    /// on.
    fn at_end(&mut self) -> Result<Option<Scanned>, Error> {
        let end = self.source.offset() + self.source.window().len().min(self.allowed()) as u64;
        if self.follow {
            let error = |error| Error::Io { offset: end, error };
            let committed = self.source.committed().map_err(error)?;
            self.committed = self.committed.max(committed.unwrap_or(0));
            let before = self.source.window().len();
            self.limit = self.committed;
            self.source.set_limit(self.limit);
            self.fill(FRAME_HEADER_BYTES)?;
            let more = self.source.window().len() > before;
            return Ok((!more || self.allowed() < FRAME_HEADER_BYTES).then_some(Scanned::Pending));
        }
        let from = self.skipped_from.unwrap_or(self.source.offset());
        // Bytes past the committed length are the end, not damage.
        let lost_until = self.committed.min(end);
        if from < lost_until {
            self.skipped_from = Some(lost_until);
            let cut = self.committed > end;
            return Ok(Some(Scanned::Skipped { offset: from, bytes: lost_until - from, cut }));
        }
        self.torn |= !is_zeros(self.source.window());
        Ok(Some(Scanned::End { length: end, rest_bytes: end - from, torn: self.torn }))
    }
}

/// Whether all bytes are zero. Some MiB of zeros follow what was written to a file.
fn is_zeros(bytes: &[u8]) -> bool {
    // The compiler makes this wide, but not a search for the first byte that is none.
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}
