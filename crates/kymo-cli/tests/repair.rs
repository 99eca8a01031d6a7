//! `kymo repair`: whatever was done to a file, its copy is whole and has every record that could be
//! read of it.

mod common;
use kymo_testing::segment;

use std::path::Path;

use common::{Turn, run};
use kymo::info;
use kymo_format::header::COMMITTED_OFFSET;
use kymo_reader::{Event, Options, Reader};
use proptest::prelude::*;
use segment::{Rec, Segment, sample};

/// What a file holds, as far as it can be read.
#[derive(Debug, Default, PartialEq)]
struct Content {
    /// Thread, place, ticks, message.
    records: Vec<(u64, u64, u64, String)>,
    times: Vec<i64>,
    dropped: u64,
    /// Records written and dropped, by the closing frame.
    totals: Option<(u64, u64)>,
    is_whole: bool,
    untimed: u64,
}

fn content(path: &Path) -> Content {
    let mut reader = Reader::open(path).unwrap();
    let mut content = Content::default();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                let thread = record.thread().number();
                content.records.push((thread, record.line(), record.ticks(), message));
                content.times.push(record.time_ns());
            }
            Event::Drops(drops) => content.dropped += drops.total(),
            Event::End(totals) => content.totals = Some((totals.written, totals.dropped)),
            _ => {}
        }
    }
    content.is_whole = reader.report().is_whole();
    content.untimed = reader.report().untimed;
    content
}

/// Repairs a file with these bytes, and checks the copy. Returns both.
#[track_caller]
fn repaired(turn: &Turn, bytes: &[u8]) -> (Content, Content) {
    let (from, to) = (turn.file("in.kymo", bytes), turn.path("out.kymo"));
    let _ = std::fs::remove_file(&to);
    let ran = run(&[&"repair", &from, &to]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert_eq!(std::fs::read(&from).unwrap(), bytes, "the file itself is not touched");
    let verified = run(&[&"verify", &to]).fine();
    let (before, after) = (content(&from), content(&to));
    assert!(verified.contains(": whole: ") && after.is_whole, "{verified}");
    assert_eq!(before.records, after.records);
    if before.untimed == 0 {
        assert_eq!(before.times, after.times);
    }
    let written = after.records.len() as u64;
    assert_eq!(after.totals, Some((written, after.dropped)));
    (before, after)
}

/// A copy has what precedes the first torn frame past the committed length, and no drops for the rest:
/// it was never in the file.
#[test]
fn a_torn_end_is_left_out() {
    let turn = Turn::take();
    let mut file = sample();
    let last = file.frames.len() - 1;
    file.bytes.truncate(file.frames[last].0);
    let (whole, _) = repaired(&turn, &file.bytes);
    for torn in 3..last {
        let mut bytes = file.bytes.clone();
        let (start, end) = file.frames[torn];
        let committed = file.frames[torn - 1].0 as u64;
        bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed.to_le_bytes());
        bytes[(start + end) / 2] ^= 0x55;
        let (from, to) = repaired(&turn, &bytes);
        assert_eq!(from.records, to.records);
        assert_eq!(from.dropped, to.dropped);
        assert!(whole.records.starts_with(&from.records), "up to frame {torn}");
    }
}

#[test]
fn a_whole_file_is_copied_as_it_is() {
    let turn = Turn::take();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1.kymo");
    let (before, after) = repaired(&turn, &std::fs::read(golden).unwrap());
    assert_eq!(before, after);
    let (before, after) = repaired(&turn, &sample().bytes);
    assert_eq!(before, after);
}

/// Lost records are marked where they are missing.
#[test]
fn lost_records_are_marked_in_place() {
    let turn = Turn::take();
    let mut file = Segment::new(9);
    file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main");
    file.block(0, &[Rec(0, 10, &[]), Rec(0, 20, &[])]);
    file.block(0, &[Rec(0, 30, &[]), Rec(0, 40, &[]), Rec(0, 50, &[])]);
    file.block(0, &[Rec(0, 60, &[])]).close();
    let damaged = file.frames[4].0;
    file.bytes[damaged + 10] ^= 1;
    let (_, after) = repaired(&turn, &file.bytes);
    assert_eq!((after.records.len(), after.dropped), (3, 3));
    let text = run(&[&"cat", &turn.path("out.kymo")]).fine();
    let mark = text.lines().nth(2).unwrap();
    assert!(mark.contains("-- 3 records of thread \"main\" were dropped here"), "{text}");
    assert!(mark.contains("damaged in the file, which was repaired"), "{text}");
    assert!(mark.starts_with("1970-01-01T00:00:00.000001020Z"), "{text}");
    assert!(mark.contains("until 1970-01-01T00:00:00.000001060Z"), "{text}");
}

/// The file of a dead writer becomes a closed one.
#[test]
fn repair_closes_the_file_of_a_dead_writer() {
    let turn = Turn::take();
    let whole = turn.logged("whole.kymo", || (0..100).for_each(|number| info!("{number}")));
    let bytes = std::fs::read(whole).unwrap();
    for end in [bytes.len() - 1, bytes.len() - 24, 5_000, 4_096] {
        repaired(&turn, &bytes[..end.min(bytes.len())]);
    }
    let (_, after) = repaired(&turn, &bytes);
    assert_eq!(after.records.len(), 100);
}

/// Without the first clock frame, the next one applies.
#[test]
fn without_first_clock_the_next_applies() {
    let turn = Turn::take();
    let mut file = Segment::new(9);
    file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main").block(0, &[Rec(0, 10, &[])]);
    file.clock(1_000).block(0, &[Rec(0, 20, &[])]).close();
    let clock = file.frames[0].0;
    file.bytes[clock + 20] ^= 1;
    let (before, after) = repaired(&turn, &file.bytes);
    assert_eq!((before.untimed, after.untimed), (1, 0));
    assert_eq!(after.times, [1_010, 1_020]);
}

/// Sums that overflow do not stop the command.
#[test]
fn overflowing_sums_do_not_stop_repair() {
    let turn = Turn::take();
    let mut file = Segment::new(9);
    file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main").thread(1, "other");
    for thread in [0, 1] {
        let mut block = vec![thread << 1 | 1, 0];
        // As many records were written before as there can be.
        block.extend_from_slice(&u64::MAX.to_le_bytes());
        block.extend_from_slice(&10_u64.to_le_bytes());
        block.extend_from_slice(&[1, 1]);
        file.frame(3, &block).drops(thread.into(), 20, 30, u64::MAX - 1);
    }
    let (from, to) = (turn.file("in.kymo", &file.bytes), turn.path("out.kymo"));
    assert_eq!(run(&[&"repair", &from, &to]).code, Some(0));
    assert!(run(&[&"verify", &to]).fine().contains(": whole: 2 records"));
    assert_eq!(run(&[&"verify", &from]).code, Some(1));
    assert_eq!(run(&[&"stats", &from]).code, Some(2));
    assert_eq!(run(&[&"export", &"--to", &"perfetto", &"-", &from]).code, Some(2));
}

/// The copy has the mark of a signal, and no index.
#[test]
fn repair_keeps_signals_and_drops_indexes() {
    let turn = Turn::take();
    let mut file = Segment::new(9);
    file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main").block(0, &[Rec(0, 10, &[])]);
    // In the thread that the system calls 1000, SIGSEGV.
    let signal = [&[0xA2, 0x0F, 11][..], &20_u64.to_le_bytes()].concat();
    file.frame(11, &signal).frame(10, &[1, 2, 3]).close();
    repaired(&turn, &file.bytes);
    let copy = turn.path("out.kymo");
    assert!(run(&[&"cat", &copy]).fine().contains("-- the process received SIGSEGV"));
    let bytes = std::fs::read(copy).unwrap();
    let mut at = 4096;
    while at < bytes.len() {
        let header = bytes[at..].first_chunk().unwrap();
        let header = kymo_format::frame::FrameHeader::from_bytes(header);
        assert_ne!(header.kind, 10);
        at += header.frame_bytes();
    }
}

#[test]
fn nothing_is_written_over() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || info!("one"));
    let other = turn.file("other", b"mine");
    let link = turn.path("link");
    std::os::unix::fs::symlink(&log, &link).unwrap();
    let hard = turn.path("hard");
    std::fs::hard_link(&log, &hard).unwrap();
    let before = std::fs::read(&log).unwrap();
    for (to, part) in [
        (&log, "is the file that is read"),
        (&link, "is the file that is read"),
        (&hard, "is the file that is read"),
        (&other, "exists already"),
        (&turn.path("no/such/folder"), "cannot write it"),
    ] {
        run(&[&"repair", &log, to]).complains(2, &[part]);
    }
    run(&[&"repair", &"-", &turn.path("new")]).complains(2, &["give a file"]);
    run(&[&"repair", &other, &turn.path("new")]).complains(2, &["other: ", "not a kymo file"]);
    assert_eq!(std::fs::read(&log).unwrap(), before);
    assert_eq!(std::fs::read(&other).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(turn.path(".")).unwrap().count(), 4, "no other file remains");

    let live = turn.path("live.kymo");
    let logger = kymo::Logger::builder(&live).start().unwrap();
    run(&[&"repair", &live, &turn.path("new")]).complains(2, &["is being written"]);
    logger.shutdown();
}

/// A change to the bytes of a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Zero(prop::sample::Index, usize),
    /// Bytes of another place, a multiple of 8 away: valid frames where they do not belong.
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Remove(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (index(), 1..=255_u8).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        2 => (index(), 1..400_usize).prop_map(|(at, len)| Harm::Zero(at, len)),
        2 => (index(), index(), 1..60_usize).prop_map(|(a, b, words)| Harm::Copy(a, b, words)),
        1 => (index(), 1..60_usize).prop_map(|(at, words)| Harm::Remove(at, words)),
        1 => index().prop_map(Harm::Cut),
    ]
}

impl Harm {
    /// Changes the frames. The header stays, so that the file can be read.
    fn apply(&self, frames: &mut Vec<u8>) {
        if frames.len() < 8 {
            return;
        }
        let word = |index: &prop::sample::Index, len: usize| index.index(len / 8) * 8;
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(frames.len());
                frames[at] ^= bits;
            }
            Self::Zero(at, len) => {
                let at = at.index(frames.len());
                let end = frames.len().min(at + len);
                frames[at..end].fill(0);
            }
            Self::Copy(from, to, words) => {
                let (from, to) = (word(from, frames.len()), word(to, frames.len()));
                let len = (8 * words).min(frames.len() - from.max(to));
                frames.copy_within(from..from + len, to);
            }
            Self::Remove(at, words) => {
                let at = word(at, frames.len());
                let end = frames.len().min(at + 8 * words);
                frames.drain(at..end);
            }
            Self::Cut(at) => {
                let at = at.index(frames.len());
                frames.truncate(at);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any damage, the copy is whole and has all readable records.
    #[test]
    fn copies_are_whole_and_complete(
        golden in any::<bool>(),
        harms in prop::collection::vec(harm(), 1..6),
    ) {
        let file = match golden {
            true => include_bytes!("../../../tests/golden/v1.kymo").to_vec(),
            false => sample().bytes,
        };
        let (page, frames) = file.split_at(4096);
        let mut frames = frames.to_vec();
        harms.iter().for_each(|harm| harm.apply(&mut frames));
        let (before, after) = repaired(&Turn::take(), &[page, &frames].concat());
        // A mark that is there twice counts twice.
        let twice = harms.iter().any(|harm| matches!(harm, Harm::Copy(..)));
        if let Some((written, dropped)) = before.totals.filter(|_| !twice) {
            prop_assert_eq!(written + dropped, after.records.len() as u64 + after.dropped);
        }
    }
}

#[test]
fn without_a_header_the_copy_has_one() {
    let turn = Turn::take();
    let mut bytes = sample().bytes;
    bytes[..4096].fill(0xAA);
    let (_, after) = repaired(&turn, &bytes);
    assert_eq!(after.records.len(), 10);
    assert!(Options::new().open(turn.path("out.kymo")).unwrap().header().process == 0);
}
