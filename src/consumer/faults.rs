//! The consumer with an output that fails at each of its operations in turn. What the file says,
//! and what is reported, is true of all that was logged.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::*;
use crate::argument::Arguments;
use crate::call::slow::log_with;
use crate::clock::Clock;
use crate::consumer::tests::{Fault, LOCATION, Rig};
use crate::level::Level;
use crate::shared::mailbox::Request;
use crate::shared::policy::{Overflow, Policies};
use crate::statement::call_site::CallSite;
use crate::thread::producer::Producer;
use kymo_reader::{DropReason, Ending, Event, Options, Order};

type Number = (u64, ());

/// A statement of each level.
static SITES: [CallSite; 5] = CallSite::at_each_level(LOCATION, <Number as Arguments>::TYPES);

/// How many threads log at a time.
const THREADS: usize = 3;

/// How many steps a story has.
const STEPS: usize = 60;

/// How a story ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The logger is shut down.
    Shutdown,
    /// As `Shutdown`, and the time for it is over at once.
    Overdue,
    /// A thread crashes, and its handler asks for a drain.
    Crash,
    /// As `Crash`, and the time for it is over at once.
    OverdueCrash,
    /// The consumer crashes, and another thread takes over.
    OwnCrash,
    /// As `OwnCrash`, and the time for it is over at once.
    OverdueOwnCrash,
    /// The consumer calls `exit`, and takes over from itself.
    OwnExit,
}

impl End {
    const ALL: [Self; 7] = [
        Self::Shutdown,
        Self::Overdue,
        Self::Crash,
        Self::OverdueCrash,
        Self::OwnCrash,
        Self::OverdueOwnCrash,
        Self::OwnExit,
    ];

    /// Whether the process dies, so that the file is not closed and there is no report.
    fn is_crash(self) -> bool {
        matches!(self, Self::Crash | Self::OverdueCrash | Self::OwnCrash | Self::OverdueOwnCrash)
    }
}

/// The signal of a crash.
const SIGNAL: u8 = 11;

/// A thread of the story.
struct Thread {
    name: String,
    producer: Option<Producer>,
    /// How many records it logged, by level.
    logged: [u64; 5],
    /// The records that its ring took since the last flush.
    fresh: Vec<u64>,
    /// What it logged between two flushes, and the result of the second.
    flushes: Vec<(Vec<u64>, bool)>,
}

/// Three threads log, overflow, flush and end, while operations fail.
struct Story {
    rig: Rig,
    threads: Vec<Thread>,
    random: u64,
    number: u64,
}

impl Story {
    fn new(seed: u64, fault: Fault, faults: Range<u64>) -> Self {
        let mut policies = Policies::new(Overflow::Wait { timeout: Some(Duration::ZERO) });
        if seed % 2 == 1 {
            policies.set_overflow(Level::Debug, Overflow::OverwriteOldest);
        }
        let rig = Rig::with_policies(Clock::Counter, policies);
        {
            let mut file = rig.file.0.borrow_mut();
            file.fault = fault;
            file.faults = faults;
        }
        let mut story = Self { rig, threads: Vec::new(), random: seed, number: 0 };
        (0..THREADS).for_each(|_| story.begin_thread());
        story
    }

    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's generator; its high bits are good enough.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    fn begin_thread(&mut self) {
        let name = format!("thread {}", self.threads.len());
        let words = 16 << self.below(4);
        let producer = Some(self.rig.thread(&name, words));
        let (fresh, flushes) = (Vec::new(), Vec::new());
        self.threads.push(Thread { name, producer, logged: [0; 5], fresh, flushes });
    }

    fn step(&mut self) {
        let last = self.threads.len() - 1;
        let index = last - self.below(THREADS as u64) as usize;
        match self.below(8) {
            0..4 => {
                for _ in 0..self.below(20) {
                    self.log(index);
                }
            }
            4 => {
                self.rig.consumer.serve();
            }
            5 => self.flush(index),
            6 => self.rig.consumer.check_outputs(),
            _ => {
                self.threads[index].producer = None;
                self.begin_thread();
                let last = self.threads.len() - 1;
                // So that the latest ones are alive.
                self.threads.swap(index, last - THREADS);
            }
        }
    }

    fn log(&mut self, index: usize) {
        let level = self.below(5) as usize;
        let thread = &mut self.threads[index];
        let Some(producer) = &mut thread.producer else { return };
        self.number += 1;
        let dropped = producer.state.logs[0].drops.total();
        log_with(producer, &SITES[level], (self.number, ()));
        thread.logged[level] += 1;
        // Overwritten records are not known here.
        let stays =
            self.rig.shared.policies.overflow(SITES[level].level) != Overflow::OverwriteOldest;
        if stays && producer.state.logs[0].drops.total() == dropped {
            thread.fresh.push(self.number);
        }
    }

    fn flush(&mut self, index: usize) {
        let thread = &mut self.threads[index];
        let Some(producer) = &mut thread.producer else { return };
        self.rig.consumer.check_outputs();
        // Both rings of the thread.
        while self.rig.consumer.serve().0 {}
        assert!(producer.ring.is_drained());
        let flushed = producer.flush(Some(0));
        thread.flushes.push((std::mem::take(&mut thread.fresh), flushed));
    }

    /// Ends the logger, and compares what was logged with what is there. Returns the number of
    /// operations.
    fn end(mut self, end: End, what: &str) -> u64 {
        let faults = self.rig.file.0.borrow().faults.clone();
        let once = faults.end - faults.start == 1;
        // Some threads end before it.
        self.threads[0].producer = None;
        let (file, fault) = (self.rig.file.clone(), self.rig.file.0.borrow().fault);
        let overwrites = self.rig.shared.policies.overwrites_any();
        if end == End::Overdue {
            self.rig.shared.control.stop(Some(0));
        }
        let logged: u64 = self.threads.iter().flat_map(|thread| thread.logged).sum();
        if !matches!(end, End::Shutdown | End::Overdue) {
            self.crash(end);
            let operations = file.0.borrow().operations;
            let found = Found::read(&file.0.borrow().bytes);
            let whole = found.report.damages == 0;
            assert!(whole || fault == Fault::Cut, "{what}: {:?}", found.report);
            // If the output fails twice in a row, nothing can be promised, nor that a file that has
            // gone comes back.
            if matches!(fault, Fault::Full | Fault::FullForAWhile)
                && (once || faults.start >= operations)
            {
                self.threads.iter().for_each(|it| it.compare(&found, fault, overwrites, what));
                let all: u64 = found.counts.values().flatten().sum();
                assert_eq!(all, logged, "{what}");
                assert_eq!(
                    found.signals,
                    if end.is_crash() { vec![SIGNAL] } else { vec![] },
                    "{what}"
                );
            }
            return operations;
        }
        let (report, bytes) = self.rig.close();
        let dropped = report.dropped + report.unwritten;
        assert_eq!(report.written + dropped, logged, "{what}: {report:?}");
        let operations = file.0.borrow().operations;
        if !file.0.borrow().exists() {
            assert_eq!(report.written, 0, "{what}: the file is gone");
            return operations;
        }

        let found = Found::read(&bytes);
        let whole = found.report.damages == 0;
        assert!(whole || fault == Fault::Cut, "{what}: {:?}", found.report);
        if fault != Fault::Cut {
            assert_eq!(found.report.records, report.written, "{what}");
        }
        if found.report.ending != Ending::Closed {
            // (A cut may take the end itself.)
            assert!(!once || fault == Fault::Cut, "{what}: what fails once is tried again");
            return operations;
        }
        assert_eq!(found.report.records + found.report.lost(), report.written, "{what}");
        assert_eq!(found.report.dropped + found.report.unmarked_drops(), dropped, "{what}");
        if whole {
            self.threads.iter().for_each(|thread| thread.compare(&found, fault, overwrites, what));
            let all: u64 = found.counts.values().flatten().sum();
            assert_eq!(all, logged, "{what}");
        }
        operations
    }
}

impl Story {
    /// Ends the process while threads log.
    fn crash(&mut self, end: End) {
        let (consumer, shared) = (&mut self.rig.consumer, &self.rig.shared);
        let request = Request::drain(SIGNAL, 4_711).marked();
        let overdue = matches!(end, End::OverdueCrash | End::OverdueOwnCrash);
        let deadline_ns = if overdue { 0 } else { u64::MAX };
        match end {
            End::Shutdown | End::Overdue => unreachable!("no crash"),
            End::OwnCrash | End::OverdueOwnCrash => consumer.take_over(Some(request), deadline_ns),
            End::OwnExit => consumer.take_over(None, deadline_ns),
            End::Crash | End::OverdueCrash => {
                let mailbox = &shared.emergency.mailbox;
                mailbox.set_deadline(SIGNAL, deadline_ns);
                let (request, _) = mailbox.request(request);
                consumer.serve();
                assert!(mailbox.is_served(request));
            }
        }
    }
}

impl Thread {
    fn compare(&self, found: &Found, fault: Fault, overwrites: bool, what: &str) {
        let name = &self.name;
        match found.counts.get(name) {
            Some(counts) => assert_eq!(*counts, self.logged, "{what}: {name}"),
            // Then it is part of those that ended before.
            None => assert!(
                fault == Fault::Removed || self.logged == [0; 5],
                "{what}: {name} is missing"
            ),
        }
        if fault == Fault::Full {
            for (records, flushed) in &self.flushes {
                let there = records.iter().all(|number| found.numbers.contains(number));
                assert!(there || !flushed, "{what}: {name} flushed {records:?}");
                // Records that may be overwritten are not among them, and may be what failed.
                assert!(!there || *flushed || overwrites, "{what}: {name} flushed {records:?}");
            }
        }
    }
}

/// The content of a file.
struct Found {
    /// Records and drops, by thread and level.
    counts: BTreeMap<String, [u64; 5]>,
    numbers: HashSet<u64>,
    signals: Vec<u8>,
    report: kymo_reader::Report,
}

impl Found {
    fn read(bytes: &[u8]) -> Self {
        let mut reader = Options::new().order(Order::Written).from_slice(bytes).unwrap();
        let mut counts = BTreeMap::<String, [u64; 5]>::new();
        let mut last = BTreeMap::<String, u64>::new();
        let (mut numbers, mut signals) = (HashSet::new(), Vec::new());
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Record(record) => {
                    let name = record.thread().name().to_owned();
                    let mut text = String::new();
                    record.message(&mut text);
                    let number = text.parse().unwrap();
                    assert!(numbers.insert(number), "twice: {number}");
                    let before = last.insert(name.clone(), number);
                    assert!(before < Some(number), "{name}: {number} behind {before:?}");
                    counts.entry(name).or_default()[record.level() as usize - 1] += 1;
                }
                Event::Drops(drops) => {
                    assert!(drops.total() > 0, "an empty mark");
                    assert!(drops.first_ns <= drops.last_ns, "{drops:?}");
                    let counts = counts.entry(drops.thread.name().to_owned()).or_default();
                    for count in drops.counts {
                        assert!(
                            matches!(
                                count.reason,
                                DropReason::TimedOut
                                    | DropReason::Overwritten
                                    | DropReason::ShutdownTimedOut
                                    | DropReason::OutputFailed
                                    | DropReason::FileRemoved
                            ),
                            "{:?}",
                            count.reason
                        );
                        counts[count.level.unwrap() as usize - 1] += count.count;
                    }
                }
                Event::Signal(signal) => signals.push(signal.signal),
                _ => {}
            }
        }
        Self { counts, numbers, signals, report: reader.report().clone() }
    }
}

/// Tells a story in which these operations fail. Returns how many operations there were.
fn tell(seed: u64, fault: Fault, faults: Range<u64>, end: End) -> u64 {
    let what = format!("seed {seed}, {fault:?} at {faults:?}, {end:?}");
    let mut story = Story::new(seed, fault, faults);
    for _ in 0..STEPS {
        story.step();
    }
    story.end(end, &what)
}

/// Tells stories in which each operation fails: alone, with the following ones, and for ever.
fn tell_all(fault: Fault) {
    for (seed, end) in (0..).zip(End::ALL) {
        let operations = tell(seed, fault, u64::MAX..u64::MAX, end);
        assert!(operations > 20, "{operations}");
        for first in 0..operations {
            for count in [1, 2, 7, u64::MAX] {
                tell(seed, fault, first..first.saturating_add(count), end);
            }
        }
    }
}

/// Drops that were seen in a ring that was not empty are marked, however the logger ends.
///
/// When the time for shutting down was over, the ring was emptied, and the mark waited for ever for
/// the words before it. The report had those drops, except those of threads that had ended.
#[test]
fn a_gap_is_marked_when_its_ring_is_given_up() {
    for seed in 0..400 {
        tell(seed, Fault::Full, u64::MAX..u64::MAX, End::Overdue);
    }
}

#[test]
fn a_disk_that_is_full_at_any_operation_costs_what_is_counted_and_no_more() {
    tell_all(Fault::Full);
}

#[test]
fn a_file_that_is_cut_at_any_operation_goes_on() {
    tell_all(Fault::Cut);
}

#[test]
fn a_file_that_is_removed_at_any_operation_leaves_a_file_that_accounts_for_everything() {
    tell_all(Fault::Removed);
}

/// A file that is removed while the consumer drains the rings into it, because another program has asked for a new one.
///
/// The consumer replaced it at once, and waited for the side file, which it held itself.
#[test]
fn a_file_that_is_removed_while_it_is_reopened() {
    for first in 0..60 {
        let mut story = Story::new(2, Fault::Removed, first..first + 1);
        (0..50).for_each(|step| story.log(step % THREADS));
        story.rig.shared.reopen_request.ask();
        story.rig.consumer.serve();
        (0..50).for_each(|step| story.log(step % THREADS));
        story.end(End::Shutdown, &format!("removed at {first}"));
    }
}

/// A crash drain goes on until its time is up, however long that is, and everything that was in the
/// rings is in the file.
///
/// It ended after half a second, in the middle of large rings, without a mark.
#[test]
fn a_crash_drains_large_rings() {
    for end in [End::Crash, End::OwnCrash] {
        let mut story = Story::new(2, Fault::Full, u64::MAX..u64::MAX);
        let large = story.rig.thread("large", 1 << 20);
        story.threads[0].producer = Some(large);
        story.threads[0].name = "large".to_owned();
        for _ in 0..200_000 {
            story.log(0);
        }
        let logged: u64 = story.threads[0].logged.iter().sum();
        story.crash(end);
        let found = Found::read(&story.rig.file.0.borrow().bytes);
        assert_eq!(found.counts["large"].iter().sum::<u64>(), logged, "{end:?}");
        assert_eq!(found.report.dropped, 0, "{end:?}");
        assert_eq!(found.signals, [SIGNAL], "{end:?}");
    }
}

/// What a crash drain leaves when its time is up is marked and counted.
#[test]
fn a_crash_drain_marks_what_it_leaves() {
    for seed in 0..400 {
        let end = if seed % 2 == 0 { End::OverdueCrash } else { End::OverdueOwnCrash };
        tell(seed, Fault::Full, u64::MAX..u64::MAX, end);
    }
}

/// A crash while the output fails, and waits before it tries again. The output is tried at once,
/// and the file has the mark of the crash and the marks of what was lost.
///
/// `serve` tried the output only when a thread had asked for a sweep. What the crash drained was
/// lost without a word, and so was the mark of the crash.
#[test]
fn a_crash_is_marked_when_the_output_works_again() {
    for end in [End::Crash, End::OwnCrash, End::OwnExit] {
        for seed in 0..20 {
            let operations = tell(seed, Fault::Full, u64::MAX..u64::MAX, end);
            for back in 1..operations.min(30) {
                let failing = operations - back..operations - back + 1;
                tell(seed, Fault::FullForAWhile, failing, end);
            }
        }
    }
}
