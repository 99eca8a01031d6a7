//! Puts the records of side files where they belong among those of their logs.
//!
//! Most records of a side file are also in the log, and then the log's record is shown in its place.
//! The others belong between records of their thread in another file. Time cannot decide that: a record
//! that is logged while the arguments of another are evaluated is committed before that one, and has the
//! greater time. And the program's own clock may not advance.
//!
//! The basic idea: a *survey* reads the log once, around the times of the side file, before anything
//! is handed out. It finds
//!
//! 1. what the log has, so that the side file's record is left out;
//! 2. for each of the others, after which record of its thread in the log it comes, and before which
//!    (its *anchors*): where the log has a mark of drops with the record's ticks, there; else before
//!    the thread's first record that is younger than the moment at which the thread had it written.
//!    For that moment the thread waited: its record was published before, and its next one after.
//!
//! A record of a side file is handed out when its time has come and all that it comes after has been
//! handed out; or, whatever its time, before a record that it comes before.
//!
//! INV-1: the records of a thread wait in one queue, in the order in which it had them written.
//! INV-2: a record waits for a record of a log only while that log has something at hand. (The
//! survey may have seen more than there is now.)

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use super::Reader;
use super::dictionary::Thread;
use super::error::Error;
use super::event::DropCount;
use super::mark::Mark;
use super::side::Copies;

/// A place in the order of a thread: which segment of the log, the number of the thread in it, and which
/// of its records.
pub(super) type Position = (u32, u64, u64);

/// The records of side files that wait to be handed out.
#[derive(Default)]
pub(super) struct Rescued {
    threads: Vec<ThreadQueue>,
    by_thread: HashMap<LogThread, usize>,
    /// The times of those that wait for nothing else, and their threads.
    ready: BinaryHeap<Reverse<(i64, usize)>>,
    /// For each reader, by the index of its thread: the thread here, if it is one; looked for once.
    known: HashMap<usize, Vec<Option<Option<usize>>>>,
}

/// The log, which of its processes, and the thread: its id in the operating system, or its name if that is
/// unknown.
type LogThread = (usize, u32, Option<u64>, String);

/// The records of a thread that wait to be handed out.
#[derive(Default)]
struct ThreadQueue {
    items: VecDeque<RescuedEvent>,
    /// The last position of the thread that was handed out, by reader.
    passed: HashMap<usize, Position>,
    /// The first is among those that are ready.
    is_ready: bool,
}

/// An event of a side file.
struct RescuedEvent {
    reader: usize,
    /// Which of the reader's.
    index: usize,
    time_ns: i64,
    ticks: u64,
    /// When it had been written, in ticks.
    until: u64,
    anchors: Vec<Anchor>,
}

/// Where an event belongs among what a reader has of its thread.
struct Anchor {
    reader: usize,
    after: Option<Position>,
    before: Option<Position>,
}

/// The event at hand in a reader.
pub(super) struct AtHand {
    pub(super) time_ns: i64,
    pub(super) reader: usize,
}

impl Rescued {
    /// Takes over what a side file of `log` has; `reader` holds it. Returns the times between which
    /// that was logged.
    pub(super) fn add(
        &mut self,
        log: usize,
        index: usize,
        reader: &mut Reader<'_>,
    ) -> Option<(i64, i64)> {
        let mut span: Option<(i64, i64)> = None;
        // An event of no thread comes after the event before it.
        let mut time_ns = i64::MIN;
        for item in 0..reader.held_items() {
            let until = reader.hold_item(item);
            let (key, ticks) = match reader.record() {
                Some(record) => {
                    time_ns = record.time_ns();
                    let (first, last) = span.unwrap_or((time_ns, time_ns));
                    span = Some((first.min(time_ns), last.max(time_ns)));
                    (key(log, reader.process(), record.thread()), record.ticks())
                }
                None => {
                    time_ns = reader.mark().and_then(Mark::time_ns).unwrap_or(time_ns);
                    ((log, reader.process(), Some(u64::MAX), String::new()), until)
                }
            };
            let next = self.threads.len();
            let thread = *self.by_thread.entry(key).or_insert(next);
            if thread == next {
                self.threads.push(ThreadQueue::default());
            }
            let anchors = Vec::new();
            let item = RescuedEvent { reader: index, index: item, time_ns, ticks, until, anchors };
            self.threads[thread].items.push_back(item);
        }
        // Another side file of the log may have been written earlier.
        for thread in &mut self.threads {
            thread.items.make_contiguous().sort_by_key(|item| item.until);
        }
        span
    }

    /// Ends the survey: from now on records are handed out, except those that are also in another file.
    /// Returns the number of those. `copies` has the records of each log's side files.
    pub(super) fn begin(
        &mut self,
        readers: &mut [Reader<'_>],
        copies: &mut [Option<Copies>],
    ) -> u64 {
        let mut left_out = 0;
        for (&(log, ..), &thread) in &self.by_thread {
            let Some(copies) = &mut copies[log] else { continue };
            self.threads[thread].items.retain(|item| {
                let reader = &mut readers[item.reader];
                reader.hold_item(item.index);
                let is_left = reader.record().is_some_and(|record| copies.is_elsewhere(&record));
                left_out += u64::from(is_left);
                !is_left
            });
        }
        (0..self.threads.len()).for_each(|thread| self.look_at(thread));
        left_out
    }

    /// Finds out where everything belongs among the records of `reader`, which is a second one for
    /// the file that `index` reads: it is read to its end. `segment` says which one of the log that is,
    /// and by which of its processes.
    pub(super) fn anchor(
        &mut self,
        log: usize,
        index: usize,
        (segment, process): (u32, u32),
        reader: &mut Reader<'_>,
        copies: &mut Copies,
    ) -> Result<(), Error> {
        reader.segment.number = segment;
        let mut surveys: HashMap<usize, Survey> = HashMap::new();
        let mut known: Vec<Option<Option<usize>>> = Vec::new();
        while reader.advance()? {
            let thread = match reader.mark() {
                Some(Mark::Drops { thread, .. }) => *thread as usize,
                Some(_) => continue,
                None => match reader.record() {
                    Some(record) => record.thread().index(),
                    None => continue,
                },
            };
            let look = || self.find(log, process, &reader.threads()[thread]);
            let Some(thread) = *remembered(&mut known, thread).get_or_insert_with(look) else {
                continue;
            };
            let items = &mut self.threads[thread].items;
            let survey = surveys.entry(thread).or_insert_with(|| Survey::new(items));
            if let Some(Mark::Drops { ticks, last_ticks, counts, .. }) = reader.mark() {
                let sum = |sum: u64, count: &DropCount| sum.saturating_add(count.count);
                survey.drops(index, (*ticks, *last_ticks), counts.iter().fold(0, sum), items);
            } else if let Some(record) = reader.record() {
                if copies.note_elsewhere(&record) {
                    survey.copy(record.ticks());
                }
                if let Some((_, place)) = reader.place() {
                    survey.record(index, place, record.ticks(), items);
                }
            }
        }
        for (thread, survey) in surveys {
            survey.end(index, &mut self.threads[thread].items);
        }
        Ok(())
    }

    fn find(&self, log: usize, process: u32, thread: &Thread) -> Option<usize> {
        self.by_thread.get(&key(log, process, thread)).copied()
    }

    /// What is to be handed out before `top`, which is what else is next: the reader and which of
    /// its events.
    pub(super) fn next(
        &mut self,
        log: usize,
        top: Option<&AtHand>,
        readers: &[Reader<'_>],
    ) -> Option<(usize, usize)> {
        while let Some(&Reverse((time_ns, thread))) = self.ready.peek() {
            let waiting = &self.threads[thread];
            let first = waiting.items.front().filter(|_| waiting.is_ready);
            if first.is_none_or(|first| first.time_ns != time_ns) {
                // It was handed out.
                self.ready.pop();
            } else if top.is_some_and(|top| top.time_ns <= time_ns) {
                break;
            } else {
                return self.take(thread);
            }
        }
        let &AtHand { reader, .. } = top?;
        let (thread, place) = self.place_in(log, reader, &readers[reader])?;
        let first = self.threads[thread].items.front()?;
        let is_due = first.anchors.iter().any(|it| it.reader == reader && it.comes_before(place));
        is_due.then(|| self.take(thread)).flatten()
    }

    fn take(&mut self, thread: usize) -> Option<(usize, usize)> {
        let waiting = &mut self.threads[thread];
        waiting.is_ready = false;
        let item = waiting.items.pop_front()?;
        self.look_at(thread);
        Some((item.reader, item.index))
    }

    /// Notes that the event at hand in a reader is handed out.
    pub(super) fn hand_out(&mut self, log: usize, reader: usize, from: &Reader<'_>) {
        if let Some((thread, place)) = self.place_in(log, reader, from) {
            let passed = self.threads[thread].passed.entry(reader).or_insert(place);
            *passed = place.max(*passed);
            self.look_at(thread);
        }
    }

    /// The reader of a log has handed out all of a segment, and goes on in another one: what waited for the
    /// one before waits no more.
    pub(super) fn begin_segment(&mut self, reader: usize, segment: u32) {
        for thread in 0..self.threads.len() {
            self.threads[thread].passed.insert(reader, (segment, 0, 0));
            self.look_at(thread);
        }
    }

    /// Whether a side file has events that were not handed out.
    pub(super) fn has_items_of(&self, reader: usize) -> bool {
        let mut items = self.threads.iter().flat_map(|thread| &thread.items);
        items.any(|item| item.reader == reader)
    }

    /// A reader has nothing at hand: nothing waits for it.
    pub(super) fn release(&mut self, reader: usize) {
        for thread in 0..self.threads.len() {
            self.threads[thread].passed.insert(reader, (u32::MAX, u64::MAX, u64::MAX));
            self.look_at(thread);
        }
    }

    /// The thread here and the place in it of the record that is at hand in a reader, if it is of one
    /// of these threads.
    fn place_in(
        &mut self,
        log: usize,
        index: usize,
        reader: &Reader<'_>,
    ) -> Option<(usize, Position)> {
        let (thread, place) = reader.place()?;
        let known = self.known.entry(index).or_default();
        let found = match remembered(known, thread) {
            Some(found) => *found,
            None => {
                let key = key(log, reader.process(), &reader.threads()[thread]);
                let found = self.by_thread.get(&key).copied();
                *remembered(known, thread) = Some(found);
                found
            }
        };
        found.map(|thread| (thread, place))
    }

    /// Looks whether the first of a thread waits for nothing but its time.
    fn look_at(&mut self, thread: usize) {
        let waiting = &mut self.threads[thread];
        let Some(first) = waiting.items.front() else { return };
        let waits = |anchor: &Anchor| anchor.after > waiting.passed.get(&anchor.reader).copied();
        if !waiting.is_ready && !first.anchors.iter().any(waits) {
            waiting.is_ready = true;
            self.ready.push(Reverse((first.time_ns, thread)));
        }
    }
}

impl Anchor {
    fn comes_before(&self, place: Position) -> bool {
        self.before.is_some_and(|before| place >= before)
    }
}

/// The anchors of a thread's events in one file, as they are found.
struct Survey {
    /// How many of them belong before the records met so far.
    closed: usize,
    /// Those that no mark of drops was met for, by their ticks.
    unmarked: BTreeMap<u64, VecDeque<usize>>,
    /// Those of the last mark: they belong before the thread's next record.
    marked: Vec<usize>,
    /// The last position that was met.
    last: Option<Position>,
}

impl Survey {
    fn new(items: &VecDeque<RescuedEvent>) -> Self {
        let mut unmarked = BTreeMap::<u64, VecDeque<usize>>::new();
        for (index, item) in items.iter().enumerate() {
            unmarked.entry(item.ticks).or_default().push_back(index);
        }
        Self { closed: 0, unmarked, marked: Vec::new(), last: None }
    }

    /// A record of the thread.
    fn record(
        &mut self,
        reader: usize,
        place: Position,
        ticks: u64,
        items: &mut VecDeque<RescuedEvent>,
    ) {
        for item in self.marked.drain(..) {
            if let Some(anchor) = items[item].anchor(reader) {
                anchor.before = Some(place);
            }
        }
        while let Some(item) = items.get_mut(self.closed).filter(|item| ticks > item.until) {
            if item.anchor(reader).is_none() {
                item.anchors.push(Anchor { reader, after: self.last, before: Some(place) });
            }
            self.closed += 1;
        }
        self.last = Some(place);
    }

    /// The record at hand is a copy: no mark is about it.
    fn copy(&mut self, ticks: u64) {
        if let Some(items) = self.unmarked.get_mut(&ticks) {
            items.pop_front();
        }
    }

    /// The log says that it lacks so many records of the thread here, logged between these ticks.
    fn drops(
        &mut self,
        reader: usize,
        ticks: (u64, u64),
        count: u64,
        items: &mut VecDeque<RescuedEvent>,
    ) {
        if ticks.0 > ticks.1 {
            return;
        }
        let mut left = count;
        let mut emptied = Vec::new();
        for (ticks, met) in self.unmarked.range_mut(ticks.0..=ticks.1) {
            while left > 0
                && let Some(item) = met.pop_front()
            {
                left -= 1;
                let anchors = &mut items[item].anchors;
                anchors.retain(|anchor| anchor.reader != reader);
                anchors.push(Anchor { reader, after: self.last, before: None });
                self.marked.push(item);
            }
            if !met.is_empty() {
                break;
            }
            emptied.push(*ticks);
        }
        for ticks in emptied {
            self.unmarked.remove(&ticks);
        }
    }

    /// Ends the survey: the remaining events belong after all that was met.
    fn end(self, reader: usize, items: &mut VecDeque<RescuedEvent>) {
        for item in items.iter_mut().skip(self.closed) {
            if item.anchor(reader).is_none() {
                item.anchors.push(Anchor { reader, after: self.last, before: None });
            }
        }
    }
}

impl RescuedEvent {
    fn anchor(&mut self, reader: usize) -> Option<&mut Anchor> {
        self.anchors.iter_mut().find(|anchor| anchor.reader == reader)
    }
}

fn key(log: usize, process: u32, thread: &Thread) -> LogThread {
    let name = if thread.os_id().is_none() { thread.name() } else { "" };
    (log, process, thread.os_id(), name.to_owned())
}

fn remembered<T: Default + Clone>(known: &mut Vec<T>, index: usize) -> &mut T {
    if known.len() <= index {
        known.resize(index + 1, T::default());
    }
    &mut known[index]
}
