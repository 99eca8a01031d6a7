//! Runs this program again, and reads what it logged.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kymo_reader::{Ending, Event, Options, Order, Reader, Report};

/// Set for the processes that end: which one it is to be.
pub const CHILD: &str = "KYMO_ENDINGS_CHILD";
/// The path to log to.
pub const PATH: &str = "KYMO_ENDINGS_PATH";
/// At which of its steps a process does what it does.
pub const AT: &str = "KYMO_ENDINGS_AT";
/// Set for a process that is to do the same without a logger.
pub const PLAIN: &str = "KYMO_ENDINGS_PLAIN";

/// Set for a process whose log is rotated all the time.
pub const ROTATES: &str = "KYMO_ENDINGS_ROTATES";

/// Whether processes are to rotate their logs.
pub static ROTATED: AtomicBool = AtomicBool::new(false);

/// How many rotated logs were read, and how many segments they had.
pub static LOGS: AtomicU64 = AtomicU64::new(0);
pub static SEGMENTS: AtomicU64 = AtomicU64::new(0);

/// A directory of its own for a test, which goes when this is dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("kymo-endings-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("log.kymo")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts a process whose standard output and error are kept.
pub fn spawn(dir: &Dir, name: &str, plain: bool) -> Child {
    spawn_at(dir, name, plain, 0)
}

/// Spawns a process that does something at step number `at`.
pub fn spawn_at(dir: &Dir, name: &str, plain: bool, at: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(CHILD, name).env(PATH, dir.log()).env(AT, at.to_string()).current_dir(&dir.0);
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if plain {
        command.env(PLAIN, "1");
    }
    if ROTATED.load(Ordering::Relaxed) {
        command.env(ROTATES, "1");
    }
    let allow_core = || {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: valid for a write.
        unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
        limit.rlim_cur = limit.rlim_max.min(1 << 20);
        // SAFETY: valid for a read.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
        // A shell starts what it runs in the background with these ignored.
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
            // SAFETY: the default action is always valid.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(allow_core) };
    command.spawn().unwrap()
}

/// Waits for a process, but not for ever. (An emulator or a sanitizer takes its time.)
pub fn wait(mut child: Child) -> Output {
    let deadline = Instant::now() + Duration::from_secs(300);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

/// Runs a process to its end.
pub fn run(dir: &Dir, name: &str) -> Output {
    wait(spawn(dir, name, false))
}

/// Waits until a process says that it has come so far.
pub fn until_ready(child: &mut Child) {
    use std::io::Read;
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).expect("the process says so");
}

/// In the process: says that it has come so far.
pub fn say_ready() {
    let mut out = std::io::stdout();
    out.write_all(b"!").unwrap();
    out.flush().unwrap();
}

pub fn send(child: &Child, signal: i32) {
    // SAFETY: a call without pointers.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

pub fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

pub fn assert_signal(output: &Output, signal: i32) {
    assert_eq!(output.status.signal(), Some(signal), "{output:?}");
}

/// What a file holds.
#[derive(Debug)]
pub struct Log {
    /// The numbers that each thread logged, by its name, and by its number where it has none.
    pub threads: BTreeMap<String, Vec<u64>>,
    /// The signals, with the names of their threads.
    pub signals: Vec<(u8, String)>,
    pub report: Report,
}

/// Reads a file whose records are numbers, and in which nothing is damaged.
pub fn read(path: &Path) -> Log {
    read_by(path, Order::Written)
}

/// Opens a log: all of its segments, if it is rotated.
pub fn open(path: &Path, options: Options<'static>) -> Reader<'static> {
    match ROTATED.load(Ordering::Relaxed) {
        true => {
            let log = kymo_reader::Log::find(path).unwrap();
            SEGMENTS.fetch_add(log.segments().len() as u64, Ordering::Relaxed);
            LOGS.fetch_add(1, Ordering::Relaxed);
            log.open(options).unwrap()
        }
        false => options.open(path).unwrap(),
    }
}

/// Reads such a file in any order.
pub fn read_by(path: &Path, order: Order) -> Log {
    let mut reader = open(path, Options::new().order(order));
    let (mut threads, mut signals) = (BTreeMap::<_, Vec<u64>>::new(), Vec::new());
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            // Its own warnings, of rings that fill up.
            Event::Record(record) if record.thread().name() == "kymo" => {}
            Event::Record(record) => {
                let (name, mut message) = (record.thread().name().to_owned(), String::new());
                let name =
                    if name.is_empty() { record.thread().number().to_string() } else { name };
                record.message(&mut message);
                threads.entry(name).or_default().push(message.parse().expect("a number"));
            }
            Event::Signal(signal) => {
                let name = signal.thread.map_or("unknown", |thread| thread.name());
                signals.push((signal.signal, name.to_owned()));
            }
            _ => {}
        }
    }
    let report = reader.sums();
    assert!(report.is_whole(), "{report:?}");
    Log { threads, signals, report }
}

impl Log {
    /// The threads logged these numbers of records, and nothing else is in the file.
    pub fn assert_counts(&self, expected: &[(&str, u64)]) {
        let found: Vec<(&str, u64)> =
            self.threads.iter().map(|(name, found)| (&**name, found.len() as u64)).collect();
        assert_eq!(found, expected);
        self.assert_in_order();
    }

    /// Each thread's records are the numbers from zero on.
    pub fn assert_in_order(&self) {
        for (name, found) in &self.threads {
            let wrong = found.iter().zip(0..).find(|(found, expected)| **found != *expected);
            assert_eq!(wrong, None, "{name} (found, expected)");
        }
    }

    pub fn assert_closed(&self) {
        assert_eq!(self.report.ending, Ending::Closed, "{:?}", self.report);
        assert_eq!(self.report.committed_bytes, self.report.length_bytes, "cut to its length");
    }

    pub fn total(&self) -> u64 {
        self.threads.values().map(|found| found.len() as u64).sum()
    }
}
