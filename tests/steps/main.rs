//! Start, recovery and shutdown, stopped before each of their system calls on files, once for all or
//! while a second process starts or recovers there, or somebody moves the log away: each record is found
//! once.
//!
//! The children are this program, run again. `KYMO_STEPS=all cargo test --test steps` has each second
//! process come at each step; without it they take turns.

mod place;
mod rotated;
mod tracer;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kymo::{Level, Logger, RecoverError, Recovery, StartErrorKind, WriteThrough};
use place::{Numbers, Place, Snapshot};
use tracer::{Ended, Traced};

/// What the tests run again.
#[test]
#[ignore = "run by the others"]
fn child_process() {
    let (Ok(act), Some(dir)) = (std::env::var("KYMO_CHILD"), std::env::var_os("KYMO_CHILD_DIR"))
    else {
        return;
    };
    child(&act, Path::new(&dir));
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It starts, logs some records, and ends in order.
    Live { recover: bool, overwrite: bool },
    /// It recovers the log.
    Recover,
    /// It recovers the log that was moved before the logger went on in that one.
    RecoverEarlier,
}

const PLAIN: Act = Act::Live { recover: false, overwrite: false };
const RECOVERING: Act = Act::Live { recover: true, overwrite: false };
const OVERWRITING: Act = Act::Live { recover: false, overwrite: true };
const KEEPING: Act = Act::Live { recover: true, overwrite: true };

impl Act {
    /// `slot`: the one of the two numbers that say how far it has come.
    fn command(self, place: &Place, slot: usize) -> Command {
        command(&format!("{self:?} {slot}"), place.dir())
    }

    fn overwrites(self) -> bool {
        matches!(self, Self::Live { overwrite: true, .. })
    }
}

fn command(act: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("KYMO_CHILD", act).env("KYMO_CHILD_DIR", dir).stdout(Stdio::null());
    command
}

/// How many records a process logs that lives.
const RECORDS: u64 = 5;

/// How many records of each kind the process logged that is dead.
const OLD: u64 = 7;

fn child(act: &str, dir: &Path) {
    let numbers = Numbers::map(&dir.join("numbers"));
    if act == "die" || act == "rotate and die" {
        die(dir, &numbers, act == "rotate and die");
    }
    let (act, slot) = act.rsplit_once(' ').unwrap();
    let slot: usize = slot.parse().unwrap();
    if act == rotated::LIVES || act == rotated::DIES {
        return rotated::child(dir, &numbers, act == rotated::DIES, slot);
    }
    let acts = [PLAIN, RECOVERING, OVERWRITING, KEEPING, Act::Recover, Act::RecoverEarlier];
    let act = acts.into_iter().find(|it| format!("{it:?}") == act).unwrap();
    tracer::begin();
    match act {
        Act::Live { recover, overwrite } => {
            let builder = Logger::builder(dir.join("app.kymo"))
                .crash_proof(dir.join("rings"))
                .ring_capacity(1 << 12);
            let started = builder.recover(recover).overwrite(overwrite).start();
            match started {
                Ok(logger) => {
                    for number in 0..RECORDS {
                        kymo::info!("{slot} {number}");
                        numbers.of(slot).store(number + 1, Ordering::Release);
                    }
                    let report = logger.shutdown();
                    assert_eq!((report.written, report.dropped), (RECORDS, 0));
                }
                Err(error) => assert!(matches!(error.kind(), StartErrorKind::InUse(_)), "{error}"),
            }
        }
        Act::RecoverEarlier => {
            let recovery = kymo::recover(dir.join(EARLIER)).unwrap();
            assert!(recovery.damage.is_empty(), "{recovery:?}");
        }
        Act::Recover => match kymo::recover(dir.join("app.kymo")) {
            Ok(recovery) => assert!(recovery.damage.is_empty(), "{recovery:?}"),
            Err(RecoverError::InUse(_) | RecoverError::NotALog(_)) => {}
            Err(RecoverError::File(_, error)) if error.kind() == std::io::ErrorKind::Other => {}
            Err(error) => assert!(!dir.join("app.kymo").exists(), "{error}"),
        },
    }
}

/// What the log of the dead process is called that was moved while it ran.
const EARLIER: &str = "a-earlier.kymo";

/// Writes records, goes on in another file if it `rotates`, has the consumer stop, leaves some records
/// in the ring and some in the side file.
fn die(dir: &Path, numbers: &Numbers, rotates: bool) -> ! {
    use std::sync::atomic::AtomicBool;
    static STOP: AtomicBool = AtomicBool::new(false);
    static STOPPED: AtomicBool = AtomicBool::new(false);
    let stop = |_: &kymo::Notice<'_>| {
        while STOP.load(Ordering::Acquire) {
            STOPPED.store(true, Ordering::Release);
            std::thread::park();
        }
    };
    let critical = WriteThrough::at(Level::Error).timeout(std::time::Duration::from_millis(1));
    let logger = Logger::builder(dir.join("app.kymo"))
        .crash_proof(dir.join("rings"))
        .ring_capacity(1 << 12)
        .write_through(critical)
        .high_water(0.1)
        .on_notice(stop)
        .start()
        .unwrap();
    for number in 0..OLD {
        kymo::info!("written {number}");
    }
    assert!(kymo::flush());
    if rotates {
        std::fs::rename(dir.join("app.kymo"), dir.join(EARLIER)).unwrap();
        logger.reopen().unwrap();
    }
    STOP.store(true, Ordering::Release);
    let text = "x".repeat(300);
    // What is longer than a tenth of the ring is told, and the consumer stops.
    for number in 0.. {
        if STOPPED.load(Ordering::Acquire) {
            break;
        }
        kymo::info!("filling {number} {text}");
        std::thread::yield_now();
    }
    for number in 0..OLD {
        kymo::info!("waiting {number}");
    }
    for number in 0..OLD {
        kymo::error!("critical {number}");
    }
    numbers.of(2).store(1, Ordering::Release);
    std::mem::forget(logger);
    loop {
        std::thread::park();
    }
}

/// For tests that wait for all children.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory in which a process died that did this.
fn with_dead_process(place: &Place, act: &str) {
    let mut child: Child = command(act, place.dir()).spawn().unwrap();
    while place.numbers().of(2).load(Ordering::Acquire) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.dir().join("app.kymo.rescue").exists());
}

/// The scenes in which the processes come.
fn scenes(place: &Place) -> Vec<(&'static str, Snapshot)> {
    let at = |name: &str| place.dir().join(name);
    let mut scenes = vec![("nothing", place.snapshot())];
    with_dead_process(place, "die");
    scenes.push(("dead", place.snapshot()));
    std::fs::rename(at("app.kymo"), at("moved.kymo")).unwrap();
    scenes.push(("dead and moved", place.snapshot()));
    std::fs::rename(at("moved.kymo"), at("app.kymo")).unwrap();
    assert!(recover(&at("app.kymo")).unwrap().records() >= 2 * OLD);
    scenes.push(("recovered", place.snapshot()));
    std::fs::rename(at("app.kymo"), at("moved.kymo")).unwrap();
    scenes.push(("recovered and moved", place.snapshot()));
    scenes
}

fn recover(log: &Path) -> Result<Recovery, RecoverError> {
    kymo::recover(log)
}

/// The system has no `ptrace`, which `qemu-user` has not, or does not allow it, as in some containers.
fn is_no_tracing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

/// Says that the test does nothing here. What `eprintln!` prints would not be shown.
fn skip(error: &io::Error) {
    let what =
        "tests/steps: SKIPPED: processes cannot be traced here (by ptrace; under qemu-user, never)";
    #[expect(clippy::explicit_write, reason = "the test harness does not capture this one")]
    writeln!(io::stderr(), "{what}: {error}").unwrap();
}

/// Each act, stopped before each of its operations, for good or for a time, with a second one that
/// comes then.
fn at_each_step(first: Act, goes_on: bool) {
    let _turn = turn();
    let place = Place::new();
    let all = std::env::var("KYMO_STEPS").is_ok_and(|steps| steps == "all");
    let seconds = [
        (false, Some(RECOVERING)),
        (false, Some(Act::Recover)),
        (false, Some(PLAIN)),
        (true, None),
        (false, Some(OVERWRITING)),
        (false, Some(KEEPING)),
        (true, Some(PLAIN)),
    ];
    let mut steps = 0;
    for (index, (scene, snapshot)) in scenes(&place).into_iter().enumerate() {
        for operation in 0.. {
            if !all && (operation + index) % 2 == 1 {
                continue;
            }
            let mut has_ended = false;
            for (turn, (moves, second)) in seconds.into_iter().enumerate() {
                if !all && (operation / 2 + index) % seconds.len() != turn {
                    continue;
                }
                snapshot.restore(&place);
                let mut process = match Traced::spawn(first.command(&place, 0)) {
                    Ok(process) => process,
                    Err(error) if is_no_tracing(&error) => return skip(&error),
                    Err(error) => panic!("{scene}: {error}"),
                };
                let stopped = process.run_to(operation);
                has_ended = stopped.is_none();
                let stopped = stopped.unwrap_or_else(|| "its end".to_owned());
                let told =
                    format!("{scene}: {first:?} before {operation}, {stopped}; {second:?} {moves}");
                if !goes_on {
                    process.kill();
                }
                if moves {
                    // Somebody who rotates logs, say. There need not be one.
                    let _ = std::fs::rename(
                        place.dir().join("app.kymo"),
                        place.dir().join("rotated.kymo"),
                    );
                }
                if let Some(second) = second {
                    let ended = second.command(&place, 1).status().unwrap();
                    assert!(ended.success(), "{told}: the second one failed");
                }
                if goes_on {
                    assert_eq!(process.finish(), Ended::Exit(0), "{told}: the first one failed");
                }
                // What may be written over: of a log that was moved away nothing; of one that was
                // recovered only where nobody asked for that.
                let is_moved = scene.ends_with("moved");
                let has_old = scene != "nothing"
                    && (is_moved || ![Some(first), second].contains(&Some(OVERWRITING)));
                let overwrites = second.is_some_and(Act::overwrites);
                let may_lose = [overwrites, first.overwrites() && goes_on];
                // Of a start that was killed before its log had a name, the next one removes what it
                // left, and a recovery finds nothing to go by.
                let is_clean =
                    goes_on || !moves && second.is_some_and(|second| second != Act::Recover);
                place.assert_all(&told, has_old, may_lose, is_clean);
                steps += 1;
            }
            if has_ended {
                break;
            }
        }
    }
    assert!(steps > 10, "{steps} steps");
}

#[test]
fn a_start_is_killed() {
    at_each_step(PLAIN, false);
}

#[test]
fn a_start_that_recovers_is_killed() {
    at_each_step(RECOVERING, false);
}

#[test]
fn a_start_that_overwrites_is_killed() {
    at_each_step(OVERWRITING, false);
}

#[test]
fn a_recovery_is_killed() {
    at_each_step(Act::Recover, false);
}

/// Two logs that one logger left led to the same rings. If the recovery of one was killed before it had
/// removed the rings, that of the other recovered them again.
#[test]
fn a_recovery_of_one_of_two_logs_is_killed() {
    let _turn = turn();
    let place = Place::new();
    with_dead_process(&place, "rotate and die");
    let snapshot = place.snapshot();
    let (earlier, later) = (Act::RecoverEarlier, Act::Recover);
    for (first, second) in
        [(earlier, later), (later, earlier), (earlier, RECOVERING), (RECOVERING, earlier)]
    {
        for operation in 0.. {
            snapshot.restore(&place);
            let mut process = match Traced::spawn(first.command(&place, 0)) {
                Ok(process) => process,
                Err(error) if is_no_tracing(&error) => return skip(&error),
                Err(error) => panic!("{error}"),
            };
            let Some(stopped) = process.run_to(operation) else { break };
            process.kill();
            let told = format!("rotated: {first:?} before {operation}, {stopped}; {second:?}");
            let ended = second.command(&place, 1).status().unwrap();
            assert!(ended.success(), "{told}: the second one failed");
            place.assert_all(&told, true, [false; 2], false);
        }
    }
}

#[test]
fn a_start_is_held_up() {
    at_each_step(PLAIN, true);
}

#[test]
fn a_start_that_recovers_is_held_up() {
    at_each_step(RECOVERING, true);
}

#[test]
fn a_start_that_overwrites_is_held_up() {
    at_each_step(KEEPING, true);
}

#[test]
fn a_recovery_is_held_up() {
    at_each_step(Act::Recover, true);
}

/// Many processes start and recover at one path, three at a time, and are killed at any moment.
#[test]
fn a_crowd_at_one_path() {
    const PROCESSES: usize = 60;
    /// The first place of their numbers.
    const FIRST: usize = 3;
    let _turn = turn();
    let place = Place::new();
    let mut random = fastrand::Rng::with_seed(9);
    let mut running: Vec<(Child, Instant)> = Vec::new();
    for slot in FIRST..FIRST + PROCESSES {
        let act = [RECOVERING, PLAIN, RECOVERING, Act::Recover][random.usize(..4)];
        let child = act.command(&place, slot).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_micros(random.u64(5_000..120_000));
        running.push((child, until));
        if running.len() == 3 {
            let (mut child, until) = running.remove(random.usize(..3));
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    for (mut child, _) in running {
        assert!(child.wait().unwrap().success());
    }
    let (found, _) = place.read_all("the crowd");
    let mut all = 0;
    for slot in FIRST..FIRST + PROCESSES {
        let returned = place.numbers().of(slot).load(Ordering::Acquire);
        all += returned;
        for number in 0..returned {
            assert!(found.contains(&format!("{slot} {number}")), "{slot} {number} of {returned}");
        }
    }
    println!("{all} records of {PROCESSES} processes");
}
