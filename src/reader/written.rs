//! The order of the file: a block is read where it stands, and nothing is held back.

use super::block::{Block, Raw};
use super::error::Error;
use super::mark::Mark;
use super::segment::{Segment, Step};

/// A position in the order of the file.
#[derive(Default)]
pub(super) struct Written {
    /// The block whose payload is at hand.
    block: Option<Block>,
    now: Now,
}

/// What is handed out.
#[derive(Default)]
enum Now {
    #[default]
    Nothing,
    Record(Raw),
    Mark(Mark),
}

impl Written {
    /// Goes on to what is next; `false` where there is nothing, or nothing yet.
    #[inline]
    pub(super) fn advance(&mut self, segment: &mut Segment<'_>) -> Result<bool, Error> {
        loop {
            if let Some(block) = &mut self.block {
                let payload = segment.frames.payload();
                match block.next(payload, &segment.dictionary, &mut segment.report) {
                    Ok(Some(raw)) => {
                        self.now = Now::Record(raw);
                        return Ok(true);
                    }
                    Ok(None) => segment.finish(block),
                    Err(kind) => {
                        segment.finish(block);
                        self.now = Now::Mark(segment.lose_rest(block, kind));
                        self.block = None;
                        return Ok(true);
                    }
                }
                self.block = None;
            }
            match segment.next()? {
                Step::Block(block) => self.block = Some(block),
                Step::Watermark => {}
                Step::Mark(mark) => {
                    self.now = Now::Mark(mark);
                    return Ok(true);
                }
                Step::Pending | Step::End => {
                    self.now = Now::Nothing;
                    return Ok(false);
                }
            }
        }
    }

    #[inline]
    pub(super) fn mark(&self) -> Option<&Mark> {
        match &self.now {
            Now::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn record(&self) -> Option<(&Block, &Raw)> {
        match (&self.block, &self.now) {
            (Some(block), Now::Record(raw)) => Some((block, raw)),
            _ => None,
        }
    }
}
