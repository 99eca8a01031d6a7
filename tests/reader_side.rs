//! A log and its side file: each record is handed out once, from either file.

use kymo_testing::segment;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kymo_format::types::Type;
use kymo_reader::{Error, Event, Files, Options, Order};
use proptest::prelude::*;
use segment::{Arg, Rec, Segment};

/// A directory with a log and a side file in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(log: &Segment, side: &Segment) -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a directory") };
        fs::write(place.log(), &log.bytes).expect("room");
        fs::write(place.side(), &side.bytes).expect("room");
        place
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("app.kymo")
    }

    fn side(&self) -> PathBuf {
        self.dir.path().join("app.kymo.rescue")
    }

    fn open(&self, options: impl Fn() -> Options<'static>) -> Files<'static> {
        Files::open([self.log()], options).expect("a log")
    }
}

fn by_time() -> Options<'static> {
    Options::new().order(Order::Time)
}

/// The files, times and messages of all records.
fn records(files: &mut Files<'_>) -> Vec<(usize, i64, String)> {
    let mut records = Vec::new();
    while let Some((file, event)) = files.next_event().expect("no failure") {
        if let Event::Record(record) = event {
            let mut message = String::new();
            record.message(&mut message);
            records.push((file, record.time_ns(), message));
        }
    }
    records
}

/// A file in which threads 0 to 2 may log `one N` and `two N`, numbered either way around.
fn prepared(mut file: Segment, swapped: bool) -> Segment {
    file.clock(1_000);
    let sites = [(0, "one {n}"), (1, "two {n}")];
    for index in if swapped { [1, 0] } else { [0, 1] } {
        let (number, format) = sites[index];
        file.site(number, 3, format, &[("n", Type::U64)]);
    }
    for thread in 0..3 {
        file.thread(thread, "t");
    }
    file
}

/// The files that have a record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stands {
    Log,
    Side,
    Both,
}

proptest! {
    #[test]
    fn each_record_is_handed_out_once(
        logged in prop::collection::vec(
            (
                0u64..3,
                0u64..2,
                prop_oneof![Just(Stands::Log), Just(Stands::Side), Just(Stands::Both)],
                0u64..3,
            ),
            0..60,
        ),
        since in prop::option::of(1_000i64..1_060),
        warnings in any::<bool>(),
    ) {
        let mut log = prepared(Segment::new(1), false);
        let mut side = prepared(Segment::side(2), true);
        let mut expected = BTreeMap::new();
        // Of three ticks in turn one is that of the record before.
        for (n, (thread, site, stands, tick)) in (0..).zip(&logged) {
            let ticks = n - u64::from(*tick == 0).min(n);
            let args = [Arg::Unsigned(n)];
            let record = || [Rec(*site, ticks, &args)];
            if *stands != Stands::Side {
                log.block(*thread, &record());
            }
            if *stands != Stands::Log {
                side.last_block(*thread, &record(), ticks);
            }
            let time_ns = 1_000 + ticks as i64;
            let site = ["one", "two"][*site as usize];
            if since.is_none_or(|since| time_ns >= since) && (!warnings || site == "two") {
                expected.insert((time_ns, format!("{site} {n}")), *stands);
            }
        }
        log.close();
        side.close();
        let place = Place::new(&log, &side);
        let mut files = place.open(|| {
            let options = by_time().filter(move |site| !warnings || site.format() == "two {n}");
            match since {
                Some(since) => options.since(since),
                None => options,
            }
        });
        let found = records(&mut files);
        prop_assert_eq!(found.len(), expected.len());
        prop_assert!(found.iter().map(|it| it.1).is_sorted());
        for (file, time_ns, message) in found {
            let stands = expected.remove(&(time_ns, message));
            // The log's, where it has it.
            prop_assert_eq!(stands.map(|it| usize::from(it == Stands::Side)), Some(file));
        }
        let both = logged.iter().filter(|it| it.2 == Stands::Both).count();
        prop_assert!(files.left_out() <= both as u64);
        prop_assert!(files.readers().iter().all(|reader| reader.report().is_whole()));
        prop_assert_eq!(files.readers()[1].path(), Some(&*place.side()));
    }
}

#[test]
fn the_same_record_twice_in_a_tick_is_two() {
    let twice = |file: Segment, times: usize| {
        let mut file = prepared(file, false);
        let record = || Rec(0, 5, &[Arg::Unsigned(7)]);
        file.block(0, &(0..times).map(|_| record()).collect::<Vec<_>>()).close();
        file
    };
    for (log, side, expected) in [(2, 1, 2), (3, 2, 3), (1, 2, 2), (2, 0, 2), (0, 2, 2)] {
        let place = Place::new(&twice(Segment::new(1), log), &twice(Segment::side(2), side));
        assert_eq!(records(&mut place.open(by_time)).len(), expected, "{log} and {side}");
    }
}

/// Records that differ in anything are no copies of each other.
#[test]
fn any_difference_makes_another_record() {
    let mut log = prepared(Segment::new(1), false);
    let mut side = prepared(Segment::side(2), false);
    log.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)])]).close();
    side.block(1, &[Rec(0, 5, &[Arg::Unsigned(7)])])
        .block(0, &[Rec(1, 5, &[Arg::Unsigned(7)])])
        .block(0, &[Rec(0, 6, &[Arg::Unsigned(7)])])
        .block(0, &[Rec(0, 5, &[Arg::Unsigned(8)])])
        .close();
    let mut files = Place::new(&log, &side).open(by_time);
    assert_eq!(records(&mut files).len(), 5);
    assert_eq!(files.left_out(), 0);
}

/// A side file that is invalid, or of another log, changes nothing.
#[test]
fn foreign_side_files_change_nothing() {
    let (mut log, mut other) = (prepared(Segment::new(1), false), prepared(Segment::new(2), false));
    log.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)])]).close();
    other.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)])]).close();
    let place = Place::new(&log, &other);
    let mut files = place.open(by_time);
    assert_eq!(files.readers().len(), 1);
    assert_eq!(records(&mut files).len(), 1);

    fs::write(place.side(), "garbage").expect("room");
    let mut files = place.open(by_time);
    let error = files.next_event().expect_err("an error");
    assert!(matches!(error.error, Error::Foreign));
    assert!(error.to_string().starts_with(&*place.side().to_string_lossy()), "{error}");
    assert_eq!(records(&mut files).len(), 1, "the log is read all the same");

    // Nobody wrote that.
    let sparse = fs::File::create(place.side()).expect("room");
    sparse.set_len((64 << 20) + 1).expect("room");
    let mut files = place.open(by_time);
    assert_eq!(records(&mut files).len(), 1);
    assert!(matches!(files.refused(), [refused] if refused.path == place.side()));

    fs::write(place.side(), [b'x'; 64 << 10]).expect("room");
    let huge = fs::File::options().write(true).open(place.side()).expect("it is there");
    huge.set_len((64 << 20) + 1).expect("room");
    let error = place.open(by_time).next_event().expect_err("an error").error;
    assert!(matches!(error, Error::SideFileTooLong));

    fs::remove_file(place.side()).expect("it is there");
    assert_eq!(records(&mut place.open(by_time)).len(), 1);
}

/// Side files in a directory are read with their logs.
#[test]
fn directories_include_side_files() {
    let mut log = prepared(Segment::new(1), false);
    let mut side = prepared(Segment::side(2), false);
    log.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)])]).close();
    side.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)]), Rec(0, 6, &[Arg::Unsigned(8)])]);
    let place = Place::new(&log, &side);
    let mut files = Files::open_dir(place.dir.path(), by_time).expect("a directory");
    let found = records(&mut files);
    assert_eq!(found, [(0, 1_005, "one 7".to_owned()), (1, 1_006, "one 8".to_owned())]);
    assert_eq!(files.left_out(), 1);
}

/// A log, its side file and what was recovered of it, each with the records of its own number.
fn family(first: u64, id: u8) -> [(Vec<u8>, u64); 3] {
    let file = |segment: Segment, numbers: [u64; 2]| {
        let mut segment = prepared(segment, false);
        for number in numbers {
            segment.last_block(0, &[Rec(0, number, &[Arg::Unsigned(number)])], number);
        }
        segment.close();
        (segment.bytes, numbers[1])
    };
    [
        file(Segment::of(id, 0), [first, first + 1]),
        file(Segment::of(id + 1, id), [first + 1, first + 2]),
        file(Segment::of(id + 2, id), [first + 3, first + 4]),
    ]
}

fn numbers(files: &mut Files<'_>) -> Vec<String> {
    let mut found: Vec<_> = records(files).into_iter().map(|it| it.2).collect();
    found.sort_by_key(|text| (text.len(), text.clone()));
    found
}

fn expected(first: u64) -> Vec<String> {
    (first..first + 5).map(|number| format!("one {number}")).collect()
}

/// Side files were found by the name of their log: one that was renamed alone, by hand or by a start
/// that was killed half way, had lost them.
#[test]
fn side_files_are_found_by_segment() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let names = [
        ["app.kymo", "app.kymo.rescue", "app.kymo.recovered"],
        // The log was renamed alone; with one of them; and another log has the old name.
        ["app.1.kymo", "app.kymo.rescue", "app.kymo.recovered"],
        ["app.1.kymo", "app.1.kymo.rescue", "app.kymo.recovered"],
        ["moved away.kymo", "app.kymo.rescue.7", "other.kymo.recovered.12"],
        ["app.kymo.recovered", "app.kymo.rescue", "x.recovered"],
    ];
    for names in names {
        let ours = family(1, 1);
        for (name, (bytes, _)) in names.iter().zip(&ours) {
            fs::write(at(name), bytes).expect("room");
        }
        let other = ["other.kymo", "z.kymo.rescue", "z.kymo.recovered"];
        for (name, (bytes, _)) in other.iter().zip(&family(100, 11)) {
            fs::write(at(name), bytes).expect("room");
        }
        let open = |name: &str| Files::open([at(name)], by_time).expect("a log");
        assert_eq!(numbers(&mut open(names[0])), expected(1), "{names:?}");
        assert_eq!(numbers(&mut open(other[0])), expected(100), "{names:?}");
        if names[0].ends_with(".kymo") {
            let mut all = Files::open_dir(dir.path(), by_time).expect("a directory");
            assert_eq!(numbers(&mut all).len(), 10, "{names:?}");
        }
        // Named with their log they are read once, in any order.
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut files = Files::open(order.map(|it| at(names[it])), by_time).expect("files");
            assert_eq!(numbers(&mut files), expected(1), "{names:?} {order:?}");
        }
        for name in names.iter().chain(&other) {
            fs::remove_file(at(name)).expect("it is there");
        }
    }
}

/// A log that was moved to another directory is read with its side files where these are named too;
/// and a copy of a side file changes nothing.
#[test]
fn side_files_may_be_named_and_copied() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [log, rescue, recovered] = family(1, 1).map(|(bytes, _)| bytes);
    let paths = [
        there.path().join("app.kymo"),
        here.path().join("a.rescue"),
        here.path().join("b.recovered"),
    ];
    for (path, bytes) in paths.iter().zip([log, rescue, recovered]) {
        fs::write(path, bytes).expect("room");
    }
    let mut files = Files::open(&paths, by_time).expect("files");
    assert_eq!(numbers(&mut files), expected(1));
    for path in &paths[1..] {
        fs::copy(path, there.path().join(path.file_name().expect("a name"))).expect("room");
    }
    fs::copy(&paths[1], there.path().join("copy.rescue")).expect("room");
    fs::copy(&paths[2], there.path().join("copy.recovered")).expect("room");
    let mut files = Files::open([&paths[0]], by_time).expect("a log");
    assert_eq!(numbers(&mut files), expected(1));
}

/// A process that died between making its side file and writing the header leaves an empty one, or
/// a page of zeros: that was an error of the whole log.
#[test]
fn a_side_file_without_a_header_is_no_error() {
    let place = Place::new(&prepared(Segment::new(1), false), &Segment::side(2));
    let [(log, _), ..] = family(1, 1);
    fs::write(place.log(), &log).expect("room");
    for ending in ["rescue", "recovered"] {
        for bytes in [0, 1, 100, 4_095, 4_096] {
            fs::write(place.log().with_extension(format!("kymo.{ending}")), vec![0; bytes])
                .expect("room");
            assert_eq!(numbers(&mut place.open(by_time)), ["one 1", "one 2"], "{ending} {bytes}");
        }
    }
}

/// A start that was killed while it renamed a log may leave it with both names.
#[test]
fn logs_with_two_names_are_read_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let [(log, _), ..] = family(1, 1);
    fs::write(dir.path().join("app.kymo"), log).expect("room");
    fs::hard_link(dir.path().join("app.kymo"), dir.path().join("app.1.kymo")).expect("room");
    let mut files = Files::open_dir(dir.path(), by_time).expect("a directory");
    assert_eq!(numbers(&mut files), ["one 1", "one 2"]);
}

/// What a thread does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It logs.
    Plain,
    /// It logs a critical record, which is rescued.
    Critical(Kept),
    /// While the arguments of a record are made, it logs another, which is published first.
    Nested { outer: Option<Kept>, inner: Option<Kept> },
    /// The consumer writes what it finds.
    Sweep,
}

/// The other file that has a rescued record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// In the log.
    Both,
    /// Nowhere: the ring was full.
    Dropped,
}

/// Threads that log, and the files that come of it.
struct Model {
    log: Segment,
    side: Segment,
    /// The ticks now, and by how much they grow with each step.
    ticks: u64,
    tick: u64,
    /// What is in the rings: the ticks, and the number of a record, or that it was dropped.
    rings: [Vec<(u64, u64, bool)>; 3],
    /// The numbers that each thread logged, in order.
    logged: [Vec<u64>; 3],
    next: u64,
}

impl Model {
    fn pass(&mut self) -> u64 {
        self.ticks += self.tick;
        self.ticks
    }

    /// A record that is stamped with `ticks` is published, and rescued if it is critical.
    fn publish(&mut self, thread: usize, ticks: u64, critical: Option<Kept>) {
        let number = self.next;
        self.next += 1;
        self.rings[thread].push((ticks, number, critical == Some(Kept::Dropped)));
        self.logged[thread].push(number);
        if critical.is_some() {
            let written = self.pass();
            let args = [Arg::Unsigned(number)];
            self.side.last_block(thread as u64, &[Rec(0, ticks, &args)], written);
        }
    }

    fn step(&mut self, thread: usize, step: Step) {
        match step {
            Step::Plain | Step::Critical(_) => {
                let ticks = self.pass();
                let critical = if let Step::Critical(kept) = step { Some(kept) } else { None };
                self.publish(thread, ticks, critical);
            }
            Step::Nested { outer, inner } => {
                let ticks = self.pass();
                let within = self.pass();
                self.publish(thread, within, inner);
                self.publish(thread, ticks, outer);
            }
            Step::Sweep => self.sweep(),
        }
    }

    fn sweep(&mut self) {
        for thread in 0..3 {
            for (ticks, number, dropped) in std::mem::take(&mut self.rings[thread]) {
                match dropped {
                    true => self.log.drops(thread as u64, ticks, ticks, 1),
                    false => {
                        let args = [Arg::Unsigned(number)];
                        self.log.block(thread as u64, &[Rec(0, ticks, &args)])
                    }
                };
            }
        }
        self.log.watermark(self.ticks);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let kept = || prop_oneof![Just(Kept::Both), Just(Kept::Dropped)];
    prop_oneof![
        4 => Just(Step::Plain),
        3 => kept().prop_map(Step::Critical),
        2 => (prop::option::of(kept()), prop::option::of(kept()))
            .prop_map(|(outer, inner)| Step::Nested { outer, inner }),
        2 => Just(Step::Sweep),
    ]
}

proptest! {
    /// A thread's records are in order, whether critical ones were rescued or not, and wherever
    /// they are in the file. They were not: a side file has clock frames of its own, and its copy
    /// was shown in place of the log's.
    #[test]
    fn a_threads_records_are_in_order(
        steps in prop::collection::vec((0usize..3, step()), 0..60),
        killed in any::<bool>(),
        // The program's own clock may not advance.
        tick in prop_oneof![3 => Just(10u64), 1 => Just(0u64)],
        side_clock in 950i64..1_050,
        order in prop_oneof![Just(Order::Written), Just(Order::Time), Just(Order::Exact)],
    ) {
        let mut side = Segment::side(2);
        side.clock(side_clock).site(0, 1, "{n}", &[("n", Type::U64)]);
        let mut log = Segment::new(1);
        log.clock(1_000).site(0, 1, "{n}", &[("n", Type::U64)]);
        for thread in 0..3 {
            log.thread(thread, "t");
            side.thread(thread, "t");
        }
        let (rings, logged) = Default::default();
        let mut model = Model { log, side, ticks: 5, tick, rings, logged, next: 0 };
        for (thread, step) in steps {
            model.step(thread, step);
        }
        let mut lost = Vec::new();
        if killed {
            // What was in the rings is lost, but for what was rescued.
            lost = model.rings.iter().flatten().map(|it| it.1).collect();
        } else {
            model.sweep();
            model.log.close();
            model.side.close();
        }
        let place = Place::new(&model.log, &model.side);
        let mut files = place.open(|| Options::new().order(order));
        let mut found: [Vec<u64>; 3] = Default::default();
        while let Some((_, event)) = files.next_event().expect("no failure") {
            if let Event::Record(record) = event {
                let number = record.argument("n").and_then(|value| value.as_u128());
                found[record.thread().number() as usize].push(number.unwrap_or_default() as u64);
            }
        }
        for (logged, found) in model.logged.iter().zip(&found) {
            let is_found = |number: &&u64| !lost.contains(*number) || found.contains(*number);
            let expected: Vec<_> = logged.iter().filter(is_found).copied().collect();
            prop_assert_eq!(found, &expected);
        }
    }
}

/// Nobody knows yet that the log will have it, when the side file's record is handed out.
#[test]
fn followed_records_come_once() {
    let mut log = prepared(Segment::new(1), false);
    let mut side = prepared(Segment::side(2), false);
    let [one, two, three] = [1, 2, 3].map(Arg::Unsigned);
    log.last_block(0, &[Rec(0, 5, &[one])], 6).commit();
    side.last_block(0, &[Rec(0, 5, &[one])], 6).last_block(0, &[Rec(0, 7, &[two])], 8);
    let place = Place::new(&log, &side);
    let mut files = place.open(|| by_time().follow(true));
    let found = records(&mut files);
    assert_eq!(found, [(0, 1_005, "one 1".to_owned()), (1, 1_007, "one 2".to_owned())]);
    log.last_block(0, &[Rec(0, 7, &[two]), Rec(0, 9, &[three])], 10).close();
    fs::write(place.log(), &log.bytes).expect("room");
    assert_eq!(records(&mut files), [(0, 1_009, "one 3".to_owned())]);
    assert_eq!(files.left_out(), 2);
}
