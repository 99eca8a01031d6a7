//! `kymo recover`: a program that is killed loses nothing, and the command says so.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Turn, run};

/// What the test runs again, to be killed.
#[test]
#[ignore = "run by the other"]
fn child_process() {
    let Some(dir) = std::env::var_os("KYMO_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    static STOPPED: AtomicBool = AtomicBool::new(false);
    let stop = |_: &kymo::Notice<'_>| {
        STOPPED.store(true, Ordering::Relaxed);
        loop {
            std::thread::park();
        }
    };
    // The consumer stops as soon as it has seen a ring.
    let builder = kymo::Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    let _logger = builder.high_water(0.0).on_notice(stop).start().unwrap();
    kymo::info!("first");
    while !STOPPED.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    for number in 0..10 {
        kymo::info!("unwritten {number}");
    }
    std::fs::write(dir.join("done"), "").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_a_killed_process_left_is_announced_and_recovered() {
    let turn = Turn::take();
    let (dir, log, done) = (turn.path(""), turn.path("app.kymo"), turn.path("done"));
    std::fs::create_dir(turn.path("rings")).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_process", "--exact", "--ignored"])
        .env("KYMO_CHILD_DIR", &dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done.exists() {
        assert!(Instant::now() < deadline, "the child logs nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    let busy = run(&[&"recover", &log]);
    assert_eq!(busy.code, Some(2));
    assert!(busy.err.contains("a logger writes to it"), "{}", busy.err);
    child.kill().unwrap();
    child.wait().unwrap();

    let before = run(&[&"cat", &log]);
    assert!(before.err.contains("`kymo recover"), "{}", before.err);
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

    let again = run(&[&"recover", &log]);
    assert_eq!(again.code, Some(1), "{}", again.err);
}
