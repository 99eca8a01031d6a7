//! Reads the files that kymo writes.
//!
//! A [`Reader`] turns a file into records, and into marks of drops, gaps and damage. The content of
//! a file never makes it fail: damage is skipped, reported in its place as an [`Event`], and counted
//! in a [`Report`]. For any bytes it does not panic and takes time linear in their number. Its memory
//! is bounded by one frame, the dictionary, and the records that the [`Order`] holds back.
//!
//! ```no_run
//! use kymo_reader::Reader;
//!
//! let mut reader = Reader::open("app.kymo")?;
//! let mut message = String::new();
//! while let Some(record) = reader.next_record()? {
//!     message.clear();
//!     record.message(&mut message);
//!     println!("{} {:5} {}: {message}", record.time_ns(), record.level(), record.target());
//!     if record.passed_over().dropped > 0 {
//!         println!("(the program dropped {} before)", record.passed_over().dropped);
//!     }
//! }
//! if !reader.report().is_whole() {
//!     eprintln!("{} records are lost", reader.report().lost());
//! }
//! # Ok::<(), kymo_reader::Error>(())
//! ```
//!
//! # Writing a tool
//!
//! | to | take |
//! | --- | --- |
//! | read one file, bytes in memory, an open file, a stream | [`Reader`], [`Options`] |
//! | read some call sites only; records of others are skipped without being decoded | [`Options::filter`] |
//! | read a range of time, by the index of the file if it has one | [`Options::since`], [`Options::until`] |
//! | read the records of all threads in the order of time | [`Options::order`] |
//! | read several files, or all in a directory, by time, with their side files | [`Files`], [`Directory`] |
//! | read a rotated log, whose segments are many files, as one | [`Log`], [`Files::open`] |
//! | see what the program dropped, what is damaged or missing, which signal ended it | [`Event`] |
//! | follow a file while it grows; or read it as it is now | [`Options::follow`], [`Options::snapshot`] |
//! | get the value of an argument | [`Record::get`], [`Record::argument`], [`Value`] |
//! | get an argument of many records, looked up once for each call site | [`Column`] |
//! | write text, or JSON, that is safe to show | [`Record::message`], [`write_escaped`], [`json`] |
//! | render text with several threads | [`Files::render`] |
//! | count at the end what was lost | [`Report`] |
//!
//! A small tool: the slowest request of each thread, from typed values.
//!
//! ```
//! use std::collections::BTreeMap;
//! use kymo_reader::Level;
//! use kymo_reader::Options;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! # let logger = kymo::Logger::builder(&path).start()?;
//! # for took_us in [120u64, 950, 300] {
//! #     kymo::info!(target: "http", "request {} took {took_us}", "GET /");
//! # }
//! # kymo::info!("something else");
//! # logger.shutdown();
//! // Records of other call sites cost a few nanoseconds.
//! let mut reader = Options::new()
//!     .filter(|site| site.target() == "http" && site.level() <= Level::Info)
//!     .open(&path)?;
//! let mut slowest = BTreeMap::new();
//! while let Some(record) = reader.next_record()? {
//!     let Some(took_us) = record.argument("took_us").and_then(|value| value.as_u128()) else {
//!         continue;
//!     };
//!     let thread = slowest.entry(record.thread().index()).or_insert(0);
//!     *thread = took_us.max(*thread);
//! }
//! assert_eq!(slowest.values().copied().collect::<Vec<_>>(), [950]);
//! assert_eq!(reader.report().lost(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A second tool: follows a file and prints drops as they happen.
//!
//! ```
//! use kymo_reader::{Ending, Event, Options, write_escaped};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! # kymo::Logger::builder(&path).start()?.shutdown();
//! let mut reader = Options::new().follow(true).open(&path)?;
//! while reader.report().ending != Ending::Closed {
//!     while let Some(event) = reader.next_event()? {
//!         if let Event::Drops(drops) = event {
//!             // A thread's name comes from the file, and may hold anything.
//!             let mut name = String::new();
//!             write_escaped(drops.thread.name(), &mut name);
//!             println!("{name} dropped {}", drops.total());
//!         }
//!     }
//!     std::thread::sleep(std::time::Duration::from_millis(5));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A record passes through these modules: `source` (bytes) → `frames` (valid frames) → `segment`
//! (blocks and marks) → `block` (records, in the order of the file) → `merge` (in the order of
//! time). A tree of iterators was rejected: a record borrows from the bytes, so that nothing is
//! allocated for it, and only a lending interface can do that.
//!
//! The reader needs nothing of Linux: it also builds for 32-bit, big-endian and wasm targets. Bytes
//! that the caller has mapped are read by [`Reader::from_slice`]. It has no unsafe code.
#![forbid(unsafe_code)]

mod ahead;
mod block;
mod bytes;
mod chain;
mod checksum;
mod closing;
mod column;
#[cfg(feature = "zstd")]
mod compressed;
#[cfg(feature = "serde")]
mod deserialize;
mod dictionary;
mod error;
mod event;
mod fields;
mod files;
mod frames;
mod head;
mod log;

pub mod json;
mod mark;
mod measured;
mod merge;
mod open;
mod options;
mod parts;
mod record;
mod render;
mod report;
mod rescued;
mod scan;
mod seek;
mod segment;
mod side;
mod source;
mod spans;
mod template;
mod text;
mod timeline;
mod types;
mod value;
mod whole_file;
mod written;

use std::io::Read;
use std::path::{Path, PathBuf};

#[doc(hidden)]
pub use bytes::Bytes;
pub use chain::LogReport;
pub use column::{ArgumentError, Column};
#[cfg(feature = "serde")]
pub use deserialize::DeserializeError;
pub use dictionary::{CallSite, Thread};
pub use error::Error;
pub use event::{
    ClockSet, Continued, Damage, DamageKind, Deleted, DropCount, Drops, Dump, DumpEnd, DumpReason,
    Event, Gap, MissingSegments, Signal, ThreadEnd, Totals,
};
pub use files::{FileError, Files};
pub use json::write_escaped;
pub use log::{Log, LogSegment};
pub use measured::{Metric, ScopeEvent};
pub use open::{Directory, OpenError};
#[doc(hidden)]
pub use open::{is_locked, open as open_file};
pub use options::{Options, Order};
pub use record::{Arguments, PassedOver, Record};
pub use report::{Ending, HeaderState, Report};
pub use seek::{Stretch, Stretches};
pub use spans::Span;
pub use template::{Template, TemplateError};
pub use types::{EnumType, FieldType, Hint, StructType, Type};
pub use value::{
    Collection, Enum, Formatted, FromValue, Lazy, Malformed, Map, Range, Sequence, Struct, Text,
    Tuple, Value, ValueError, Values,
};

pub use kymo_format::Purpose;
pub use kymo_format::header::{ClockSource, Header};
pub use kymo_format::types::{Fields, SpanRole};
pub use kymo_format::{DropReason, Level};

use chain::Chain;
use mark::Mark;
use merge::{Current, Merger};
use record::Time;
use rescued::Position;
use segment::Segment;
use spans::Spans;
use whole_file::WholeFile;
use written::Written;

/// Reads one file.
///
/// ```
/// use kymo_format::header::{ClockSource, Header};
/// use kymo_reader::{Ending, Reader};
///
/// // A file that was opened, and in which nothing was logged.
/// let bytes = Header::new(ClockSource::Counter).to_page();
/// let mut reader = Reader::from_slice(&bytes)?;
/// assert!(reader.next_record()?.is_none());
/// assert_eq!(reader.report().ending, Ending::Open);
/// # Ok::<(), kymo_reader::Error>(())
/// ```
pub struct Reader<'a> {
    segment: Segment<'a>,
    mode: Mode<'a>,
    state: State,
    path: Option<PathBuf>,
    /// Of a rotated log: its other segments.
    chain: Option<Box<Chain<'a>>>,
    /// Of a side file of a segment: which of the log's processes wrote that.
    process: u32,
    /// The time of the last event that had one.
    last_ns: i64,
    /// Counts of what was passed over since the last record.
    passed_over: PassedOver,
    /// The last thing that [`Reader::next_record`] returned is a record.
    is_record_at_hand: bool,
    spans: Spans,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// An event is at hand.
    Event,
    /// No event is at hand, for now or for good.
    Nothing,
}

enum Mode<'a> {
    Written(Box<Written>),
    Merged(Box<Merger<'a>>),
    /// The whole file is in memory; its holder says which event is at hand.
    Whole(Box<WholeFile<'a>>),
}

impl<'a> Reader<'a> {
    /// Opens the file at `path`. [`Options`] can be set first.
    ///
    /// # Errors
    /// If the file cannot be read, or this version does not support it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Options::new().open(path)
    }

    /// Reads a file from memory, which may be mapped. Nothing is copied.
    ///
    /// # Errors
    /// If this version does not support the file.
    pub fn from_slice(bytes: &'a [u8]) -> Result<Self, Error> {
        Options::new().from_slice(bytes)
    }

    /// Reads a file from anything that can be read.
    ///
    /// # Errors
    /// If `read` fails, or this version does not support the file.
    pub fn from_read(read: impl Read + Send + 'a) -> Result<Self, Error> {
        Options::new().from_read(read)
    }

    fn new(segment: Segment<'a>, mode: Mode<'a>) -> Self {
        Self {
            segment,
            mode,
            state: State::Nothing,
            path: None,
            chain: None,
            process: 0,
            last_ns: i64::MIN,
            passed_over: PassedOver::default(),
            is_record_at_hand: false,
            spans: Spans::default(),
        }
    }

    /// Returns the next record, and skips all other events. Returns `None` if there are no more,
    /// or, while [following](Options::follow), none yet.
    ///
    /// Drops, gaps and damage are not returned as events, but counted: [`Record::passed_over`] has
    /// those before the record, [`Reader::passed_over`] those since the last record, and
    /// [`Reader::report`] all of them. [`Reader::next_event`] returns each in its place.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// # kymo::info!("tick");
    /// # logger.shutdown();
    /// let mut reader = Reader::open(&path)?;
    /// while let Some(record) = reader.next_record()? {
    ///     let before = record.passed_over();
    ///     if before.dropped + before.missing > 0 {
    ///         println!("{} records were here", before.dropped + before.missing);
    ///     }
    ///     println!("{record:?}");
    /// }
    /// assert!(reader.passed_over().is_nothing());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If reading fails. It may be tried again.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        if self.is_record_at_hand {
            // Said with the last record.
            self.passed_over = PassedOver::default();
            self.is_record_at_hand = false;
        }
        while self.advance()? {
            if self.is_record() {
                self.is_record_at_hand = true;
                let passed_over = (!self.passed_over.is_nothing()).then_some(&self.passed_over);
                return Ok(self.record().map(|record| Record { passed_over, ..record }));
            }
            self.pass_over();
        }
        Ok(None)
    }

    /// Counts what [`Reader::next_record`] has passed over since the last record that it returned.
    /// Ask when it has returned `None`.
    pub fn passed_over(&self) -> PassedOver {
        if self.is_record_at_hand { PassedOver::default() } else { self.passed_over }
    }

    /// Counts the mark that is at hand as passed over.
    #[cold]
    fn pass_over(&mut self) {
        let passed = match self.mark() {
            Some(Mark::Drops { counts, .. }) => {
                let sum = |sum: u64, count: &DropCount| sum.saturating_add(count.count);
                PassedOver { dropped: counts.iter().fold(0, sum), ..PassedOver::default() }
            }
            Some(Mark::Gap { records, .. }) => {
                PassedOver { missing: *records, ..PassedOver::default() }
            }
            Some(Mark::Damage(damage)) => {
                PassedOver { damaged_bytes: damage.bytes, ..PassedOver::default() }
            }
            _ => return,
        };
        let sum = &mut self.passed_over;
        sum.dropped = sum.dropped.saturating_add(passed.dropped);
        sum.missing = sum.missing.saturating_add(passed.missing);
        sum.damaged_bytes = sum.damaged_bytes.saturating_add(passed.damaged_bytes);
    }

    /// Returns the next event; `None` if there are no more, or, while [following](Options::follow),
    /// none yet.
    ///
    /// # Errors
    /// If reading fails. It may be tried again.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.advance()?;
        Ok(self.event())
    }

    /// The event that was returned last.
    pub fn event(&self) -> Option<Event<'_>> {
        if self.state == State::Nothing {
            return None;
        }
        match self.mark() {
            Some(mark) => Some(mark.event(self.threads())),
            None => self.record().map(Event::Record),
        }
    }

    /// The path by which the file was opened, if any.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The header of the file, which describes its writer.
    pub fn header(&self) -> &Header {
        &self.segment.header
    }

    /// Counts what was read so far and what could not be read. Complete once `None` was returned.
    pub fn report(&self) -> &Report {
        &self.segment.report
    }

    /// The call sites met so far, by [`CallSite::index`].
    pub fn call_sites(&self) -> &[CallSite] {
        self.segment.dictionary.sites()
    }

    /// The threads met so far, by [`Thread::index`].
    pub fn threads(&self) -> &[Thread] {
        self.segment.dictionary.threads()
    }

    /// Returns the stretches of the file, from its beginning to its end, with the times in each.
    /// They help to choose [`Options::since`] or [`Options::skip_older`], so that no more is read
    /// than needed. Call this before the first event.
    ///
    /// A file that was closed has an index with the times. One that is being written, or whose process
    /// was killed, has parts of an index: the last stretch is what follows them. For a file without
    /// any, the headers of all frames are looked at, which takes a microsecond for each. The last
    /// record of each thread before some places is read, too. Then the stretches get shorter towards
    /// the end.
    ///
    /// The times hold for records in their thread's order: not for marks, nor for records of a
    /// dump. The result is empty if the file is a stream, has a clock of the program's own, or is
    /// damaged where it is looked at.
    ///
    /// # Errors
    /// If reading fails.
    pub fn stretches(&mut self) -> Result<Stretches, Error> {
        self.segment.stretches()
    }

    /// The offset in the file of the first byte that was not read yet, to show progress.
    pub fn offset(&self) -> u64 {
        self.segment.frames.offset()
    }

    /// Goes on to the next event; `false` if there is none.
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            self.state = State::Nothing;
            let more = match &mut self.mode {
                Mode::Written(written) => written.advance(&mut self.segment)?,
                Mode::Merged(merger) => merger.advance(&mut self.segment)?,
                Mode::Whole(_) => false,
            };
            if more {
                self.state = State::Event;
                if self.segment.dictionary.has_spans && !self.note_spans() {
                    continue;
                }
            } else if self.chain.is_some() {
                return self.advance_in_log();
            }
            return Ok(more);
        }
    }

    /// Takes what the record at hand says of spans. Returns whether it is to be handed out.
    fn note_spans(&mut self) -> bool {
        let mut spans = std::mem::take(&mut self.spans);
        spans.at_hand = None;
        let is_wanted = self.record().is_none_or(|record| {
            if !record.site.roles.is_empty() {
                spans.note(&record);
            }
            !record.for_spans
        });
        self.spans = spans;
        is_wanted
    }

    /// Reads all that is left, to be handed out in any order.
    fn hold(&mut self) -> Result<(), Error> {
        self.segment.dictionary.ignores_spans = true;
        self.mode = Mode::Whole(Box::new(WholeFile::read(&mut self.segment)?));
        Ok(())
    }

    /// A second reader of this file. It reads in the order of the file what this reader will hand out
    /// between two times. `None` if the file cannot be opened.
    fn survey(&self, span: (i64, i64), options: &impl Fn() -> Options<'a>) -> Option<Reader<'a>> {
        let options = options().survey(span, self.segment.frames.limit());
        let reader = match self.chain {
            Some(_) => self.reopen(options)?,
            None => options.open(self.path.as_ref()?).ok()?,
        };
        (reader.header().segment == self.header().segment).then_some(reader)
    }

    /// How many events are held.
    fn held_items(&self) -> usize {
        match &self.mode {
            Mode::Whole(held) => held.items.len(),
            _ => 0,
        }
    }

    /// Puts one of the events that are held at hand; returns the watermark that held for it.
    fn hold_item(&mut self, index: usize) -> u64 {
        let Mode::Whole(held) = &mut self.mode else { return 0 };
        held.current = Some(index);
        self.state = State::Event;
        self.spans.at_hand = None;
        held.items.get(index).map_or(0, |item| item.until)
    }

    /// Which of the processes that wrote the log is read.
    fn process(&self) -> u32 {
        self.chain.as_ref().map_or(self.process, |chain| chain.process)
    }

    /// Of the record at hand, unless it is one of a dump: the index of its thread, and its place in
    /// the order of that: the segment, the thread's number in it, and how many of its records were
    /// written to it before.
    fn place(&self) -> Option<(usize, Position)> {
        let (block, raw) = match &self.mode {
            Mode::Written(written) => written.record()?,
            Mode::Merged(merger) => match merger.current()? {
                Current::Record(block, raw, _) => (block, raw),
                Current::Mark(_) => return None,
            },
            Mode::Whole(_) => return None,
        };
        let thread = self.segment.dictionary.thread(block.thread);
        let before = block.first.wrapping_add(raw.index.into());
        block.part.is_none().then(|| (thread.index(), (block.segment, block.number, before)))
    }

    #[inline]
    fn is_record(&self) -> bool {
        match &self.mode {
            Mode::Written(written) => written.mark().is_none(),
            Mode::Merged(merger) => matches!(merger.current(), Some(Current::Record(..))),
            Mode::Whole(held) => held.record().is_some(),
        }
    }

    /// The event at hand, if it is no record.
    fn mark(&self) -> Option<&Mark> {
        match &self.mode {
            Mode::Written(written) => written.mark(),
            Mode::Merged(merger) => match merger.current() {
                Some(Current::Mark(mark)) => Some(mark),
                _ => None,
            },
            Mode::Whole(held) => held.mark(),
        }
    }

    #[inline(always)]
    fn record(&self) -> Option<Record<'_>> {
        let (block, raw, payload) = match &self.mode {
            Mode::Written(written) => {
                let (block, raw) = written.record()?;
                (block, raw, self.segment.frames.payload())
            }
            Mode::Merged(merger) => match merger.current()? {
                Current::Record(block, raw, payload) => (block, raw, payload),
                Current::Mark(_) => return None,
            },
            Mode::Whole(held) => held.record()?,
        };
        Some(Record {
            site: self.segment.dictionary.site(raw.site),
            thread: self.segment.dictionary.thread(block.thread),
            time: Time::Of(&block.timeline),
            ticks: raw.ticks,
            sequence: block.first.wrapping_add(raw.index.into()),
            arguments: &payload[raw.arguments()],
            block_offset: block.offset,
            head_bytes: raw.head_bytes(),
            late: raw.is_late(),
            for_spans: raw.is_for_spans(),
            passed_over: None,
            spans: self.spans.at_hand.as_ref(),
        })
    }

    /// The time of the event at hand; for an event without a time, that of the last event.
    fn time_ns(&mut self) -> i64 {
        let time = match self.mark() {
            Some(mark) => mark.time_ns(),
            None => self.record().map(|record| record.time_ns()),
        };
        self.last_ns = time.unwrap_or(self.last_ns);
        self.last_ns
    }
}
