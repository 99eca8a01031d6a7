//! Reads the records of a block in order.
//!
//! Every record is checked to the last byte before it is handed out, so that what is decoded of it
//! later cannot fail. The hot loop of the reader is here: a record whose call site the filter does
//! not want costs two variable-length integers and its arguments' lengths.

use std::ops::Range;

use super::dictionary::Dictionary;
use super::event::DamageKind;
use super::fields::Fields;
use super::report::Report;
use super::seek::Window;
use super::timeline::Timeline;
use kymo_format::frame::Kind;

/// A block, read up to some record.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The index of the thread.
    pub(super) thread: u32,
    /// The number of the thread in its segment.
    pub(super) number: u64,
    /// Which segment of the log it is in, counted from 0.
    pub(super) segment: u32,
    /// The offset of the frame in the file.
    pub(super) offset: u64,
    /// Where the next record begins in the payload.
    pub(super) at: usize,
    /// Where the records end in the payload.
    pub(super) end: usize,
    /// The ticks of the last record, or the base.
    ticks: u64,
    /// How many records of the thread precede the block.
    pub(super) first: u64,
    /// How many records of the block were read.
    pub(super) read: u32,
    /// Records older than this are late.
    pub(super) late_before: u64,
    /// The clock is made up.
    pub(super) untimed: bool,
    /// Converts ticks to time.
    pub(super) timeline: Timeline,
    /// The times of the records wanted; `None` if all are.
    pub(super) window: Option<Window>,
    /// The offset of the mark that begins the part of a dump that it belongs to, if it does.
    pub(super) part: Option<u64>,
}

/// A record, as far as it has to be looked at to find the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    pub(super) ticks: u64,
    /// The index of the call site.
    pub(super) site: u32,
    /// Where the arguments begin in the payload.
    arguments: u32,
    /// How many records of the block precede it.
    pub(super) index: u32,
    /// From the lowest bit on: whether the record is late; in five bits, how many bytes its call
    /// site's number and its ticks take; whether it is read for what it says of spans only; how many its
    /// arguments take.
    lengths: u32,
}

/// How many bits of [`Raw::lengths`] are below the length of the arguments.
const ARGUMENTS_SHIFT: u32 = 7;

/// The bit of [`Raw::lengths`] of a record that is read for what it says of spans only.
const SPANS_ONLY: u32 = 1 << 6;

impl Raw {
    /// The range of the arguments in the payload.
    #[inline]
    pub(super) fn arguments(&self) -> Range<usize> {
        let start = self.arguments as usize;
        start..start + (self.lengths >> ARGUMENTS_SHIFT) as usize
    }

    /// How many bytes of the record precede its arguments.
    #[inline]
    pub(super) fn head_bytes(&self) -> u8 {
        (self.lengths >> 1 & 31) as u8
    }

    /// Whether it is read for what it says of spans only, and not to be handed out.
    #[inline]
    pub(super) fn is_for_spans(&self) -> bool {
        self.lengths & SPANS_ONLY != 0
    }

    /// Whether it is older than a watermark that precedes it.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        self.lengths & 1 == 1
    }
}

/// The fields before the first record, and the watermark after the last.
pub(super) struct BlockHead {
    pub(super) thread: u64,
    pub(super) sequence: u64,
    pub(super) base: u64,
    /// Where the records begin and end in the payload.
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) watermark: Option<u64>,
}

impl BlockHead {
    /// Decodes the head of a block; `None` if it breaks the format.
    pub(super) fn parse(payload: &[u8], kind: Kind) -> Option<Self> {
        let mut fields = Fields(payload);
        let (thread, sequence, base) = (fields.varint()?, fields.varint()?, fields.u64()?);
        let at = payload.len() - fields.0.len();
        let mut end = payload.len();
        let mut watermark = None;
        if kind == Kind::LastRecords {
            let (_, last) = fields.0.split_last_chunk()?;
            watermark = Some(base.wrapping_add_signed(i32::from_le_bytes(*last).into()));
            end -= 4;
        }
        Some(Self { thread, sequence, base, at, end, watermark })
    }
}

impl Block {
    pub(super) fn new(head: &BlockHead, thread: u32, offset: u64) -> Self {
        Self {
            thread,
            number: head.thread,
            segment: 0,
            offset,
            at: head.at,
            end: head.end,
            ticks: head.base,
            first: head.sequence,
            read: 0,
            late_before: 0,
            untimed: false,
            timeline: Timeline::default(),
            window: None,
            part: None,
        }
    }

    #[inline]
    fn is_wanted(&self, ticks: u64) -> bool {
        self.window.is_none_or(|window| window.contains(self.timeline.time_of(ticks)))
    }

    /// Appends to `found` the next records that the filter lets through, until `found` is full or the
    /// block ends. After an error the rest of the block is lost.
    pub(super) fn read(
        &mut self,
        payload: &[u8],
        dictionary: &Dictionary,
        report: &mut Report,
        found: &mut Vec<Raw>,
        full: usize,
    ) -> Result<(), DamageKind> {
        let (mut at, mut ticks, mut index) = (self.at, self.ticks, self.read);
        let (mut late, mut wanted) = (0, 0);
        let mut fields = Fields(&payload[at..self.end]);
        let result = loop {
            if fields.0.is_empty() || found.len() >= full {
                break Ok(());
            }
            let (Some(number), Some(delta)) = (fields.short_varint(), fields.varint()) else {
                break Err(DamageKind::Record);
            };
            let Some(site) = dictionary.site_numbered(number) else {
                break Err(DamageKind::UnknownCallSite(number));
            };
            let arguments = (self.end - fields.0.len()) as u32;
            let head = arguments - at as u32;
            if site.skip(&mut fields.0).is_err() {
                break Err(DamageKind::Record);
            }
            at = self.end - fields.0.len();
            ticks = ticks.wrapping_add(delta);
            index += 1;
            let is_late = ticks < self.late_before;
            late += u64::from(is_late);
            let is_wanted = site.selected && self.is_wanted(ticks);
            if is_wanted || site.tells_of_spans {
                wanted += u64::from(is_wanted);
                let length = at as u32 - arguments;
                let unwanted = if is_wanted { 0 } else { SPANS_ONLY };
                let lengths = length << ARGUMENTS_SHIFT | unwanted | head << 1 | u32::from(is_late);
                let (site, index) = (site.index, index - 1);
                found.push(Raw { ticks, site, arguments, index, lengths });
            }
        };
        let read = u64::from(index - self.read);
        report.records += read;
        report.late += late;
        report.filtered += read - wanted;
        report.untimed += if self.untimed { read } else { 0 };
        (self.at, self.ticks, self.read) = (at, ticks, index);
        result
    }
}

const _: () = assert!(size_of::<Raw>() == 24);
const _: () = assert!(kymo_format::MAX_PAYLOAD_BYTES < 1 << (32 - ARGUMENTS_SHIFT));
const _: () = assert!(2 * kymo_format::varint::MAX_BYTES < 32);
