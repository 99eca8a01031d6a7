//! A whole file in memory, whose events are handed out in any order. Side files are read this way.

use super::block::{Block, Raw};
use super::error::Error;
use super::mark::Mark;
use super::segment::{Segment, Step};
use super::source::Kept;

/// The events of a file, in its order.
#[derive(Default)]
pub(super) struct WholeFile<'a> {
    blocks: Vec<(Block, Kept<'a>)>,
    pub(super) items: Vec<HeldItem>,
    /// The index of the event at hand.
    pub(super) current: Option<usize>,
}

/// An event.
pub(super) struct HeldItem {
    what: HeldEvent,
    /// The watermark that held when it was written.
    pub(super) until: u64,
}

enum HeldEvent {
    /// The index of its block, and the record within it.
    Record(usize, Raw),
    Mark(Mark),
}

impl<'a> WholeFile<'a> {
    /// Reads the rest of a file.
    pub(super) fn read(segment: &mut Segment<'a>) -> Result<Self, Error> {
        let mut held = Self::default();
        loop {
            match segment.next()? {
                Step::Block(block) => held.add_block(block, segment),
                Step::Mark(mark) => {
                    let until = segment.watermark;
                    held.items.push(HeldItem { what: HeldEvent::Mark(mark), until });
                }
                Step::Watermark => {}
                Step::Pending | Step::End => return Ok(held),
            }
        }
    }

    fn add_block(&mut self, mut block: Block, segment: &mut Segment<'a>) {
        let mut records = Vec::new();
        let payload = segment.frames.payload();
        let (dictionary, report) = (&segment.dictionary, &mut segment.report);
        let read = block.read(payload, dictionary, report, &mut records, usize::MAX);
        segment.finish(&block);
        let (place, until) = (self.blocks.len(), segment.watermark);
        let items = records.into_iter().map(|raw| (HeldEvent::Record(place, raw), raw.ticks));
        self.items.extend(items.map(|(what, ticks)| HeldItem { what, until: until.max(ticks) }));
        if let Err(kind) = read {
            let mark = segment.lose_rest(&block, kind);
            self.items.push(HeldItem { what: HeldEvent::Mark(mark), until });
        }
        self.blocks.push((block, segment.frames.keep_payload(Vec::new())));
    }

    fn at_hand(&self) -> Option<&HeldEvent> {
        self.current.and_then(|current| self.items.get(current)).map(|item| &item.what)
    }

    pub(super) fn mark(&self) -> Option<&Mark> {
        match self.at_hand() {
            Some(HeldEvent::Mark(mark)) => Some(mark),
            _ => None,
        }
    }

    pub(super) fn record(&self) -> Option<(&Block, &Raw, &[u8])> {
        let Some(HeldEvent::Record(block, raw)) = self.at_hand() else { return None };
        let (block, payload) = &self.blocks[*block];
        Some((block, raw, payload.bytes()))
    }
}
