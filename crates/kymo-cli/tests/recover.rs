//! `kymo recover`: a program that is killed loses nothing, and the command says so.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Turn, run};
use kymo_testing::stopping;

/// What the test runs again, to be killed.
#[test]
#[ignore = "run by the other"]
fn child_process() {
    let Some(dir) = std::env::var_os("KYMO_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    static STOPPED: AtomicBool = AtomicBool::new(false);
    if dir.join("rotates").exists() {
        return rotated_child(dir);
    }
    let stop = |_: &kymo::Notice<'_>| {
        STOPPED.store(true, Ordering::Relaxed);
        loop {
            std::thread::park();
        }
    };
    // The consumer stops as soon as it has seen a ring.
    let builder = kymo::Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    let flies = dir.join("flight").exists();
    let builder =
        if flies { builder.flight_recorder(kymo_reader::Level::Debug, 64 << 10) } else { builder };
    let logger = builder.high_water(0.0).on_notice(stop).start().unwrap();
    if dir.join("moves").exists() {
        std::fs::rename(dir.join("app.kymo"), dir.join("earlier.kymo")).unwrap();
        logger.reopen().unwrap();
    }
    kymo::info!("first");
    while !STOPPED.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    for number in 0..10 {
        if flies {
            kymo::debug!("in flight {number}");
        } else {
            kymo::info!("unwritten {number}");
        }
    }
    std::fs::write(dir.join("done"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// Rotates its log, and then leaves records in its rings.
fn rotated_child(dir: &Path) {
    let builder = kymo::Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    let builder = builder.rotate(kymo::Rotation::on_request()).keep(kymo::Keep::unlimited());
    let logger = builder.clock(kymo::Clock::Custom(stopping::clock)).start().unwrap();
    (0..10).for_each(|number| kymo::info!("before {number}"));
    logger.rotate().unwrap();
    stopping::stop();
    kymo::info!("first");
    while !stopping::is_stopped() {
        std::thread::yield_now();
    }
    (0..10).for_each(|number| kymo::info!("unwritten {number}"));
    std::fs::write(dir.join("done"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// A process that has logged into its rings and is there no more; `look` sees it while it runs.
fn killed(turn: &Turn, look: impl FnOnce()) {
    std::fs::create_dir(turn.path("rings")).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_process", "--exact", "--ignored"])
        .env("KYMO_CHILD_DIR", turn.path(""))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !turn.path("done").exists() {
        assert!(Instant::now() < deadline, "the child logs nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    look();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The records of a killed process are announced and recovered.
#[test]
fn a_killed_process_is_recovered() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    killed(&turn, || {
        let busy = run(&[&"recover", &log]);
        assert_eq!(busy.code, Some(2));
        assert!(busy.err.contains("a logger writes to it"), "{}", busy.err);
    });

    let before = run(&[&"cat", &log]);
    assert!(before.err.contains("`kymo recover"), "{}", before.err);
    // From the compressed file, nothing could recover them.
    let refused = run(&[&"compress", &"--unclosed", &log]);
    assert!(refused.code == Some(2) && refused.err.contains("`kymo recover`"), "{}", refused.err);
    assert!(log.exists());
    let recovered = run(&[&"recover", &log]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    assert!(recovered.err.contains("records recovered"), "{}", recovered.err);
    let after = run(&[&"cat", &log]);
    assert!(!after.err.contains("kymo recover"), "{}", after.err);
    let mut from = 0;
    for text in
        ["first"].into_iter().map(str::to_owned).chain((0..10).map(|it| format!("unwritten {it}")))
    {
        let at = after.out[from..].find(&text).unwrap_or_else(|| panic!("{text}: {}", after.out));
        from += at + text.len();
    }
    assert_eq!(after.out.matches("unwritten").count(), 10);
    assert!(after.out.contains("SIGKILL"), "{}", after.out);

    // Help says 0 if something had been recovered before; it was 1.
    let again = run(&[&"recover", &log]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("app.kymo.recovered: recovered before"), "{}", again.err);
    // And whatever the log is called now.
    std::fs::rename(&log, turn.path("renamed.kymo")).unwrap();
    assert_eq!(run(&[&"recover", &turn.path("renamed.kymo")]).code, Some(0));
    let renamed = run(&[&"cat", &turn.path("renamed.kymo")]);
    assert_eq!((renamed.out, renamed.err), (after.out, after.err));
}

/// A log in which the logger did not go on has no rings. If the one that has them was deleted, they
/// are lost, and the command says so, and changes nothing.
#[test]
fn rings_of_another_log_are_told() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    std::fs::write(turn.path("moves"), "").unwrap();
    killed(&turn, || {});
    let earlier = turn.path("earlier.kymo");
    let names = || {
        let entries = std::fs::read_dir(turn.path("rings")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let rings = names();
    assert!(!rings.is_empty());
    let refused = run(&[&"recover", &earlier]);
    let parts =
        ["earlier.kymo: there is nothing to recover", "another log", ".kymosites", "is lost"];
    refused.complains(1, &parts);
    assert_eq!(names(), rings);
    std::fs::rename(&log, turn.path("kept.kymo")).unwrap();
    run(&[&"recover", &earlier]).complains(1, &parts);
    assert_eq!(names(), rings);
    // It is there still.
    let recovered = run(&[&"recover", &turn.path("kept.kymo")]);
    assert_eq!(recovered.code, Some(0), "{recovered:?}");
    run(&[&"recover", &earlier]).complains(1, &["there is nothing to recover\n"]);
}

/// Recovered records of a flight recorder are shown between marks.
#[test]
fn recovered_dumps_are_between_marks() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    std::fs::write(turn.path("flight"), "").unwrap();
    killed(&turn, || {});
    let recovered = run(&[&"recover", &log]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    assert!(recovered.err.contains(", 10 of them of its flight recorder"), "{}", recovered.err);
    let shown = run(&[&"cat", &log]).out;
    let place = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text}: {shown}"));
    let places = [
        place("recovered from what the process left"),
        place("in flight 0"),
        place("in flight 9"),
        place("here ends what the flight recorder of"),
        place("SIGKILL"),
    ];
    assert!(places.is_sorted(), "{shown}");
    let verified = run(&[&"verify", &turn.path("app.kymo.recovered")]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
}

/// What is damaged is named, with its offset, and kept; everything else is recovered. The exit code
/// says that it was not all.
#[test]
fn damaged_rings_are_named() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    killed(&turn, || {});
    let ring = std::fs::read_dir(turn.path("rings")).unwrap();
    let mut ring = ring.map(|entry| entry.unwrap().path());
    let ring = ring.find(|path| path.extension().unwrap() == "kymoring").unwrap();
    let mut bytes = std::fs::read(&ring).unwrap();
    // The header of the fifth unwritten record: each takes three words, after one of two words.
    let at = 4096 + 2 * 8 + 4 * 24;
    bytes[at..at + 8].fill(0xFF);
    std::fs::write(&ring, bytes).unwrap();

    let recovered = run(&[&"recover", &log]);
    assert_eq!(recovered.code, Some(2), "{}", recovered.err);
    let kept = format!("{}.damaged: records are damaged: ", ring.display());
    assert!(recovered.err.contains(&kept), "{}", recovered.err);
    assert!(recovered.err.contains(" bytes at byte 42"), "{}", recovered.err);
    assert!(recovered.err.contains("records recovered"), "{}", recovered.err);
    let after = run(&[&"cat", &log]);
    let found = after.out.matches("unwritten").count();
    assert!((8..10).contains(&found), "{}", after.out);
    // Once more there is nothing to do: what is damaged was told.
    assert_eq!(run(&[&"recover", &log]).code, Some(0));
}

/// A log that does not exist, or is no log, is an error.
#[test]
fn a_missing_or_foreign_log_is_an_error() {
    let turn = Turn::take();
    let missing = run(&[&"recover", &turn.path("none.kymo")]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("none.kymo"), "{}", missing.err);
    std::fs::write(turn.path("other.kymo"), "no log").unwrap();
    let other = run(&[&"recover", &turn.path("other.kymo")]);
    assert_eq!(other.code, Some(2));
    assert!(other.err.contains("not a log"), "{}", other.err);
    std::fs::write(turn.path("other.kymo.zst"), "compressed").unwrap();
    let compressed = run(&[&"recover", &turn.path("other.kymo.zst")]);
    assert_eq!(compressed.code, Some(2));
    assert!(compressed.err.contains("zstd -d"), "{}", compressed.err);
}

/// A log that was closed and then compressed lacks nothing: neither its rings nor `zstd -d` are of use.
#[test]
fn a_compressed_log_lacks_nothing() {
    let turn = Turn::take();
    let log = turn.logged("app.kymo", || kymo::info!("all of it"));
    assert_eq!(run(&[&"compress", &log]).code, Some(0));
    let recovered = run(&[&"recover", &turn.path("app.kymo.zst")]);
    assert_eq!(recovered.code, Some(1), "{}", recovered.err);
    assert!(recovered.err.contains("nothing to recover"), "{}", recovered.err);
    assert!(!recovered.err.contains("zstd -d"), "{}", recovered.err);

    // All segments of a rotated one.
    let link = turn.path("rotated.kymo");
    let builder = kymo::Logger::builder(&link).rotate(kymo::Rotation::on_request());
    let logger = builder.keep(kymo::Keep::unlimited()).start().unwrap();
    kymo::info!("first");
    logger.rotate().unwrap();
    kymo::info!("second");
    logger.shutdown();
    assert_eq!(run(&[&"compress", &link]).code, Some(0));
    let recovered = run(&[&"recover", &link]);
    assert_eq!(recovered.code, Some(1), "{}", recovered.err);
    assert!(recovered.err.contains("nothing to recover"), "{}", recovered.err);
}

/// Of a rotated log, the segment of the killed process is recovered, and closed: it has an index and an end, and can be
/// compressed.
#[test]
fn a_rotated_log_is_recovered_and_closed() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    std::fs::write(turn.path("rotates"), "").unwrap();
    killed(&turn, || ());
    let before = run(&[&"ls", &log]).fine();
    assert!(before.contains("crashed"), "{before}");
    let recovered = run(&[&"recover", &log]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    assert!(recovered.err.contains("records recovered"), "{}", recovered.err);
    assert_eq!(std::fs::read_dir(turn.path("rings")).unwrap().count(), 0);
    let after = run(&[&"ls", &log]).fine();
    assert!(!after.contains("crashed"), "{after}");
    let all = run(&[&"cat", &log]).fine();
    for number in 0..10 {
        for kind in ["before", "unwritten"] {
            let lines = all.lines().filter(|line| line.ends_with(&format!("{kind} {number}")));
            assert_eq!(lines.count(), 1, "{kind} {number}: {all}");
        }
    }
    assert_eq!(run(&[&"verify", &log]).code, Some(0));
    let again = run(&[&"recover", &log]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("recovered before"), "{}", again.err);
}

/// A process that is killed when it has just made a file leaves it empty.
#[test]
fn an_empty_file_has_nothing_to_recover() {
    let turn = Turn::take();
    let empty = turn.file("empty.kymo", b"");
    run(&[&"recover", &empty]).complains(1, &["empty.kymo: is empty: there is nothing to recover"]);
}
