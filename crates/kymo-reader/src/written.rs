//! Reads in the order of the file: each block when it is met. Nothing is held back.

use super::block::{Block, Raw};
use super::error::Error;
use super::event::DamageKind;
use super::mark::Mark;
use super::segment::{Segment, Step};

/// How many records are taken from a block at a time.
const BATCH: usize = 64;

/// A position in the order of the file.
#[derive(Default)]
pub(super) struct Written {
    /// The block whose payload is at hand.
    block: Option<Block>,
    /// Its next records.
    records: Vec<Raw>,
    /// Which of them is handed out; none where there are no more.
    current: usize,
    /// The damage of the block after those records, if any.
    damage: Option<DamageKind>,
    /// The mark that is handed out in place of a record.
    mark: Option<Mark>,
}

impl Written {
    /// Goes on to the next event; `false` if there is none, or none yet.
    #[inline]
    pub(super) fn advance(&mut self, segment: &mut Segment<'_>) -> Result<bool, Error> {
        self.current += 1;
        if self.current < self.records.len() {
            return Ok(true);
        }
        self.go_on(segment)
    }

    fn go_on(&mut self, segment: &mut Segment<'_>) -> Result<bool, Error> {
        self.records.clear();
        self.current = 0;
        self.mark = None;
        loop {
            if let Some(block) = &mut self.block {
                if let Some(kind) = self.damage.take() {
                    segment.finish(block);
                    self.mark = Some(segment.lose_rest(block, kind));
                    self.block = None;
                    return Ok(true);
                }
                let payload = segment.frames.payload();
                let (dictionary, report) = (&segment.dictionary, &mut segment.report);
                let read = block.read(payload, dictionary, report, &mut self.records, BATCH);
                self.damage = read.err();
                if !self.records.is_empty() {
                    return Ok(true);
                }
                if self.damage.is_some() {
                    continue;
                }
                segment.finish(block);
                self.block = None;
            }
            match segment.next()? {
                Step::Block(block) => self.block = Some(block),
                Step::Watermark => {}
                Step::Mark(mark) => {
                    self.mark = Some(mark);
                    return Ok(true);
                }
                Step::Pending | Step::End => return Ok(false),
            }
        }
    }

    /// Hands out a mark that is in no file.
    pub(super) fn hand_out(&mut self, mark: Mark) {
        self.records.clear();
        self.mark = Some(mark);
    }

    #[inline]
    pub(super) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    #[inline]
    pub(super) fn record(&self) -> Option<(&Block, &Raw)> {
        Some((self.block.as_ref()?, self.records.get(self.current)?))
    }
}
