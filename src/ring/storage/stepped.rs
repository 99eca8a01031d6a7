//! A process that logs and consumes, stopped at each of its instructions. Wherever it is killed,
//! what it leaves is whole, and each record is either in its log or in its ring.
//!
//! The process is this test again, stepped through by `ptrace`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::ring::consumer::records;
use crate::ring::storage::LogMark;
use crate::ring::storage::bounded;
use crate::ring::storage::file::{EXTENSION, create};
use crate::ring::storage::layout::RingMode;
use crate::ring::storage::memory::Ring;
use crate::ring::storage::overwriting;
use crate::ring::storage::recovery::Image;
use crate::ring::storage::tests::{identity, log, number, record};

const CHILD: &str = "KYMO_TEST_STEPPED_CHILD";

/// How many records it logs: several times around its ring of 64 words.
const RECORDS: u64 = 40;

/// The words that both processes share.
struct Shared<'a> {
    /// The child's thread; then 1 for "go", and 1 for "done".
    thread: &'a AtomicU64,
    go: &'a AtomicU64,
    done: &'a AtomicU64,
    /// The last record whose call has returned.
    returned: &'a AtomicU64,
    /// The log's committed length, in records. The test has no more of a log than this.
    committed: &'a AtomicU64,
}

impl Shared<'static> {
    fn map(directory: &Path) -> Self {
        let path = directory.join("shared");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.unwrap();
        file.set_len(64).unwrap();
        let map = memmap2::MmapOptions::new().len(64).map_raw(&file).unwrap();
        let start = map.as_mut_ptr().cast::<AtomicU64>();
        // Until the process ends.
        std::mem::forget(map);
        // SAFETY: the mapping has eight words, all of them zero or written by the other process.
        let words = unsafe { std::slice::from_raw_parts(start, 8) };
        let [thread, go, done, returned, committed, ..] = words else { unreachable!() };
        Self { thread, go, done, returned, committed }
    }
}

#[test]
fn a_bounded_ring_is_whole_at_each_instruction() {
    let test = "ring::storage::stepped::a_bounded_ring_is_whole_at_each_instruction";
    step_through(test, RingMode::Bounded, use_bounded, |image, returned, committed| {
        let consumed = image.consumed(|_| Some(committed));
        assert_eq!(consumed.records, Some(committed));
        let recovered = image.recover(consumed, None).unwrap();
        let numbers = recovered.records.iter().map(|record| number(record));
        let last = committed + recovered.records.len() as u64;
        assert!(numbers.eq(committed + 1..=last), "lost, doubled or out of order");
        assert!(last == returned || last == returned + 1, "{last} of {returned}");
        assert!(recovered.damage.is_empty());
    });
}

#[test]
fn an_overwriting_ring_is_whole_at_each_instruction() {
    let test = "ring::storage::stepped::an_overwriting_ring_is_whole_at_each_instruction";
    step_through(test, RingMode::Overwriting, use_overwriting, |image, returned, committed| {
        let consumed = image.consumed(|_| Some(committed));
        assert_eq!(consumed.records, Some(committed));
        let recovered = image.recover(consumed, None).unwrap();
        let numbers = recovered.records.iter().map(|record| number(record));
        let first = committed + recovered.overwritten.unwrap() + 1;
        let last = first + recovered.records.len() as u64 - 1;
        assert!(numbers.eq(first..=last), "lost, doubled or out of order");
        assert!(last == returned || last == returned + 1, "{last} of {returned}");
        assert!(recovered.damage.is_empty());
    });
}

/// Logs, and now and then consumes as much as there is.
fn use_bounded(ring: Ring, logged: &[Vec<u64>], shared: &Shared<'_>) {
    let (mut producer, mut consumer, mut accounts) = bounded(ring);
    for (number, record) in (1..).zip(logged) {
        log(&mut producer, record).unwrap();
        shared.returned.store(number, Ordering::Release);
        if number % 6 == 0 {
            let committed = consumer.look();
            let (first, second) = committed.runs();
            let count = records(first).chain(records(second)).count() as u64;
            // Relaxed: only this thread stores it.
            let length = shared.committed.load(Ordering::Relaxed) + count;
            let words = first.len() + second.len();
            accounts.prepare(words, count, LogMark { segment: 0, committed: length });
            shared.committed.store(length, Ordering::Release);
            committed.consume(words);
        }
    }
}

/// Logs, and consumes so rarely that records are overwritten. They count as if they were in the
/// log.
fn use_overwriting(ring: Ring, logged: &[Vec<u64>], shared: &Shared<'_>) {
    let (mut recorder, mut follower) = overwriting(ring);
    for (number, record) in (1..).zip(logged) {
        recorder.push(record, 0).unwrap();
        shared.returned.store(number, Ordering::Release);
        if number % 17 == 0 {
            let mut copied = follower.look();
            let words = copied.runs().0.len();
            let count = records(copied.runs().0).count() as u64;
            // Relaxed: only this thread stores it.
            let length = shared.committed.load(Ordering::Relaxed) + copied.overwritten() + count;
            copied.prepare(words, count, LogMark { segment: 0, committed: length });
            shared.committed.store(length, Ordering::Release);
            copied.consume(words);
        }
    }
}

/// What the child does with its ring, and the records that it is to log.
type Run = fn(Ring, &[Vec<u64>], &Shared<'_>);

/// For each instruction of `run`, calls `check` with what a process killed there would leave.
fn step_through(test: &str, mode: RingMode, run: Run, check: impl Fn(&Image, u64, u64)) {
    if let Ok(directory) = std::env::var(CHILD) {
        child(directory.as_ref(), mode, run);
    }
    let directory =
        std::env::temp_dir().join(format!("kymo-ring-step-{mode:?}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let shared = Shared::map(&directory);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact"]).env(CHILD, &directory).stdout(Stdio::null());
    let child = Killed(child.spawn().unwrap());
    let begin = Instant::now();
    while shared.thread.load(Ordering::Acquire) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "the child does not begin");
        std::thread::yield_now();
    }
    let thread = shared.thread.load(Ordering::Acquire) as libc::pid_t;
    if attach(thread).is_err() {
        // The system does not allow it.
        drop(child);
        return std::fs::remove_dir_all(directory).unwrap();
    }
    let ring = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let ring = File::open(
        ring.into_iter().find(|path| path.extension() == Some(EXTENSION.as_ref())).unwrap(),
    );
    let ring = ring.unwrap();
    shared.go.store(1, Ordering::Release);
    let (mut steps, mut before) = (0, Vec::new());
    while shared.done.load(Ordering::Acquire) == 0 {
        step(thread).unwrap();
        steps += 1;
        let mut bytes = vec![0; 4096 + 64 * 8];
        std::os::unix::fs::FileExt::read_exact_at(&ring, &mut bytes, 0).unwrap();
        let returned = shared.returned.load(Ordering::Acquire);
        let committed = shared.committed.load(Ordering::Acquire);
        bytes.extend([returned, committed].map(|word| word as u8));
        // Most instructions store nothing that is shared.
        if bytes != before {
            check(&Image::from_bytes(&bytes[..4096 + 64 * 8]).unwrap(), returned, committed);
            before = bytes;
        }
    }
    assert!(steps > 20 * RECORDS, "{steps} steps");
    assert_eq!(shared.returned.load(Ordering::Acquire), RECORDS);
    // Else the killed thread would wait for its tracer.
    ptrace(libc::PTRACE_DETACH, thread).unwrap();
    drop(child);
    std::fs::remove_dir_all(directory).unwrap();
}

/// A process that is killed when this is dropped, at the end of the test or at its failure.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        // Waiting for a thread that is still stepped through would never end.
        if !std::thread::panicking() {
            let _ = self.0.wait();
        }
    }
}

fn child(directory: &Path, mode: RingMode, run: Run) -> ! {
    let shared = Shared::map(directory);
    let (ring, _) = create(directory, identity(mode, 64)).unwrap();
    let logged: Vec<_> =
        (1..=RECORDS).map(|number| record(number, 2 + number as usize % 7)).collect();
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    shared.thread.store(thread as u64, Ordering::Release);
    while shared.go.load(Ordering::Acquire) == 0 {
        std::hint::spin_loop();
    }
    run(ring, &logged, &shared);
    shared.done.store(1, Ordering::Release);
    loop {
        std::thread::park();
    }
}

fn attach(thread: libc::pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_ATTACH, thread)?;
    wait(thread)
}

fn step(thread: libc::pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_SINGLESTEP, thread)?;
    wait(thread)
}

fn ptrace(request: libc::c_uint, thread: libc::pid_t) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: neither request reads or writes memory of this process.
    match unsafe { libc::ptrace(request, thread, nothing, nothing) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits until the thread has stopped.
fn wait(thread: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the status is a place for one.
    if unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if libc::WIFSTOPPED(status) { Ok(()) } else { Err(io::Error::other("the child has ended")) }
}
