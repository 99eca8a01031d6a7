//! A wall clock that jumps while a program logs: times in the file do not run backwards, and a mark
//! says by how much the clock was set.

use kymo_testing::segment;

use kymo_reader::{Event, Options, Order};
use segment::{Rec, Segment};

/// An hour, in nanoseconds.
const HOUR: i64 = 3_600_000_000_000;

/// A log in which the wall clock is set by an hour at 20 ticks, and set back at 40.
fn log() -> Segment {
    let mut file = Segment::new(3);
    file.clock(1_000).thread(0, "main").site(0, 3, "x", &[]);
    file.last_block(0, &[Rec(0, 10, &[])], 11);
    file.clock_at(20, HOUR).clock_set(20, HOUR, HOUR);
    file.block(0, &[Rec(0, 15, &[])]).last_block(0, &[Rec(0, 25, &[])], 26);
    file.clock_at(40, HOUR + 20).clock_set(40, HOUR + 20, -HOUR);
    file.last_block(0, &[Rec(0, 50, &[])], 51);
    file
}

/// What was set, and the times of all records and such marks.
fn read(options: Options<'_>, bytes: &[u8]) -> (Vec<i64>, Vec<i64>) {
    let mut reader = options.from_slice(bytes).expect("a log");
    let (mut sets, mut times) = (Vec::new(), Vec::new());
    while let Some(event) = reader.next_event().expect("no failure") {
        match event {
            Event::Record(record) => times.push(record.time_ns()),
            Event::ClockSet(set) => {
                sets.push(set.by_ns);
                times.push(set.time_ns);
            }
            _ => {}
        }
    }
    assert!(reader.report().is_whole());
    (sets, times)
}

/// A wall clock that was set back took time back with it, and nothing in the file said so.
#[test]
fn marks_are_in_their_places_and_times_grow() {
    let mut file = log();
    let bytes = &file.close().bytes;
    let times = vec![1_010, 1_015, HOUR, HOUR + 5, HOUR + 20, HOUR + 30];
    for order in [Order::Time, Order::Exact] {
        assert_eq!(read(Options::new().order(order), bytes), (vec![HOUR, -HOUR], times.clone()));
    }
    assert_eq!(read(Options::new(), bytes).0, [HOUR, -HOUR]);
}

#[test]
fn a_range_of_time_has_the_marks_in_it() {
    let (mut plain, mut indexed) = (log(), log());
    for bytes in [&plain.close().bytes, &indexed.close_with_index(1).bytes] {
        let since = |since| read(Options::new().order(Order::Time).since(since), bytes);
        assert_eq!(since(HOUR), (vec![HOUR, -HOUR], vec![HOUR, HOUR + 5, HOUR + 20, HOUR + 30]));
        assert_eq!(since(HOUR + 6), (vec![-HOUR], vec![HOUR + 20, HOUR + 30]));
        let until = Options::new().order(Order::Time).until(HOUR);
        assert_eq!(read(until, bytes), (vec![], vec![1_010, 1_015]));
    }
}

#[test]
fn a_mark_that_is_too_short_is_damage() {
    let mut file = Segment::new(3);
    file.clock(1_000).frame(14, &[0; 23]).close();
    let report = segment::read(&file.bytes).report;
    assert_eq!((report.damages, report.unknown_frames), (1, 0));
}
