//! Panics with `Builder::panic_hook`: each is in the log before the program's own hook is called.

use std::cell::RefCell;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use kymo::{Builder, Clock, Logger, StartErrorKind, debug, info};
use kymo_reader::Reader;

use super::Named;
use super::process::{CHILD, Dir, PATH, assert_code, assert_signal, run};

pub const TESTS: &[Named] = &[
    ("a_panic_is_a_record_with_its_place", a_record),
    ("a_panic_is_in_the_file_before_the_hook", || {
        assert_code(&run(&Dir::new(), "panic_before_hook"), 0);
    }),
    ("a_panic_has_a_backtrace_if_asked_for", backtrace),
    ("a_panic_that_aborts_is_logged", || aborts("panic_aborts", &["first", "in a function"])),
    ("a_panic_during_a_panic_is_logged", || {
        // The third one is what the standard library says of the first two.
        aborts("panic_twice", &["first", "second", "during cleanup"]);
    }),
    ("a_panic_of_a_thread_local_is_logged", || aborts("panic_thread_local", &["in a destructor"])),
    ("a_panic_in_a_notice_hook_is_logged", notice_hook),
    ("a_panic_of_a_clock_ends_no_process", || assert_code(&run(&Dir::new(), "panic_clock"), 0)),
    ("a_panic_goes_to_the_logger_that_runs", several_loggers),
    ("a_panic_in_a_display_is_logged", display),
    ("a_panic_can_be_filtered", || assert_code(&run(&Dir::new(), "panic_filtered"), 0)),
    ("a_long_panic_message_is_cut", long),
    ("panics_of_many_threads_are_all_logged", many),
    ("no_panic_hook_in_a_thread_that_unwinds", || {
        assert_code(&run(&Dir::new(), "panic_start"), 0);
    }),
];

pub const CHILDREN: &[Named] = &[
    ("panic_record", || {
        let _logger = start();
        let work = || panic!("order {} unknown", 7);
        let named = thread::Builder::new().name("worker".into());
        assert!(named.spawn(work).unwrap().join().is_err());
        std::panic::panic_any(5_u8);
    }),
    ("panic_before_hook", before_hook),
    ("panic_aborts", || {
        extern "C" fn cannot_unwind() {
            panic!("first");
        }
        let _logger = start();
        cannot_unwind();
    }),
    ("panic_twice", || {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("second");
            }
        }
        let _logger = start();
        let _panics = Panics;
        panic!("first");
    }),
    ("panic_thread_local", thread_local),
    ("panic_notice", || {
        // Called when the panic has been logged: a shutdown before that would come first.
        static CALLED: AtomicBool = AtomicBool::new(false);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            usual(info);
            CALLED.store(true, Ordering::Relaxed);
        }));
        let hook = |_: &kymo::Notice<'_>| panic!("in the hook");
        // The ring is full at once: that is a notice.
        let logger = builder().panic_hook(true).on_notice(hook).high_water(0.0).start().unwrap();
        while !CALLED.load(Ordering::Relaxed) {
            debug!("{}", 7);
            thread::yield_now();
        }
        logger.shutdown();
    }),
    ("panic_clock", clock),
    ("panic_several", several),
    ("panic_display", || {
        struct Panics;
        impl std::fmt::Display for Panics {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("half ")?;
                panic!("in a display");
            }
        }
        let _logger = start();
        assert!(catch_unwind(|| info!("{}", kymo::as_display(Panics))).is_err());
        info!("goes on");
    }),
    ("panic_filtered", || {
        let logger = builder().panic_hook(true).filter("trace,panic=off").start().unwrap();
        assert!(catch_unwind(|| panic!("left out")).is_err());
        assert_eq!(logger.shutdown().written, 0);
        assert_eq!(kymo::unlogged(), 0);
    }),
    ("panic_long", || {
        // More than a pipe takes.
        std::panic::set_hook(Box::new(|_| {}));
        let _logger = start();
        assert!(catch_unwind(|| panic!("{}", "long ".repeat(100_000))).is_err());
    }),
    ("panic_many", || {
        std::panic::set_hook(Box::new(|_| {}));
        let _logger = start();
        thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for number in 0..50 {
                        assert!(catch_unwind(|| panic!("{thread} {number}")).is_err());
                    }
                });
            }
        });
    }),
    ("panic_start", || {
        struct Starts;
        impl Drop for Starts {
            fn drop(&mut self) {
                let error = builder().panic_hook(true).start().unwrap_err();
                let StartErrorKind::Option { name: "panic_hook", .. } = error.kind() else {
                    std::process::exit(2);
                };
                assert!(!PathBuf::from(std::env::var_os(PATH).unwrap()).exists());
            }
        }
        let unwinds = || {
            let _starts = Starts;
            panic!("as it should be");
        };
        assert!(catch_unwind(unwinds).is_err());
        assert_eq!(start().shutdown().written, 0);
    }),
];

fn builder() -> Builder {
    Logger::builder(PathBuf::from(std::env::var_os(PATH).expect("a path")))
}

fn start() -> Logger {
    builder().panic_hook(true).start().unwrap()
}

/// What a record says.
#[derive(Debug)]
struct Found {
    thread: String,
    target: String,
    level: kymo::Level,
    file: String,
    line: u64,
    text: String,
    backtrace: Option<String>,
    is_cut: bool,
}

/// The records of a log that are not kymo's own.
fn read(path: &Path) -> Vec<Found> {
    let mut reader = Reader::open(path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        if record.target() == "kymo" {
            continue;
        }
        let mut arguments = record.arguments();
        let text = arguments.next().map_or(String::new(), |(_, value)| value.to_string());
        found.push(Found {
            thread: record.thread().name().to_owned(),
            target: record.target().to_owned(),
            level: record.level(),
            file: record.file().to_owned(),
            line: record.line(),
            text,
            backtrace: arguments.find(|it| it.0 == "backtrace").map(|it| it.1.to_string()),
            is_cut: record.is_cut(),
        });
    }
    found
}

/// How often the standard library's hook has reported a panic.
fn reported(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stderr).matches("panicked at").count()
}

fn a_record() {
    let dir = Dir::new();
    let output = run(&dir, "panic_record");
    assert_code(&output, 101);
    assert_eq!(reported(&output), 2, "{output:?}");
    let found = read(&dir.log());
    let [worker, main] = &found[..] else { panic!("{found:?}") };
    let file = file!();
    for it in [worker, main] {
        assert_eq!((&*it.target, it.level, &*it.file), ("panic", kymo::Level::Error, file));
        assert_eq!(it.backtrace, None);
        let place = format!("panicked at {file}:{}:", it.line);
        assert!(it.text.starts_with(&place), "{it:?}");
    }
    assert!(worker.text.ends_with(": order 7 unknown"), "{worker:?}");
    assert!(main.text.ends_with(": Box<dyn Any>"), "{main:?}");
    assert_eq!((&*worker.thread, &*main.thread), ("worker", "main"));
    assert!(worker.line < main.line);
}

/// The hook that was there before reads the log.
fn before_hook() {
    std::panic::set_hook(Box::new(|info| {
        let found = read(&PathBuf::from(std::env::var_os(PATH).unwrap()));
        let line = info.location().unwrap().line();
        if found.last().is_none_or(|it| it.line != u64::from(line)) {
            std::process::exit(2);
        }
        CALLED.store(true, Ordering::Relaxed);
    }));
    static CALLED: AtomicBool = AtomicBool::new(false);
    let _logger = start();
    info!("from this thread");
    assert!(catch_unwind(|| panic!("one")).is_err());
    // A thread without a ring.
    assert!(thread::spawn(|| panic!("two")).join().is_err());
    if !CALLED.load(Ordering::Relaxed) {
        std::process::exit(3);
    }
}

fn backtrace() {
    for (rust, lib, expected) in [("1", "", true), ("1", "0", false), ("0", "1", true)] {
        let dir = Dir::new();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CHILD, "panic_record").env(PATH, dir.log()).env("RUST_BACKTRACE", rust);
        command.env_remove("RUST_LIB_BACKTRACE");
        if !lib.is_empty() {
            command.env("RUST_LIB_BACKTRACE", lib);
        }
        assert_code(&command.output().unwrap(), 101);
        let found = read(&dir.log());
        assert_eq!(found.len(), 2);
        for it in found {
            let has_own = it.backtrace.as_ref().is_some_and(|text| text.contains("panics::"));
            assert_eq!((has_own, it.backtrace.is_some()), (expected, expected), "{it:?}");
        }
    }
}

/// The process aborts after panics with these texts, which are in the log.
fn aborts(name: &str, texts: &[&str]) {
    let dir = Dir::new();
    let output = run(&dir, name);
    assert_signal(&output, libc::SIGABRT);
    let found = read(&dir.log());
    assert_eq!(found.len(), texts.len(), "{found:#?} {output:?}");
    for (it, text) in found.iter().zip(texts) {
        assert!(it.text.contains(text), "{it:?}");
    }
}

/// The thread's ring is gone when the last thread-local panics.
fn thread_local() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Panics>> = const { RefCell::new(None) };
    }
    let _logger = start();
    let work = || {
        // Before the ring is made, so that it is dropped after that has been handed over.
        LAST.set(Some(Panics));
        kymo::prepare_thread();
    };
    let _ = thread::spawn(work).join();
}

fn notice_hook() {
    let dir = Dir::new();
    let output = run(&dir, "panic_notice");
    assert_code(&output, 0);
    assert_eq!(reported(&output), 1, "{output:?}");
    let found = read(&dir.log());
    let found: Vec<_> = found.iter().filter(|it| it.target == "panic").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].thread, "kymo-consumer");
    assert!(found[0].text.ends_with(": in the hook"));
}

/// A clock that panics, in a call and in the consumer: both are counted, and the process goes on.
fn clock() {
    /// In how many of its threads it fails: in none, in `main`, in the consumer, too.
    static FAILS: AtomicU32 = AtomicU32::new(0);
    fn now() -> u64 {
        let is_main = thread::current().name() == Some("main");
        match FAILS.load(Ordering::Relaxed) {
            1 if is_main => panic!("the clock of a call"),
            2 => panic!("the clock of the consumer"),
            _ => 1,
        }
    }
    let logger = builder().panic_hook(true).clock(Clock::Custom(now)).start().unwrap();
    info!("before");
    assert!(kymo::flush());
    FAILS.store(1, Ordering::Relaxed);
    assert!(catch_unwind(|| info!("the clock fails")).is_err());
    assert_eq!(kymo::unlogged(), 1);
    FAILS.store(2, Ordering::Relaxed);
    let report = logger.shutdown();
    assert_eq!(report.written, 1);
    assert!(kymo::unlogged() >= 2, "{}", kymo::unlogged());
}

fn several_loggers() {
    let dir = Dir::new();
    let output = run(&dir, "panic_several");
    assert_code(&output, 0);
    assert_eq!(reported(&output), 5, "{output:?}");
    let texts = |number: u64| {
        let path = dir.log().with_extension(format!("{number}.kymo"));
        read(&path).into_iter().map(|it| it.text).collect::<Vec<_>>()
    };
    let (first, second, third) = (texts(1), texts(2), texts(3));
    assert!(first.len() == 1 && first[0].ends_with(": first"), "{first:?}");
    assert!(second.is_empty(), "{second:?}");
    assert!(third.len() == 1 && third[0].ends_with(": third"), "{third:?}");
}

fn several() {
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let fails = |text: &str| assert!(catch_unwind(|| panic!("{text}")).is_err());
    for (number, text) in [(1, "first"), (2, "second"), (3, "third")] {
        let builder = Logger::builder(path.with_extension(format!("{number}.kymo")));
        let logger = builder.panic_hook(number != 2).start().unwrap();
        fails(text);
        logger.shutdown();
        if number != 2 {
            // Nobody logs it, and that is counted.
            let before = kymo::unlogged();
            fails("none");
            assert_eq!(kymo::unlogged(), before + 1);
        }
    }
}

fn display() {
    let dir = Dir::new();
    assert_code(&run(&dir, "panic_display"), 0);
    let texts: Vec<_> = read(&dir.log()).into_iter().map(|it| it.text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].ends_with(": in a display"), "{texts:?}");
}

fn long() {
    let dir = Dir::new();
    assert_code(&run(&dir, "panic_long"), 0);
    let found = read(&dir.log());
    assert_eq!(found.len(), 1);
    assert!(found[0].is_cut && found[0].text.len() > 30_000, "{}", found[0].text.len());
}

fn many() {
    let dir = Dir::new();
    assert_code(&run(&dir, "panic_many"), 0);
    let found = read(&dir.log());
    let mut texts: Vec<_> =
        found.iter().map(|it| it.text.rsplit(": ").next().unwrap().to_owned()).collect();
    texts.sort_unstable();
    let mut expected: Vec<_> =
        (0..8).flat_map(|thread| (0..50).map(move |it| format!("{thread} {it}"))).collect();
    expected.sort_unstable();
    assert_eq!(texts, expected);
}
