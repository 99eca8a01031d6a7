//! What happens to the file: full disks, limits, files and directories that others cut or remove,
//! and paths that cannot be written. Each story is a process of its own, some with a small file
//! system of their own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use kymo::{Builder, Level, Logger, Overflow, Report, StartErrorKind, WriteThrough};
use kymo_reader::{Ending, Event, Files, Options, Order};
use kymo_testing::namespace::{Mount, small_disk};
use kymo_testing::stories;
use kymo_testing::stories::run;

stories! {
    a_full_disk_is_left_behind on small_disk("size=24m");
    a_disk_that_stays_full_does_not_hold_up_the_end on small_disk("size=9m");
    a_start_on_a_full_disk_leaves_what_was_there on small_disk("size=6m");
    a_full_disk_holds_up_no_critical_record on small_disk("size=24m");
    a_file_system_that_cannot_allocate on Mount { kind: "ramfs", options: "", read_only: false };
    a_read_only_file_system on Mount { kind: "tmpfs", options: "", read_only: true };
    a_limit_on_the_size_of_files_is_an_error_and_no_signal;
    a_file_that_others_cut_goes_on;
    a_file_that_is_removed_is_begun_anew;
    a_file_that_another_replaces_is_begun_anew;
    a_directory_that_is_removed_may_come_back;
    a_path_that_cannot_be_written_is_an_error_that_says_so;
    a_link_is_followed;
    a_handler_of_the_program_gets_what_is_its_own;
    a_thread_that_blocks_the_signal_may_start_a_logger;
    => faults, faults_without_kymo
}

/// A fault of the program's own ends it as it would without kymo.
#[test]
fn foreign_faults_end_the_program() {
    let status = |story| run(module_path!(), story, None).unwrap().status;
    let (with, without): (ExitStatus, ExitStatus) =
        (status("faults"), status("faults_without_kymo"));
    assert_eq!(without.signal(), Some(libc::SIGBUS), "{without}");
    assert_eq!(with, without);
}

/// Rings of 64 KiB, in which calls wait for ever: a consumer that kept what it cannot write would
/// keep them waiting.
fn builder(path: &Path) -> Builder {
    let builder = Logger::builder(path).ring_capacity(64 << 10).map_window(1);
    builder.overflow(Overflow::Wait { timeout: None })
}

/// Logs, in one thread.
struct Source {
    number: u64,
}

impl Source {
    fn log(&mut self, records: u64) {
        for _ in 0..records {
            // 60 characters and a number.
            kymo::info!("{:>60} {}", "the quick brown fox jumps over the lazy dog", self.number);
            self.number += 1;
        }
    }

    /// Logs until a flush says what is expected.
    fn log_until_flush_is(&mut self, expected: bool) {
        within_a_minute(|| {
            self.log(1_000);
            kymo::flush() == expected
        });
    }
}

/// Asks until it is so.
fn within_a_minute(mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing changed for a minute");
    }
}

/// What a file says.
#[derive(Debug, Default)]
struct Found {
    /// The numbers in the records of each thread.
    records: BTreeMap<String, Vec<u64>>,
    /// The drops of each thread, by the text of their reason.
    drops: BTreeMap<(String, String), u64>,
    /// kymo's own records.
    warnings: Vec<String>,
    /// How many of those were dropped.
    own_drops: u64,
    report: kymo_reader::Report,
}

impl Found {
    fn read(path: &Path) -> Self {
        let mut reader = Options::new().order(Order::Written).open(path).unwrap();
        let mut found = Self::default();
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Record(record) => {
                    let mut text = String::new();
                    record.message(&mut text);
                    if record.target() == "kymo" {
                        found.warnings.push(text);
                        continue;
                    }
                    let number = text.rsplit(' ').next().unwrap().parse().unwrap();
                    let name = record.thread().name().to_owned();
                    let numbers = found.records.entry(name).or_default();
                    assert!(numbers.last() < Some(&number), "{number} after {:?}", numbers.last());
                    numbers.push(number);
                }
                Event::Drops(drops) if drops.thread.name() == "kymo" => {
                    found.own_drops += drops.total();
                }
                Event::Drops(drops) => {
                    for count in drops.counts {
                        let of = (drops.thread.name().to_owned(), count.reason.to_string());
                        *found.drops.entry(of).or_default() += count.count;
                    }
                }
                _ => {}
            }
        }
        found.report = reader.report().clone();
        found
    }

    fn count(&self) -> u64 {
        self.records.values().map(|numbers| numbers.len() as u64).sum()
    }

    fn dropped(&self) -> u64 {
        self.drops.values().sum()
    }

    /// Whether a record with this number is there.
    fn has(&self, number: u64) -> bool {
        self.records.values().any(|numbers| numbers.binary_search(&number).is_ok())
    }
}

/// The file is closed and whole, and says of `logged` records what the report says.
fn assert_accounted(path: &Path, report: &Report, logged: u64) -> Found {
    let found = Found::read(path);
    assert!(found.report.is_whole(), "{:?}", found.report);
    assert_eq!(found.report.ending, Ending::Closed);
    assert_eq!(report.written + report.dropped, logged, "{report:?}");
    assert_eq!(found.count(), report.written, "{report:?}");
    assert_eq!(found.dropped(), report.dropped, "{report:?}");
    assert_eq!(found.warnings.len() as u64, report.warnings, "{report:?}");
    found
}

/// The names in a directory.
fn names(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn cut(path: &Path, length: u64) {
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// Does what a fault of the program does: writes past the end of a file that it has mapped.
fn fault(place: &Path) {
    let path = place.join("of the program");
    fs::write(&path, [0; 8192]).unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: a new mapping.
    let page = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let file = std::os::fd::AsRawFd::as_raw_fd(&file);
        libc::mmap(std::ptr::null_mut(), 8192, access, libc::MAP_SHARED, file, 0)
    };
    assert_ne!(page, libc::MAP_FAILED);
    file.set_len(0).unwrap();
    // SAFETY: mapped; that the file is shorter is what is tested.
    unsafe { page.cast::<u8>().write_volatile(1) };
}

/// The stories, as the child processes tell them.
mod story {
    use super::*;

    /// Logs until `fill` has made the output fail, then while it fails, and after that.
    fn full_for_a_while(path: &Path, full: impl FnOnce(), free: impl FnOnce()) -> (Report, Found) {
        let logger = builder(path).start().unwrap();
        let mut source = Source { number: 0 };
        source.log(1_000);
        assert!(logger.flush());
        let other = std::thread::Builder::new().name("other".to_owned()).spawn(|| {
            Source { number: 0 }.log(50_000);
        });
        source.log_until_flush_is(false);
        full();
        source.log(20_000);
        other.unwrap().join().unwrap();
        free();
        source.log_until_flush_is(true);
        let begin = source.number;
        source.log(1_000);
        assert!(logger.flush());
        let report = logger.shutdown();
        let found = assert_accounted(path, &report, source.number + 50_000);
        assert!(report.dropped >= 20_000, "{report:?}");
        assert!((begin..source.number).all(|number| found.has(number)));
        assert!(found.drops.keys().all(|(_, reason)| reason == "the output failed"), "{found:?}");
        let again = |text: &String| text.contains("can be written again");
        assert!(found.warnings.iter().any(again), "{:?}", found.warnings);
        (report, found)
    }

    fn free_bytes(place: &Path) -> u64 {
        let it = rustix::fs::statvfs(place).unwrap();
        it.f_bavail * it.f_frsize
    }

    pub fn a_full_disk_is_left_behind(place: &Path) {
        let ballast = place.join("ballast");
        fs::write(&ballast, vec![1; 16 << 20]).unwrap();
        let (report, _) = full_for_a_while(
            &place.join("app.kymo"),
            || {
                let free = free_bytes(place);
                assert!(free <= 64 << 10, "{free} bytes were not used");
            },
            || fs::remove_file(&ballast).unwrap(),
        );
        assert_eq!(report.error.unwrap().kind(), io::ErrorKind::StorageFull);
    }

    pub fn a_disk_that_stays_full_does_not_hold_up_the_end(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path).start().unwrap();
        let mut source = Source { number: 0 };
        source.log_until_flush_is(false);
        source.log(10_000);
        let report = logger.shutdown();
        assert_eq!(report.written + report.dropped, source.number);
        assert_eq!(report.error.as_ref().unwrap().kind(), io::ErrorKind::StorageFull);
        let found = Found::read(&path);
        assert_eq!(found.count(), report.written);
        assert_eq!((found.report.damages, found.report.missing), (0, 0), "{:?}", found.report);
    }

    pub fn a_start_on_a_full_disk_leaves_what_was_there(place: &Path) {
        let (path, fresh) = (place.join("app.kymo"), place.join("fresh.kymo"));
        fs::write(&path, "an old log").unwrap();
        let mut ballast = File::create(place.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
        let before = names(place);
        for (path, overwrite) in [(&path, false), (&path, true), (&fresh, false)] {
            let error = builder(path).overwrite(overwrite).start().unwrap_err();
            let StartErrorKind::File(_, cause) = error.kind() else { panic!("{error}") };
            assert_eq!(cause.kind(), io::ErrorKind::StorageFull, "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert_eq!(names(place), before);
        }
        assert_eq!(fs::read(&path).unwrap(), b"an old log");
        drop(ballast);
        fs::remove_file(place.join("ballast")).unwrap();
        let logger = builder(&path).start().unwrap();
        assert_eq!(fs::read(place.join("app.1.kymo")).unwrap(), b"an old log");
        let _ = logger.shutdown();
        assert_eq!(names(place), ["app.1.kymo", "app.kymo"]);
    }

    /// Neither the log nor the side file can grow: first when there is no side file yet, then when
    /// there is one. Each call returns, and its record is in a file or counted.
    pub fn a_full_disk_holds_up_no_critical_record(place: &Path) {
        let (path, ballast) = (place.join("app.kymo"), place.join("ballast"));
        // So short a time that most calls write their records themselves.
        let policy = WriteThrough::at(Level::Error).timeout(Duration::from_nanos(1));
        let logger = builder(&path).write_through(policy).start().unwrap();
        let mut number = 0_u64;
        let mut log = |records: u64| {
            for _ in 0..records {
                let text = "the quick brown fox jumps over the lazy dog".repeat(100);
                kymo::error!("{text} {number}");
                number += 1;
            }
        };
        for round in 0..2 {
            let mut file = File::create(&ballast).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
            // More than the part of the log that is allocated.
            log(3_000);
            assert!(logger.stats().total.dropped() > 0, "in round {round}");
            drop(file);
            fs::remove_file(&ballast).unwrap();
            // The consumer tries it again when it is asked, and from time to time.
            within_a_minute(kymo::flush);
            log(500);
        }
        let report = logger.shutdown();
        assert_eq!(report.written + report.dropped, number, "{report:?}");
        assert!(report.rescued > 0, "{report:?}");
        let mut files = Files::open([&path], || Options::new().order(Order::Time)).unwrap();
        let (mut found, mut dropped) = (vec![0_u64; number as usize], 0);
        while let Some((_, event)) = files.next_event().unwrap() {
            match event {
                Event::Record(record) if record.target() != "kymo" => {
                    found[record.get::<u64>("number").unwrap() as usize] += 1;
                }
                Event::Drops(drops) if drops.thread.name() != "kymo" => dropped += drops.total(),
                _ => {}
            }
        }
        assert_eq!(dropped, report.dropped);
        assert!(found.iter().all(|&times| times <= 1), "a record is shown twice");
        let shown: u64 = found.iter().sum();
        // A record that is in the side file may count as dropped, too.
        assert!(shown >= report.written && shown <= report.written + report.rescued, "{report:?}");
        for reader in files.readers() {
            let report = reader.report();
            assert!(report.is_whole() && report.ending == Ending::Closed, "{report:?}");
        }
    }

    /// Sets the limit on the length of files.
    fn limit(bytes: u64) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum }).unwrap();
    }

    fn limited(place: &Path) {
        limit(6 << 20);
        let path = place.join("app.kymo");
        let (report, _) = full_for_a_while(
            &path,
            || {
                let length = fs::metadata(&path).unwrap().len();
                assert!(
                    length > (6 << 20) - (64 << 10),
                    "{length} bytes were used of what was allowed"
                );
            },
            || limit(1 << 40),
        );
        let error = report.error.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("6291456 bytes"), "{error}");
    }

    pub fn a_limit_on_the_size_of_files_is_an_error_and_no_signal(place: &Path) {
        limited(place);
        limit(100);
        let before = names(place);
        let error = builder(&place.join("new.kymo")).start().unwrap_err();
        assert!(error.to_string().contains("100 bytes"), "{error}");
        assert_eq!(names(place), before);
    }

    /// Such a one is filled with zeros ahead, under a limit, too, for it has no size.
    pub fn a_file_system_that_cannot_allocate(place: &Path) {
        limited(place);
    }

    pub fn a_read_only_file_system(place: &Path) {
        let error = builder(&place.join("app.kymo")).start().unwrap_err();
        let StartErrorKind::File(_, cause) = error.kind() else { panic!("{error}") };
        assert_eq!(cause.kind(), io::ErrorKind::ReadOnlyFilesystem, "{error}");
    }

    pub fn a_file_that_others_cut_goes_on(place: &Path) {
        let path = place.join("app.kymo");
        // Of some 900,000 bytes: all, the header, between two frames or within one, after all that
        // was written, and in the windows to come.
        for length in [0, 1, 100, 4_096, 300_000, 299_999, 1_500_000, 4_000_000] {
            let logger = builder(&path).overwrite(true).start().unwrap();
            let mut source = Source { number: 0 };
            source.log(10_000);
            assert!(logger.flush());
            cut(&path, length);
            // More than the part of the file that is mapped, so that the cut is met.
            source.log(100_000);
            source.log_until_flush_is(true);
            let begin = source.number;
            source.log(10_000);
            assert!(logger.flush());
            // Another, which the end meets first.
            if length == 300_000 {
                cut(&path, length);
            }
            let report = logger.shutdown();
            let error = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(error.contains("cut by somebody else"), "{length}: {error}");
            assert_eq!(report.written + report.dropped, source.number, "{length}");

            let found = Found::read(&path);
            if length == 300_000 {
                continue;
            }
            let it = &found.report;
            assert_eq!(it.ending, Ending::Closed, "{length}");
            assert_eq!(it.header, kymo_reader::HeaderState::Good, "{length}");
            let written = report.written + report.warnings;
            assert_eq!(it.records + it.lost(), written, "{length}: {it:?}");
            assert_eq!(it.dropped, report.dropped + found.own_drops, "{length}: {it:?}");
            assert!(it.lost() == 0 || it.missing > 0, "{length}: {it:?}");
            assert!(it.damages <= 1, "{length}: {it:?}");
            assert!((begin..source.number).all(|number| found.has(number)), "{length}");
        }
    }

    /// Logs in this thread, in one that ends before the file goes, and in one that goes on.
    fn gone_for_a_while(path: &Path, remove: impl FnOnce(), restore: impl FnOnce()) -> Found {
        let logger = builder(path).start().unwrap();
        let mut source = Source { number: 0 };
        source.log(5_000);
        let ended = std::thread::spawn(|| {
            Source { number: 0 }.log(3_000);
            assert!(kymo::flush());
        });
        ended.join().unwrap();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::Builder::new().name("other".to_owned()).spawn(move || {
            let mut source = Source { number: 0 };
            source.log(2_000);
            wait.recv().unwrap_err();
            source.log(2_000);
        });
        assert!(logger.flush());
        remove();
        source.log_until_flush_is(false);
        restore();
        drop(go_on);
        other.unwrap().join().unwrap();
        source.log_until_flush_is(true);
        assert!(path.exists());
        let begin = source.number;
        source.log(1_000);
        let report = logger.shutdown();
        let found = assert_accounted(path, &report, source.number + 3_000 + 4_000);
        assert!((begin..source.number).all(|number| found.has(number)));
        assert!(report.error.unwrap().to_string().contains("removed by somebody else"));

        let removed = |thread: &str| -> u64 {
            let drops = found.drops.iter().filter(|((name, _), _)| name == thread);
            drops
                .filter(|((_, reason), _)| reason != "the output failed")
                .map(|(_, count)| count)
                .sum()
        };
        // The second, if the consumer had not yet noticed that the thread had ended.
        let ended = removed("threads that ended before") + removed("");
        assert_eq!(ended, 3_000, "{:?}", found.drops);
        let first = found.records["child"][0];
        assert!(removed("child") >= 5_000, "{:?}", found.drops);
        assert!(first >= 5_000, "{first}");
        found
    }

    pub fn a_file_that_is_removed_is_begun_anew(place: &Path) {
        let path = place.join("app.kymo");
        gone_for_a_while(&path, || fs::remove_file(&path).unwrap(), || {});
        assert_eq!(names(place), ["app.kymo"]);
    }

    pub fn a_file_that_another_replaces_is_begun_anew(place: &Path) {
        let (path, other) = (place.join("app.kymo"), place.join("other"));
        fs::write(&other, "of somebody else").unwrap();
        gone_for_a_while(&path, || fs::rename(&other, &path).unwrap(), || {});
        assert_eq!(fs::read(place.join("app.1.kymo")).unwrap(), b"of somebody else");
    }

    pub fn a_directory_that_is_removed_may_come_back(place: &Path) {
        let directory = place.join("logs");
        fs::create_dir(&directory).unwrap();
        let found = gone_for_a_while(
            &directory.join("app.kymo"),
            || fs::remove_dir_all(&directory).unwrap(),
            || fs::create_dir(&directory).unwrap(),
        );
        let failed = ("child".to_owned(), "the output failed".to_owned());
        assert!(found.drops[&failed] > 0, "{:?}", found.drops);
    }

    pub fn a_path_that_cannot_be_written_is_an_error_that_says_so(place: &Path) {
        let fifo = place.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("loop", place.join("loop")).unwrap();
        for (path, expected) in [
            (place.to_owned(), "this is a directory"),
            (fifo, "not a regular file"),
            ("/dev/null".into(), "not a regular file"),
            (place.join("loop"), "too many symbolic links"),
            (place.join("missing/app.kymo"), "missing: make it first"),
            (place.join("loop/app.kymo"), "symbolic link"),
        ] {
            let error = builder(&path).start().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(path.to_str().unwrap()), "{error}");
        }

        // SAFETY: no pointers. (Root may write everywhere, so it becomes somebody else.)
        if unsafe { libc::geteuid() } == 0 {
            let nobody = 65_534;
            // SAFETY: as above.
            assert_eq!(unsafe { libc::setgid(nobody) }, 0);
            // SAFETY: as above.
            assert_eq!(unsafe { libc::setuid(nobody) }, 0);
        } else {
            fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o500))
                .unwrap();
        }
        let error = builder(&place.join("app.kymo")).start().unwrap_err().to_string();
        assert!(error.contains("app.kymo: Permission denied"), "{error}");
        // For whoever removes it.
        let _ = fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o700));
    }

    pub fn a_link_is_followed(place: &Path) {
        fs::create_dir(place.join("data")).unwrap();
        let (link, real) = (place.join("current.kymo"), place.join("data/app.kymo"));
        std::os::unix::fs::symlink("data/app.kymo", &link).unwrap();
        for round in 0..2 {
            let logger = builder(&link).start().unwrap();
            Source { number: 0 }.log(10 + round);
            let report = logger.shutdown();
            assert_accounted(&link, &report, 10 + round);
        }
        assert!(link.is_symlink());
        assert_eq!(names(&place.join("data")), ["app.1.kymo", "app.kymo"]);
        assert_eq!(Found::read(&real).count(), 11);
    }

    pub fn faults(place: &Path) {
        let logger = builder(&place.join("app.kymo")).start().unwrap();
        Source { number: 0 }.log(100);
        assert!(logger.flush());
        fault(place);
    }

    pub fn faults_without_kymo(place: &Path) {
        fault(place);
    }

    /// Logs, has the file cut, and goes on logging, so that a fault must be handled.
    fn survive_a_cut(path: &Path) {
        let logger = builder(path).start().unwrap();
        let mut source = Source { number: 0 };
        source.log(1_000);
        assert!(logger.flush());
        cut(path, 0);
        source.log(10_000);
        source.log_until_flush_is(true);
        let report = logger.shutdown();
        let error = report.error.unwrap().to_string();
        assert!(error.contains("cut by somebody else"), "{error}");
    }

    pub fn a_handler_of_the_program_gets_what_is_its_own(place: &Path) {
        extern "C" fn own(_: libc::c_int) {
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        let own: extern "C" fn(libc::c_int) = own;
        // SAFETY: a handler of the right type, which calls nothing that a handler must not.
        unsafe { libc::signal(libc::SIGBUS, own as libc::sighandler_t) };
        survive_a_cut(&place.join("app.kymo"));
        // Another logger, after the first.
        survive_a_cut(&place.join("app.kymo"));
        fault(place);
        panic!("the program's own handler was not called");
    }

    pub fn a_thread_that_blocks_the_signal_may_start_a_logger(place: &Path) {
        // SAFETY: an all-zero set is a value of this type.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is valid and writable.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: the set is initialised; the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut()) };
        survive_a_cut(&place.join("app.kymo"));
    }
}
