//! Begins in the middle of a file, and ends there, where only a range of time is wanted.
//!
//! Nothing depends on the index. Where there is none, or it is damaged, or one of the frames that
//! it names is not there, everything is read; and what is read is compared with the range, record
//! by record. (An index with the right checksum that says what is not true can keep records from
//! being found. Whoever can write it can leave the records out as well.)
//!
//! INV-1: the frames that an index names are looked at in time that is linear in the length of the
//! file: they may not overlap.

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
    /// The clock frames among them that count for what stands behind.
    clocks: Vec<Clock>,
}

impl Skip {
    /// Whether what stands at `offset` need not be read.
    pub(super) fn covers(&self, offset: u64) -> bool {
        (self.from..self.to).contains(&offset)
    }
}

/// A stretch of a file, by the [index](super::Reader::stretches) of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stretch {
    /// How many bytes it has.
    pub bytes: u64,
    /// Nothing in it is older than this, in nanoseconds since 1970-01-01T00:00:00Z.
    pub oldest_ns: i64,
    /// Nothing in it is newer.
    pub newest_ns: i64,
}

impl Segment<'_> {
    /// The stretches that the index tells of, without moving.
    pub(super) fn stretches(&mut self) -> Result<Vec<Stretch>, Error> {
        if !self.frames.can_jump() {
            return Ok(Vec::new());
        }
        let here = self.frames.offset();
        let index = self.find_index()?;
        self.frames.jump(here)?;
        let Some((Index { steps, .. }, at)) = index else { return Ok(Vec::new()) };
        let ends = steps.iter().skip(1).map(|step| step.offset).chain([at]);
        let stretch = |(step, end): (&Step, u64)| Stretch {
            bytes: end.saturating_sub(step.offset),
            oldest_ns: step.oldest_ns,
            newest_ns: step.newest_ns,
        };
        Ok(steps.iter().zip(ends).map(stretch).collect())
    }

    /// Goes to where the range of time begins, if there is an index that tells.
    pub(super) fn seek(&mut self) -> Result<(), Error> {
        if !self.frames.can_jump() {
            return Ok(());
        }
        if let Some((index, at)) = self.find_index()?
            && self.begin_by(&index, at)?
        {
            return Ok(());
        }
        self.frames.jump(HEADER_BYTES as u64)
    }

    /// The index, and where its frame begins.
    fn find_index(&mut self) -> Result<Option<(Index, u64)>, Error> {
        let end = self.frames.committed();
        let tail = end.saturating_sub(TAIL_BYTES).max(HEADER_BYTES as u64);
        if tail >= end {
            return Ok(None);
        }
        self.frames.jump(tail)?;
        let bytes = self.frames.peek((end - tail) as usize)?;
        // The end frame, whose length varies, stands behind it.
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
    fn begin_by(&mut self, index: &Index, at: u64) -> Result<bool, Error> {
        let steps = &index.steps;
        let begin = steps.iter().position(|step| step.newest_ns >= self.window.first_ns);
        let begin = begin.unwrap_or(steps.len());
        let end = steps.iter().rposition(|step| step.oldest_ns <= self.window.last_ns);
        let end = end.map_or(0, |last| last + 1);
        let offset_of = |step: usize| steps.get(step).map_or(at, |step| step.offset);
        // Where nothing is in the range, nothing is read.
        let from = if begin < end { offset_of(begin) } else { at };
        let rest_from = offset_of(end).max(from);
        let (before, others) =
            index.frames.split_at(index.frames.partition_point(|&frame| frame < from));
        let mut known = Vec::new();
        for (n, &frame) in before.iter().enumerate() {
            let next = before.get(n + 1).copied().unwrap_or(from);
            let Some(kind) = self.frames.frame_at(frame, next)? else { return Ok(false) };
            known.push((kind, frame, self.frames.payload().to_vec()));
        }
        let mut clocks = Vec::new();
        let mut next = at;
        for &frame in others.iter().rev().take_while(|&&frame| frame >= rest_from) {
            if clocks.len() == timeline::KEPT {
                break;
            }
            let Some(kind) = self.frames.frame_at(frame, next)? else { return Ok(false) };
            if kind == Kind::Clock as u8 {
                clocks.extend(Clock::from_payload(self.frames.payload()));
            }
            next = frame;
        }
        self.frames.jump(from)?;
        for (kind, offset, payload) in known {
            self.remember(kind, offset, &payload);
        }
        if from > HEADER_BYTES as u64 {
            self.dictionary.forget_counts();
            self.watermark = steps.get(begin).map_or(0, |step| step.watermark);
        }
        self.report.skipped_bytes = from - HEADER_BYTES as u64;
        self.skip = Some(Skip { from: rest_from, to: at, clocks });
        Ok(true)
    }

    /// Skips what stands between the range of time and the index, if this is where it begins.
    pub(super) fn skip_rest(&mut self) -> Result<(), Error> {
        let at = self.frames.offset();
        let Some(skip) = self.skip.take_if(|skip| at >= skip.from) else { return Ok(()) };
        if at < skip.to {
            self.frames.jump(skip.to)?;
            self.report.skipped_bytes += skip.to - at;
            skip.clocks.into_iter().rev().for_each(|clock| self.timeline.push(clock));
        }
        Ok(())
    }
}
