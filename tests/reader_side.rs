//! A log and its side file: each record is handed out once, wherever it stands.

#[path = "common/segment.rs"]
mod segment;

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

/// Where a record stands.
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
            prop_assert_eq!(stands.map(|it| usize::from(it != Stands::Log)), Some(file));
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

#[test]
fn what_differs_in_anything_is_another_record() {
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

#[test]
fn a_side_file_that_is_none_or_of_another_log_changes_nothing() {
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

    let huge = fs::File::create(place.side()).expect("room");
    huge.set_len((64 << 20) + 1).expect("room");
    let error = place.open(by_time).next_event().expect_err("an error").error;
    assert!(matches!(error, Error::SideFileTooLong));

    fs::remove_file(place.side()).expect("it is there");
    assert_eq!(records(&mut place.open(by_time)).len(), 1);
}

#[test]
fn of_a_directory_the_side_files_are_read_with_their_logs() {
    let mut log = prepared(Segment::new(1), false);
    let mut side = prepared(Segment::side(2), false);
    log.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)])]).close();
    side.block(0, &[Rec(0, 5, &[Arg::Unsigned(7)]), Rec(0, 6, &[Arg::Unsigned(8)])]);
    let place = Place::new(&log, &side);
    let mut files = Files::open_dir(place.dir.path(), by_time).expect("a directory");
    let found = records(&mut files);
    assert_eq!(found, [(1, 1_005, "one 7".to_owned()), (1, 1_006, "one 8".to_owned())]);
    assert_eq!(files.left_out(), 1);
}
