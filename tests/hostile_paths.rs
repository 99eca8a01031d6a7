//! Paths with control characters: no error, and no notice, sends them to a terminal.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use kymo::{Logger, Notice, StartErrorKind};

/// Clears the screen, and turns the direction of writing.
const EVIL: &str = "a\u{1b}[2J\u{202e}\u{9b}\nb";
const HARMLESS: &str = "a\\u{1b}[2J\\u{202e}\\u{9b}\\nb";

fn evil() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(EVIL);
    fs::create_dir(&path).unwrap();
    (dir, path)
}

/// The text has the path, and nothing that a terminal obeys.
fn assert_harmless(text: &str) {
    assert!(text.contains(HARMLESS), "{text:?}");
    assert!(!text.chars().any(kymo_format::is_control), "{text:?}");
}

#[test]
fn errors_escape_paths() {
    let (_dir, evil) = evil();
    let start = |path: PathBuf| Logger::builder(path).start().unwrap_err();

    let error = start(evil.join("missing").join("app.kymo"));
    assert!(
        matches!(error.kind(), StartErrorKind::File(_, error) if error.kind() == ErrorKind::NotFound)
    );
    assert_harmless(&error.to_string());
    // The path itself is what it is.
    assert!(matches!(error.kind(), StartErrorKind::File(path, _) if path.starts_with(&evil)));
    assert_harmless(&start(evil.clone()).to_string());
    let rotated = Logger::builder(evil.join("missing").join("app.kymo"))
        .rotate(kymo::Rotation::on_request())
        .keep(kymo::Keep::unlimited())
        .start();
    assert_harmless(&rotated.unwrap_err().to_string());

    // A segment that another logger writes.
    let path = evil.join("app.kymo");
    let logger = Logger::builder(&path).start().unwrap();
    let error = kymo::recover(&path).unwrap_err();
    assert_harmless(&error.to_string());
    assert!(error.path().starts_with(&evil));
    logger.shutdown();
    let foreign = evil.join("foreign");
    fs::write(&foreign, [1; 5_000]).unwrap();
    assert_harmless(&kymo::recover(&foreign).unwrap_err().to_string());

    let reader = kymo_reader::Files::open([&path, &foreign], kymo_reader::Options::new);
    let error: &dyn Error = &reader.err().expect("one is no log");
    assert_harmless(&error.to_string());
}

/// A notice goes to a hook that prints it, mostly.
#[test]
fn notices_escape_paths() {
    let (_dir, evil) = evil();
    let notice = Notice::FewRingsFit { threads: 1, bytes_per_thread: 4096, directory: &evil };
    assert_harmless(&notice.to_string());
    let error = std::io::Error::other(format!("{}: {EVIL}", evil.display()));
    assert_harmless(&Notice::OutputFailed { error: &error }.to_string());
}
