//! Records of several threads and files in the order of time.

use kymo_testing::segment;

use std::collections::BTreeMap;

use kymo_format::types::Type;
use kymo_reader::{DamageKind, Event, Files, Options, Order, Reader};
use proptest::prelude::*;
use segment::{Arg, Outcome, Rec, Segment, drain, note, read_with, sample};

fn by(order: Order, bytes: &[u8]) -> Outcome {
    read_with(Options::new().order(order), bytes)
}

fn times(outcome: &Outcome) -> Vec<i64> {
    outcome.records.iter().map(|record| record.time_ns - 1_000_000).collect()
}

/// In the order of time, a late record is handed out when it is met, and counted.
#[test]
fn late_records_are_counted() {
    let outcome = by(Order::Time, &sample().bytes);
    assert_eq!(times(&outcome), [5, 10, 20, 30, 41, 45, 50, 62, 70, 80]);
    assert_eq!(outcome.report.late, 1, "62 follows the watermark of 65");
    assert_eq!(outcome.report.disordered, 0, "but 70 had not been handed out yet");

    let mut file = Segment::new(1);
    file.clock(1_000_000).site(0, 3, "tick", &[]);
    file.last_block(0, &[Rec(0, 10, &[]), Rec(0, 20, &[])], 15);
    file.last_block(1, &[Rec(0, 5, &[]), Rec(0, 22, &[])], 30).close();
    let outcome = by(Order::Time, &file.bytes);
    assert_eq!(times(&outcome), [10, 5, 20, 22]);
    assert_eq!((outcome.report.late, outcome.report.disordered), (1, 1));
    assert!(outcome.records[1].late);
    assert_eq!(times(&by(Order::Exact, &file.bytes)), [5, 10, 20, 22]);
    assert_eq!(by(Order::Exact, &file.bytes).report.disordered, 0);
}

/// Marks keep their place among the records of their thread.
#[test]
fn marks_keep_their_place_in_a_thread() {
    let file = sample();
    for order in [Order::Time, Order::Exact] {
        let mut reader = Options::new().order(order).from_slice(&file.bytes).expect("a file");
        let mut seen = Vec::new();
        while let Some(event) = reader.next_event().expect("no failure") {
            let mut one = Outcome::default();
            note(&mut one, event);
            seen.extend(one.records.iter().map(|record| format!("{}", record.time_ns % 1000)));
            seen.extend(one.marks);
        }
        let place = |what: &str| seen.iter().position(|seen| seen.starts_with(what)).expect(what);
        assert!(place("50") < place("feed dropped") && place("feed dropped") < place("62"));
        assert!(place("70") < place("main ends"));
        assert_eq!(place("end after 10"), seen.len() - 1);
    }
}

/// Within a thread, the order is that of the file for any ticks.
#[test]
fn threads_keep_the_order_of_the_file() {
    let mut file = Segment::new(1);
    file.clock(1_000_000).site(0, 3, "tick", &[]);
    file.block(0, &[Rec(0, 10, &[]), Rec(0, 30, &[]), Rec(0, 20, &[]), Rec(0, 40, &[])]);
    file.last_block(1, &[Rec(0, 25, &[]), Rec(0, 35, &[])], 50).close();
    for order in [Order::Time, Order::Exact] {
        assert_eq!(times(&by(order, &file.bytes)), [10, 25, 30, 20, 35, 40]);
    }
}

/// The events of a reader in order: a record's block, a gap's place, or a damage's
/// (with what has no place left out).
#[derive(Debug, PartialEq)]
enum Seen {
    Record(u64),
    Gap(u64),
    Damage(u64),
    End,
}

fn seen(order: Order, bytes: &[u8]) -> Vec<Seen> {
    let mut reader = Options::new().order(order).from_slice(bytes).expect("a kymo file");
    let mut seen = Vec::new();
    while let Some(event) = reader.next_event().expect("no failure") {
        seen.extend(match event {
            Event::Record(record) => Some(Seen::Record(record.block_offset())),
            Event::Gap(gap) => Some(Seen::Gap(gap.offset)),
            // The rest of a block belongs to its thread.
            Event::Damage(damage) => match damage.kind {
                DamageKind::UnknownCallSite(_) | DamageKind::Record => None,
                _ => Some(Seen::Damage(damage.offset)),
            },
            Event::End(_) => Some(Seen::End),
            _ => None,
        });
    }
    seen
}

/// Frames that follow the end are reported after it.
#[test]
fn frames_after_the_end_are_reported() {
    let mut file = sample();
    file.bytes.extend_from_slice(&[7; 40]);
    for order in [Order::Written, Order::Time, Order::Exact] {
        let seen = seen(order, &file.bytes);
        assert_eq!(seen[seen.len() - 2], Seen::End);
        assert!(matches!(seen[seen.len() - 1], Seen::Damage(_)));
    }
}

/// A file of `sweeps` sweeps with `per_block` records each of 4 threads, interleaved in time.
fn long(sweeps: u64, per_block: u64, watermarks: bool) -> Segment {
    let mut file = Segment::new(1);
    file.clock(1_000_000).site(0, 3, "{n}", &[("n", Type::U64)]);
    for sweep in 0..sweeps {
        let base = sweep * per_block * 4;
        for thread in 0..4 {
            let args: Vec<_> = (0..per_block).map(|n| [Arg::Unsigned(n)]).collect();
            let records: Vec<_> =
                (0..).zip(&args).map(|(n, args)| Rec(0, base + n * 4 + thread, args)).collect();
            file.block(thread, &records);
        }
        if watermarks {
            file.watermark(base + per_block * 4);
        }
    }
    file.close();
    file
}

/// In the order of time, reading ahead stops at the next watermark.
#[test]
fn reading_ahead_stops_at_the_watermark() {
    let file = long(200, 100, true);
    let mut reader =
        Options::new().order(Order::Time).from_read(&file.bytes[..]).expect("a kymo file");
    let (mut last, mut ahead) = (i64::MIN, 0);
    let sweep_bytes = (file.bytes.len() / 200) as u64;
    let mut count = 0;
    while let Some(record) = reader.next_record().expect("no failure") {
        assert!(record.time_ns() > last);
        let newest = 4096 + count / 400 * sweep_bytes;
        last = record.time_ns();
        count += 1;
        ahead = ahead.max(reader.offset().saturating_sub(newest));
    }
    assert_eq!(count, 200 * 400);
    assert!(ahead < 2 * sweep_bytes, "{ahead} bytes ahead");
}

/// Without watermarks, the limit on memory decides.
#[test]
fn without_watermarks_memory_decides() {
    let file = long(400, 100, false);
    let mut reader = Options::new()
        .order(Order::Time)
        .held_bytes(100_000)
        .from_slice(&file.bytes)
        .expect("a kymo file");
    let mut ahead = 0;
    let mut count = 0u64;
    while reader.next_record().expect("no failure").is_some() {
        let newest = count * file.bytes.len() as u64 / (400 * 400);
        ahead = ahead.max(reader.offset().saturating_sub(4096 + newest));
        count += 1;
    }
    assert_eq!(count, 400 * 400);
    assert_eq!(reader.report().disordered, 0, "sweeps follow one another");
    assert!(ahead < 50_000, "{ahead} bytes ahead of {}", file.bytes.len());
}

#[test]
fn two_files_are_merged_by_time() {
    let files = [3u64, 4].map(|salt| {
        let mut file = Segment::new(salt as u32);
        file.clock(1_000_000).site(0, 3, "{n}", &[("n", Type::U64)]);
        for at in (0..100).filter(|at| at % 2 == salt % 2 || at % 10 == 0) {
            file.last_block(0, &[Rec(0, at, &[Arg::Unsigned(at)])], at);
        }
        file.close();
        file
    });
    let open = |file: &'static str| {
        let index = usize::from(file == "second");
        Options::new().order(Order::Time).from_slice(&files[index].bytes).expect("a kymo file")
    };
    let mut merged = Files::new([open("first"), open("second")]);
    let mut outcomes = [Outcome::default(), Outcome::default()];
    let mut times = Vec::new();
    while let Some((file, event)) = merged.next_event().expect("no failure") {
        if let Event::Record(record) = event {
            times.push(record.time_ns());
        }
        note(&mut outcomes[file], event);
    }
    assert_eq!(times.len(), 100 + 10);
    assert!(times.is_sorted());
    assert_eq!(outcomes.map(|outcome| outcome.records.len()), [60, 50]);
    assert!(merged.readers().iter().all(|reader| reader.report().is_whole()));
    assert!(merged.next_event().expect("no failure").is_none());
    assert!(Files::new([]).next_event().expect("no failure").is_none());
}

/// A clock that is set back changes times but not the order.
#[test]
fn setting_clocks_back_keeps_the_order() {
    let mut file = Segment::new(1);
    file.clock(1_000_000).site(0, 3, "tick", &[]).block(0, &[Rec(0, 10, &[])]);
    file.block(1, &[Rec(0, 5, &[])]);
    file.clock(500_000).block(0, &[Rec(0, 20, &[])]).last_block(1, &[Rec(0, 15, &[])], 30);
    file.close();
    let outcome = by(Order::Time, &file.bytes);
    let times: Vec<_> = outcome.records.iter().map(|record| record.time_ns).collect();
    assert_eq!(times, [1_000_005, 1_000_010, 500_015, 500_020]);
}

#[test]
fn a_reader_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let file = sample();
    let mut reader = Reader::from_slice(&file.bytes).expect("a kymo file");
    is_send(&reader);
    assert_eq!(drain(&mut reader).records.len(), 10);
}

proptest! {
    /// Damage comes before the gap that it left, and after what was read before it, unless such a
    /// gap comes first.
    #[test]
    fn damage_precedes_its_gap(
        at in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        cut in any::<bool>(),
    ) {
        let mut file = long(4, 3, true);
        let bytes = file.bytes.len();
        let places = at.iter().map(|at| 4096 + at.index(bytes - 4096));
        places.clone().for_each(|place| file.bytes[place] ^= 1);
        if cut && let Some(place) = places.min() {
            file.bytes.truncate(place + 1);
        }
        for order in [Order::Time, Order::Exact] {
            let seen = seen(order, &file.bytes);
            for (n, one) in seen.iter().enumerate() {
                let following = &seen[n + 1..];
                match one {
                    Seen::Gap(place) => for other in following {
                        let earlier = matches!(other, Seen::Damage(other) if other < place);
                        prop_assert!(!earlier, "{:?}", seen);
                    },
                    Seen::Damage(place) if !matches!(following.first(), Some(Seen::Gap(_))) => {
                        for other in following.iter().take_while(|it| !matches!(it, Seen::Gap(_))) {
                            let earlier = matches!(other, Seen::Record(other) if other < place);
                            prop_assert!(!earlier, "{:?}", seen);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whatever the sweeps, the exact order is the stable one, and the streaming order holds the
    /// same records.
    #[test]
    fn any_blocks(
        blocks in prop::collection::vec(
            (0u64..4, prop::collection::vec(0u64..1000, 1..6), any::<bool>()),
            1..40,
        )
    ) {
        let mut file = Segment::new(1);
        file.clock(0).site(0, 3, "tick", &[]);
        for (thread, ticks, last) in &blocks {
            let records: Vec<_> = ticks.iter().map(|at| Rec(0, *at, &[])).collect();
            if *last {
                file.last_block(*thread, &records, ticks[0]);
            } else {
                file.block(*thread, &records);
            }
        }
        file.close();
        // The key of a record is the greatest of the times of its thread so far.
        let mut greatest = [0; 4];
        let keys: BTreeMap<_, _> = by(Order::Written, &file.bytes)
            .records
            .iter()
            .map(|record| {
                let key = &mut greatest[record.thread as usize];
                *key = record.time_ns.max(*key);
                ((record.thread, record.sequence), *key)
            })
            .collect();
        let all: Vec<_> = keys.keys().copied().collect();

        let exact = by(Order::Exact, &file.bytes).ids();
        prop_assert!(exact.iter().map(|id| keys[id]).is_sorted());
        for thread in 0..4 {
            let own = exact.iter().filter(|id| id.0 == thread).map(|id| id.1);
            prop_assert!(own.is_sorted());
        }
        prop_assert_eq!(exact.len(), all.len());

        let streamed = by(Order::Time, &file.bytes);
        let mut ids = streamed.ids();
        for thread in 0..4 {
            let own = ids.iter().filter(|id| id.0 == thread).map(|id| id.1);
            prop_assert!(own.is_sorted());
        }
        ids.sort_unstable();
        prop_assert_eq!(ids, all);
        prop_assert!(streamed.report.disordered <= streamed.report.late);
    }
}
