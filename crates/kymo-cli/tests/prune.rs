//! `kymo prune`: the oldest segments of a log go, and nothing else.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Turn, run};
use kymo_files::segments::LogName;
use kymo_format::header::{ClockSource, Header};

const DAY_S: i64 = 86_400;
const LOG: [u8; 16] = [3; 16];

/// A segment of 8 KiB that began on this day, with this number.
fn segment(turn: &Turn, log: [u8; 16], day: i64, sequence: u64) -> PathBuf {
    let path = LogName::new(&turn.path("app.kymo")).segment(day * DAY_S, sequence);
    let header = Header {
        log,
        sequence,
        segment: [sequence as u8; 16],
        opened_ns: day * DAY_S * 1_000_000_000,
        ..Header::new(ClockSource::Counter)
    };
    let mut page = header.to_page();
    page.resize(8_192, 0);
    fs::write(&path, page).unwrap();
    path
}

/// A log of five segments, one a day since 2026-11-01, and a link to the last.
fn log(turn: &Turn) -> (PathBuf, Vec<PathBuf>) {
    let segments: Vec<_> = (1..=5).map(|it| segment(turn, LOG, 20_757 + it, it as u64)).collect();
    let link = turn.path("app.kymo");
    std::os::unix::fs::symlink(segments[4].file_name().unwrap(), &link).unwrap();
    (link, segments)
}

fn names(turn: &Turn) -> Vec<String> {
    let entries = fs::read_dir(turn.path("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_oldest_segments_go() {
    let turn = Turn::take();
    let (link, segments) = log(&turn);
    let before = names(&turn);
    let would = run(&[&"prune", &link, &"--keep", &"bytes=24K", &"--dry-run"]).fine();
    assert_eq!(names(&turn), before);
    let expected = |verb: &str| {
        let lines = segments[..2].iter().map(|path| format!("{verb} {}\n", path.display()));
        lines.collect::<String>() + "2 segments, 2 files, 16384 bytes\n"
    };
    assert_eq!(would, expected("would delete"));
    assert_eq!(run(&[&"prune", &link, &"--keep", &"bytes=24K"]).fine(), expected("deleted"));
    assert_eq!(names(&turn).len(), before.len() - 2);
    // There is nothing more to do.
    let again = run(&[&"prune", &link, &"--keep", &"bytes=24K"]);
    assert_eq!((again.code, again.out.as_str(), again.err.as_str()), (Some(1), "", ""));
    // By number, by a segment in the place of the link.
    let out = run(&[&"prune", &segments[3], &"--keep", &"files=1"]).fine();
    assert!(out.contains("2 segments"), "{out}");
    assert_eq!(names(&turn), ["app.20261105T000000Z.000005.kymo", "app.kymo"].map(String::from));
}

#[test]
fn old_segments_go() {
    let turn = Turn::take();
    let (link, _) = log(&turn);
    let out = run(&[&"prune", &link, &"--keep", &"age=1s"]).fine();
    assert!(out.ends_with("4 segments, 4 files, 32768 bytes\n"), "{out}");
}

#[test]
fn foreign_files_stay_and_are_named() {
    let turn = Turn::take();
    let (link, _) = log(&turn);
    let other = segment(&turn, [9; 16], 20_000, 1);
    let ran = run(&[&"prune", &link, &"--keep", &"files=1"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("not a segment of this log"), "{}", ran.err);
    assert!(ran.out.contains("4 segments") && other.is_file(), "{}", ran.out);
}

#[test]
fn temporary_files_count() {
    let turn = Turn::take();
    let (link, segments) = log(&turn);
    let hidden = format!(".{}.zst.new", segments[3].file_name().unwrap().to_str().unwrap());
    fs::write(turn.path(&hidden), vec![0; 8_192]).unwrap();
    fs::write(turn.path(".app.kymo.7.next"), vec![0; 8_192]).unwrap();
    fs::write(turn.path(".other.kymo.7.next"), vec![0; 8_192]).unwrap();
    let out = run(&[&"prune", &link, &"--keep", &"bytes=40K"]).fine();
    assert!(out.contains("2 segments"), "{out}");
}

#[test]
fn a_limit_that_cannot_hold_is_told() {
    let turn = Turn::take();
    let (link, segments) = log(&turn);
    let ran = run(&[&"prune", &link, &"--keep", &"bytes=1K"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("takes 8192 bytes, more than 1024"), "{}", ran.err);
    assert!(ran.out.contains("4 segments") && segments[4].is_file(), "{}", ran.out);
}

#[test]
fn misuse_is_told() {
    let turn = Turn::take();
    let (link, _) = log(&turn);
    for (limits, text) in
        [("bytes=8gigs", "\"bytes=8gigs\" is no limit"), ("files=0", "at least 1")]
    {
        let ran = run(&[&"prune", &link, &"--keep", &limits]);
        assert!(ran.code == Some(2) && ran.err.contains(text), "{}", ran.err);
    }
    let ran = run(&[&"prune", &link]);
    assert!(ran.code == Some(2) && ran.err.contains("--keep"), "{}", ran.err);
    let single = turn.logged("single.kymo", || kymo::info!("one"));
    run(&[&"prune", &single, &"--keep", &"files=1"]).complains(2, &["no rotated log"]);
    run(&[&"prune", &turn.path("gone"), &"--keep", &"files=1"]).complains(2, &["gone"]);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    run(&[&"prune", &link, &"--keep", &"files=1"]).complains(2, &["no rotated log"]);
}
