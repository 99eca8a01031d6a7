//! The consumer against rings that the test fills, without threads.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::argument::Arguments;
use crate::call::fast::{CounterPath, try_log};
use crate::call::slow::log_with;
use crate::clock::Observation;
use crate::clock::{Clock, TickSource};
use crate::format::header::{
    COMMITTED_OFFSET, ClockSource, Header, LAST_DUMP_OFFSET, LAST_INDEX_OFFSET, NEXT_DUMP_OFFSET,
};
use crate::level::Level;
use crate::logger::own_warnings::own_records;
use crate::process::thread_info::ThreadInfo;
use crate::segment::Output;
use crate::segment::writer::SegmentWriter;
use crate::shared::policy::{Overflow, Policies};
use crate::statement::call_site::{AtAny, CallSite, Location};
use crate::statement::rate::{self, RateSite};
use crate::sync::atomic::Ordering;
use crate::thread::producer::Producer;
use kymo_reader::{DropReason, Event, Options, Order, Reader};

/// A file in memory. Some of its operations fail.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Rc<RefCell<File>>);

#[derive(Default)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    committed: usize,
    /// How many operations there were.
    pub(crate) operations: u64,
    /// Those of them that fail.
    pub(crate) faults: Range<u64>,
    pub(crate) fault: Fault,
    /// Whether an operation failed, and none is tried before the consumer asks for a check.
    waits: bool,
    /// Whether the file was removed, and whether the output knows.
    removed: Option<bool>,
    salt: u32,
    /// If wanted: the file as a process would have left it that was killed after each operation.
    pub(crate) left: Option<Vec<Vec<u8>>>,
}

/// What happens at an operation that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation fails because storage is full. Nothing else happens.
    #[default]
    Full,
    /// Storage is full once. Then appends fail for a while, although checks would not.
    FullForAWhile,
    /// The file is cut in half, at the first of them.
    Cut,
    /// The consumer crashes there. Nothing else happens.
    PanicBefore,
    /// The consumer crashes after it.
    PanicAfter,
    /// The file is removed, at the first of them, and cannot be made again before the last. What is
    /// written to it goes nowhere, until that is noticed.
    Removed,
}

impl File {
    pub(crate) fn fail_next(&mut self, count: u64) {
        self.faults = self.operations..self.operations + count;
    }

    /// Whether the file is there.
    pub(crate) fn exists(&self) -> bool {
        self.removed.is_none()
    }

    fn operate(&mut self, may_notice: bool) -> io::Result<()> {
        let operation = self.operations;
        self.operations += 1;
        let fails = self.faults.contains(&operation);
        match self.fault {
            Fault::FullForAWhile if !fails && !self.waits => {}
            Fault::FullForAWhile => {
                self.waits = true;
                return self.roll_back(io::ErrorKind::StorageFull);
            }
            Fault::PanicBefore if fails => panic!("operation {operation}"),
            Fault::PanicBefore | Fault::PanicAfter => {}
            Fault::Full if !fails => {}
            Fault::Cut if operation != self.faults.start => {}
            Fault::Full => return self.roll_back(io::ErrorKind::StorageFull),
            Fault::Cut => {
                let kept = (self.committed / 2).max(crate::format::HEADER_BYTES);
                self.bytes[kept..].fill(0);
                return self.roll_back(io::ErrorKind::UnexpectedEof);
            }
            Fault::Removed => {
                if operation == self.faults.start {
                    self.removed = Some(false);
                }
                match &mut self.removed {
                    Some(known) if may_notice || *known => {
                        *known = true;
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// An operation has had its effect.
    fn note_operated(&self) {
        let is_last = self.faults.contains(&(self.operations - 1));
        assert!(!(self.fault == Fault::PanicAfter && is_last), "it crashes here");
    }

    fn roll_back(&mut self, kind: io::ErrorKind) -> io::Result<()> {
        self.bytes.truncate(self.committed);
        Err(kind.into())
    }
}

impl Output for Memory {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        let mut file = self.0.borrow_mut();
        let may_notice = file.operations.is_multiple_of(4);
        file.operate(may_notice)?;
        file.bytes.extend_from_slice(frames);
        file.note_operated();
        file.note_left();
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let mut file = self.0.borrow_mut();
        file.operate(false)?;
        file.committed = file.bytes.len();
        file.note_operated();
        file.note_left();
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.borrow().bytes.len() as u64
    }

    fn close(&mut self) -> io::Result<()> {
        self.check()
    }
}

impl LogOutput for Memory {
    fn check(&mut self) -> io::Result<()> {
        let mut file = self.0.borrow_mut();
        file.waits = false;
        file.operate(true)
    }

    fn is_removed(&self) -> bool {
        self.0.borrow().removed == Some(true)
    }

    fn make_next(
        &mut self,
        announce: impl FnOnce([u8; 16]) -> io::Result<()>,
    ) -> io::Result<Option<(Self, u32)>> {
        let mut file = self.0.borrow_mut();
        if file.removed != Some(true) {
            return Ok(None);
        }
        let operation = file.operations;
        file.operations += 1;
        if file.faults.contains(&operation) {
            return Err(io::ErrorKind::NotFound.into());
        }
        file.removed = None;
        file.begin(operation as u32);
        announce([0; 16])?;
        Ok(Some((self.clone(), file.salt)))
    }

    fn rewind(&mut self) {
        let mut file = self.0.borrow_mut();
        let committed = file.committed;
        file.bytes.truncate(committed);
    }

    fn set_next_dump(&mut self, offset: u64) {
        self.0.borrow_mut().set_hint(NEXT_DUMP_OFFSET, offset);
    }

    fn set_last_dump(&mut self, offset: u64) {
        let mut file = self.0.borrow_mut();
        assert!(offset < file.committed as u64, "it is not committed");
        file.set_hint(LAST_DUMP_OFFSET, offset);
    }

    fn set_last_index(&mut self, offset: u64) {
        let mut file = self.0.borrow_mut();
        assert!(offset < file.committed as u64, "it is not committed");
        file.set_hint(LAST_INDEX_OFFSET, offset);
    }
}

impl File {
    fn set_hint(&mut self, at: usize, offset: u64) {
        self.bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        self.note_left();
    }

    fn note_left(&mut self) {
        let Some(left) = &mut self.left else { return };
        let mut bytes = self.bytes.clone();
        bytes[COMMITTED_OFFSET..][..8].copy_from_slice(&(self.committed as u64).to_le_bytes());
        left.push(bytes);
    }

    pub(crate) fn begin(&mut self, salt: u32) {
        self.salt = salt;
        self.bytes = Header { salt, ..Header::new(ClockSource::Counter) }.to_page();
        self.committed = self.bytes.len();
    }
}

/// A consumer, and what makes producers for it.
pub(crate) struct Rig {
    pub(crate) consumer: Consumer<Memory>,
    pub(crate) file: Memory,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) const LOCATION: Location = Location {
    target: "t",
    module: "m",
    file: "f.rs",
    line: 1,
    column: 1,
    format: "{}",
    names: &[""],
};

fn site<L: Arguments>() -> &'static CallSite {
    struct Of<L>(L);
    impl<L: Arguments> Of<L> {
        const SITE: &'static CallSite = &CallSite::new(Level::Info, LOCATION, L::TYPES);
    }
    Of::<L>::SITE
}

impl Rig {
    pub(crate) fn new(clock: Clock) -> Self {
        let policies = Policies::new(Overflow::Wait { timeout: Some(Duration::ZERO) });
        Self::with_policies(clock, policies)
    }

    pub(crate) fn with_policies(clock: Clock, policies: Policies) -> Self {
        let clock = TickSource::new(clock);
        let shared = Arc::new(Shared::new(clock, policies, 1));
        let discipline = Discipline::new(clock, clock.observe(), clock.observe());
        let file = Memory::default();
        file.0.borrow_mut().begin(0);
        let consumer = Consumer::new(shared.clone(), discipline, file.clone(), 0);
        Self { consumer, file, shared }
    }

    /// Has the clocks compared, the wall clock being off by so much.
    fn compare_clocks(&mut self, off_ns: i64) {
        let seen = self.shared.clock.observe();
        let wall_ns = seen.wall_ns + off_ns;
        self.consumer.take_observation(Observation { wall_ns, ..seen }, 0);
    }

    fn producer(&self, words: usize) -> Producer {
        self.thread("feed", words)
    }

    pub(crate) fn thread(&self, name: &str, words: usize) -> Producer {
        let thread = ThreadInfo { name: name.to_owned(), os_id: 4_711 };
        self.shared.make_producer(words, thread).expect("the registry is open")
    }

    /// Closes the segment; its report and its bytes.
    pub(crate) fn close(mut self) -> (Report, Vec<u8>) {
        let (report, _) = self.consumer.close();
        let bytes = std::mem::take(&mut self.file.0.borrow_mut().bytes);
        (report, bytes)
    }
}

fn log(producer: &mut Producer, number: u64) {
    log_with(producer, site::<(u64, ())>(), (number, ()));
}

/// Logs numbers, as many as fit into the ring.
fn fill(producer: &mut Producer) -> u64 {
    log(producer, 0);
    producer.release_cursor();
    let (cursor, site) = (&producer.state.cursor, site::<(u64, ())>());
    let logged = (1_u64..).take_while(|number| {
        // SAFETY: the producer is this thread's, and lives.
        unsafe { try_log::<CounterPath, AtAny, _>(cursor, site, (*number, ())) }
    });
    let logged = 1 + logged.count() as u64;
    producer.claim_cursor();
    logged
}

#[test]
fn a_thread_that_floods_its_ring_does_not_keep_a_quiet_one_waiting() {
    let mut rig = Rig::new(Clock::Counter);
    let (mut flooding, mut quiet) = (rig.producer(1 << 20), rig.producer(64));
    let flood = fill(&mut flooding);
    log(&mut quiet, 7);
    assert!(rig.consumer.sweep());
    assert!(quiet.ring.is_drained(), "one sweep is enough for the quiet one");
    let taken = rig.consumer.lanes[0].logs[MAIN].in_segment.records();
    assert!(taken > 0 && taken < flood / 10, "{taken} of {flood}: a sweep takes a bounded batch");
    assert_eq!(rig.consumer.lanes[1].logs[MAIN].in_segment.records(), 1);
}

#[test]
fn a_mark_stands_behind_what_was_logged_before_the_gap() {
    let mut rig = Rig::new(Clock::Counter);
    let mut producer = rig.producer(1 << 18);
    let logged = fill(&mut producer);
    log(&mut producer, 0);
    while rig.consumer.sweep() {}
    log(&mut producer, 1);
    let (report, bytes) = rig.close();
    assert_eq!((report.written, report.dropped), (logged + 1, 1));
    let mut reader = Options::new().order(Order::Written).from_slice(&bytes).unwrap();
    let mut before = 0;
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(_) => before += 1,
            Event::Drops(_) => break,
            _ => {}
        }
    }
    assert_eq!(before, logged, "the ring was taken in several batches");
}

#[test]
fn a_flush_is_not_true_where_the_output_failed() {
    let mut rig = Rig::new(Clock::Counter);
    let mut producer = rig.producer(64);
    log(&mut producer, 7);
    rig.file.0.borrow_mut().fail_next(1);
    rig.consumer.sweep();
    assert_eq!(producer.state.failures.load(Ordering::Acquire), 1);
    assert!(producer.ring.is_drained());
}

#[test]
fn records_whose_output_failed_are_counted_and_marked_once_it_works_again() {
    let mut rig = Rig::new(Clock::Counter);
    let mut producer = rig.producer(64);
    log(&mut producer, 7);
    rig.consumer.sweep();
    rig.file.0.borrow_mut().fail_next(2);
    for _ in 0..2 {
        log(&mut producer, 7);
        rig.consumer.sweep();
    }
    log(&mut producer, 7);
    drop(producer);
    let (report, bytes) = rig.close();
    assert_eq!((report.written, report.dropped), (2, 2));
    assert_eq!(report.error.unwrap().kind(), io::ErrorKind::StorageFull);

    let mut reader = Reader::from_slice(&bytes).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                seen.push(message);
            }
            Event::Drops(drops) => {
                assert_eq!(drops.counts[0].reason, DropReason::OutputFailed);
                seen.push(format!("{} dropped", drops.total()));
            }
            _ => {}
        }
    }
    // The gap is between them. Its mark is where the output worked again, after that sweep's
    // records.
    assert_eq!(seen, ["7", "7", "2 dropped"]);
    assert!(reader.report().is_whole());
}

#[test]
fn many_rings_are_written_in_parts_and_merge_in_order() {
    let mut rig = Rig::new(Clock::Counter);
    let mut producers: Vec<Producer> = (0..64).map(|_| rig.producer(16 << 10)).collect();
    let logged: u64 = producers.iter_mut().map(fill).sum();
    producers.clear();
    while rig.consumer.sweep() {}
    assert!(rig.consumer.lanes.is_empty(), "all threads have ended");
    let (report, bytes) = rig.close();
    assert_eq!((report.written, report.dropped), (logged, 0));

    let mut reader = Options::new().order(Order::Time).from_slice(&bytes).unwrap();
    let (mut records, mut previous) = (0, i64::MIN);
    while let Some(record) = reader.next_record().unwrap() {
        assert!(record.time_ns() >= previous);
        previous = record.time_ns();
        records += 1;
    }
    assert_eq!(records, logged);
    assert!(reader.report().is_whole());
    assert_eq!(reader.report().late, 0);
}

thread_local! {
    static TICKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The example of the specification: two records, the second 300 ns after the first.
fn worked_example() -> Vec<u8> {
    const BASE: u64 = 1_700_000_000_000_000_000;
    struct Order;
    impl Order {
        const SITE: &'static CallSite = &CallSite::new(
            Level::Info,
            Location {
                target: "orders",
                module: "engine",
                file: "a.rs",
                line: 42,
                column: 9,
                format: "{id} at {px} for {}",
                names: &["", "id", "px"],
            },
            <(&str, (u64, (f64, ()))) as Arguments>::TYPES,
        );
    }
    TICKS.set(BASE);
    let mut rig = Rig::new(Clock::Custom(|| TICKS.get()));
    // What the wall clock shows is not part of the example.
    let mut line = rig.consumer.discipline.line();
    (line.wall_ns, line.monotonic_ns) = (0, 0);
    rig.consumer.logs[MAIN].writer = SegmentWriter::new(rig.file.clone(), 0);
    rig.consumer.logs[MAIN].writer.clock(&line);
    let mut producer = rig.producer(64);
    log_with(&mut producer, Order::SITE, ("ACME", (1_u64, (101.25, ()))));
    TICKS.set(BASE + 300);
    log_with(&mut producer, Order::SITE, ("ÄG", (300_u64, (-0.5, ()))));
    drop(producer);
    rig.consumer.sweep();
    rig.close().1
}

#[test]
fn the_worked_example_of_the_specification_is_what_is_written() {
    let specification = include_str!("../../docs/format.md");
    let mut expected = Vec::new();
    let mut inside = false;
    for line in specification.lines() {
        match line {
            "```hex" => inside = true,
            "```" => inside = false,
            _ if inside => {
                let bytes = line.split("  ").next().unwrap_or_default().split(' ');
                expected.extend(
                    bytes.map(|byte| u8::from_str_radix(byte, 16).expect("two hex digits")),
                );
            }
            _ => {}
        }
    }
    let found = worked_example().split_off(crate::format::HEADER_BYTES);
    let hex = |bytes: &[u8]| -> Vec<String> {
        bytes
            .chunks(8)
            .map(|word| word.iter().map(|byte| format!("{byte:02X} ")).collect())
            .collect()
    };
    assert_eq!(hex(&found), hex(&expected));
}

#[test]
fn a_failing_output_and_its_recovery_are_told_once_each() {
    let mut rig = Rig::new(Clock::Counter);
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let told = told.clone();
        move |notice: &Notice<'_>| told.lock().unwrap().push(notice.to_string())
    };
    rig.consumer.set_watch(Watch::new(Some(Arc::new(hook)), own_records(), 0.8, 0));
    let mut producer = rig.producer(1 << 10);
    rig.file.0.borrow_mut().fail_next(3);
    for round in 0..5 {
        log(&mut producer, round);
        rig.consumer.sweep();
        rig.consumer.look_now(round);
    }
    // The last of the warnings.
    let report = rig.close().0;
    let error = io::Error::from(io::ErrorKind::StorageFull);
    let expected = [
        format!("the log cannot be written: {error}"),
        "1 records were dropped".to_owned(),
        "the log can be written again: 3 records are lost".to_owned(),
        "2 records were dropped".to_owned(),
    ];
    let mut told = told.lock().unwrap().clone();
    told.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!((report.written, report.dropped), (2, 3));
    assert!(report.warnings > 0);
}

/// A statement that suppresses everything says how many, ten seconds after its last record.
#[test]
fn a_silent_statement_says_what_it_has_suppressed() {
    const LINE: u32 = 4_711;
    static RATE: RateSite = RateSite::new();
    let location =
        Location { format: "tick {n}", names: &["n", "suppressed"], line: LINE, ..LOCATION };
    let call = || rate::first(&RATE, 1, Level::Info, &location);
    let mut rig = Rig::new(Clock::Counter);
    rig.consumer.set_watch(Watch::new(None, own_records(), 0.8, 0));
    assert_eq!(call(), Some(0));
    let second = 1_000_000_000;
    // How many calls each second suppresses.
    let calls = [3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0];
    for (at, calls) in (0..).zip(calls) {
        (0..calls).for_each(|_| assert_eq!(call(), None));
        rig.consumer.look_now(second * (at + 1));
        rig.consumer.sweep();
    }
    let bytes = rig.close().1;
    let mut reader = Options::new().from_slice(&bytes).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        // Other tests have statements with rates, too.
        if record.line() == u64::from(LINE) {
            let mut message = String::new();
            record.message(&mut message);
            found.push((message, record.target().to_owned(), record.level()));
        }
    }
    let mark =
        |count: u64| (format!("tick {{n}} (suppressed {count})"), "t".to_owned(), Level::Info);
    // The second at the end of the log.
    assert_eq!(found, [mark(7), mark(5)]);
}

/// `kymo stats` counts the marks of the file, and the report says how many of them are for which.
#[test]
fn lost_warnings_are_reported_apart() {
    let mut rig = Rig::new(Clock::Counter);
    rig.consumer.set_watch(Watch::new(None, own_records(), 0.8, 0));
    let mut producer = rig.producer(1 << 10);
    rig.file.0.borrow_mut().fail_next(6);
    for round in 0..10 {
        log(&mut producer, round);
        rig.consumer.sweep();
        rig.consumer.look_now(round);
    }
    let (report, bytes) = rig.close();
    let mut reader = Options::new().from_slice(&bytes).unwrap();
    let (mut marked, mut marked_own) = (0, 0);
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Drops(drops) = event {
            marked += drops.total();
            marked_own += if drops.thread.name() == "kymo" { drops.total() } else { 0 };
        }
    }
    assert!(report.dropped > 0 && report.warnings_dropped > 0, "{report:?}");
    assert_eq!(
        (marked, marked_own),
        (report.dropped + report.warnings_dropped, report.warnings_dropped)
    );
}

/// A wall clock that is set is marked in the file, also if the output fails just then.
#[test]
fn a_clock_that_was_set_is_marked_once() {
    for failures in [0, 1, 3] {
        let mut rig = Rig::new(Clock::Counter);
        let mut producer = rig.producer(1 << 10);
        log(&mut producer, 1);
        rig.consumer.sweep();
        let (hour_ns, mut off_ns) = (3_600_000_000_000, 0);
        rig.file.0.borrow_mut().fail_next(failures);
        for by_ns in [hour_ns, 2 * hour_ns] {
            off_ns += by_ns;
            rig.compare_clocks(off_ns);
            rig.consumer.sweep();
        }
        for round in 0..5 {
            log(&mut producer, round);
            rig.consumer.sweep();
        }
        let (_, bytes) = rig.close();
        let mut reader = Options::new().order(Order::Time).from_slice(&bytes).unwrap();
        let mut by_ns = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            by_ns.extend(match event {
                Event::ClockSet(set) => Some(set.by_ns),
                _ => None,
            });
        }
        let off = by_ns.iter().sum::<i64>() - 3 * hour_ns;
        assert!(off.abs() < 1_000_000_000, "{failures} failures: {by_ns:?}");
        assert!(by_ns.len() <= 2, "{failures} failures: {by_ns:?}");
        assert_eq!(reader.report().unknown_frames, 0);
    }
}

/// However old a record is when it is written, and whatever the wall clock did meanwhile: times
/// grow with ticks. A record had waited in its ring for more than three comparisons of the clocks
/// (because the disk was full, say). It got its time from the oldest of the last four, as if the
/// clock had not been slewed or set between.
#[test]
fn times_grow_with_ticks_however_late_a_record_is_written() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rig = Rig::new(Clock::Counter);
        let mut off_ns = 0;
        let mut threads = [rig.producer(1 << 10), rig.producer(1 << 10), rig.producer(1 << 10)];
        for number in 0..150 {
            match random.u32(..12) {
                0..6 => log(&mut threads[random.usize(..3)], number),
                6..10 => {
                    // Seconds go by; the clock is set forward, or back, or slewed.
                    let by_ns = random.i64(-3_000_000_000..3_000_000_000);
                    off_ns += by_ns / [1, 100][random.usize(..2)];
                    rig.compare_clocks(off_ns);
                }
                10 => rig.file.0.borrow_mut().fail_next(random.u64(..3)),
                _ => {
                    rig.consumer.sweep();
                }
            }
        }
        drop(threads);
        let (_, bytes) = rig.close();
        for order in [Order::Written, Order::Time, Order::Exact] {
            let mut reader = Options::new().order(order).from_slice(&bytes).unwrap();
            let mut times = Vec::new();
            while let Some(record) = reader.next_record().unwrap() {
                times.push((record.ticks(), record.time_ns()));
            }
            times.sort_unstable();
            let back = times.windows(2).find(|pair| pair[1].1 < pair[0].1);
            assert_eq!(back, None, "seed {seed}: {times:?}");
        }
    }
}
