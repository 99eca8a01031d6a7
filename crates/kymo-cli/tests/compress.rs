//! `kymo compress`, and the other commands on what it makes.
#![cfg(all(unix, feature = "zstd"))]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Turn, kymo, run};
use kymo_format::types::Type;
use kymo_testing::rotated::{segment_name, write_log};
use kymo_testing::segment::{Arg, Rec, Segment};

/// A log of some mebibytes.
fn logged(turn: &Turn) -> PathBuf {
    turn.logged("app.kymo", || {
        for n in 0..150_000_u64 {
            kymo::info!("order {n} of {}, noise {}", "ACME", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        kymo::warn!("the end");
    })
}

fn compressed(path: &std::path::Path) -> PathBuf {
    path.with_extension("kymo.zst")
}

#[test]
fn a_log_is_compressed_and_read() {
    let turn = Turn::take();
    let path = logged(&turn);
    let original = fs::read(&path).unwrap();
    let commands: [&[&str]; 6] = [
        &["cat"],
        &["cat", "--threads=2"],
        &["cat", "--last", "10"],
        &["cat", "--level", "warn"],
        &["stats"],
        &["fields"],
    ];
    // Files have other names, and nothing else.
    let all = |path: &PathBuf| -> Vec<String> {
        let name = path.display().to_string();
        let ran = commands.iter().map(|args| {
            let mut command = kymo(&[]);
            command.args(*args).arg(path);
            common::finished(command.output().unwrap()).fine().replace(&name, "NAME")
        });
        ran.collect()
    };
    let expected = all(&path);
    let ran = run(&[&"compress", &"--level=1", &path]);
    ran.complains(0, &["app.kymo.zst: ", " bytes to ", " to 1"]);
    assert!(!path.exists());
    let path = compressed(&path);
    assert!(fs::metadata(&path).unwrap().len() < original.len() as u64);
    assert!(all(&path) == expected);
    let verified = run(&[&"verify", &path]).fine();
    assert!(verified.contains(": whole: 15000"), "{verified}");
    assert!(verified.contains(&format!("{} bytes", original.len())), "{verified}");
    run(&[&"compress", &path]).complains(2, &["app.kymo.zst: is compressed already"]);
    // From a pipe, too.
    let mut command = kymo(&[&"cat", &"-"]);
    command.stdin(fs::File::open(&path).unwrap());
    assert!(common::finished(command.output().unwrap()).fine() == expected[0]);
}

/// A log that is there compressed and not, as for a moment of each compression: whichever is named, it is shown once.
#[test]
fn a_log_and_its_compressed_copy_are_one() {
    let turn = Turn::take();
    let path = turn.logged("app.kymo", || (0..10).for_each(|n| kymo::info!("order {n}")));
    let original = fs::read(&path).unwrap();
    run(&[&"compress", &path]);
    fs::write(&path, original).unwrap();
    let expected = common::cat(&path).fine();
    assert_eq!(expected.lines().count(), 10);
    let (packed, dir) = (compressed(&path), path.parent().unwrap());
    for named in [[&path, &packed], [&packed, &path]] {
        assert_eq!(run(&[&"cat", named[0], named[1]]).fine(), expected);
    }
    assert_eq!(run(&[&"cat", &dir, &packed, &path]).fine(), expected);
    // A copy elsewhere is another file.
    let elsewhere = turn.file("copy.kymo", &fs::read(&path).unwrap());
    assert_eq!(run(&[&"cat", &path, &elsewhere]).fine().lines().count(), 20);
}

/// A directory whose log was compressed by hand, and whose program then made another: both are shown.
#[test]
fn compressed_logs_in_a_directory_are_read() {
    let turn = Turn::take();
    fs::create_dir(turn.path("logs")).unwrap();
    let path = turn.logged("logs/app.kymo", || kymo::info!("the first run"));
    let dir = path.parent().unwrap();
    run(&[&"compress", &path]);
    assert!(run(&[&"cat", &dir]).fine().ends_with("the first run\n"));
    turn.logged("logs/app.kymo", || kymo::info!("the second run"));
    let shown = run(&[&"cat", &"--format={message}", &dir]).fine();
    assert_eq!(shown, "the first run\nthe second run\n");
    // A start that was killed leaves an empty file, which is no fault of the directory.
    fs::write(dir.join("other.kymo"), "").unwrap();
    assert_eq!(run(&[&"cat", &"--format={message}", &dir]).fine(), shown);
    assert_eq!(run(&[&"stats", &dir]).code, Some(0));
}

#[test]
fn damage_of_a_compressed_log_is_told() {
    let turn = Turn::take();
    let path = logged(&turn);
    let lines = common::cat(&path).fine().lines().count();
    run(&[&"compress", &path]);
    let path = compressed(&path);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let verified = run(&[&"verify", &path]);
    assert_eq!(verified.code, Some(1));
    assert!(verified.out.contains("NOT WHOLE"), "{verified:?}");
    let repaired = turn.path("repaired.kymo");
    run(&[&"repair", &path, &repaired]).complains(0, &["bytes were damaged"]);
    run(&[&"verify", &repaired]).fine();
    // Without a seek table it is read, but not frame by frame.
    bytes[middle] ^= 4;
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    let printed = run(&[&"cat", &path]);
    assert_eq!((printed.out.lines().count(), printed.code), (lines, Some(0)), "{}", printed.err);
    run(&[&"verify", &path]).complains(2, &["seek table", "`zstd -d`"]);
}

fn segment(sequence: u64, is_closed: bool) -> Segment {
    let mut segment = Segment::of_log(9, sequence);
    let at = sequence * 1_000_000_000;
    segment
        .clock(1_796_018_220_000_000_000)
        .site(0, 3, "segment {n}", &[("n", Type::U64)])
        .thread_of(0, 1_000, "main")
        .last_block(0, &[Rec(0, at, &[Arg::Unsigned(sequence)])], at);
    match is_closed {
        true => segment.close_with_index(100),
        false => segment.commit(),
    };
    segment
}

#[test]
fn the_closed_segments_of_a_log_are_compressed() {
    let turn = Turn::take();
    let segments: Vec<_> = (1..=5).map(|it| segment(it, it < 5)).collect();
    let link = write_log(turn.path("x").parent().unwrap(), &segments);
    let expected = run(&[&"cat", &"--no-marks", &link]).fine();
    // What a killed process left.
    let left = turn.file(&format!(".{}.zst.new", segment_name(3)), b"half");
    let ran = run(&[&"compress", &link]);
    assert_eq!((ran.err.lines().count(), ran.code), (4, Some(0)), "{}", ran.err);
    assert!(!left.exists());
    for sequence in 1..=5 {
        let path = turn.path(&segment_name(sequence));
        assert_eq!(path.exists(), sequence == 5);
        assert_eq!(compressed(&path).exists(), sequence < 5);
    }
    assert_eq!(run(&[&"cat", &"--no-marks", &link]).fine(), expected);
    let ran = run(&[&"compress", &link]);
    assert_eq!((ran.err.as_str(), ran.code), ("", Some(0)));
    // The last one was not closed.
    let last = turn.path(&segment_name(5));
    run(&[&"compress", &last]).complains(2, &["was not closed", "--unclosed"]);
    run(&[&"compress", &"--unclosed", &last]).complains(0, &["to 1"]);
    assert_eq!(run(&[&"cat", &"--no-marks", &link]).fine(), expected);
}

#[test]
fn a_log_that_is_written_stays() {
    let turn = Turn::take();
    let path = turn.path("app.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    kymo::info!("hello");
    kymo::flush();
    run(&[&"compress", &path]).complains(2, &["app.kymo: is being written"]);
    logger.shutdown();
    run(&[&"compress", &path]).complains(0, &[]);
    run(&[&"compress", &turn.path("none.kymo")]).complains(2, &["none.kymo"]);
}
