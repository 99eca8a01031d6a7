//! `kymo verify`: whole files are whole, and whatever is done to one is found, with its place.

mod common;
use kymo_testing::segment;

use std::path::Path;

use common::{Turn, run};
use kymo::{info, warn};
use kymo_format::frame::Kind;
use segment::{Rec, Segment, sample};
use serde_json::Value;

/// The verdict on a file with these bytes, which must not be whole.
#[track_caller]
fn not_whole(bytes: &[u8]) -> Vec<String> {
    let turn = Turn::take();
    let ran = run(&[&"verify", &"--json", &turn.file("log.kymo", bytes)]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran:?}");
    let verdict: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(verdict["whole"], false);
    let problems = verdict["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["message"].as_str().unwrap().to_owned()).collect()
}

/// The file of a logger is whole, including drops and cuts.
#[test]
fn a_written_file_is_whole() {
    let turn = Turn::take();
    let path = turn.path("log.kymo");
    let logger = kymo::Logger::builder(&path)
        .overflow(kymo::Overflow::DropNewest)
        .ring_capacity(4 << 10)
        .start()
        .unwrap();
    (0..3_000).for_each(|number| info!("record {number}"));
    warn!("{}", "cut ".repeat(20_000));
    std::thread::spawn(|| info!("another thread")).join().unwrap();
    let report = logger.shutdown();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1.kymo");
    let out = run(&[&"verify", &path, &golden]).fine();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    // The logger's own records about drops are in the file, too.
    let own = run(&[&"cat", &"--target", &"kymo", &"--no-marks", &path]).out.lines().count() as u64;
    let begin = format!("{}: whole: {} records of ", path.display(), report.written + own);
    let end = format!(" threads, {} dropped, 0 lost; ", report.dropped);
    assert!(lines[0].starts_with(&begin) && lines[0].contains(&end), "{out}\n{begin}…{end}");
    assert!(lines[1].contains("v1.kymo: whole: 186 records of 2 threads, 830 dropped"), "{out}");
    assert_eq!(run(&[&"verify", &"--quiet", &path]).fine(), "");
}

/// A file that is being written is whole so far.
#[test]
fn a_live_file_is_whole_so_far() {
    let turn = Turn::take();
    let path = turn.path("log.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    info!("one");
    logger.flush();
    let out = run(&[&"verify", &path]).fine();
    assert!(out.contains(": whole so far, and being written: 1 records of 1 threads"), "{out}");
    logger.shutdown();
}

/// Every flipped byte of every frame is found.
#[test]
fn every_flipped_byte_is_found() {
    let whole = sample();
    let turn = Turn::take();
    assert!(run(&[&"verify", &turn.file("log.kymo", &whole.bytes)]).fine().contains(": whole: "));
    drop(turn);
    for &(start, end) in &whole.frames {
        for at in [start, start + 4, end - 1] {
            let mut bytes = whole.bytes.clone();
            bytes[at] ^= 0x10;
            let problems = not_whole(&bytes);
            let place = format!("bytes at byte {start} ");
            assert!(problems.iter().any(|it| it.contains(&place)), "{place}: {problems:?}");
        }
    }
}

#[test]
fn every_cut_is_found() {
    let whole = sample().bytes;
    for end in (4096..whole.len() - 8).step_by(13) {
        let problems = not_whole(&whole[..end]);
        let text = format!("truncated at byte {end}: {} bytes were written", whole.len());
        assert!(problems.contains(&text), "{problems:?}");
    }
}

/// Each sum and rule is checked, even if every checksum is valid.
#[test]
fn sums_and_rules_are_checked() {
    type Build = fn(&mut Segment);
    let end = |written: u8, dropped: u8, cut: u8| {
        [&[written << 1 | 1, dropped << 1 | 1, cut << 1 | 1][..], &[0; 8]].concat()
    };
    let total = |file: &mut Segment, written, dropped, cut| {
        file.frame(Kind::ThreadEnd as u8, &[1, 5, 1]);
        file.frame(Kind::End as u8, &end(written, dropped, cut)).commit();
    };
    let cases: [(&str, Build); 9] = [
        ("after 2 of them", |file| {
            let again = file.bytes[file.frames[3].0 + 8..file.frames[3].1].to_vec();
            file.frame(Kind::Records as u8, &again).close();
        }),
        ("a watermark that goes back", |file| {
            file.watermark(90).watermark(80).close();
        }),
        ("thread 7 was not introduced", |file| {
            file.block(7, &[Rec(0, 30, &[])]).close();
        }),
        ("something of thread 0 after its end", |file| {
            file.frame(Kind::ThreadEnd as u8, &[1, 5, 1]).block(0, &[Rec(0, 30, &[])]).close();
        }),
        ("ends with 3 dropped, but its marks say 0", |file| {
            file.frame(Kind::ThreadEnd as u8, &[1, 5, 7]).close();
        }),
        ("thread 0 ends after 1 records, but has 2", |file| {
            file.frame(Kind::ThreadEnd as u8, &[1, 3, 1]).close();
        }),
        ("the file ends, and thread 0 did not", |file| {
            file.frame(Kind::End as u8, &[5, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]).commit();
        }),
        ("the committed length is 4096, not its length", |file| {
            file.close().set_committed(4096);
        }),
        ("was not closed", |_| {}),
    ];
    for (expected, build) in cases {
        let mut file = Segment::new(1);
        file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main");
        file.block(0, &[Rec(0, 10, &[]), Rec(0, 20, &[])]);
        build(&mut file);
        let problems = not_whole(&file.bytes);
        assert!(problems.iter().any(|it| it.contains(expected)), "{expected}: {problems:?}");
    }
    for (written, dropped, cut, expected) in [
        (1, 0, 0, "the file ends after 1 records, but has 2"),
        (3, 0, 0, "1 records of an unknown thread are missing before here"),
        (2, 4, 0, "the file ends with 4 dropped, but its marks say 0"),
        (2, 0, 1, "the file ends with 1 records cut, but has 0"),
    ] {
        let mut file = Segment::new(1);
        file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main");
        file.block(0, &[Rec(0, 10, &[]), Rec(0, 20, &[])]);
        total(&mut file, written, dropped, cut);
        assert_eq!(not_whole(&file.bytes).len(), 1, "{expected}");
        assert!(not_whole(&file.bytes)[0].contains(expected), "{expected}");
    }
}

/// An unreadable file is an error, and the others are checked.
#[test]
fn unreadable_files_do_not_stop_others() {
    let turn = Turn::take();
    let good = turn.logged("good.kymo", || info!("good"));
    let foreign = turn.file("foreign.kymo", &[b'x'; 10_000]);
    let ran = run(&[&"verify", &foreign, &good, &turn.path("missing")]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.err.lines().count(), 2, "{ran:?}");
    assert!(ran.out.contains("good.kymo: whole"), "{ran:?}");
    run(&[&"verify", &"-"]).complains(2, &["give a file"]);
}
