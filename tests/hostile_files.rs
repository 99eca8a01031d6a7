//! The bodies of the fuzz targets under proptest, so that they run on stable Rust and with every
//! `cargo test`. Longer: `PROPTEST_CASES=1000000 cargo test --release --test hostile_files`.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::{frames, memory, segment, target};
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
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn hostile_segments(data in vec(any::<u8>(), 0..800)) {
        target::segment(&data);
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

#[test]
fn the_golden_file_is_made_anew_from_its_frames() {
    let sealed = frames::sealed(&frames::unsealed(GOLDEN));
    assert_eq!(frames::split(&sealed), frames::split(GOLDEN));
    target::bytes(&sealed);
}

/// Seeds of the fuzz targets, which otherwise only libFuzzer reads.
#[test]
fn seeds() {
    let targets: [(&str, Target); 5] = [
        ("bytes", target::bytes),
        ("frames", target::frames),
        ("segment", target::segment),
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

#[test]
fn hostile_segments_are_varied() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = vec(any::<u8>(), 800..801);
    let (mut records, mut damages, mut files) = (0, 0, 0);
    for _ in 0..200 {
        let data = strategy.new_tree(&mut runner).unwrap().current();
        let file = segment::hostile(&mut arbitrary::Unstructured::new(&data));
        let Ok(mut reader) = kymo::reader::Reader::from_slice(&file) else { continue };
        while reader.next_event().unwrap().is_some() {}
        files += 1;
        records += u64::from(reader.report().records > 0);
        damages += u64::from(reader.report().damages > 0);
    }
    assert!(files > 150 && records > 50 && damages > 50, "{files} {records} {damages}");
}
