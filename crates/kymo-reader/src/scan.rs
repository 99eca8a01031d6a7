//! Finds out where a reader can begin in a file that was not closed and has no parts of an index: for
//! those who want only its end. It may be short, or an earlier version has written it.
//!
//! The headers of all frames are looked at, and payloads passed over. So the call sites, threads and
//! clock frames are found, and, at 256 KiB, 512 KiB, 1 MiB and so on before the end, a frame to begin
//! at. Nothing before such a place is newer than the last record there of any thread, because a
//! thread's records are in the order of its time; those records are looked at.
//!
//! The alternative, to look for frames backwards from the end, would take less time. It was rejected:
//! bytes that a program logs can be made to look like frames, and the call sites that the last records
//! need may have their entries anywhere.
//!
//! INV-1: it is a hint. If anything is not as it should be, nothing is known, and everything is read.

use std::collections::{HashMap, VecDeque};
use std::mem;

use super::block::{Block, BlockHead};
use super::dictionary::Dictionary;
use super::error::Error;
use super::fields::Fields;
use super::report::Report;
use super::seek::Places;
use super::segment::Segment;
use super::timeline::{self, Timeline};
use kymo_format::dump::Dump;
use kymo_format::frame::{Clock, FrameHeader, Kind};
use kymo_format::header::ClockSource;
use kymo_format::index::{Index, Step};
use kymo_format::{FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// How many bytes before the end the last place is, at least. It is further for each one before it,
/// by this factor.
const LAST_BYTES: u64 = 256 << 10;
const FACTOR: u64 = 2;

/// How many threads and call sites are kept in mind. Of a file with more, nothing is known.
const MAX_FRAMES: usize = 65_536;

/// How much is read with a header after a frame that is longer than the second of these, and after one
/// that is shorter.
const PROBE_BYTES: u64 = 64;
const LONG_FRAME_BYTES: usize = 8 << 10;
const CHUNK_BYTES: u64 = 64 << 10;

/// What the headers of the frames tell.
#[derive(Default)]
struct Scan {
    places: Vec<Place>,
    /// Where call sites and threads have their entries, and the clock frames that hold at a place.
    frames: Vec<u64>,
    /// Where the last clock frames begin.
    clocks: VecDeque<u64>,
    /// Where the last frame begins that has a watermark.
    watermark: Option<u64>,
    /// Where the last block of each thread is, since the last place.
    blocks: HashMap<u64, u64>,
    /// The thread whose flight recorder the frames are from.
    dump: Option<u64>,
}

/// Where a reader can begin.
struct Place {
    offset: u64,
    clocks: VecDeque<u64>,
    watermark: Option<u64>,
    /// Where the last block of each thread is, between the place before and this one.
    blocks: HashMap<u64, u64>,
}

impl Segment<'_> {
    /// The places at which a reader can begin; `None` if they are not known. [`Frames::jump`] must
    /// follow.
    ///
    /// [`Frames::jump`]: super::frames::Frames::jump
    pub(super) fn scan(&mut self) -> Result<Option<Places>, Error> {
        let end = self.frames.committed();
        // A clock of the program's own may run back.
        if self.header.clock == ClockSource::Custom || end < HEADER_BYTES as u64 + LAST_BYTES {
            return Ok(None);
        }
        let Some(scan) = self.scan_headers(end)? else { return Ok(None) };
        let index = self.bound(scan)?;
        let places = |index| Places { index, end, is_made: true, clocks: Vec::new(), tail: None };
        Ok(index.map(places))
    }

    fn scan_headers(&mut self, end: u64) -> Result<Option<Scan>, Error> {
        let mut scan = Scan::default();
        let mut before_end = LAST_BYTES;
        let mut wanted = Vec::new();
        while let Some(at) = end.checked_sub(before_end).filter(|&at| at > HEADER_BYTES as u64) {
            wanted.push(at);
            // A committed length that is damaged may be any number.
            let Some(next) = before_end.checked_mul(FACTOR) else { break };
            before_end = next;
        }
        let (mut at, mut probe) = (HEADER_BYTES as u64, CHUNK_BYTES);
        while at < end {
            let Some((header, payload)) = self.frames.head_at(at, probe)? else { return Ok(None) };
            let bytes = header.frame_bytes();
            if header.kind == 0 || header.payload_bytes > MAX_PAYLOAD_BYTES {
                return Ok(None);
            }
            probe = if bytes > LONG_FRAME_BYTES { PROBE_BYTES } else { CHUNK_BYTES };
            let thread = Fields(payload).varint();
            if scan.dump.is_none() && wanted.pop_if(|wanted| *wanted <= at).is_some() {
                while wanted.pop_if(|wanted| *wanted <= at).is_some() {}
                scan.add_place(at);
            }
            if header.kind == Kind::Dump as u8 {
                let is_dump = self.frames.frame_at(at, end)? == Some(Kind::Dump as u8);
                let dump = is_dump.then(|| Dump::from_payload(self.frames.payload())).flatten();
                let Some(dump) = dump else { return Ok(None) };
                scan.dump = Some(dump.thread);
            } else if scan.note(header, at, thread).is_none() {
                return Ok(None);
            }
            at += bytes as u64;
        }
        Ok((at == end).then_some(scan))
    }

    /// Finds out how new what precedes each place is.
    fn bound(&mut self, scan: Scan) -> Result<Option<Index>, Error> {
        let (places, mut frames) = (scan.places, scan.frames);
        let mut dictionary = Dictionary::default();
        let mut steps = vec![Step {
            offset: HEADER_BYTES as u64,
            oldest_ns: i64::MIN,
            newest_ns: i64::MAX,
            watermark: 0,
        }];
        let (mut newest, mut known) = (HashMap::new(), 0);
        let mut watermark = 0;
        for place in &places {
            while let Some(&frame) = frames.get(known).filter(|&&frame| frame < place.offset) {
                if !self.learn(frame, place.offset, &mut dictionary)? {
                    return Ok(None);
                }
                known += 1;
            }
            for (&thread, &block) in &place.blocks {
                let Some(ticks) = self.newest_in(block, place.offset, &dictionary)? else {
                    return Ok(None);
                };
                newest.insert(thread, ticks);
            }
            let mut timeline = Timeline::default();
            for &clock in &place.clocks {
                let kind = self.frames.frame_at(clock, place.offset)?;
                let clock = Clock::from_payload(self.frames.payload());
                let Some(clock) = clock.filter(|_| kind == Some(Kind::Clock as u8)) else {
                    return Ok(None);
                };
                timeline.push(clock);
            }
            if let Some(frame) = place.watermark {
                let Some(found) = self.watermark_at(frame, place.offset)? else { return Ok(None) };
                watermark = found.max(watermark);
            }
            if timeline.is_empty() {
                continue;
            }
            let times = newest.values().map(|&ticks| timeline.time_of(ticks));
            let newest_ns = times.max().unwrap_or(i64::MIN);
            if let Some(before) = steps.last_mut() {
                before.newest_ns = newest_ns;
            }
            let oldest_ns = newest_ns.saturating_add(1);
            steps.push(Step { offset: place.offset, oldest_ns, newest_ns: i64::MAX, watermark });
        }
        frames.extend(places.iter().flat_map(|place| &place.clocks));
        frames.sort_unstable();
        frames.dedup();
        Ok(Some(Index { steps, frames }))
    }

    /// Takes the entry of a call site or a thread; `false` if there is none.
    fn learn(&mut self, at: u64, end: u64, dictionary: &mut Dictionary) -> Result<bool, Error> {
        let kind = self.frames.frame_at(at, end)?.and_then(Kind::from_code);
        let payload = self.frames.payload();
        Ok(match kind {
            Some(Kind::CallSite) => dictionary.add_site(payload, &mut |_| true).is_some(),
            Some(Kind::Thread) => true,
            _ => false,
        })
    }

    /// The newest ticks in the block at `at`.
    fn newest_in(
        &mut self,
        at: u64,
        end: u64,
        dictionary: &Dictionary,
    ) -> Result<Option<u64>, Error> {
        let kind = self.frames.frame_at(at, end)?.and_then(Kind::from_code);
        let payload = self.frames.payload();
        let head = kind.and_then(|kind| BlockHead::parse(payload, kind));
        let Some(head) = head else { return Ok(None) };
        let mut records = Vec::new();
        let mut block = Block::new(&head, 0, at);
        let mut report = Report::default();
        let read = block.read(payload, dictionary, &mut report, &mut records, usize::MAX);
        Ok(read.ok().map(|()| records.iter().map(|raw| raw.ticks).fold(head.base, u64::max)))
    }

    fn watermark_at(&mut self, at: u64, end: u64) -> Result<Option<u64>, Error> {
        let kind = self.frames.frame_at(at, end)?.and_then(Kind::from_code);
        let payload = self.frames.payload();
        Ok(match kind {
            Some(Kind::Watermark) => Fields(payload).u64(),
            Some(kind @ Kind::LastRecords) => {
                BlockHead::parse(payload, kind).and_then(|head| head.watermark)
            }
            _ => None,
        })
    }
}

impl Scan {
    /// Notes what is at `at`; `None` if that is too much.
    fn note(&mut self, header: FrameHeader, at: u64, thread: Option<u64>) -> Option<()> {
        let kind = Kind::from_code(header.kind);
        let is_of_dump = |thread| self.dump.is_some_and(|dump| Some(dump) == thread);
        match kind {
            Some(Kind::CallSite | Kind::Thread) => self.frames.push(at),
            Some(Kind::Clock) => {
                if self.clocks.len() == timeline::KEPT {
                    self.clocks.pop_front();
                }
                self.clocks.push_back(at);
            }
            Some(Kind::Records | Kind::LastRecords) if !is_of_dump(thread) => {
                self.dump = None;
                self.blocks.insert(thread?, at);
            }
            Some(Kind::Records | Kind::Drops) | None => {}
            _ => self.dump = None,
        }
        if matches!(kind, Some(Kind::LastRecords | Kind::Watermark)) {
            self.watermark = Some(at);
        }
        (self.frames.len().max(self.blocks.len()) <= MAX_FRAMES).then_some(())
    }

    fn add_place(&mut self, offset: u64) {
        self.places.push(Place {
            offset,
            clocks: self.clocks.clone(),
            watermark: self.watermark,
            blocks: mem::take(&mut self.blocks),
        });
    }
}

const _: () = assert!(PROBE_BYTES as usize > 3 * FRAME_HEADER_BYTES);
