//! A log call in a prepared thread makes no system call: the kernel itself checks it, by killing
//! the process at the first one.

use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// So many records fit into the ring, so that nobody has to wait.
const ROUNDS: u64 = 2_000;

/// Set for the child process, which does what is tested.
const CHILD: &str = "KYMO_SYSTEM_CALLS_CHILD";

/// A log call in a prepared thread makes no system call.
#[test]
fn log_calls_make_no_system_call() {
    for clock in ["counter", "coarse"] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, clock)
            .output()
            .unwrap();
        assert!(child.status.success(), "{clock}: {child:?}");
    }
}

#[test]
#[ignore = "run by the other test, in a process of its own"]
fn child() {
    let Ok(clock) = std::env::var(CHILD) else { return };
    let path = std::env::temp_dir().join(format!("kymo-system-calls-{}.kymo", std::process::id()));
    let builder = kymo::Logger::builder(&path).overflow(kymo::Overflow::DropNewest);
    let logger = match clock.as_str() {
        "coarse" => builder.clock(kymo::Clock::Coarse),
        _ => builder,
    };
    let logger = logger.start().unwrap();
    static DONE: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        kymo::prepare_thread();
        forbid_system_calls();
        for round in 0..ROUNDS {
            kymo::info!("order {round} filled at {} for {}", 101.25, "ACME-IDX");
            kymo::warn!("{:?} {:?}", Some(round), [1, 2, 3]);
            kymo::debug!("{}", kymo::as_display(round));
        }
        DONE.store(true, Ordering::Release);
        loop {
            std::hint::spin_loop();
        }
    });
    while !DONE.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let report = logger.shutdown();
    std::fs::remove_file(&path).unwrap();
    exit(i32::from((report.written, report.dropped) != (3 * ROUNDS, 0)));
}

/// From here on any system call of this thread is the end of the process. (The strict mode of
/// seccomp would forbid reading the processor's counter, too.)
fn forbid_system_calls() {
    /// `BPF_RET | BPF_K`: return the constant.
    const RETURN: u16 = 0x06;
    let mut kill =
        libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS };
    let program = libc::sock_fprog { len: 1, filter: &raw mut kill };
    // SAFETY: an option without pointers.
    let unprivileged = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(unprivileged, 0);
    // SAFETY: the program lives until the call returns; the kernel copies it.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    assert_eq!(installed, 0);
}
