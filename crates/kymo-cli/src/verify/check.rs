//! Checks the rules of the format that the reader does not require, and the sums.

use std::collections::BTreeMap;
use std::io;

use kymo_format::dump::Dump;
use kymo_format::frame::Kind;
use kymo_format::varint;
use kymo_reader::{CallSite, Damage, Gap, HeaderState, Report, Thread, ThreadEnd, Totals};

use super::{FileState, Problem};
use crate::walk::{BlockHead, Frame, Readable, Visit};

/// How many problems are listed. All are counted.
const MAX_LISTED: usize = 1_000;

/// Compares a file with the rules.
#[derive(Default)]
pub struct Check {
    pub problems: Vec<Problem>,
    pub problem_count: u64,
    threads: BTreeMap<u64, ThreadSums>,
    watermark: u64,
    clock: bool,
    /// Records in which something was cut.
    cut: u64,
    /// The records of blocks.
    read: u64,
    /// The records of marks.
    dropped: u64,
    /// The offset of the last dump mark; 0 if there was none.
    last_dump: u64,
    /// The thread of the dump that is being read, and how many records of it there were.
    dump: Option<(u64, u64)>,
    /// The offset of the closing frame.
    end: Option<u64>,
}

/// The sums of a thread.
#[derive(Default)]
struct ThreadSums {
    named: bool,
    /// The number that its next record bears.
    next: u64,
    /// Records that its drop marks count.
    dropped: u64,
    ended: bool,
}

impl Check {
    /// How many threads have records or marks in the file.
    pub fn threads(&self) -> u64 {
        self.threads.len() as u64
    }

    /// Checks what only the whole file shows.
    pub fn whole_file(&mut self, report: &Report, state: FileState, sites: &[CallSite]) {
        match report.header {
            HeaderState::Good => {}
            HeaderState::FirstDamaged => self.at(0, "the header is damaged, its copy is right"),
            HeaderState::SecondDamaged => self.at(2048, "the copy of the header is damaged"),
            _ => self.at(0, "the header is damaged, and so is its copy"),
        }
        match state {
            FileState::Closed if report.committed_bytes != self.end.unwrap_or(0) => {
                let committed = report.committed_bytes;
                self.problem(None, format!("the committed length is {committed}, not its length"));
            }
            FileState::Closed | FileState::BeingWritten => {}
            FileState::NotClosed => {
                let text = "was not closed: its writer died, so the sums cannot be checked";
                self.problem(None, text.to_owned());
            }
            FileState::Truncated => self.problem(
                Some(report.length_bytes),
                format!(
                    "truncated at byte {}: {} bytes were written",
                    report.length_bytes, report.committed_bytes
                ),
            ),
        }
        if report.untimed > 0 {
            let text = format!("{} records precede the first clock frame", report.untimed);
            self.problem(None, text);
        }
        for site in sites {
            if let Some(error) = site.template_error() {
                let (number, format) = (site.number(), site.format());
                let text = format!("the format string of call site {number}, {format:?}: {error}");
                self.problem(None, text);
            }
        }
    }

    fn thread(&mut self, number: u64) -> &mut ThreadSums {
        self.threads.entry(number).or_default()
    }

    fn watermark(&mut self, ticks: u64, offset: u64) {
        if ticks < self.watermark {
            self.at(offset, "a watermark that goes back");
        }
        self.watermark = self.watermark.max(ticks);
    }

    /// Notes that a frame of a thread is at `offset`.
    fn met(&mut self, number: u64, offset: u64) {
        let thread = self.thread(number);
        let (named, ended) = (std::mem::replace(&mut thread.named, true), thread.ended);
        if !named {
            self.at(offset, &format!("thread {number} was not introduced"));
        }
        if ended {
            self.at(offset, &format!("something of thread {number} after its end"));
        }
    }

    /// Fewer than it names were found missing, or could not be written.
    fn dump_end(&mut self, frame: Frame<'_>) {
        let Some((number, found)) = self.dump.take() else { return };
        let Some((_, len)) = varint::get(frame.payload) else { return };
        let named = varint::get(&frame.payload[len..]).map_or(0, |(records, _)| records);
        if found > named {
            let text = format!("a dump of thread {number} has {found} records, and names {named}");
            self.at(frame.offset, &text);
        }
    }

    fn at(&mut self, offset: u64, what: &str) {
        self.problem(Some(offset), format!("at byte {offset}: {what}"));
    }

    fn problem(&mut self, offset: Option<u64>, message: String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_LISTED {
            self.problems.push(Problem { offset, message });
        }
    }
}

impl Visit for Check {
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        match Kind::from_code(frame.kind) {
            Some(Kind::Watermark) => {
                if let Some(ticks) = frame.payload.first_chunk() {
                    self.watermark(u64::from_le_bytes(*ticks), frame.offset);
                }
            }
            Some(Kind::Thread) => {
                if let Some((number, _)) = varint::get(frame.payload) {
                    self.thread(number).named = true;
                }
            }
            Some(Kind::Clock) => self.clock = true,
            Some(Kind::Dump) => {
                if let Some(dump) = Dump::from_payload(frame.payload) {
                    self.met(dump.thread, frame.offset);
                    if dump.previous != self.last_dump {
                        let text = "a dump that does not name the one before it";
                        self.at(frame.offset, text);
                    }
                    self.last_dump = frame.offset;
                    self.dump = Some((dump.thread, 0));
                }
            }
            Some(Kind::DumpEnd) => self.dump_end(frame),
            _ => {}
        }
        Ok(())
    }

    fn block(&mut self, frame: Frame<'_>, readable: &Readable) -> io::Result<()> {
        let Some(head) = BlockHead::parse(frame.kind, frame.payload) else { return Ok(()) };
        self.met(head.thread, frame.offset);
        let thread = self.thread(head.thread);
        let expected = thread.next;
        thread.next = expected.max(head.first.saturating_add(readable.records));
        if head.first < expected {
            let (number, first) = (head.thread, head.first);
            let text = format!("record {first} of thread {number}, after {expected} of them");
            self.at(frame.offset, &text);
        }
        self.cut += readable.cut;
        self.read += readable.records;
        if let Some((_, records)) = self.dump.as_mut().filter(|(number, _)| *number == head.thread)
        {
            *records += readable.records;
        }
        if let Some(ticks) = head.watermark {
            self.watermark(ticks, frame.offset);
        }
        Ok(())
    }

    fn drops(&mut self, frame: Frame<'_>, number: u64, count: u64) -> io::Result<()> {
        self.met(number, frame.offset);
        let thread = self.thread(number);
        thread.dropped = thread.dropped.saturating_add(count);
        self.dropped = self.dropped.saturating_add(count);
        Ok(())
    }

    fn thread_end(&mut self, frame: Frame<'_>, end: &ThreadEnd<'_>) -> io::Result<()> {
        let number = end.thread.number();
        self.met(number, frame.offset);
        let thread = self.thread(number);
        thread.ended = true;
        let (next, dropped) = (thread.next, thread.dropped);
        // Where it names more than were read, a gap was reported.
        if end.written < next {
            let written = end.written;
            let text = format!("thread {number} ends after {written} records, but has {next}");
            self.at(frame.offset, &text);
        }
        if end.dropped != dropped {
            let text = format!(
                "thread {number} ends with {} dropped, but its marks say {dropped}",
                end.dropped
            );
            self.at(frame.offset, &text);
        }
        Ok(())
    }

    fn end(&mut self, frame: Frame<'_>, totals: &Totals) -> io::Result<()> {
        let Totals { written, dropped, cut, .. } = *totals;
        // The padding was not written where the file was cut there; the closing frame ends there.
        let end = (frame.payload_offset() + frame.payload.len() as u64).next_multiple_of(8);
        self.end = Some(end);
        let unended: Vec<u64> = self
            .threads
            .iter()
            .filter(|(_, it)| !it.ended && (it.next > 0 || it.dropped > 0))
            .map(|(number, _)| *number)
            .collect();
        for number in unended {
            self.at(frame.offset, &format!("the file ends, and thread {number} did not"));
        }
        // Where the total is greater, a gap was reported.
        if written < self.read {
            let text = format!("the file ends after {written} records, but has {}", self.read);
            self.at(frame.offset, &text);
        }
        if dropped != self.dropped {
            let marked = self.dropped;
            let text = format!("the file ends with {dropped} dropped, but its marks say {marked}");
            self.at(frame.offset, &text);
        }
        if cut < self.cut || (written == self.read && cut != self.cut) {
            let text = format!("the file ends with {cut} records cut, but has {}", self.cut);
            self.at(frame.offset, &text);
        }
        Ok(())
    }

    fn gap(&mut self, gap: &Gap<'_>) -> io::Result<()> {
        let Gap { thread, records, offset, .. } = *gap;
        let whose = match thread.map(|thread| (thread.name(), Thread::number(thread))) {
            None => "of an unknown thread".to_owned(),
            Some(("", number)) => format!("of thread {number}"),
            Some((name, _)) => format!("of thread \"{name}\""),
        };
        if let Some(thread) = thread {
            let sums = self.thread(thread.number());
            sums.next = sums.next.saturating_add(records);
        }
        self.at(offset, &format!("{records} records {whose} are missing before here"));
        Ok(())
    }

    fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        self.problem(Some(damage.offset), damage.to_string());
        Ok(())
    }
}
