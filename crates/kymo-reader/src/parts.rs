//! Finds the parts of the index of a segment that was not closed: it is being written, or its writer died.
//!
//! The header page names the last part, and each part names the one before. So of a file of any length, some hundred
//! bytes for each few MiB are read. What follows the last part is in none: a reader reads it.
//!
//! INV-1: it is a hint, checked as far as the frames can tell. If one part is not there, or does not end where the next
//! one begins, none is believed.
//!
//! INV-2: parts are looked at in time that is linear in the length of the file: each ends before the one that names it.

use super::error::Error;
use super::seek::Places;
use super::segment::Segment;
use kymo_format::HEADER_BYTES;
use kymo_format::frame::Kind;
use kymo_format::index::{Index, IndexPart};

/// How many steps, and how many frames, are kept in mind. Of a file with more, nothing is known.
const MAX_KEPT: usize = 1 << 20;

impl Segment<'_> {
    /// The places that the parts of the index tell of; `None` if there are none. [`Frames::jump`] must follow.
    ///
    /// [`Frames::jump`]: super::frames::Frames::jump
    pub(super) fn places_of_parts(&mut self) -> Result<Option<Places>, Error> {
        let Some(parts) = self.index_parts()? else { return Ok(None) };
        let Some(last) = parts.first() else { return Ok(None) };
        let (end, watermark) = (last.end, last.watermark);
        let (mut index, mut clocks) = (Index::default(), Vec::new());
        for part in parts.into_iter().rev() {
            index.steps.extend(part.index.steps);
            index.frames.extend(part.index.frames);
            clocks.extend(part.clocks);
        }
        Ok(Some(Places { index, end, is_made: false, clocks, tail: Some(watermark) }))
    }

    /// The parts, the last one first.
    fn index_parts(&mut self) -> Result<Option<Vec<IndexPart>>, Error> {
        let (mut parts, mut kept) = (Vec::<IndexPart>::new(), 0);
        let (mut at, mut limit) = (self.last_index, self.frames.committed());
        while at > HEADER_BYTES as u64 && at < limit {
            if self.frames.frame_at(at, limit)? != Some(Kind::IndexPart as u8) {
                break;
            }
            let Some(part) = IndexPart::from_payload(self.frames.payload(), at) else { break };
            let first = part.index.steps.first().map_or(0, |step| step.offset);
            let next = parts.last().and_then(|next| next.index.steps.first());
            if next.is_some_and(|next| next.offset != part.end) {
                break;
            }
            kept += part.index.steps.len() + part.index.frames.len() + part.clocks.len();
            if kept > MAX_KEPT {
                break;
            }
            (at, limit) = (part.previous, at);
            parts.push(part);
            if at == 0 && first == HEADER_BYTES as u64 {
                return Ok(Some(parts));
            }
        }
        Ok(None)
    }
}
