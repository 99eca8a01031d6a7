//! A rotated log, whose segments are read as if they were one file.

use std::fs;
use std::path::Path;

use kymo_format::types::Type;
use kymo_reader::{Directory, Error, Event, Files, Log, Options, Order, Reader};
use kymo_testing::rotated::{segment_name, set_link, write_log};
use kymo_testing::segment::{Arg, Rec, Segment};
use proptest::prelude::*;

/// What a program does, one frame each.
#[derive(Clone, Debug)]
enum Step {
    /// A thread, and the ticks of its records relative to now. `closes`: the block ends a sweep.
    Block {
        thread: u64,
        ticks: Vec<i64>,
        site: u64,
        closes: bool,
    },
    Drops {
        thread: u64,
        count: u64,
    },
    Watermark,
    Clock,
    Signal,
    /// A dump of the flight recorder, with records that are so much older.
    Dump {
        thread: u64,
        ago: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let ticks = prop::collection::vec(-60..60_i64, 1..5);
    prop_oneof![
        8 => (0..4_u64, ticks, 0..3_u64, any::<bool>())
            .prop_map(|(thread, ticks, site, closes)| Step::Block { thread, ticks, site, closes }),
        1 => (0..4_u64, 1..9_u64).prop_map(|(thread, count)| Step::Drops { thread, count }),
        1 => Just(Step::Watermark),
        1 => Just(Step::Clock),
        1 => Just(Step::Signal),
    ]
}

/// Writes steps to segments, as a program does: each names what it has before it has it.
struct Writer {
    done: Vec<Segment>,
    segment: Segment,
    /// The numbers of call sites and threads in the segment. Each segment gives its own.
    sites: Vec<u64>,
    threads: Vec<u64>,
    clocks: Vec<(u64, i64)>,
    now: u64,
    watermark: u64,
    logged: u64,
    index: usize,
}

impl Writer {
    fn new(segment: Segment, index: usize) -> Self {
        let mut this = Self {
            done: Vec::new(),
            segment,
            sites: Vec::new(),
            threads: Vec::new(),
            clocks: Vec::new(),
            now: 1_000,
            watermark: 0,
            logged: 0,
            index,
        };
        this.clock();
        this
    }

    fn clock(&mut self) {
        let clock = (self.now, 1_000_000 + 2 * self.now as i64);
        self.clocks.push(clock);
        self.segment.clock_at(clock.0, clock.1);
    }

    fn rotate(&mut self) {
        let next = Segment::of_log(9, self.done.len() as u64 + 2);
        self.close();
        self.done.push(std::mem::replace(&mut self.segment, next));
        (self.sites, self.threads) = (Vec::new(), Vec::new());
        for (ticks, time_ns) in self.clocks.iter().rev().take(4).rev() {
            self.segment.clock_at(*ticks, *time_ns);
        }
    }

    fn close(&mut self) {
        match self.index {
            0 => self.segment.close(),
            every => self.segment.close_with_index(every),
        };
    }

    fn finish(mut self) -> Vec<Segment> {
        self.close();
        self.done.push(self.segment);
        self.done
    }

    fn site(&mut self, site: u64) -> u64 {
        let known = self.sites.iter().position(|it| *it == site);
        let number = known.unwrap_or(self.sites.len());
        if known.is_none() {
            self.sites.push(site);
            let format = ["one {n}", "two {n}", "three {n}"][site as usize];
            self.segment.site(number as u64, site as u8 + 2, format, &[("n", Type::U64)]);
        }
        number as u64
    }

    fn thread(&mut self, thread: u64) -> u64 {
        let known = self.threads.iter().position(|it| *it == thread);
        let number = known.unwrap_or(self.threads.len());
        if known.is_none() {
            self.threads.push(thread);
            // Two are called the same, and one has no name.
            let name = ["main", "worker", "worker", ""][thread as usize];
            self.segment.thread_of(number as u64, 1_000 + thread, name);
        }
        number as u64
    }

    fn step(&mut self, step: &Step) {
        self.now += 40;
        match step {
            Step::Block { thread, ticks, site, closes } => {
                let (site, thread) = (self.site(*site), self.thread(*thread));
                let first = self.logged;
                self.logged += ticks.len() as u64;
                let numbers: Vec<_> =
                    (first..).map(|n| [Arg::Unsigned(n)]).take(ticks.len()).collect();
                let at = |ticks: i64| self.now.saturating_add_signed(ticks);
                let records: Vec<_> =
                    ticks.iter().zip(&numbers).map(|(ticks, n)| Rec(site, at(*ticks), n)).collect();
                if *closes {
                    self.watermark = self.watermark.max(self.now - 30);
                    self.segment.last_block(thread, &records, self.watermark);
                } else {
                    self.segment.block(thread, &records);
                }
            }
            Step::Drops { thread, count } => {
                let thread = self.thread(*thread);
                self.segment.drops(thread, self.now - 5, self.now, *count);
            }
            Step::Watermark => {
                self.watermark = self.watermark.max(self.now - 20);
                self.segment.watermark(self.watermark);
            }
            Step::Clock => self.clock(),
            Step::Signal => {
                self.segment.signal(1_000, 11, self.now);
            }
            Step::Dump { thread, ago } => {
                let (site, thread) = (self.site(0), self.thread(*thread));
                let n = [Arg::Unsigned(self.logged)];
                self.logged += 1;
                self.segment.dump(thread, &[&[Rec(site, self.now - ago, &n)]]);
            }
        }
    }
}

/// All events but for the ends of threads and segments, in words.
fn events(files: &mut Files<'_>) -> Vec<String> {
    let mut events = Vec::new();
    while let Some((file, event)) = files.next_event().expect("no failure") {
        events.push(match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                let (thread, late) = (record.thread(), record.is_late());
                let (label, id) = (thread.label(), thread.os_id().unwrap_or(0));
                format!("{file} {} [{label}] {id} {message} {late}", record.time_ns())
            }
            Event::Drops(drops) => {
                format!(
                    "{file} {} dropped {} {}",
                    drops.thread.label(),
                    drops.total(),
                    drops.first_ns
                )
            }
            Event::Signal(signal) => {
                format!("{signal} {:?}", signal.thread.map(|it| it.label().to_string()))
            }
            Event::Dump(dump) => format!("dump of {}", dump.thread.label()),
            Event::DumpEnd(dump) => format!("end of dump of {}", dump.thread.label()),
            Event::ThreadEnd(_) | Event::End(_) => continue,
            other => format!("{other:?}"),
        });
    }
    events
}

/// What a log says, of which all is written to one file, or split before these steps.
fn read(
    steps: &[Step],
    splits: &[usize],
    index: usize,
    options: &dyn Fn() -> Options<'static>,
) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = Writer::new(Segment::of_log(9, 1), index);
    for (at, step) in steps.iter().enumerate() {
        for _ in splits.iter().filter(|split| **split == at) {
            writer.rotate();
        }
        writer.step(step);
    }
    let log = write_log(dir.path(), &writer.finish());
    let mut files = Files::open([&log], options).expect("a log");
    let events = events(&mut files);
    let report = files.readers()[0].sums();
    assert!(report.is_whole() && report.lost() == 0, "{report:?}");
    events
}

proptest! {
    /// A log that is split at any places says what the log in one file says.
    #[test]
    fn split_logs_say_what_whole_ones_say(
        steps in prop::collection::vec(step(), 1..40),
        splits in prop::collection::vec(0..40_usize, 0..6),
        index in 0..4_usize,
    ) {
        for order in [Order::Time, Order::Written, Order::Exact] {
            let options = || Options::new().order(order);
            prop_assert_eq!(
                read(&steps, &splits, index, &options), read(&steps, &[], index, &options), "{:?}", order
            );
        }
    }

    /// So does a range of time of it, with filters.
    #[test]
    fn split_ranges_say_what_whole_ones_say(
        steps in prop::collection::vec(step(), 1..40),
        splits in prop::collection::vec(0..40_usize, 0..6),
        index in 0..4_usize,
        since in 0..1_600_i64,
        length in 0..1_600_i64,
    ) {
        let since = 1_002_000 + 2 * since;
        let options = || {
            let options = Options::new().order(Order::Time).since(since).until(since + 2 * length);
            options.filter(|site| site.format() != "two {n}")
        };
        prop_assert_eq!(
            records(&read(&steps, &splits, index, &options)),
            records(&read(&steps, &[], index, &options))
        );
    }
}

/// The records of each thread in their order, without what depends on segments that were not read: whether
/// they are late, what a thread is called, and which of two threads that log at one time comes first.
fn records(events: &[String]) -> Vec<String> {
    let mut records: Vec<(String, String)> = events
        .iter()
        .filter_map(|event| {
            let (_, rest) = event.split_once(']')?;
            let thread = rest.split(' ').nth(1)?.to_owned();
            let (before, _) = event.split_once('[')?;
            let what = rest.trim_end_matches(" true").trim_end_matches(" false");
            Some((thread, format!("{before}{what}")))
        })
        .collect();
    // Keeps the order within a thread.
    records.sort_by(|one, other| one.0.cmp(&other.0));
    records.into_iter().map(|(_, record)| record).collect()
}

/// A segment with one record at `10 * sequence`, which says so.
fn small(sequence: u64) -> Segment {
    filled(Segment::of_log(9, sequence), sequence)
}

fn filled(mut segment: Segment, sequence: u64) -> Segment {
    let at = 10 * sequence;
    segment
        .clock(1_000)
        .site(0, 3, "segment {n}", &[("n", Type::U64)])
        .thread(0, "main")
        .last_block(0, &[Rec(0, at, &[Arg::Unsigned(sequence)])], at)
        .close_with_index(100);
    segment
}

fn messages(files: &mut Files<'_>) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some((_, event)) = files.next_event().expect("no failure") {
        match event {
            Event::Record(record) => {
                messages.push(String::new());
                record.message(messages.last_mut().expect("one"));
            }
            Event::Missing(missing) => messages.push(missing.to_string()),
            _ => {}
        }
    }
    messages
}

fn read_log(path: &Path) -> Vec<String> {
    messages(&mut Files::open([path], || Options::new().order(Order::Time)).expect("a log"))
}

#[test]
fn logs_are_found_by_link_stem_and_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = write_log(dir.path(), &[small(1), small(2), small(3)]);
    let all = ["segment 1", "segment 2", "segment 3"];
    assert_eq!(read_log(&link), all);
    assert_eq!(read_log(&dir.path().join(segment_name(2))), ["segment 2"]);
    let directory = Directory::read(dir.path()).expect("a directory");
    assert!(directory.refused.is_empty(), "{:?}", directory.refused);
    assert_eq!(directory.logs, std::slice::from_ref(&link));
    // A link to the link.
    let other = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(&link, other.path().join("current")).expect("room");
    assert_eq!(read_log(&other.path().join("current")), all);
    // It leads nowhere, or is not there.
    set_link(&link, 7);
    assert_eq!(read_log(&link), all);
    fs::remove_file(&link).expect("it is there");
    assert_eq!(read_log(&link), all);
    assert_eq!(read_log(&dir.path().join("app")), all);
    let directory = Directory::read(dir.path()).expect("a directory");
    assert_eq!(directory.logs, [link]);
    let error = Log::find(dir.path().join("other.kymo")).expect_err("no such log");
    assert!(
        matches!(&error.error, Error::Open(error) if error.kind() == std::io::ErrorKind::NotFound)
    );
}

#[test]
fn missing_segments_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = Segment::with_header(kymo_format::header::Header {
        previous: [3; 16],
        ..Segment::log_header(9, 7)
    });
    let segments: Vec<_> = (1..=6).map(small).chain([filled(other, 7)]).collect();
    let link = write_log(dir.path(), &segments);
    for sequence in [1, 3, 4] {
        fs::remove_file(dir.path().join(segment_name(sequence))).expect("it is there");
    }
    assert_eq!(
        read_log(&link),
        [
            "segment 2",
            "the segments 3 to 4 are missing",
            "segment 5",
            "segment 6",
            "segment 7 does not follow the segment 6 that is here",
            "segment 7",
        ]
    );
    let log = Log::find(&link).expect("a log");
    let counts: Vec<_> = log.missing().map(|missing| missing.count()).collect();
    assert_eq!(counts, [2, 0]);
    let mut reader = log.open(Options::new()).expect("a log");
    while reader.next_event().expect("no failure").is_some() {}
    let report = reader.log_report().expect("a log");
    assert_eq!((report.segments, report.gaps, report.missing.len()), (4, 2, 2));
    assert_eq!((reader.sums().records, reader.sums().lost()), (4, 0));
}

#[test]
fn other_files_of_the_name_are_set_aside() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let dir = tempfile::tempdir().expect("a directory");
    let link = write_log(dir.path(), &[small(1), small(2)]);
    let at = |sequence: u64| dir.path().join(segment_name(sequence));
    fs::write(at(3), filled(Segment::of_log(8, 3), 3).bytes).expect("room");
    fs::write(at(4), [7; 5_000]).expect("room");
    std::os::unix::fs::symlink(at(1), at(5)).expect("room");
    mknodat(CWD, at(6), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("room");
    fs::create_dir(at(7)).expect("room");
    set_link(&link, 2);
    assert_eq!(read_log(&link), ["segment 1", "segment 2"]);
    let log = Log::find(&link).expect("a log");
    let mut said: Vec<_> = log.set_aside().iter().map(ToString::to_string).collect();
    said.sort();
    let parts = ["another log", "no segment", "link", "not a regular file", "not a regular file"];
    assert_eq!(said.len(), parts.len(), "{said:?}");
    for (said, part) in said.iter().zip(parts) {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    // In a directory, what can be read is read, each by itself.
    let logs = Directory::read(dir.path()).expect("a directory").logs;
    assert_eq!(logs.len(), 3, "{logs:?}");
}

/// Numbers and predecessors may say anything. Each file is read once, in the order of the numbers.
#[test]
fn forged_headers_do_no_harm() {
    use kymo_format::header::Header;
    let dir = tempfile::tempdir().expect("a directory");
    let forged = |sequence: u64, id: u8, previous: u8| {
        let header = Segment::log_header(9, sequence);
        let header = Header { segment: [id; 16], previous: [previous; 16], ..header };
        filled(Segment::with_header(header), u64::from(id))
    };
    // Two name each other, two have one number, one the greatest, one none, two are copies.
    let segments = [
        forged(2, 1, 2),
        forged(2, 2, 1),
        forged(u64::MAX, 3, 4),
        forged(u64::MAX - 1, 4, 3),
        forged(0, 5, 5),
        forged(7, 6, 5),
        forged(7, 6, 5),
    ];
    let link = write_log(dir.path(), &segments);
    assert_eq!(
        read_log(&link),
        [
            "segment 5",
            "segment 1 is missing",
            "segment 1",
            "there are two segments of number 2",
            "segment 2",
            "the segments 3 to 6 are missing",
            "segment 6",
            "the segments 8 to 18446744073709551613 are missing",
            "segment 4",
            "segment 3",
        ]
    );
}

/// Many more segments than files may be open. They are opened one after the other.
#[test]
fn thousands_of_segments_need_few_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let segments: Vec<_> = (1..=3_000).map(small).collect();
    let link = write_log(dir.path(), &segments);
    let open_files = || fs::read_dir("/proc/self/fd").expect("/proc").count();
    let before = open_files();
    let mut files = Files::open([&link], || Options::new().order(Order::Time)).expect("a log");
    let mut records = 0;
    while let Some((_, event)) = files.next_event().expect("no failure") {
        if let Event::Record(record) = event {
            records += 1;
            assert_eq!(record.time_ns(), 1_000 + 10 * records);
            assert_eq!((record.call_site().index(), record.thread().index()), (0, 0));
        }
        if records % 1_000 == 0 {
            // Tests beside this one have files, too.
            assert!(open_files() < before + 200, "{before} {}", open_files());
        }
    }
    assert_eq!(records, 3_000);
}

/// Segments that are out of the range are skipped by their indexes, and are not even opened for reading.
#[test]
fn ranges_skip_segments() {
    let dir = tempfile::tempdir().expect("a directory");
    let segments: Vec<_> = (1..=100).map(small).collect();
    let link = write_log(dir.path(), &segments);
    let options = || Options::new().order(Order::Time).since(1_000 + 600).until(1_000 + 630);
    let mut files = Files::open([&link], options).expect("a log");
    assert_eq!(messages(&mut files), ["segment 60", "segment 61", "segment 62"]);
    let report = files.readers()[0].log_report().expect("a log");
    assert_eq!((report.segments, report.skipped), (3, 97));
}

/// A segment whose writer died does not keep the next ones from being read, nor does one that is removed
/// or damaged while the log is read.
#[test]
fn segments_that_fail_are_told_and_passed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut crashed = Segment::of_log(9, 2);
    crashed
        .clock(1_000)
        .site(0, 3, "crashed {n}", &[("n", Type::U64)])
        .thread(0, "main")
        .last_block(0, &[Rec(0, 20, &[Arg::Unsigned(2)])], 20)
        .commit();
    crashed.bytes.resize(crashed.bytes.len() + 10_000, 0);
    let segments = [small(1), crashed, small(3), small(4), small(5)];
    let link = write_log(dir.path(), &segments);
    let mut files = Files::open([&link], || Options::new().order(Order::Time)).expect("a log");
    // They were found, and go while the log is read.
    fs::remove_file(dir.path().join(segment_name(3))).expect("it is there");
    fs::write(dir.path().join(segment_name(5)), small(6).bytes).expect("room");
    let (mut messages, mut errors) = (Vec::new(), Vec::new());
    loop {
        match files.next_event() {
            Ok(Some((_, Event::Record(record)))) => {
                messages.push(String::new());
                record.message(messages.last_mut().expect("one"));
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => errors.push(error.to_string()),
        }
    }
    assert_eq!(messages, ["segment 1", "crashed 2", "segment 4"]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains(&segment_name(3)), "{errors:?}");
    assert!(errors[1].contains(&segment_name(5)), "{errors:?}");
    assert!(files.next_event().expect("no failure").is_none());
}

/// The records of a sweep may be in two segments, and those of another process come after all of it.
#[test]
fn another_process_comes_after_all_of_the_one_before() {
    use kymo_format::header::Header;
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = Segment::of_log(9, 1);
    first.clock(1_000).site(0, 3, "a {n}", &[("n", Type::U64)]).thread_of(0, 50, "main");
    first.block(0, &[Rec(0, 5_000, &[Arg::Unsigned(1)])]).close();
    let header = Header { process: 1, ..Segment::log_header(9, 2) };
    let mut second = Segment::with_header(header);
    // Its counter begins anew.
    second.clock(7_000).site(0, 3, "a {n}", &[("n", Type::U64)]).thread_of(0, 50, "main");
    second.last_block(0, &[Rec(0, 5, &[Arg::Unsigned(2)])], 5).close();
    let link = write_log(dir.path(), &[first, second]);
    let mut reader =
        Log::find(&link).and_then(|it| it.open(Options::new().order(Order::Time))).unwrap();
    let mut seen = Vec::new();
    while let Some(record) = reader.next_record().expect("no failure") {
        let (site, thread) = (record.call_site(), record.thread());
        seen.push((record.time_ns(), site.index(), thread.index(), thread.label().to_string()));
    }
    let main = || "main".to_owned();
    assert_eq!(seen, [(6_000, 0, 0, main()), (7_005, 0, 1, main())]);
}

/// A reader that follows goes on to the next segments that were there.
#[test]
fn readers_of_logs_follow_to_the_last_segment() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = write_log(dir.path(), &[small(1), small(2)]);
    let mut reader: Reader<'_> =
        Log::find(&link).and_then(|log| log.open(Options::new().follow(true))).expect("a log");
    let mut records = 0;
    while reader.next_record().expect("no failure").is_some() {
        records += 1;
    }
    assert_eq!(records, 2);
    assert_eq!(reader.path(), Some(&*dir.path().join(segment_name(2))));
}

/// A dump's records are older than its segment, and are handed out when that is begun.
#[test]
fn dumps_are_in_their_segments() {
    let steps = [
        Step::Block { thread: 0, ticks: vec![0], site: 0, closes: true },
        Step::Block { thread: 0, ticks: vec![0], site: 0, closes: true },
        Step::Dump { thread: 1, ago: 30 },
        Step::Block { thread: 0, ticks: vec![0], site: 0, closes: true },
    ];
    let options = || Options::new().order(Order::Time);
    let whole = read(&steps, &[], 0, &options);
    assert_eq!(read(&steps, &[3], 0, &options), whole);
    let mut parted = read(&steps, &[2], 0, &options);
    assert_eq!(parted.len(), whole.len());
    parted.sort();
    let mut sorted = whole;
    sorted.sort();
    assert_eq!(parted, sorted);
}

/// How many call sites and threads a segment has in the next test; more by `KYMO_NAMES=1000000`.
fn names() -> u64 {
    let asked = std::env::var("KYMO_NAMES").ok().and_then(|names| names.parse().ok());
    asked.unwrap_or(20_000)
}

/// Each segment names all of them again, under other numbers.
#[test]
fn many_call_sites_and_threads_keep_their_indexes() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = names();
    let segments: Vec<_> = (1..=3)
        .map(|sequence| {
            let mut segment = Segment::of_log(9, sequence);
            segment.clock(1_000);
            for name in 0..names {
                // They are numbered from another one on.
                let number = (name + sequence) % names;
                segment.site_at(number, name + 1, 3, "site {n}", &[("n", Type::U64)]);
                segment.thread_of(number, 1_000_000 + name, &format!("thread {name}"));
                let at = sequence * 10_000_000 + name;
                segment.block(number, &[Rec(number, at, &[Arg::Unsigned(name)])]);
            }
            segment.close();
            segment
        })
        .collect();
    let link = write_log(dir.path(), &segments);
    drop(segments);
    let mut reader = Log::find(&link).and_then(|it| it.open(Options::new())).expect("a log");
    let mut records = 0;
    while let Some(record) = reader.next_record().expect("no failure") {
        let name = records % names;
        assert_eq!(record.get::<u64>("n"), Ok(name));
        assert_eq!(record.line(), name + 1);
        assert_eq!(record.call_site().index() as u64, name);
        assert_eq!(record.thread().index() as u64, name);
        assert_eq!(record.thread().os_id(), Some(1_000_000 + name));
        records += 1;
    }
    assert_eq!(records, 3 * names);
    assert_eq!(reader.call_sites().len() as u64, names);
    assert_eq!(reader.threads().len() as u64, names);
    assert!(reader.sums().is_whole());
}

/// What is past the first 4 GiB of a segment is found by its index. The file is sparse.
#[test]
fn segments_over_4_gib_are_read_by_their_index() {
    use kymo_format::index::{Index, Step};
    use std::io::{Seek, SeekFrom, Write};
    const FAR: u64 = 5 << 30;
    let dir = tempfile::tempdir().expect("a directory");
    let mut segment = Segment::of_log(9, 1);
    segment.clock(1_000).site(0, 3, "far {n}", &[("n", Type::U64)]).thread(0, "main");
    let known: Vec<u64> = segment.frames.iter().map(|frame| frame.0 as u64).collect();
    let near = segment.bytes.len();
    segment.last_block(0, &[Rec(0, 7_000, &[Arg::Unsigned(7)])], 7_001);
    let block = segment.bytes.len() as u64 - near as u64;
    let at = FAR + block;
    let step = |offset, oldest_ns, newest_ns| Step { offset, oldest_ns, newest_ns, watermark: 0 };
    let steps = vec![step(4_096, 1_000, 2_000), step(FAR, 8_000, 8_000)];
    let mut payload = Vec::new();
    Index { steps, frames: known }.put(at, &mut payload);
    segment.frame(kymo_format::frame::Kind::Index as u8, &payload);
    segment.close_end();
    let far = segment.bytes.split_off(near);
    segment.set_committed(FAR + far.len() as u64);
    let link = write_log(dir.path(), &[segment, small(2)]);
    let path = dir.path().join(segment_name(1));
    let mut file = fs::File::options().write(true).open(&path).expect("it is there");
    file.seek(SeekFrom::Start(FAR)).and_then(|_| file.write_all(&far)).expect("a sparse file");
    let options = || Options::new().order(Order::Time).since(5_000);
    let mut files = Files::open([&link], options).expect("a log");
    assert_eq!(messages(&mut files), ["far 7"]);
    let reader = &files.readers()[0];
    assert!(reader.sums().skipped_bytes > FAR / 2, "{:?}", reader.sums());
    // The other way around: it is not even opened.
    let options = || Options::new().order(Order::Time).until(1_000);
    let mut files = Files::open([&link], options).expect("a log");
    assert_eq!(messages(&mut files), [""; 0]);
}

/// The side file of each segment is read with it: each record once, in its place.
#[test]
fn side_files_of_all_segments_are_read() {
    use kymo_format::header::{ClockSource, Header};
    let dir = tempfile::tempdir().expect("a directory");
    let mut segments = Vec::new();
    for sequence in 1..=40 {
        let mut segment = Segment::of_log(9, sequence);
        let at = 1_000 * sequence;
        segment.clock(1_000).site(0, 3, "{n}", &[("n", Type::U64)]).thread_of(0, 50, "main");
        // The third and the sixth record are in side files, and one is in both.
        let n = |n: u64| [Arg::Unsigned(10 * sequence + n)];
        segment.block(0, &[Rec(0, at + 1, &n(1)), Rec(0, at + 2, &n(2))]);
        segment.last_block(0, &[Rec(0, at + 4, &n(4)), Rec(0, at + 5, &n(5))], at + 6).close();
        if sequence % 2 == 0 {
            let header = |id: u8| Header {
                salt: 5,
                segment: [id; 16],
                side_of: Segment::log_header(9, sequence).segment,
                ..Header::new(ClockSource::Counter)
            };
            let mut side = Segment::with_header(header(100 + sequence as u8));
            side.clock(1_000)
                .site_at(3, 10, 3, "{n}", &[("n", Type::U64)])
                .thread_of(7, 50, "main");
            side.last_block(7, &[Rec(3, at + 2, &n(2))], at + 2);
            side.last_block(7, &[Rec(3, at + 3, &n(3))], at + 3).commit();
            let path = dir.path().join(format!("{}.rescue", segment_name(sequence)));
            fs::write(path, &side.bytes).expect("room");
            if sequence % 4 == 0 {
                let mut recovered = Segment::with_header(header(200 + sequence as u8));
                recovered.clock(1_000).site(1, 3, "{n}", &[("n", Type::U64)]);
                recovered.thread_of(0, 50, "main").block(0, &[Rec(1, at + 6, &n(6))]).close();
                let path = dir.path().join(format!("{}.recovered", segment_name(sequence)));
                fs::write(path, &recovered.bytes).expect("room");
            }
        }
        segments.push(segment);
    }
    let link = write_log(dir.path(), &segments);
    for order in [Order::Time, Order::Written] {
        let mut files = Files::open([&link], || Options::new().order(order)).expect("a log");
        let numbers: Vec<u64> =
            messages(&mut files).iter().map(|it| it.parse().expect("a number")).collect();
        let expected = (1..=40_u64).flat_map(|sequence| {
            let of = |n: &u64| match n {
                3 => sequence % 2 == 0,
                6 => sequence % 4 == 0,
                _ => true,
            };
            (1..=6).filter(of).map(move |n| 10 * sequence + n).collect::<Vec<_>>()
        });
        assert_eq!(numbers, expected.collect::<Vec<_>>(), "{order:?}");
        assert_eq!(files.left_out(), 20);
        assert_eq!(files.readers().len(), 1 + 20 + 10);
    }
}

/// Segments of killed processes have no events of their own: what they had is in the files beside them. Wherever such
/// segments are in the log, all of that is read.
#[test]
fn files_beside_empty_segments_are_read() {
    use kymo_format::header::{ClockSource, Header};
    for order in [Order::Time, Order::Written] {
        // Which of the segments have a record.
        for filled in 0..1_u64 << 5 {
            let dir = tempfile::tempdir().expect("a directory");
            let (mut segments, mut expected) = (Vec::new(), Vec::new());
            for sequence in 1..=5_u64 {
                let at = 1_000 * sequence;
                let n = |n: u64| [Arg::Unsigned(10 * sequence + n)];
                let with_records = |header: Header, numbers: &[u64]| {
                    let mut segment = Segment::with_header(header);
                    segment.clock(1_000).site(0, 3, "{n}", &[("n", Type::U64)]);
                    segment.thread_of(0, 50, "main");
                    for number in numbers {
                        segment.last_block(0, &[Rec(0, at + number, &n(*number))], at + number);
                    }
                    segment
                };
                // Another process wrote each of them.
                let process = 4_000 + sequence as u32;
                let header = Header { process, ..Segment::log_header(9, sequence) };
                let beside = |id: u8| Header {
                    salt: 5,
                    segment: [id; 16],
                    side_of: header.segment,
                    ..Header::new(ClockSource::Counter)
                };
                let write = |mut file: Segment, kind: &str| {
                    let path = dir.path().join(format!("{}.{kind}", segment_name(sequence)));
                    fs::write(path, &file.close().bytes).expect("room");
                };
                let own: &[u64] = if filled >> (sequence - 1) & 1 == 1 { &[1] } else { &[] };
                write(with_records(beside(200 + sequence as u8), &[3, 4]), "recovered");
                if sequence % 2 == 0 {
                    write(with_records(beside(100 + sequence as u8), &[2]), "rescue");
                }
                let rescued: &[u64] = if sequence % 2 == 0 { &[2] } else { &[] };
                let all = own.iter().chain(rescued).chain(&[3, 4]);
                expected.extend(all.map(|n| 10 * sequence + n));
                let mut segment = with_records(header, own);
                segment.commit();
                segments.push(segment);
            }
            let link = write_log(dir.path(), &segments);
            let mut files = Files::open([&link], || Options::new().order(order)).expect("a log");
            let numbers: Vec<u64> =
                messages(&mut files).iter().map(|it| it.parse().expect("a number")).collect();
            assert_eq!(numbers, expected, "{order:?} {filled:05b}");
            assert!(files.readers().iter().all(|reader| reader.report().damages == 0));
        }
    }
}
