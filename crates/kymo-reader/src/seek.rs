//! Reads only the part of a file that is in a range of time, by its index.
//!
//! Nothing depends on the index. Where there is none, or it is damaged, or one of the frames that
//! it names is not there, everything is read; and what is read is compared with the range, record
//! by record. A file that was not closed has its index in [parts](super::parts), and an end that is in none of
//! them. If it has no parts either, `scan` finds out where a reader can begin, for those who want only its end.
//! (An index with the right checksum that says what is not true can keep records from being found. Whoever can
//! write it can leave the records out as well.)
//!
//! INV-1: the frames that an index names are looked at in time that is linear in the length of the
//! file: they may not overlap.

use std::sync::Arc;

use super::error::Error;
use super::segment::Segment;
use super::timeline;
use kymo_format::HEADER_BYTES;
use kymo_format::frame::{Clock, Kind};
use kymo_format::index::{Index, Step};

/// In how many bytes before the end of a segment its index ends: the longest end frame.
const TAIL_BYTES: u64 = 64;

/// A range of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
}

impl Window {
    pub(super) const ALL: Self = Self { first_ns: i64::MIN, last_ns: i64::MAX };

    #[inline]
    pub(super) fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    #[inline]
    pub(super) fn contains(&self, time_ns: i64) -> bool {
        (self.first_ns..=self.last_ns).contains(&time_ns)
    }

    /// Whether the time from `first_ns` to `last_ns` has a part in it.
    pub(super) fn overlaps(&self, first_ns: i64, last_ns: i64) -> bool {
        first_ns <= self.last_ns && self.first_ns <= last_ns
    }
}

/// Bytes that need not be read.
#[derive(Debug)]
pub(super) struct Skip {
    from: u64,
    to: u64,
    /// The clock frames among them that apply to later records.
    clocks: Vec<Clock>,
    /// What has to be known of them, because records follow.
    known: Option<Known>,
}

/// What has to be known of bytes that are skipped.
#[derive(Debug)]
struct Known {
    /// Where the frames of call sites, threads and clocks begin.
    frames: Vec<u64>,
    /// The watermark that holds after them.
    watermark: u64,
}

impl Skip {
    /// Whether the frame at `offset` need not be read.
    pub(super) fn covers(&self, offset: u64) -> bool {
        (self.from..self.to).contains(&offset)
    }
}

/// A stretch of a file, by the [index](super::Reader::stretches) of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stretch {
    /// Its length in bytes.
    pub bytes: u64,
    /// Nothing in it is older than this, in nanoseconds since 1970-01-01T00:00:00Z. But late records may be,
    /// in a part of the file that no index is about.
    pub oldest_ns: i64,
    /// Nothing in it is newer.
    pub newest_ns: i64,
}

impl Stretch {
    /// A stretch of this length, with nothing older or newer than these times.
    pub fn new(bytes: u64, oldest_ns: i64, newest_ns: i64) -> Self {
        Self { bytes, oldest_ns, newest_ns }
    }
}

/// The [stretches](super::Reader::stretches) of a file, from its beginning to its end, and how to
/// begin at each: for [`Options::stretches`](super::Options::stretches). Empty if that is not known.
#[derive(Clone, Debug, Default)]
pub struct Stretches {
    list: Vec<Stretch>,
    segment: [u8; 16],
    places: Option<Arc<Places>>,
}

/// Where a reader can begin in a segment.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) index: Index,
    /// Where the index frame begins; where there is none, the end of what was looked at.
    pub(super) end: u64,
    /// The segment has no index frame: this was made from its frames.
    pub(super) is_made: bool,
    /// The clock frames, if the index does not list them with the others.
    pub(super) clocks: Vec<u64>,
    /// Records follow the end that the index says nothing of: the watermark that holds there.
    pub(super) tail: Option<u64>,
}

impl Places {
    fn of(index: Index, end: u64) -> Self {
        Self { index, end, is_made: false, clocks: Vec::new(), tail: None }
    }

    /// The last clock frames before `offset`, as many as count.
    fn clocks_before(&self, offset: u64) -> &[u64] {
        let before = &self.clocks[..self.clocks.partition_point(|&clock| clock < offset)];
        &before[before.len().saturating_sub(timeline::KEPT)..]
    }

    /// Frames of the index, and these clock frames, in their order.
    fn with_clocks(frames: &[u64], clocks: &[u64]) -> Vec<u64> {
        let mut all = [frames, clocks].concat();
        all.sort_unstable();
        all
    }
}

/// How much may follow the last part of an index, so that it is of use for those who want only the end.
const MAX_TAIL_BYTES: u64 = 64 << 20;

impl Stretches {
    /// The stretches, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Stretch> {
        self.list.iter()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the places, if they are those of this segment and this committed length. (A copy of
    /// it may be shorter.)
    pub(super) fn places_of(&self, segment: [u8; 16], committed: u64) -> Option<&Arc<Places>> {
        let is_this = segment == self.segment && segment != [0; 16];
        self.places.as_ref().filter(|places| is_this && places.end <= committed)
    }
}

/// The kind, the offset and the payload of a frame.
type FoundFrame = (u8, u64, Vec<u8>);

impl<'s> IntoIterator for &'s Stretches {
    type Item = &'s Stretch;
    type IntoIter = std::slice::Iter<'s, Stretch>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Segment<'_> {
    /// The stretches that the index tells of, or, where there is none, the frames; without moving.
    pub(super) fn stretches(&mut self) -> Result<Stretches, Error> {
        if !self.frames.can_jump() {
            return Ok(Stretches::default());
        }
        let here = self.frames.offset();
        let committed = self.frames.committed();
        let is_near = |places: &Places| committed.saturating_sub(places.end) <= MAX_TAIL_BYTES;
        let places = match self.find_index()? {
            Some((index, end)) => Some(Places::of(index, end)),
            None => match self.places_of_parts()?.filter(is_near) {
                Some(places) => Some(places),
                None => self.scan()?,
            },
        };
        self.frames.jump(here);
        let Some(places) = places else { return Ok(Stretches::default()) };
        let steps = &places.index.steps;
        let ends = steps.iter().skip(1).map(|step| step.offset).chain([places.end]);
        let stretch = |(step, end): (&Step, u64)| Stretch {
            bytes: end.saturating_sub(step.offset),
            oldest_ns: step.oldest_ns,
            newest_ns: step.newest_ns,
        };
        let mut list: Vec<Stretch> = steps.iter().zip(ends).map(stretch).collect();
        let newest_ns = steps.iter().map(|step| step.newest_ns).max();
        if let Some(newest_ns) = newest_ns.filter(|_| places.tail.is_some()) {
            // But for late records.
            let oldest_ns = newest_ns.saturating_add(1);
            list.push(Stretch::new(committed.saturating_sub(places.end), oldest_ns, i64::MAX));
        }
        Ok(Stretches { list, segment: self.header.segment, places: Some(Arc::new(places)) })
    }

    /// Goes to where the range of time begins, if there is an index that tells.
    pub(super) fn seek(&mut self) -> Result<(), Error> {
        if !self.frames.can_jump() {
            return Ok(());
        }
        let places = match self.find_index()? {
            Some((index, end)) => Some(Places::of(index, end)),
            None => self.places_of_parts()?,
        };
        if let Some(places) = places
            && self.begin_by(&places, self.window)?
        {
            return Ok(());
        }
        self.frames.jump(HEADER_BYTES as u64);
        Ok(())
    }

    /// Goes to the last of these places before which everything is older than the beginning of the
    /// range.
    pub(super) fn seek_to(&mut self, places: &Places, window: Window) -> Result<(), Error> {
        if self.frames.can_jump() && !self.begin_by(places, window)? {
            self.frames.jump(HEADER_BYTES as u64);
        }
        Ok(())
    }

    /// The index, and where its frame begins.
    fn find_index(&mut self) -> Result<Option<(Index, u64)>, Error> {
        let end = self.frames.committed();
        let tail = end.saturating_sub(TAIL_BYTES).max(HEADER_BYTES as u64);
        if tail >= end {
            return Ok(None);
        }
        self.frames.jump(tail);
        let bytes = self.frames.peek((end - tail) as usize)?;
        // The end frame, whose length varies, follows it.
        let ends = (8..bytes.len()).step_by(8).rev();
        let candidates: Vec<_> = ends
            .filter_map(|len| Some((Index::offset_before(&bytes[..len], tail + len as u64)?, len)))
            .map(|(offset, len)| (offset, tail + len as u64))
            .collect();
        for (offset, end) in candidates {
            if self.frames.frame_at(offset, end)? == Some(Kind::Index as u8)
                && let Some(index) = Index::from_payload(self.frames.payload(), offset)
                && index.steps.first().is_some_and(|step| step.offset == HEADER_BYTES as u64)
            {
                return Ok(Some((index, offset)));
            }
        }
        Ok(None)
    }

    /// Begins at the last step before which nothing is in the range, and says what to skip later.
    /// `false` where the index names a frame that is not there.
    fn begin_by(&mut self, places: &Places, window: Window) -> Result<bool, Error> {
        let (index, at) = (&places.index, places.end);
        let steps = &index.steps;
        let begin = steps.iter().position(|step| step.newest_ns >= window.first_ns);
        let begin = begin.unwrap_or(steps.len());
        let end = steps.iter().rposition(|step| step.oldest_ns <= window.last_ns);
        // Late records may follow. The index does not say so.
        let end = if places.is_made { steps.len() } else { end.map_or(0, |last| last + 1) };
        let offset_of = |step: usize| steps.get(step).map_or(at, |step| step.offset);
        // Where nothing is in the range, nothing is read.
        let from = if begin < end { offset_of(begin) } else { at };
        let rest_from = offset_of(end).max(from);
        let (before, others) =
            index.frames.split_at(index.frames.partition_point(|&frame| frame < from));
        let before = Places::with_clocks(before, places.clocks_before(from));
        let Some(before) = self.frames_at(&before, from)? else { return Ok(false) };
        let mut clocks = Vec::new();
        let mut next = at;
        let others_after = &others[others.partition_point(|&frame| frame < rest_from)..];
        let known = places.tail.map(|watermark| Known {
            frames: Places::with_clocks(others_after, places.clocks_before(at)),
            watermark,
        });
        for &frame in others_after.iter().rev().take_while(|_| known.is_none()) {
            if clocks.len() == timeline::KEPT {
                break;
            }
            let Some(kind) = self.frames.frame_at(frame, next)? else { return Ok(false) };
            if kind == Kind::Clock as u8 {
                clocks.extend(Clock::from_payload(self.frames.payload()));
            }
            next = frame;
        }
        self.frames.jump(from);
        self.remember_all(before);
        if from > HEADER_BYTES as u64 {
            self.dictionary.forget_counts();
            let watermark = if from == at { places.tail } else { None };
            let step = steps.get(begin).map_or(0, |step| step.watermark);
            self.watermark = watermark.unwrap_or(step);
        }
        self.report.skipped_bytes = from - HEADER_BYTES as u64;
        self.skip = Some(Skip { from: rest_from, to: at, clocks, known });
        Ok(true)
    }

    /// The kinds, offsets and payloads of the frames at these offsets, in their order, all of them before `end`. `None`
    /// if one of them is not there. [`Frames::jump`] must follow.
    ///
    /// [`Frames::jump`]: super::frames::Frames::jump
    fn frames_at(&mut self, offsets: &[u64], end: u64) -> Result<Option<Vec<FoundFrame>>, Error> {
        let mut found = Vec::new();
        for (n, &offset) in offsets.iter().enumerate() {
            let next = offsets.get(n + 1).copied().unwrap_or(end);
            let Some(kind) = self.frames.frame_at(offset, next)? else { return Ok(None) };
            found.push((kind, offset, self.frames.payload().to_vec()));
        }
        Ok(Some(found))
    }

    fn remember_all(&mut self, frames: Vec<FoundFrame>) {
        for (kind, offset, payload) in frames {
            self.remember(kind, offset, &payload);
        }
    }

    /// Skips the frames between the range of time and the index, if they begin here.
    pub(super) fn skip_rest(&mut self) -> Result<(), Error> {
        let at = self.frames.offset();
        let Some(skip) = self.skip.take_if(|skip| at >= skip.from) else { return Ok(()) };
        if at >= skip.to {
            return Ok(());
        }
        if let Some(known) = skip.known {
            let Some(frames) = self.frames_at(&known.frames, skip.to)? else {
                // Something there is damaged: it is read.
                self.frames.jump(at);
                return Ok(());
            };
            self.remember_all(frames);
            self.dictionary.forget_counts();
            self.watermark = self.watermark.max(known.watermark);
        }
        self.frames.jump(skip.to);
        self.report.skipped_bytes += skip.to - at;
        skip.clocks.into_iter().rev().for_each(|clock| self.timeline.push(clock));
        Ok(())
    }
}
