//! Log calls from inside the logger: of an allocator, of a panic hook, of other threads, while a logger
//! starts, a thread ends, or a lock is held. They wait for nothing, and each is written or counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kymo::{Builder, Clock, Keep, Level, Logger, Overflow, Rotation, WriteThrough};

/// Logs what it does, from a size on.
struct Logging;

/// The least size that is logged.
static LEAST: AtomicUsize = AtomicUsize::new(usize::MAX);
/// How often that was.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn log(layout: Layout) {
    if layout.size() >= LEAST.load(Ordering::Relaxed) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        kymo::info!("{} bytes", layout.size());
    }
}

// SAFETY: all calls are passed on to the system's allocator as they are.
unsafe impl GlobalAlloc for Logging {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        log(layout);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        log(layout);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Logging = Logging;

/// Set for a child process: the story that it is.
const STORY: &str = "KYMO_INSIDE_STORY";

/// From which size on the allocator logs, whether already when the logger starts, and how that logs.
type AllocatorStory = (&'static str, usize, bool, fn(Builder) -> Builder);

const ALLOCATOR_STORIES: [AllocatorStory; 12] = [
    ("large_before", 4096, true, |it| it),
    ("all_before", 1, true, |it| it),
    ("large_after", 4096, false, |it| it),
    ("all_after", 1, false, |it| it),
    ("small_rings", 1, true, |it| it.ring_capacity(4096).overflow(Overflow::DropNewest)),
    ("waiting", 1, true, |it| it.ring_capacity(4096)),
    ("overwriting", 1, true, |it| it.overflow(Overflow::OverwriteOldest)),
    ("recorded", 1, true, |it| it.flight_recorder(Level::Trace, 4096)),
    ("crash_proof", 1, true, |it| it.crash_proof(std::env::temp_dir())),
    ("written_through", 1, true, written_through),
    ("rotated", 1, true, rotated),
    ("rotated_through", 1, true, |it| written_through(rotated(it))),
];

/// None of its segments is deleted, however full the disk is.
fn rotated(builder: Builder) -> Builder {
    builder.rotate(Rotation::on_request()).keep(Keep::unlimited())
}

fn written_through(builder: Builder) -> Builder {
    let soon = Duration::from_millis(2);
    builder.ring_capacity(4096).write_through(WriteThrough::at(Level::Info).timeout(soon))
}

fn allocator_story(least: usize, before: bool, choose: fn(Builder) -> Builder) {
    let dir = tempfile::tempdir().unwrap();
    let builder = choose(Logger::builder(dir.path().join("app.kymo")));
    if before {
        LEAST.store(least, Ordering::Relaxed);
    }
    let logger = builder.start().unwrap();
    if !before {
        kymo::prepare_thread();
        LEAST.store(least, Ordering::Relaxed);
    }
    for thread in 0..20 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        std::thread::spawn(move || kymo::info!("thread {thread}")).join().unwrap();
        kymo::flush();
        let _ = logger.stats();
        // One of them changes the file while log calls wait for that.
        let _ = logger.rotate();
        let _ = logger.reopen();
    }
    let report = logger.shutdown();
    LEAST.store(usize::MAX, Ordering::Relaxed);
    let counted = report.written + report.dropped + kymo::unlogged();
    assert_eq!(counted, CALLS.load(Ordering::Relaxed), "{report:?}");
}

/// A clock that panics where the logger starts.
fn panicking_clock() -> u64 {
    panic!("as it should be")
}

thread_local! {
    static STARTS: Cell<bool> = const { Cell::new(false) };
}

static IN_START: AtomicBool = AtomicBool::new(false);
static LOGGED: AtomicBool = AtomicBool::new(false);

/// A clock that holds up the thread that starts the logger until another one has logged.
fn waiting_clock() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    if STARTS.get() {
        IN_START.store(true, Ordering::Release);
        while !LOGGED.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
    TICKS.fetch_add(1, Ordering::Relaxed)
}

fn panic_hook() {
    std::panic::set_hook(Box::new(|info| kymo::error!("panic: {}", kymo::as_display(info))));
    let path = std::env::temp_dir().join(format!("kymo-hook-{}.kymo", std::process::id()));
    let start = || Logger::builder(&path).clock(Clock::Custom(panicking_clock)).start().map(drop);
    assert!(std::panic::catch_unwind(start).is_err());
    let _ = std::panic::take_hook();
    assert_eq!(kymo::unlogged(), 1);
    // The next one starts.
    Logger::builder(&path).start().unwrap().shutdown();
    std::fs::remove_file(&path).unwrap();
}

fn other_thread() {
    let other = std::thread::spawn(|| {
        while !IN_START.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        kymo::info!("meanwhile");
        let prepared = kymo::prepare_thread() || kymo::flush();
        LOGGED.store(true, Ordering::Release);
        assert!(!prepared, "no logger runs");
    });
    let path = std::env::temp_dir().join(format!("kymo-other-{}.kymo", std::process::id()));
    STARTS.set(true);
    let logger = Logger::builder(&path).clock(Clock::Custom(waiting_clock)).start().unwrap();
    other.join().unwrap();
    assert_eq!(kymo::unlogged(), 1);
    kymo::info!("afterwards");
    assert_eq!(logger.shutdown().written, 1);
    std::fs::remove_file(&path).unwrap();
}

fn tell(story: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["child", "--exact", "--ignored", "--nocapture"]).env(STORY, story);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = ended(child, story).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}: {}: {text}", output.status);
}

/// A process that has ended; it fails where that does not.
fn ended(mut child: Child, story: &str) -> Child {
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{story}: hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
#[ignore = "run by the other tests, in processes of their own"]
fn child() {
    let Ok(story) = std::env::var(STORY) else { return };
    match story.as_str() {
        "panic_hook" => panic_hook(),
        "other_thread" => other_thread(),
        name => {
            let found = ALLOCATOR_STORIES.iter().find(|it| it.0 == name);
            let (_, least, before, choose) = found.expect("such a story");
            allocator_story(*least, *before, *choose);
        }
    }
}

/// An allocator that logs hung in `start`, whose lock its first call waited for, and recursed in a thread
/// that ended until the stack was used up.
#[test]
fn an_allocator_may_log_at_any_time() {
    ALLOCATOR_STORIES.iter().for_each(|(story, ..)| tell(story));
}

/// A panic hook that logs hung where `start` panicked.
#[test]
fn a_panic_hook_may_log_while_start_panics() {
    tell("panic_hook");
}

/// A first log call waited until a logger that was just starting had done its work.
#[test]
fn a_first_call_does_not_wait_for_start() {
    tell("other_thread");
}
