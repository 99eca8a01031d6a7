//! Damage is local, is reported, and never costs records before it.

use kymo_testing::segment;

use std::time::{Duration, Instant};

use kymo_format::header::COMMITTED_OFFSET;
use kymo_format::types::Type;
use kymo_reader::{DamageKind, Ending, Error, HeaderState, Options, Order, Reader};
use proptest::prelude::*;
use segment::{Arg, Outcome, Rec, Segment, drain, read, read_with, sample};

const ORDERS: [Order; 3] = [Order::Written, Order::Time, Order::Exact];

/// What should be read of `whole` when only frames that end by `end` are left.
fn records_until(file: &Segment, whole: &Outcome, end: usize) -> usize {
    let left =
        |offset: u64| file.frames.iter().any(|frame| frame.0 as u64 == offset && frame.1 <= end);
    whole.records.iter().take_while(|record| left(record.block_offset)).count()
}

/// Truncation at any byte loses no record before it.
#[test]
fn truncation_loses_nothing_before_it() {
    let file = sample();
    let whole = read(&file.bytes);
    for cut in 0..file.bytes.len() {
        for order in ORDERS {
            match Options::new().order(order).from_slice(&file.bytes[..cut]) {
                Err(Error::Empty) => assert_eq!(cut, 0),
                Err(Error::Incomplete { offset }) => {
                    assert!(cut < 192);
                    assert_eq!(offset, cut as u64);
                }
                Err(error) => panic!("cut at {cut}: {error}"),
                Ok(mut reader) => {
                    let outcome = drain(&mut reader);
                    let expected = records_until(&file, &whole, cut);
                    assert_eq!(outcome.records.len(), expected, "cut at {cut}");
                    if order == Order::Written {
                        assert_eq!(outcome.contents(), whole.contents()[..expected]);
                    }
                    if cut >= COMMITTED_OFFSET + 8 && outcome.report.totals.is_none() {
                        assert_eq!(outcome.report.ending, Ending::Truncated);
                        assert!(!outcome.report.is_whole());
                    }
                }
            }
        }
    }
}

/// A truncated file reports the bytes of its last partial frame.
#[test]
fn truncation_reports_partial_frames() {
    let file = sample();
    let (start, end) = file.frames[6];
    let report = read(&file.bytes[..end - 1]).report;
    let [damage] = &*report.damage else { panic!("{report:?}") };
    assert_eq!(damage.kind, DamageKind::Incomplete);
    assert_eq!((damage.offset, damage.bytes), (start as u64, (end - 1 - start) as u64));
    assert_eq!(report.length_bytes, end as u64 - 1);
}

/// Flips bits of one byte of the sample and checks what is read.
fn check_flip(file: &mut Segment, whole: &Outcome, at: usize, flip: u8, order: Order) {
    file.bytes[at] ^= flip;
    let outcome = read_with(Options::new().order(order), &file.bytes);
    file.bytes[at] ^= flip;
    let context = format!("byte {at} ^ {flip:#x}, {order:?}");

    // Nothing is made up, nothing before the damage is lost.
    let mut originals = whole.contents();
    for record in outcome.contents() {
        let place = originals.iter().position(|original| *original == record);
        originals.remove(place.unwrap_or_else(|| panic!("{context}: made up: {record:?}")));
    }
    let before = records_until(file, whole, at);
    assert!(outcome.records.len() >= before, "{context}");
    if order == Order::Written {
        assert_eq!(outcome.contents()[..before], whole.contents()[..before], "{context}");
    }

    // All loss is reported.
    let report = &outcome.report;
    let lost = (whole.records.len() - outcome.records.len()) as u64;
    assert_eq!(report.lost(), lost, "{context}");
    let in_frame = file.frames.iter().any(|frame| (frame.0..frame.1).contains(&at));
    assert_eq!(report.damages > 0, in_frame, "{context}");
    let in_header = at < 192 || (2048..2240).contains(&at);
    assert_eq!(report.header != HeaderState::Good, in_header, "{context}");
}

/// For each flipped byte, nothing is lost silently.
#[test]
fn flipped_bytes_lose_nothing_silently() {
    let mut file = sample();
    let whole = read(&file.bytes);
    for at in 0..file.bytes.len() {
        check_flip(&mut file, &whole, at, 0xFF, Order::Written);
        check_flip(&mut file, &whole, at, 0x01, Order::Time);
    }
    for at in 4096..file.bytes.len() {
        for bit in 0..8 {
            check_flip(&mut file, &whole, at, 1 << bit, ORDERS[bit % 3]);
        }
    }
}

/// A missing dictionary entry costs the rest of the block, and is reported.
#[test]
fn unknown_call_sites_cost_the_block() {
    let mut file = Segment::new(8);
    file.clock(0).site(0, 3, "a", &[]).site(1, 3, "b", &[]);
    file.block(0, &[Rec(0, 1, &[]), Rec(1, 2, &[]), Rec(0, 3, &[])]);
    file.block(0, &[Rec(0, 4, &[])]);
    file.close();
    let entry = file.frames[2];
    file.bytes[entry.0 + 12] ^= 0x40;
    for order in ORDERS {
        let outcome = read_with(Options::new().order(order), &file.bytes);
        assert_eq!(outcome.messages(), "a, a");
        assert_eq!(outcome.report.unknown_call_sites, 1);
        assert_eq!(outcome.report.lost(), 2);
        assert_eq!(outcome.report.damage[1].kind, DamageKind::UnknownCallSite(1));
        assert_eq!(outcome.report.damage[1].bytes, 4);
        assert!(outcome.marks.iter().any(|mark| mark == "Some(0) misses 2"), "{:?}", outcome.marks);
    }
}

/// A value that breaks the format costs the rest of the block.
#[test]
fn malformed_values_cost_the_block() {
    let mut file = Segment::new(8);
    file.clock(0).site(0, 3, "{}", &[("", Type::Bool)]);
    let (good, bad) = ([Arg::Bool(true)], [Arg::Byte(2)]);
    file.block(0, &[Rec(0, 1, &good), Rec(0, 2, &bad), Rec(0, 3, &good)]).close();
    let outcome = read(&file.bytes);
    assert_eq!(outcome.messages(), "true");
    assert_eq!(outcome.report.damage[0].kind, DamageKind::Record);
    assert_eq!(outcome.report.lost(), 2);
}

/// Garbage between frames is skipped and measured.
#[test]
fn garbage_is_skipped_and_measured() {
    let file = sample();
    for garbage in [8, 16, 1000, 70_000, 3 << 20] {
        for fill in [0, 0xFF, 0x11, 0x08] {
            let at = file.frames[7].0;
            let mut bytes = file.bytes.clone();
            bytes.splice(at..at, vec![fill; garbage]);
            let committed = (file.bytes.len() + garbage) as u64;
            bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed.to_le_bytes());
            let outcome = read(&bytes);
            assert_eq!(outcome.records.len(), 10);
            let damage = &outcome.report.damage[0];
            assert_eq!((damage.offset, damage.bytes), (at as u64, garbage as u64));
            assert_eq!(outcome.report.damages, 1);
        }
    }
}

/// Past the committed length, an invalid frame is the end.
#[test]
fn uncommitted_invalid_frames_are_the_end() {
    let mut file = sample();
    let last = *file.frames.last().expect("frames");
    file.bytes.truncate(last.0);
    file.commit();
    let open = read(&file.bytes);
    assert_eq!(open.report.ending, Ending::Open);
    assert!(open.report.is_whole());

    // Preallocated, and the writer died.
    file.bytes.resize(last.0 + (1 << 20), 0);
    let zeros = read(&file.bytes);
    assert_eq!(zeros.records, open.records);
    assert_eq!((zeros.report.ending, zeros.report.damages), (Ending::Open, 0));

    // While it was writing a frame.
    file.bytes[last.0..last.0 + 9].copy_from_slice(&[1, 2, 3, 4, 3, 200, 0, 0, 9]);
    let torn = read(&file.bytes);
    assert_eq!(torn.records, open.records);
    assert_eq!((torn.report.ending, torn.report.damages), (Ending::Torn, 0));

    // Between writing frames and saying so.
    file.set_committed(file.frames[5].0 as u64);
    let died = read(&file.bytes);
    assert_eq!(died.records, open.records);
    assert_eq!(died.report.uncommitted_bytes, (last.0 - file.frames[5].0) as u64);
    assert_eq!(died.report.damages, 0);
}

/// Past the committed length, nothing counts that follows a frame which is not whole, in any order
/// of reading. Before it, the reader goes on at the next valid frame.
///
/// A writer that dies in the middle of a copy leaves a frame that is whole after one that is torn.
/// It was read: the torn one was called damage, and its records came out of order.
#[test]
fn nothing_counts_after_a_torn_frame() {
    let mut file = sample();
    let last = *file.frames.last().expect("frames");
    file.bytes.truncate(last.0);
    file.bytes.resize(last.0 + (1 << 16), 0);
    let frames: Vec<_> = file.frames[..file.frames.len() - 1].to_vec();
    for committed in &frames {
        file.set_committed(committed.0 as u64);
        let whole = read(&file.bytes);
        for torn in &frames {
            file.bytes[torn.1 - 1 - (torn.1 - torn.0) / 2] ^= 0x55;
            for order in ORDERS {
                let outcome = read_with(Options::new().order(order), &file.bytes);
                let context = format!("{committed:?} committed, {torn:?} torn, {order:?}");
                let report = &outcome.report;
                if torn.0 < committed.0 {
                    // (It may have been all zeros, and a frame that was lost costs others.)
                    assert!(report.damages > 0, "{context}: {report:?}");
                    assert_eq!(report.ending, Ending::Open, "{context}");
                } else {
                    assert_eq!((report.damages, report.missing), (0, 0), "{context}: {report:?}");
                    assert_eq!(report.ending, Ending::Torn, "{context}");
                    let expected = records_until(&file, &whole, torn.0);
                    assert_eq!(outcome.records.len(), expected, "{context}");
                }
            }
            file.bytes[torn.1 - 1 - (torn.1 - torn.0) / 2] ^= 0x55;
        }
    }
    // Damage that reaches over the committed length ends there.
    let (first, second) = (frames[7], frames[8]);
    file.set_committed(second.0 as u64);
    for at in [first.0 + 4, second.0 + 4] {
        file.bytes[at] ^= 0x55;
    }
    let report = read(&file.bytes).report;
    assert_eq!((report.damages, report.ending), (1, Ending::Torn));
    assert_eq!(report.damage[0].bytes, (second.0 - first.0) as u64);
    assert_eq!(report.length_bytes, file.bytes.len() as u64);
}

#[test]
fn what_stands_behind_the_end_is_reported() {
    let mut file = sample().bytes;
    let length = file.len();
    file.resize(length + 100, 0);
    assert!(read(&file).report.is_whole());
    file.extend_from_slice(b"appended");
    let mut reader = Reader::from_slice(&file).expect("a kymo file");
    drain(&mut reader);
    let report = drain(&mut reader).report;
    assert_eq!(report.damages, 1, "asking again changes nothing");
    assert_eq!(report.damage[0].kind, DamageKind::PastEnd);
    assert_eq!(report.damage[0].offset, length as u64);
    assert_eq!(report.ending, Ending::Closed);
}

/// Logged bytes of a kymo file are never taken for frames of the log.
#[test]
fn logged_kymo_bytes_are_not_frames() {
    let mut inner = Segment::new(0xBAD);
    inner.clock(0).site(0, 1, "forged", &[]);
    for at in 0..20 {
        inner.block(0, &[Rec(0, at, &[])]);
    }
    inner.close();
    for shift in 0..8 {
        let mut text = vec![b' '; shift];
        text.extend_from_slice(&inner.bytes);
        let mut file = Segment::new(0x600D);
        file.clock(0).site(0, 3, "{}", &[("", Type::Str)]).site(1, 3, "real", &[]);
        file.block(0, &[Rec(0, 1, &[Arg::Str(&text)])]).block(0, &[Rec(1, 2, &[])]).close();
        let outer = file.frames[3];
        for damage in [outer.0, outer.0 + 4, outer.0 + 5, outer.0 + 9, outer.1 - 1] {
            let mut bytes = file.bytes.clone();
            bytes[damage] ^= 0x80;
            let outcome = read(&bytes);
            assert_eq!(outcome.messages(), "real");
            assert_eq!(outcome.report.lost(), 1);
            assert_eq!(outcome.report.damages, 1);
        }
    }
}

#[test]
fn hostile_claims_cost_linear_time() {
    // Every word claims a frame of nearly a mebibyte; every second one is a valid frame of no
    // bytes.
    let mut file = Segment::new(5);
    let claim = 1u64 | 3 << 32 | 0xF_FFFF << 40;
    file.frame(200, &[]);
    let empty: Vec<u8> = file.bytes[4096..4104].to_vec();
    for _ in 0..1 << 17 {
        file.bytes.extend_from_slice(&claim.to_le_bytes());
        file.bytes.extend_from_slice(&empty);
    }
    for _ in 0..1 << 18 {
        file.bytes.extend_from_slice(&claim.to_le_bytes());
    }
    file.commit();
    let start = Instant::now();
    let report = read(&file.bytes).report;
    assert_eq!(report.frames, 1 + (1 << 17));
    assert_eq!(report.damage.len(), 1000);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// Hostile numbers cost no memory and no panic.
#[test]
fn hostile_numbers_are_harmless() {
    let mut file = Segment::new(5);
    file.clock(0).site(0, 3, "tick", &[]);
    let mut block = vec![0];
    block.extend_from_slice(&u64::MAX.to_le_bytes());
    block.push(0);
    block.extend_from_slice(&u64::MAX.to_le_bytes());
    block.extend_from_slice(&u64::MAX.to_le_bytes());
    block.extend_from_slice(&[1, 1, 1, 1, 1, 3]);
    file.frame(3, &block).frame(4, &block).frame(4, &block[..26]).frame(3, &block[..8]);
    file.watermark(u64::MAX).block(7, &[Rec(0, 0, &[]), Rec(0, u64::MAX, &[])]);
    file.frame(5, &[0xFF; 48]).block(7, &[Rec(0, 1 << 63, &[]), Rec(0, 0, &[])]);
    file.frame(8, &block[..9].repeat(3)).frame(9, &block[..9].repeat(4));
    for kind in 0..=255 {
        file.frame(kind, &[]).frame(kind, &[0xFF; 3]).frame(kind, &[0; 40]);
    }
    for order in ORDERS {
        assert!(read_with(Options::new().order(order), &file.bytes).report.damages > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_behind_a_header(words in prop::collection::vec(any::<u64>(), 0..2000)) {
        let mut bytes = sample().bytes;
        bytes.truncate(4096);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        for order in ORDERS {
            prop_assert!(read_with(Options::new().order(order), &bytes).records.is_empty());
        }
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        prop_assert!(Reader::from_slice(&bytes).is_err());
    }

    /// Valid frames with random payloads: the checksum protects from nothing.
    #[test]
    fn random_payloads(
        frames in prop::collection::vec(
            (0u8..11, prop::collection::vec(0u8..12, 0..40)),
            0..60,
        ),
        held in 0usize..10_000,
    ) {
        let mut file = sample();
        file.bytes.truncate(file.frames[4].0);
        for (kind, payload) in &frames {
            file.frame(*kind, payload);
        }
        for order in ORDERS {
            let outcome = read_with(Options::new().order(order).held_bytes(held), &file.bytes);
            prop_assert_eq!(outcome.records.len() as u64, outcome.report.records);
        }
    }

    #[test]
    fn several_flips(flips in prop::collection::vec((4096usize..5000, 1u8..), 1..8)) {
        let mut file = sample().bytes;
        let whole = read(&file);
        for (at, flip) in flips {
            let at = at % (file.len() - 4096) + 4096;
            file[at] ^= flip;
        }
        let outcome = read(&file);
        for record in outcome.contents() {
            prop_assert!(whole.contents().contains(&record));
        }
    }
}
