//! What a logger gets, whoever starts it.

use kymo_testing::logged;

use kymo::StartErrorKind;
use logged::Turn;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// The system's number of a thread of this process, by its name.
fn thread_named(name: &str) -> Pid {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let found = tasks.map(|task| task.unwrap().path()).find(|task| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name)
    });
    let number = found.expect("such a thread").file_name().unwrap().to_str().unwrap().to_owned();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

/// Names that a log would get are taken by links that lead to themselves, and nowhere. The old log gets the next one.
#[test]
fn links_at_the_names_of_old_logs_are_passed_over() {
    let turn = Turn::take();
    let of = |number: u32| turn.path.with_extension(format!("{number}.kymo"));
    turn.builder().start().unwrap().shutdown();
    std::os::unix::fs::symlink(of(1), of(1)).unwrap();
    std::os::unix::fs::symlink("nowhere", of(2)).unwrap();
    turn.builder().start().unwrap().shutdown();
    assert!(of(1).is_symlink() && of(2).is_symlink() && of(3).is_file());
    (1..=3).for_each(|number| std::fs::remove_file(of(number)).unwrap());
}

/// The consumer inherited affinity and scheduling policy of the thread that started its logger.
#[test]
fn the_consumer_is_an_ordinary_thread() {
    let turn = Turn::take();
    let all = sched_getaffinity(None).unwrap();
    let core = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).unwrap();
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).unwrap();
    // SAFETY: an all-zero value is one of this type: no priority.
    let none: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: valid for a read.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none) };
    assert_eq!(set, 0);
    let logger = turn.builder().start().unwrap();
    kymo::info!("so that it runs");
    assert!(kymo::flush());
    let consumer = thread_named("kymo-consumer");
    assert_eq!(sched_getaffinity(Some(consumer)).unwrap(), all);
    // SAFETY: a call without pointers.
    let policy = unsafe { libc::sched_getscheduler(consumer.as_raw_nonzero().get()) };
    assert_eq!(policy, libc::SCHED_OTHER);
    logger.shutdown();
    sched_setaffinity(None, &all).unwrap();
}

/// A segment size that is no length of a file panicked.
#[test]
fn too_large_map_window_is_an_error() {
    let turn = Turn::take();
    for bytes in [u64::MAX, u64::MAX - 4095, 1 << 40] {
        let error = turn.builder().map_window(bytes).start().unwrap_err();
        let StartErrorKind::Option { name: "map_window", .. } = error.kind() else {
            panic!("{error}");
        };
    }
}
