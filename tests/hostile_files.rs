//! The bodies of the fuzz targets under proptest, so that they run on stable Rust and with every
//! `cargo test`. Longer: `PROPTEST_CASES=1000000 cargo test --release --test hostile_files`.

use kymo_format::header::{ClockSource, Header};
use kymo_format::types::Type;
use kymo_format::varint;
use kymo_testing::hostile::{check, frames, memory, ring, segment, target};
use kymo_testing::segment::{Arg, Rec, Segment};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

type Target = fn(&[u8]);

const GOLDEN: &[u8] = include_bytes!("golden/v1.kymo");

/// As many cases as are done in a few seconds of a build without optimization, or as many as
/// `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

/// Good bytes in which something was changed: bits, a piece moved, a piece repeated, the end.
fn havoc(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..6_u8, any::<usize>(), any::<usize>(), 1..64_usize, any::<u8>());
    vec(change, 1..12).prop_map(move |changes| {
        let mut bytes = good.clone();
        for (what, one, other, len, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let (one, other) = (one % bytes.len(), other % bytes.len());
            let piece = bytes[one..(one + len).min(bytes.len())].to_vec();
            match what {
                0 => bytes[one] ^= 1 << (byte % 8),
                1 => bytes[one] = byte,
                2 => drop(bytes.splice(other..other, piece)),
                3 => drop(bytes.drain(one..one + piece.len())),
                4 => bytes.truncate(one + 1),
                _ => piece.iter().zip(&mut bytes[other..]).for_each(|(new, old)| *old = *new),
            }
        }
        bytes
    })
}

/// A file that was not closed, with parts of an index.
fn with_parts() -> Vec<u8> {
    let mut file = Segment::new(0);
    file.clock(0).thread(0, "main");
    for part in 0..8 {
        file.site(part, 3, "{n}", &[("n", Type::U64)]).clock_at(100 * part, 100 * part as i64);
        for n in 0..4 {
            let at = 100 * part + 10 * n;
            file.last_block(0, &[Rec(part, at, &[Arg::Unsigned(n)])], at);
        }
        file.index_part(2);
    }
    file.commit();
    file.bytes
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn files_with_flaws(data in havoc(GOLDEN.to_vec())) {
        target::bytes(&data);
    }

    #[test]
    fn frames_with_flaws(data in havoc(frames::unsealed(GOLDEN))) {
        target::frames(&data);
    }

    #[test]
    fn parts_of_an_index_with_flaws(data in havoc(frames::unsealed(&with_parts()))) {
        target::frames(&data);
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn hostile_segments(data in vec(any::<u8>(), 0..800)) {
        target::segment(&data);
    }

    #[test]
    fn hostile_rings(data in vec(any::<u8>(), 0..800)) {
        target::ring(&data);
    }

    #[test]
    fn call_sites_with_flaws(data in havoc(ring::sites()), choices in vec(any::<u8>(), 400)) {
        let (ring, committed) = ring::hostile(&mut arbitrary::Unstructured::new(&choices));
        check::recover(&ring, &data, committed);
    }

    #[test]
    fn format_strings(pieces in vec(prop_oneof![
        Just("{".to_owned()), Just("}".to_owned()), Just("{:".to_owned()), Just("65535".to_owned()),
        Just("{{".to_owned()), Just("$".to_owned()), Just(".*".to_owned()), "[0-9a-eé?#x+<^>.{}: ]{0,6}", any::<String>(),
    ], 0..12)) {
        target::format_string(pieces.concat().as_bytes());
    }

    #[test]
    fn values(data in vec(prop_oneof![0..8_u8, 0x80..0x83_u8, any::<u8>()], 0..64)) {
        target::value(&data);
    }
}

#[test]
fn memory_is_counted() {
    let (_, peak) = memory::peak_of(|| drop(std::hint::black_box(vec![0_u8; 1_000_000])));
    assert!((1_000_000..1_100_000).contains(&peak), "{peak}");
}

/// The golden file can be rebuilt from its frames.
#[test]
fn golden_file_is_rebuilt_from_frames() {
    let sealed = frames::sealed(&frames::unsealed(GOLDEN));
    assert_eq!(frames::split(&sealed), frames::split(GOLDEN));
    target::bytes(&sealed);
}

/// Seeds of the fuzz targets, which otherwise only libFuzzer reads.
#[test]
fn seeds() {
    let targets: [(&str, Target); 6] = [
        ("bytes", target::bytes),
        ("frames", target::frames),
        ("segment", target::segment),
        ("ring", target::ring),
        ("format_string", target::format_string),
        ("value", target::value),
    ];
    for (name, target) in targets {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        for entry in std::fs::read_dir(folder).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
}

/// Parts that list one frame over and over hold no more than what is said of other files.
#[test]
fn parts_of_an_index_take_little_memory() {
    use kymo_format::index::{Index, IndexPart, Step};
    for lists_clocks in [false, true] {
        let mut file = frames::sealed(&[]);
        let mut previous = 0;
        for _ in 0..16 {
            let begin = if previous == 0 { 4_096 } else { previous };
            let steps = vec![Step { offset: begin, newest_ns: 1, ..Step::default() }];
            let known = vec![4_096; 60_000];
            let (frames, clocks) = if lists_clocks { (vec![], known) } else { (known, vec![]) };
            let (watermark, mut payload) = (0, Vec::new());
            // A frame of no known kind, so that the first stretch has something.
            frames::append(&mut file, 200, &[], 0);
            let offset = file.len() as u64;
            let index = Index { steps, frames };
            let part = IndexPart { index, clocks, previous, end: offset, watermark };
            part.put(offset, &mut payload);
            frames::append(&mut file, 17, &payload, 0);
            previous = offset;
        }
        frames::commit(&mut file);
        let stretches = kymo_reader::Reader::from_slice(&file).unwrap().stretches().unwrap();
        assert_eq!(stretches.iter().count(), 17, "they are believed");
        check::read_in_every_way(&file);
    }
}

#[test]
fn hostile_segments_are_varied() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = vec(any::<u8>(), 800..801);
    let (mut records, mut damages, mut files) = (0, 0, 0);
    for _ in 0..200 {
        let data = strategy.new_tree(&mut runner).unwrap().current();
        let file = segment::hostile(&mut arbitrary::Unstructured::new(&data));
        let Ok(mut reader) = kymo_reader::Reader::from_slice(&file) else { continue };
        while reader.next_event().unwrap().is_some() {}
        files += 1;
        records += u64::from(reader.report().records > 0);
        damages += u64::from(reader.report().damages > 0);
    }
    assert!(files > 150 && records > 50 && damages > 50, "{files} {records} {damages}");
}

#[test]
fn hostile_rings_are_varied() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = vec(any::<u8>(), 800..801);
    let (mut records, mut whole, mut damaged) = (0, 0, 0);
    for _ in 0..200 {
        let data = strategy.new_tree(&mut runner).unwrap().current();
        let (ring, committed) = ring::hostile(&mut arbitrary::Unstructured::new(&data));
        let found = kymo::internals::recovery::recover(&ring, &ring::sites(), committed);
        records += u64::from(found.records > 1);
        whole += u64::from(found.records > 0 && found.problems.is_empty());
        damaged += u64::from(found.records > 0 && !found.problems.is_empty());
    }
    assert!(records > 40 && whole > 10 && damaged > 50, "{records} {whole} {damaged}");
}

/// A file with one call site, whose arguments have these types, and a block of `records` records of
/// it with these bytes as arguments.
fn many_records(types: &[Vec<u8>], records: usize, arguments: &[u8]) -> Vec<u8> {
    use kymo_format::frame::{Clock, Kind, put_str};
    let mut file = Header { salt: 0, ..Header::new(ClockSource::Counter) }.to_page();
    let mut clock = Vec::new();
    Clock { rate: 1 << 32, ..Clock::default() }.put(&mut clock);
    frames::append(&mut file, Kind::Clock as u8, &clock, 0);
    // Number 0, level 3, line 0, column 0.
    let mut site = vec![1, 3, 1, 1];
    (0..4).for_each(|_| put_str(&mut site, ""));
    varint::put(&mut site, types.len() as u64);
    for ty in types {
        put_str(&mut site, "");
        varint::put(&mut site, ty.len() as u64);
        site.extend_from_slice(ty);
    }
    frames::append(&mut file, Kind::CallSite as u8, &site, 0);
    // Thread 0, sequence 0, base 0; each record: call site 0, 0 ticks later.
    let mut block = [&[1, 1][..], &[0; 8]].concat();
    for _ in 0..records {
        block.extend_from_slice(&[1, 1]);
        block.extend_from_slice(arguments);
    }
    frames::append(&mut file, Kind::Records as u8, &block, 0);
    frames::commit(&mut file);
    file
}

fn count(file: &[u8]) -> u64 {
    let mut reader = kymo_reader::Reader::from_slice(file).unwrap();
    while reader.next_event().unwrap().is_some() {}
    reader.report().records
}

/// `()` takes no bytes. What does not may not take time either, or a file of a mebibyte keeps its
/// reader busy for minutes: with these, a reader that looked at each `()` would look at 10^10.
#[test]
fn nothing_takes_no_time() {
    use kymo_format::types::code::{SEQUENCE, TUPLE};
    // 31 times 31 of them.
    let inner = [&[TUPLE, 31][..], &[TUPLE, 0].repeat(31)].concat();
    let tuple = [&[TUPLE, 31][..], &inner.repeat(31)].concat();
    let file = many_records(&vec![tuple; 64], 500_000, &[]);
    assert_eq!(count(&file), 500_000);
    // 32,767 of them, twice.
    let sequence = vec![TUPLE, 2, SEQUENCE, TUPLE, 0, SEQUENCE, TUPLE, 0];
    let mut arguments = Vec::new();
    (0..128).for_each(|_| varint::put(&mut arguments, 32_767 << 1));
    let file = many_records(&vec![sequence; 64], 2_000, &arguments);
    assert_eq!(count(&file), 2_000);
}
