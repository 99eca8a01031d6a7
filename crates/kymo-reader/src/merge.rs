//! Puts the records of a segment's threads into one order by time, holding back as few of them as
//! it can.
//!
//! Every thread has a queue of what was read of it, in its order, and the queue whose first entry
//! is oldest goes next. A watermark says how far this may go: nothing older is still to come,
//! except for late records, which are then the oldest there is and go at once. Where no watermark
//! comes, the limit on memory decides, and the oldest goes without one.
//!
//! Ticks order the records, not time: within a segment they are the finer measure, and unlike time
//! they do not run back when somebody sets the clock.
//!
//! INV-1: within a thread the order is that of the file. A record may have smaller ticks than its
//! predecessor, if it was logged while its predecessor's arguments were evaluated. It is ordered by
//! the ticks of its predecessor.
//!
//! The records of a dump are older than the records that precede it. Each part of a dump has a queue of
//! its own, beside that of its thread. It is read ahead if that is possible (`ahead`), and handed out
//! at once otherwise.
//!
//! Damage belongs to no thread. It comes after all that was read before it, but no later than the gap
//! that it left. The gap comes with its thread's next record.
//!
//! INV-2: the heap has an entry for each queue that is not empty, and while a current entry is
//! handed out, that of its queue is on top.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::ahead::{FoundPart, Next, Part};
use super::block::{Block, Raw};
use super::error::Error;
use super::event::{Damage, DamageKind};
use super::mark::Mark;
use super::segment::{Segment, Step};
use super::source::Kept;

/// Roughly the memory of an entry, in bytes, without its heap memory.
const ENTRY_BYTES: usize = 256;

/// How many emptied buffers are kept for the next blocks, and up to how many threads an emptied
/// queue keeps its memory.
const MAX_SPARE: usize = 64;

/// The bit of a queue's number that says that it is that of a part of a dump.
const PART: u32 = 1 << 31;

/// Records on their way from the order of the file to the order of time.
pub(super) struct Merger<'a> {
    /// The first is for events of no thread, the others for threads by index.
    queues: Vec<Queue<'a>>,
    /// The queues of parts of dumps.
    part_queues: Vec<Queue<'a>>,
    /// The queue of each part, by the offset of its mark.
    by_part: HashMap<u64, u32>,
    /// The parts that are to be read ahead, those with the oldest records last; `None` before they
    /// were looked for.
    found: Option<Vec<FoundPart>>,
    /// The parts that are to be read ahead, by their offsets.
    places: HashMap<u64, FoundPart>,
    /// The parts that are or were read ahead, by their queues.
    ahead: HashMap<u32, Part>,
    /// Queues of parts that must be filled before anything is handed out.
    empty_parts: Vec<u32>,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// The entries held back take this many bytes of memory.
    held_bytes: usize,
    limit_bytes: usize,
    /// Goes on to the end of the file before anything is handed out.
    exact: bool,
    /// Entries older than this may go.
    horizon: u64,
    /// Nothing more is to come.
    drained: bool,
    /// The queue of the entry that is handed out.
    current: Option<u32>,
    /// The damages that are held back, in the order of the file, with the ticks that order them.
    damages: VecDeque<(u64, Mark)>,
    /// The damage that is handed out.
    damage: Option<Mark>,
    /// The greatest ticks that were met.
    newest: u64,
    /// The key of the youngest entry that was handed out.
    youngest: u64,
    spare: Vec<(Vec<u8>, Vec<Raw>)>,
}

#[derive(Default)]
struct Queue<'a> {
    entries: VecDeque<Queued<'a>>,
    /// The key of what was last at the head.
    key: u64,
}

enum Queued<'a> {
    Records(BlockRecords<'a>),
    /// With the ticks that order it.
    Mark(u64, Mark),
}

/// The records of a block.
pub(super) struct BlockRecords<'a> {
    pub(super) block: Block,
    payload: Kept<'a>,
    records: Vec<Raw>,
    /// The record that is next or being handed out.
    next: usize,
}

/// The event that is handed out.
pub(super) enum Current<'m> {
    Record(&'m Block, &'m Raw, &'m [u8]),
    Mark(&'m Mark),
}

impl<'a> Merger<'a> {
    pub(super) fn new(limit_bytes: usize, exact: bool) -> Self {
        Self {
            queues: vec![Queue::default()],
            part_queues: Vec::new(),
            by_part: HashMap::new(),
            found: None,
            places: HashMap::new(),
            ahead: HashMap::new(),
            empty_parts: Vec::new(),
            heap: BinaryHeap::new(),
            held_bytes: 0,
            limit_bytes,
            exact,
            horizon: 0,
            drained: false,
            current: None,
            damages: VecDeque::new(),
            damage: None,
            newest: 0,
            youngest: 0,
            spare: Vec::new(),
        }
    }

    /// Goes on to the next entry; `false` where there is none, or none yet.
    pub(super) fn advance(&mut self, segment: &mut Segment<'a>) -> Result<bool, Error> {
        self.leave_current();
        if self.found.is_none() {
            // Where everything is read first, there is no need.
            let found = if self.exact { Vec::new() } else { segment.find_parts()? };
            self.places = found.iter().map(|found| (found.offset, *found)).collect();
            self.found = Some(found);
        }
        loop {
            if let Some(queue) = self.empty_parts.pop() {
                self.read_ahead(queue, segment)?;
                continue;
            }
            let top = self.heap.peek().map(|&Reverse(top)| top);
            if !self.damages.is_empty() && self.is_damage_next(top) {
                self.damage = self.damages.pop_front().map(|(_, damage)| damage);
                self.held_bytes -= ENTRY_BYTES;
                return Ok(true);
            }
            if let Some((key, queue)) = top
                && self.may_go(key)
            {
                if self.begin_part(key) {
                    continue;
                }
                self.current = Some(queue);
                if key < self.youngest {
                    let record = matches!(self.current(), Some(Current::Record(..)));
                    segment.report.disordered += u64::from(record);
                }
                self.youngest = self.youngest.max(key);
                return Ok(true);
            }
            if self.drained {
                return Ok(false);
            }
            let step = segment.next()?;
            match step {
                Step::Pending => return Ok(false),
                // What is held back may come after records of the next segment.
                Step::End if segment.goes_on => {
                    if self.read_parts(segment)? {
                        return Ok(false);
                    }
                    segment.goes_on = false;
                }
                step => self.take(step, segment),
            }
        }
    }

    /// Reads all parts of dumps to their ends. `false` if they do not fit into the memory.
    fn read_parts(&mut self, segment: &mut Segment<'a>) -> Result<bool, Error> {
        while self.held_bytes <= self.limit_bytes {
            if let Some(queue) = self.empty_parts.pop() {
                self.read_ahead(queue, segment)?;
            } else if let Some((&queue, _)) = self.ahead.iter().find(|(_, part)| !part.ended) {
                self.empty_parts.push(queue);
            } else if !self.begin_part(u64::MAX) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Another segment of the log follows. If it `goes_on` from this one, what is held back waits for
    /// it. Otherwise all that was held back was handed out.
    pub(super) fn begin_segment(&mut self, goes_on: bool) {
        if goes_on {
            // Their offsets are those of another file. Their queues are known by number.
            self.by_part.clear();
            self.places.clear();
            self.ahead.clear();
            self.found = None;
            return;
        }
        let spare = std::mem::take(&mut self.spare);
        *self = Self { spare, ..Self::new(self.limit_bytes, self.exact) };
    }

    /// Hands out a mark that is in no file, before anything else.
    pub(super) fn hand_out(&mut self, mark: Mark) {
        self.leave_current();
        self.damage = Some(mark);
    }

    fn take(&mut self, step: Step, segment: &mut Segment<'a>) {
        match step {
            Step::Block(block) => self.hold(block, segment),
            // It would come after all of the next segment.
            Step::Mark(Mark::End(_)) if segment.goes_on => {}
            Step::Mark(mark) => self.push_mark(mark, segment.goes_on),
            Step::Watermark if !self.exact => self.horizon = self.horizon.max(segment.watermark),
            Step::Watermark | Step::Pending => {}
            Step::End => self.drained = true,
        }
    }

    /// Begins to read a part of a dump ahead, if one has records as old as this; says whether.
    fn begin_part(&mut self, key: u64) -> bool {
        let Some(parts) = &mut self.found else { return false };
        while let Some(found) = parts.pop_if(|part| part.oldest <= key) {
            // Unless it was met in its place by now.
            if !self.by_part.contains_key(&found.offset) {
                self.read_part(found);
                return true;
            }
        }
        false
    }

    fn read_part(&mut self, found: FoundPart) {
        let queue = self.queue_of_part(found.offset);
        self.ahead.insert(queue, Part::new(found));
        self.empty_parts.push(queue);
    }

    /// Whether the part whose mark is at `offset`, and was just met there, is read ahead like the parts
    /// that were found before. (Its records may be older than what else may go.)
    fn is_found(&mut self, offset: u64) -> bool {
        match self.places.remove(&offset) {
            Some(found) if !self.by_part.contains_key(&offset) => {
                self.read_part(found);
                true
            }
            _ => false,
        }
    }

    /// Reads on in a part of a dump.
    fn read_ahead(&mut self, queue: u32, segment: &mut Segment<'a>) -> Result<(), Error> {
        while !segment.is_between() {
            let step = segment.next()?;
            self.take(step, segment);
        }
        let Some(part) = self.ahead.get_mut(&queue) else { return Ok(()) };
        match segment.read_part(part) {
            Ok(Next::Mark(mark)) => {
                // The thread's name follows the mark that begins the part.
                if matches!(mark, Mark::Dump { .. }) {
                    self.empty_parts.push(queue);
                }
                self.push(queue, Queued::Mark(mark.ticks().unwrap_or(0), mark));
            }
            Ok(Next::Block(block, payload, records)) => {
                self.push(
                    queue,
                    Queued::Records(BlockRecords { block, payload, records, next: 0 }),
                );
            }
            Ok(Next::Nothing) => {}
            Err(error) => {
                self.empty_parts.push(queue);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The queue of the part whose mark is at this offset.
    fn queue_of_part(&mut self, offset: u64) -> u32 {
        let next = PART | self.part_queues.len() as u32;
        let queue = *self.by_part.entry(offset).or_insert(next);
        if queue == next {
            self.part_queues.push(Queue::default());
        }
        queue
    }

    /// The queue of the part that begins at `part`, for a frame at `offset` in it that the main reading
    /// met. `None` if it was read ahead, or will be.
    fn queue_in_place(&mut self, part: u64, offset: u64) -> Option<u32> {
        let queue = self.queue_of_part(part);
        match self.ahead.get(&queue) {
            Some(ahead) if ahead.covers(offset) => None,
            _ => Some(queue),
        }
    }

    fn queue_mut(&mut self, queue: u32) -> &mut Queue<'a> {
        match queue & PART {
            0 => &mut self.queues[queue as usize],
            _ => &mut self.part_queues[(queue & !PART) as usize],
        }
    }

    fn queue(&self, queue: u32) -> Option<&Queue<'a>> {
        match queue & PART {
            0 => self.queues.get(queue as usize),
            _ => self.part_queues.get((queue & !PART) as usize),
        }
    }

    fn may_go(&self, key: u64) -> bool {
        self.drained || key < self.horizon || self.held_bytes > self.limit_bytes
    }

    /// Whether a damage goes before `top`, the key and the queue of what else is next.
    fn is_damage_next(&self, top: Option<(u64, u32)>) -> bool {
        let Some((at, Mark::Damage(damage))) = self.damages.front() else { return false };
        let Some((key, queue)) = top else { return self.may_go(*at) };
        let next = self.queue(queue).and_then(|queue| queue.entries.front());
        match next {
            Some(Queued::Mark(_, Mark::Gap { offset, .. })) if *offset > damage.offset => {
                self.may_go(key)
            }
            _ => *at < key && self.may_go(*at),
        }
    }

    /// What is handed out.
    #[inline]
    pub(super) fn current(&self) -> Option<Current<'_>> {
        if let Some(mark) = &self.damage {
            return Some(Current::Mark(mark));
        }
        let queue = self.queue(self.current?)?;
        Some(match queue.entries.front()? {
            Queued::Records(held) => {
                Current::Record(&held.block, held.records.get(held.next)?, held.payload.bytes())
            }
            Queued::Mark(_, mark) => Current::Mark(mark),
        })
    }

    /// Reads a block to its end and holds its records back.
    fn hold(&mut self, mut block: Block, segment: &mut Segment<'a>) {
        let (bytes, mut records) = self.spare.pop().unwrap_or_default();
        let payload = segment.frames.payload();
        let (dictionary, report) = (&segment.dictionary, &mut segment.report);
        let read = block.read(payload, dictionary, report, &mut records, usize::MAX);
        self.newest = records.iter().fold(self.newest, |newest, raw| newest.max(raw.ticks));
        segment.finish(&block);
        let mark = read.err().map(|kind| segment.lose_rest(&block, kind));
        let thread = block.thread;
        let queue = match block.part {
            Some(part) => self.queue_in_place(part, block.offset),
            None => Some(thread + 1),
        };
        if let Some(queue) = queue.filter(|_| !records.is_empty()) {
            let payload = segment.frames.keep_payload(bytes);
            let held = BlockRecords { block, payload, records, next: 0 };
            self.push(queue, Queued::Records(held));
        }
        if let Some(mark) = mark {
            self.push(thread + 1, Queued::Mark(0, mark));
        }
    }

    fn push_mark(&mut self, mark: Mark, goes_on: bool) {
        if let Mark::Dump { offset, .. } = mark
            && self.is_found(offset)
        {
            return;
        }
        let queue = match (mark.part(), &mark) {
            (Some(part), Mark::Dump { offset, .. } | Mark::DumpEnd { offset, .. }) => {
                match self.queue_in_place(part, *offset) {
                    Some(queue) => queue,
                    None => return,
                }
            }
            _ => mark.thread().map_or(0, |thread| thread + 1),
        };
        let ticks = match mark {
            Mark::Damage(Damage { kind, .. }) => {
                let past_all = kind == DamageKind::PastEnd;
                self.damages.push_back((if past_all { u64::MAX } else { self.newest }, mark));
                self.held_bytes += ENTRY_BYTES;
                return;
            }
            Mark::Gap { thread: None, .. } if goes_on => self.newest,
            Mark::End(_) | Mark::Gap { thread: None, .. } => u64::MAX,
            _ => mark.ticks().unwrap_or(0),
        };
        if ticks != u64::MAX {
            self.newest = self.newest.max(ticks);
        }
        self.push(queue, Queued::Mark(ticks, mark));
    }

    fn push(&mut self, index: u32, entry: Queued<'a>) {
        if index & PART == 0 && self.queues.len() <= index as usize {
            self.queues.resize_with(index as usize + 1, Queue::default);
        }
        self.held_bytes += entry.memory_bytes();
        let queue = self.queue_mut(index);
        let first = queue.entries.is_empty();
        if first {
            queue.key = queue.key.max(entry.ticks());
        }
        let key = queue.key;
        queue.entries.push_back(entry);
        if first {
            self.heap.push(Reverse((key, index)));
        }
    }

    fn leave_current(&mut self) {
        self.damage = None;
        let Some(index) = self.current.take() else { return };
        let entries = &mut self.queue_mut(index).entries;
        if let Some(Queued::Records(held)) = entries.front_mut()
            && held.next + 1 < held.records.len()
        {
            held.next += 1;
        } else if let Some(entry) = entries.pop_front() {
            self.held_bytes -= entry.memory_bytes();
            if let (Queued::Records(held), true) = (entry, self.spare.len() < MAX_SPARE) {
                self.spare.push(held.into_buffers());
            }
        }
        let many = self.queues.len() > MAX_SPARE || index & PART != 0;
        let queue = self.queue_mut(index);
        let key = queue.entries.front().map(|entry| queue.key.max(entry.ticks()));
        match key {
            Some(key) => queue.key = key,
            None if many => queue.entries = VecDeque::new(),
            None => {}
        }
        if key.is_none() && self.ahead.get(&index).is_some_and(|part| !part.ended) {
            self.empty_parts.push(index);
        }
        let Some(mut top) = self.heap.peek_mut() else { return };
        debug_assert_eq!(top.0.1, index);
        match key {
            Some(key) => top.0.0 = key,
            None => drop(PeekMut::pop(top)),
        }
    }
}

impl Queued<'_> {
    /// The ticks that order what is next in it.
    fn ticks(&self) -> u64 {
        match self {
            Self::Records(held) => held.records.get(held.next).map_or(0, |raw| raw.ticks),
            Self::Mark(ticks, _) => *ticks,
        }
    }

    fn memory_bytes(&self) -> usize {
        let bytes = match self {
            Self::Records(held) => {
                let copied = match &held.payload {
                    Kept::Slice(_) => 0,
                    Kept::Copy(bytes) => bytes.capacity(),
                };
                copied + held.records.capacity() * size_of::<Raw>()
            }
            Self::Mark(_, mark) => mark.memory_bytes(),
        };
        bytes + ENTRY_BYTES
    }
}

impl BlockRecords<'_> {
    fn into_buffers(self) -> (Vec<u8>, Vec<Raw>) {
        let bytes = match self.payload {
            Kept::Slice(_) => Vec::new(),
            Kept::Copy(bytes) => bytes,
        };
        let mut records = self.records;
        records.clear();
        (bytes, records)
    }
}
