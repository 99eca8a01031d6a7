//! What a segment of a rotated log says of the others: the totals before it, and what was deleted.

use kymo_testing::segment;

use kymo_format::rotated::{Continued, Deleted};
use kymo_reader::{Event, Options, Order};
use segment::{Rec, Segment};

const CONTINUED: Continued =
    Continued { segments: 3, written: 1 << 40, dropped: 5, cut: 6, own: 7 };
const DELETED: Deleted = Deleted { ticks: 20, first: 1, last: 9, files: 8, bytes: 1 << 33 };

/// A segment with a record at 10 and one at 30 ticks, and a deletion between the two.
fn log() -> Segment {
    let mut file = Segment::new(3);
    file.clock(1_000).continued(&CONTINUED).thread(0, "main").site(0, 3, "x", &[]);
    file.last_block(0, &[Rec(0, 10, &[])], 11).deleted(&DELETED);
    file.last_block(0, &[Rec(0, 30, &[])], 31);
    file
}

/// The times of records and deletions, and how many segments were before this one.
fn read(options: Options<'_>, bytes: &[u8]) -> (Vec<i64>, Vec<u64>) {
    let mut reader = options.from_slice(bytes).expect("a log");
    let (mut times, mut before) = (Vec::new(), Vec::new());
    while let Some(event) = reader.next_event().expect("no failure") {
        match event {
            Event::Record(record) => times.push(record.time_ns()),
            Event::Deleted(it) => {
                let Deleted { first, last, files, bytes, .. } = DELETED;
                assert_eq!((it.first, it.last, it.files, it.bytes), (first, last, files, bytes));
                times.push(it.time_ns);
            }
            Event::Continued(it) => {
                let Continued { written, dropped, cut, own, .. } = CONTINUED;
                assert_eq!((it.written, it.dropped, it.cut, it.own), (written, dropped, cut, own));
                before.push(it.segments);
            }
            _ => {}
        }
    }
    assert!(reader.report().is_whole());
    assert_eq!(reader.report().unknown_frames, 0);
    (times, before)
}

#[test]
fn totals_and_deletions_are_in_their_places() {
    let mut file = log();
    let bytes = &file.close().bytes;
    for order in [Order::Written, Order::Time, Order::Exact] {
        let found = read(Options::new().order(order), bytes);
        assert_eq!(found, (vec![1_010, 1_020, 1_030], vec![3]));
    }
}

#[test]
fn a_range_of_time_has_the_deletions_in_it() {
    let (mut plain, mut indexed) = (log(), log());
    for bytes in [&plain.close().bytes, &indexed.close_with_index(1).bytes] {
        let of = |options: Options<'_>| read(options.order(Order::Time), bytes).0;
        assert_eq!(of(Options::new().since(1_020)), [1_020, 1_030]);
        assert_eq!(of(Options::new().since(1_021)), [1_030]);
        assert_eq!(of(Options::new().until(1_020)), [1_010]);
    }
}

#[test]
fn frames_that_are_too_short_are_damage() {
    for (kind, payload) in [(15, &[1, 1, 1, 1][..]), (16, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])] {
        let mut file = Segment::new(3);
        file.clock(1_000).frame(kind, payload).close();
        let report = segment::read(&file.bytes).report;
        assert_eq!((report.damages, report.unknown_frames), (1, 0), "{kind}");
    }
}
