//! A program whose handler of a timer logs, while kymo makes threads of its own. None of them takes the signal.

use std::process::Command;
use std::ptr;

use kymo::{Keep, Logger, Overflow, Rotation, info};

const PLACE: &str = "KYMO_ALARMS_PLACE";

/// How often the timer goes off, in microseconds.
const EVERY_US: i64 = 37;

extern "C" fn tick(_signal: libc::c_int) {
    info!("tick");
}

/// In a process of its own, whose thread has a ring before the first signal.
#[test]
#[ignore = "run by the other test, as a process of its own"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let logger = Logger::builder(std::path::Path::new(&place).join("app.kymo"))
        .overflow(Overflow::DropNewest)
        .map_window(4 << 20)
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited().files(10))
        .compress(true)
        .start()
        .unwrap();
    tick(0);
    let handler: extern "C" fn(libc::c_int) = tick;
    // SAFETY: a handler of that type.
    let before = unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR);
    let time = libc::timeval { tv_sec: 0, tv_usec: EVERY_US };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: valid for a read; the old value is not asked for.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) }, 0);
    for number in 0..200 {
        info!("record {number}");
        logger.rotate().unwrap();
    }
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let none = libc::itimerval { it_interval: none, it_value: none };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const none, ptr::null_mut()) }, 0);
    let report = logger.shutdown();
    assert!(report.error.is_none() && report.written >= 200, "{report:?}");
}

/// The signal came to a thread that was being made, and whose handler ended the process: the standard library did not
/// know the thread yet.
#[test]
fn threads_of_kymo_take_no_signals() {
    for _ in 0..3 {
        let place = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        let output = child.env(PLACE, place.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
