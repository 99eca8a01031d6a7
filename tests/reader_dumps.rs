//! Dumps of flight recorders in a file: their place in time, in all ways of reading.

use kymo_testing::segment;

use std::io::Cursor;

use kymo_reader::{Options, Order};
use proptest::prelude::*;
use segment::{Outcome, Rec, Segment, drain, read_with};

/// A part of a file: an ordinary block, or a part of a dump, of a thread.
#[derive(Clone, Debug)]
enum Part {
    Block { thread: u64, records: usize },
    Dump { thread: u64, blocks: Vec<usize>, back: u64 },
    Clock,
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => (0..3_u64, 1..6_usize).prop_map(|(thread, records)| Part::Block { thread, records }),
        2 => (0..3_u64, prop::collection::vec(1..5_usize, 1..4), 0..400_u64)
            .prop_map(|(thread, blocks, back)| Part::Dump { thread, blocks, back }),
        1 => Just(Part::Clock),
    ]
}

/// The file, and the ticks of its records in the order of time.
fn file(parts: &[Part]) -> (Segment, Vec<i64>) {
    let mut file = Segment::new(0xD0_0D);
    file.clock(0).site(0, 3, "tick", &[]);
    for (thread, name) in ["zero", "one", "two"].into_iter().enumerate() {
        file.thread(thread as u64, name);
    }
    let mut now = 1_000;
    let mut ticks = Vec::new();
    for part in parts {
        match part {
            Part::Block { thread, records } => {
                let block: Vec<_> = (0..*records as u64).map(|n| Rec(0, now + n, &[])).collect();
                ticks.extend(block.iter().map(|record| record.1 as i64));
                now += 10;
                file.last_block(*thread, &block, now);
            }
            Part::Dump { thread, blocks, back } => {
                let mut at = now - back;
                let mut next = || {
                    at += 7;
                    at
                };
                let blocks: Vec<Vec<Rec<'_>>> = blocks
                    .iter()
                    .map(|records| (0..*records).map(|_| Rec(0, next(), &[])).collect())
                    .collect();
                ticks.extend(blocks.iter().flatten().map(|record| record.1 as i64));
                file.dump(*thread, &blocks.iter().map(|block| &block[..]).collect::<Vec<_>>());
                now = now.max(at + 1);
            }
            Part::Clock => {
                file.clock_at(now, now as i64);
            }
        }
    }
    ticks.sort_unstable();
    (file, ticks)
}

fn times(outcome: &Outcome) -> Vec<i64> {
    outcome.records.iter().map(|record| record.time_ns).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// In memory, in a file, or sorted as a whole: all records are in the order of time, with one
    /// account of them.
    #[test]
    fn dumped_records_are_where_they_belong(parts in prop::collection::vec(part(), 1..30)) {
        let (mut built, expected) = file(&parts);
        prop_assume!(!expected.is_empty());
        built.close_with_index(4);
        let written = segment::read(&built.bytes);
        prop_assert_eq!(written.records.len(), expected.len());
        prop_assert!(written.report.is_whole(), "{:?}", written.report);
        prop_assert!(written.records.iter().all(|record| !record.late));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.kymo");
        std::fs::write(&path, &built.bytes).unwrap();
        let time = || Options::new().order(Order::Time);
        let outcomes = [
            read_with(time(), &built.bytes),
            drain(&mut time().open(&path).unwrap()),
            read_with(Options::new().order(Order::Exact), &built.bytes),
        ];
        for outcome in &outcomes {
            prop_assert_eq!(times(outcome), expected.clone());
            prop_assert_eq!(outcome.report.disordered, 0);
            // Each thing once, whatever the order.
            let sorted = |outcome: &Outcome| {
                let mut marks = outcome.marks.clone();
                marks.sort_unstable();
                let mut ids = outcome.ids();
                ids.sort_unstable();
                (marks, ids, outcome.report.records, outcome.report.frames)
            };
            prop_assert_eq!(sorted(outcome), sorted(&written));
        }
        // From a pipe, they come when they are met.
        let stream = drain(&mut time().from_read(Cursor::new(&built.bytes)).unwrap());
        prop_assert_eq!(stream.records.len(), expected.len());
        // A range of time, by the index.
        let (first, last) = (expected[expected.len() / 3], expected[expected.len() * 2 / 3]);
        let range = time().since(first).until(last + 1);
        let range = read_with(range, &built.bytes);
        let wanted: Vec<_> = expected.iter().copied().filter(|at| (first..=last).contains(at)).collect();
        prop_assert_eq!(times(&range), wanted);
    }

    /// Damage costs what it hits. Nothing is handed out twice.
    #[test]
    fn a_damaged_dump_is_read_as_far_as_it_goes(
        parts in prop::collection::vec(part(), 1..20),
        at in any::<prop::sample::Index>(),
        header in prop::option::of(any::<u64>()),
    ) {
        let (mut built, expected) = file(&parts);
        built.close();
        let place = 4096 + at.index(built.bytes.len() - 4096);
        built.bytes[place] ^= 0x55;
        if let Some(offset) = header {
            // The hint may be anything.
            built.bytes[1088..1096].copy_from_slice(&(offset % (1 << 15) * 8).to_le_bytes());
        }
        let written = segment::read(&built.bytes);
        for order in [Order::Time, Order::Exact] {
            let outcome = read_with(Options::new().order(order), &built.bytes);
            let mut ids = outcome.ids();
            ids.sort_unstable();
            let mut expected_ids = written.ids();
            expected_ids.sort_unstable();
            prop_assert_eq!(ids, expected_ids, "{:?}", order);
            prop_assert_eq!(outcome.report.damages, written.report.damages);
        }
        prop_assert!(written.records.len() <= expected.len());
    }
}

/// Chains of dump marks that are circular or broken are harmless.
#[test]
fn circular_chains_of_marks_end() {
    let (mut built, expected) = file(&[
        Part::Block { thread: 0, records: 3 },
        Part::Dump { thread: 1, blocks: vec![2, 2], back: 300 },
        Part::Block { thread: 0, records: 3 },
    ]);
    built.close();
    let whole = read_with(Options::new().order(Order::Time), &built.bytes);
    assert_eq!(times(&whole), expected);
    for offset in [1, 8, 4096, 4100, built.bytes.len() as u64, u64::MAX] {
        let mut bytes = built.bytes.clone();
        bytes[1088..1096].copy_from_slice(&offset.to_le_bytes());
        let read = read_with(Options::new().order(Order::Time), &bytes);
        assert_eq!(read.records.len(), expected.len());
    }
}

/// A process was killed between the words of the header that name the last dump and the commit of
/// that dump. It left a file in which no dump was found, and an earlier one was shown where it is
/// in the file.
#[test]
fn marks_are_found_by_either_header_word() {
    let first = [
        Part::Block { thread: 0, records: 3 },
        Part::Dump { thread: 1, blocks: vec![2, 2], back: 300 },
        Part::Block { thread: 0, records: 3 },
    ];
    let second = Part::Dump { thread: 2, blocks: vec![3], back: 350 };
    let (before, expected) = file(&first);
    let (whole, with_second) = file(&[&first[..], &[second]].concat());
    let mark = |file: &Segment| {
        u64::from_le_bytes(*file.bytes[1088..].first_chunk().expect("a header page"))
    };
    let marks = (mark(&before), mark(&whole));
    assert!(0 < marks.0 && marks.0 < marks.1, "{marks:?}");
    // What the words 1088 and 1096 are, and whether the second dump is committed, at each step.
    for (last, next, is_committed) in [
        (marks.0, marks.0, false),
        (marks.0, marks.1, false),
        (marks.0, marks.1, true),
        (marks.1, marks.1, true),
        // A writer of an earlier release, or one that failed.
        (marks.0, 0, false),
        (marks.1, 0, true),
    ] {
        let mut bytes = whole.bytes.clone();
        bytes[1088..1096].copy_from_slice(&last.to_le_bytes());
        bytes[1096..1104].copy_from_slice(&next.to_le_bytes());
        if !is_committed {
            bytes.truncate(marks.1 as usize);
            bytes.resize(bytes.len() + 4_096, 0);
        }
        let committed = if is_committed { bytes.len() as u64 } else { marks.1 };
        bytes[1024..1032].copy_from_slice(&committed.to_le_bytes());
        let read = read_with(Options::new().order(Order::Time), &bytes);
        let expected = if is_committed { &with_second } else { &expected };
        assert_eq!(times(&read), *expected, "{last} {next} {is_committed}");
    }
}
