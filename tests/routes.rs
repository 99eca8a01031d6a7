//! Several logs: what routes and named logs put where, exactly, also while one of the logs cannot be written.
//! Each story is a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use kymo::{
    Builder, Keep, Level, LogReport, Logger, NamedLog, Overflow, Rotation, Route, StartErrorKind,
};
use kymo_reader::{Event, Options, Order, Reader};
use kymo_testing::namespace::small_disk;
use kymo_testing::stories;
use kymo_testing::stories::command;

/// The name of the thread that tells a story.
const ME: &str = "child";

stories! {
    forty_logs_at_full_rate;
    forty_logs_with_drops;
    a_full_disk_is_of_one_log on small_disk("size=12m");
    a_removed_file_is_of_one_log;
    a_missing_directory_is_of_one_log;
    a_crash_drains_all_logs;
    each_log_has_its_own_rotation;
    moved_files_are_left_by_their_logs;
    critical_records_are_in_all_their_logs;
    names_without_a_route_change_nothing;
    a_shutdown_that_times_out_counts_by_log;
    options_for_one_log_are_refused;
    routes_that_cannot_be_are_refused;
    a_log_that_cannot_be_made_is_an_error;
    processes_that_join_have_logs_of_their_own;
    => crash, example
}

/// Rings of 64 KiB, in which calls wait for ever.
fn builder(path: &Path) -> Builder {
    let builder = Logger::builder(path).ring_capacity(64 << 10).map_window(1);
    builder.overflow(Overflow::Wait { timeout: None })
}

/// What a log has of the program's own records.
#[derive(Debug, Default)]
struct Found {
    /// The numbers of each thread, in the order of the log.
    numbers: BTreeMap<String, Vec<u64>>,
    dropped: u64,
    is_complete: bool,
}

impl Found {
    fn read(path: &Path) -> Self {
        let mut found = Self::default();
        found.add(Options::new().order(Order::Written).open(path).unwrap());
        found
    }

    fn add(&mut self, mut reader: Reader<'_>) {
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Record(record) if record.target() != "kymo" => {
                    let mut text = String::new();
                    record.message(&mut text);
                    let number = text.rsplit(' ').next().unwrap().parse().unwrap();
                    self.numbers.entry(record.thread().name().to_owned()).or_default().push(number);
                }
                Event::Drops(drops) if drops.thread.name() != "kymo" => {
                    self.dropped += drops.total();
                }
                _ => {}
            }
        }
        let report = reader.report();
        assert_eq!((report.damaged_bytes, report.missing), (0, 0), "{report:?}");
        self.is_complete = report.ending == kymo_reader::Ending::Closed;
    }

    fn count(&self) -> u64 {
        self.numbers.values().map(|numbers| numbers.len() as u64).sum()
    }

    /// The numbers of a thread; each once, and in order.
    fn of(&self, thread: &str) -> &[u64] {
        let numbers = self.numbers.get(thread).map_or(&[][..], |numbers| numbers);
        assert!(numbers.is_sorted_by(|one, next| one < next), "{thread}: {numbers:?}");
        numbers
    }
}

/// How many records there were for a log, by its report.
fn logged(report: &LogReport) -> u64 {
    report.written + report.dropped + report.unwritten
}

/// The statements of the stories of forty logs: each has a level, a target and a name of a log.
mod many {
    use super::*;

    pub(super) const THREADS: u64 = 8;

    /// A record that a statement logs: what routes go by.
    #[derive(Clone, Copy)]
    pub(super) struct Kind {
        pub(super) level: Level,
        pub(super) target: &'static str,
        pub(super) name: Option<&'static str>,
    }

    macro_rules! statements {
        ($($level:ident $target:literal $($name:literal)?;)*) => {
            pub(super) const KINDS: &[Kind] = &[$(Kind {
                level: Level::$level,
                target: $target,
                name: statements!(@name $($name)?),
            }),*];

            /// Logs a number with the statement of this kind.
            pub(super) fn log(kind: usize, number: u64) {
                let mut index = 0;
                $(
                    if index == kind {
                        statements!(@log $level $target $($name)?; number);
                    }
                    index += 1;
                )*
                assert!(kind < index);
            }
        };
        (@name) => { None };
        (@name $name:literal) => { Some($name) };
        (@log $level:ident $target:literal; $number:ident) => {
            kymo::log!(target: $target, Level::$level, "number {}", $number)
        };
        (@log $level:ident $target:literal $name:literal; $number:ident) => {{
            const LOG: NamedLog = NamedLog::new($name);
            kymo::log!(logger: LOG, target: $target, Level::$level, "number {}", $number)
        }};
    }

    statements! {
        Error "a"; Warn "a"; Info "a"; Debug "a"; Trace "a"; Error "a::x"; Info "a::x";
        Error "b"; Info "b::y" "n1"; Info "b::z" "n2"; Debug "c" "n3"; Trace "c" "n4";
        Error "d" "n5"; Warn "d" "n6"; Info "d" "n7"; Debug "d" "n8"; Trace "e" "n9";
        Info "f" "n1"; Info "g" "n2"; Info "h" "n3"; Info "i" "n4"; Info "j" "n5";
        Warn "k::l::m"; Warn "k::l"; Warn "k"; Error "k" "n10"; Debug "ab"; Debug "abc";
    }

    /// A route, and what it is for.
    pub(super) struct Rule {
        pub(super) log: String,
        level: Option<Level>,
        target: Option<&'static str>,
        name: Option<&'static str>,
        pub(super) only: bool,
    }

    impl Rule {
        /// Whether it is for records of this kind. (Written without a look at how kymo does it.)
        pub(super) fn is_for(&self, kind: &Kind) -> bool {
            let in_target = |target: &str| {
                let segments: Vec<_> = kind.target.split("::").collect();
                let wanted: Vec<_> = target.split("::").collect();
                segments.starts_with(&wanted)
            };
            self.level.is_none_or(|level| kind.level as u8 <= level as u8)
                && self.target.is_none_or(in_target)
                && self.name.is_none_or(|name| kind.name == Some(name))
        }

        pub(super) fn route(&self, place: &Path) -> Route {
            let named = [
                NamedLog::new("n1"),
                NamedLog::new("n2"),
                NamedLog::new("n3"),
                NamedLog::new("n4"),
                NamedLog::new("n5"),
                NamedLog::new("n6"),
                NamedLog::new("n7"),
                NamedLog::new("n8"),
                NamedLog::new("n9"),
                NamedLog::new("n10"),
            ];
            let route = match (self.name, self.target, self.level) {
                (Some(name), ..) => {
                    Route::logger(*named.iter().find(|log| log.name() == name).unwrap())
                }
                (None, Some(target), _) => Route::target(target),
                (None, None, Some(level)) => Route::level(level),
                (None, None, None) => unreachable!(),
            };
            let route = self.level.map_or(route.clone(), |level| route.at(level));
            let route = route.to(place.join(&self.log));
            if self.only { route.only() } else { route }
        }
    }

    /// 5 logs by level, 25 by target, 10 by name, and three routes to logs that are there already.
    pub(super) fn rules() -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut add = |log: String, level, target, name, only| {
            rules.push(Rule { log, level, target, name, only });
        };
        for level in Level::ALL {
            add(format!("level-{}.kymo", level as u8), Some(level), None, None, false);
        }
        let targets = [
            "a", "a::x", "b", "b::y", "b::z", "c", "d", "e", "f", "g", "h", "i", "j", "k", "k::l",
            "k::l::m", "ab", "abc", "x", "y",
        ];
        for (index, target) in targets.into_iter().enumerate() {
            add(format!("target-{index}.kymo"), None, Some(target), None, index % 4 == 1);
        }
        for (index, target) in ["a", "b", "d", "k", "c"].into_iter().enumerate() {
            let level = Level::ALL[index];
            add(format!("both-{index}.kymo"), Some(level), Some(target), None, false);
        }
        let names = ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10"];
        for (index, name) in names.into_iter().enumerate() {
            add(format!("name-{index}.kymo"), None, None, Some(name), index % 2 == 0);
        }
        add("level-1.kymo".to_owned(), None, Some("abc"), None, false);
        add("name-0.kymo".to_owned(), None, None, Some("n9"), true);
        add("target-0.kymo".to_owned(), Some(Level::Info), Some("a::x"), None, false);
        rules
    }

    /// Logs from all threads. Returns what each thread has logged: kinds, by number.
    pub(super) fn log_from_threads(per_thread: u64) -> Vec<(String, Vec<usize>)> {
        let run = move |thread: u64| {
            let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(thread + 1);
            let mut kinds = Vec::new();
            for number in 0..per_thread {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let kind = state as usize % KINDS.len();
                log(kind, number);
                kinds.push(kind);
            }
            kinds
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let name = format!("thread {thread}");
                let builder = std::thread::Builder::new().name(name.clone());
                (name, builder.spawn(move || run(thread)).unwrap())
            })
            .collect();
        threads.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect()
    }

    /// The numbers that a thread has logged for the log of this file name.
    pub(super) fn wanted(rules: &[Rule], log: &str, kinds: &[usize]) -> Vec<u64> {
        let of_kind = |kind: &Kind| {
            let mut its = rules.iter().filter(|rule| rule.is_for(kind));
            if log == "app.kymo" { !its.any(|rule| rule.only) } else { its.any(|it| it.log == log) }
        };
        let wanted = KINDS.iter().map(of_kind).collect::<Vec<_>>();
        (0_u64..).zip(kinds).filter(|(_, kind)| wanted[**kind]).map(|(number, _)| number).collect()
    }

    pub(super) fn start(place: &Path, builder: Builder) -> (Vec<Rule>, Logger) {
        let rules = rules();
        let builder = rules.iter().fold(builder, |builder, rule| builder.route(rule.route(place)));
        (rules, builder.start().unwrap())
    }
}

/// The module of the test `child`.
const HERE: &str = module_path!();

mod story {
    use super::*;

    pub(super) fn example(place: &Path) {
        super::example::run(place.into()).unwrap();
    }

    /// Each record is in each log that its routes say, nowhere else, once, and in order.
    pub(super) fn forty_logs_at_full_rate(place: &Path) {
        let main = place.join("app.kymo");
        let (rules, logger) = many::start(place, builder(&main));
        let logged_by = many::log_from_threads(20_000);
        let stats = logger.stats();
        let report = logger.shutdown();
        assert_eq!((report.logs.len(), stats.logs.len()), (40, 40));
        let mut logs = vec![(main, report.written, report.dropped)];
        logs.extend(report.logs.into_iter().map(|log| (log.path, log.written, log.dropped)));
        for (path, written, dropped) in logs {
            let found = Found::read(&path);
            let name = path.file_name().unwrap().to_str().unwrap();
            let mut sum = 0;
            for (thread, kinds) in &logged_by {
                let wanted = many::wanted(&rules, name, kinds);
                assert_eq!(found.of(thread), wanted, "{name}, {thread}");
                sum += wanted.len() as u64;
            }
            assert_eq!((written, dropped, found.dropped), (sum, 0, 0), "{name}");
            assert_eq!(found.count(), sum, "{name}");
            assert!(found.is_complete, "{name}");
        }
    }

    /// What does not fit into the rings is counted for the logs that it was for, and marked there.
    pub(super) fn forty_logs_with_drops(place: &Path) {
        let main = place.join("app.kymo");
        // A ring of 4 KiB is full after 170 records, long before the consumer looks again.
        let builder = Logger::builder(&main).ring_capacity(4 << 10).overflow(Overflow::DropNewest);
        let builder = builder.poll_interval(Duration::from_millis(2));
        let (rules, logger) = many::start(place, builder);
        let logged_by = many::log_from_threads(5_000);
        let report = logger.shutdown();
        assert!(report.dropped > 0);
        let mut logs = vec![(main, report.written, report.dropped)];
        logs.extend(report.logs.into_iter().map(|log| (log.path, log.written, log.dropped)));
        for (path, written, dropped) in logs {
            let found = Found::read(&path);
            let name = path.file_name().unwrap().to_str().unwrap();
            let mut sum = 0;
            for (thread, kinds) in &logged_by {
                let wanted = many::wanted(&rules, name, kinds);
                let numbers = found.of(thread);
                assert!(
                    numbers.iter().all(|number| wanted.binary_search(number).is_ok()),
                    "{name}"
                );
                sum += wanted.len() as u64;
            }
            assert_eq!(written + dropped, sum, "{name}");
            assert_eq!((found.count(), found.dropped), (written, dropped), "{name}");
        }
    }

    const AUDIT: NamedLog = NamedLog::new("audit");

    fn log_both(numbers: std::ops::Range<u64>) {
        for number in numbers {
            kymo::info!(logger: AUDIT, "{:>60} {number}", "the quick brown fox jumps over the lazy dog");
            kymo::info!("main {number}");
        }
    }

    /// Asks until it is so.
    fn within_a_minute(mut is_so: impl FnMut() -> bool) {
        let begin = std::time::Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing changed for a minute");
        }
    }

    /// The disk of one log is full, and has room again later. The other log has everything.
    pub(super) fn a_full_disk_is_of_one_log(place: &Path) {
        let other = tempfile::tempdir().unwrap();
        let (main, audit) = (other.path().join("app.kymo"), place.join("audit.kymo"));
        let filler = place.join("filler");
        let route = Route::logger(AUDIT).to(&audit).only();
        let logger = builder(&main).route(route).start().unwrap();
        fs::write(&filler, vec![1; 4 << 20]).unwrap();
        let mut number = 0;
        let mut log = |logger: &Logger, is_over: &dyn Fn(&kymo::LogStats) -> bool| {
            within_a_minute(|| {
                log_both(number..number + 1_000);
                number += 1_000;
                kymo::flush();
                is_over(&logger.stats().logs[0])
            });
        };
        log(&logger, &|audit| audit.total.dropped() > 10_000);
        fs::remove_file(&filler).unwrap();
        let written = logger.stats().logs[0].total.written();
        log(&logger, &|audit| audit.total.written() > written);
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (number, 0));
        assert_eq!(Found::read(&main).of(ME), Found::read(&main).of(ME));
        assert_eq!(Found::read(&main).count(), number);
        let [log] = &report.logs[..] else { panic!("{:?}", report.logs) };
        assert!(log.dropped > 10_000 && log.error.is_some() && report.error.is_none(), "{log:?}");
        assert_eq!(logged(log), number);
        let found = Found::read(&audit);
        assert_eq!((found.count(), found.dropped), (log.written, log.dropped));
        assert!(found.is_complete);
    }

    /// The file of one log is removed. What it had is lost there, and counted; the other log has everything.
    pub(super) fn a_removed_file_is_of_one_log(place: &Path) {
        let (main, audit) = (place.join("app.kymo"), place.join("audit.kymo"));
        let logger = builder(&main).route(Route::logger(AUDIT).to(&audit).only()).start().unwrap();
        log_both(0..10_000);
        assert!(kymo::flush());
        fs::remove_file(&audit).unwrap();
        log_both(10_000..20_000);
        kymo::flush();
        log_both(20_000..20_001);
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (20_001, 0));
        assert_eq!(Found::read(&main).count(), 20_001);
        let [log] = &report.logs[..] else { panic!("{:?}", report.logs) };
        assert!(log.dropped >= 10_000, "{log:?}");
        assert_eq!(logged(log), 20_001);
        let found = Found::read(&audit);
        assert_eq!((found.count(), found.dropped), (log.written, log.dropped));
    }

    /// The directory of one log is removed, and comes back.
    pub(super) fn a_missing_directory_is_of_one_log(place: &Path) {
        let directory = place.join("audit");
        fs::create_dir(&directory).unwrap();
        let (main, audit) = (place.join("app.kymo"), directory.join("audit.kymo"));
        let logger = builder(&main).route(Route::logger(AUDIT).to(&audit).only()).start().unwrap();
        log_both(0..1_000);
        assert!(kymo::flush());
        fs::remove_dir_all(&directory).unwrap();
        log_both(1_000..2_000);
        kymo::flush();
        fs::create_dir(&directory).unwrap();
        let mut number = 2_000;
        within_a_minute(|| {
            log_both(number..number + 1_000);
            number += 1_000;
            kymo::flush() && audit.exists()
        });
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (number, 0));
        assert_eq!(Found::read(&main).count(), number);
        let [log] = &report.logs[..] else { panic!("{:?}", report.logs) };
        assert_eq!(logged(log), number);
        let found = Found::read(&audit);
        assert_eq!((found.count(), found.dropped), (log.written, log.dropped));
    }

    pub(super) fn crash(place: &Path) {
        let (main, audit) = (place.join("app.kymo"), place.join("audit.kymo"));
        let builder = builder(&main).ring_capacity(4 << 20).drain_on_crash(Duration::from_secs(30));
        // So that it looks at the rings when it is told to.
        let builder =
            builder.poll_interval(Duration::from_secs(1)).idle_sleep(Duration::from_secs(1));
        let route = Route::logger(AUDIT).to(&audit).only();
        let _logger = builder.route(route).start().unwrap();
        log_both(0..10_000);
        std::process::abort();
    }

    /// A signal that ends the process: the rings are drained to all logs, and each has its mark.
    pub(super) fn a_crash_drains_all_logs(place: &Path) {
        let ended = command(HERE, "crash", place).output().unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{ended:?}");
        for name in ["app.kymo", "audit.kymo"] {
            let path = place.join(name);
            assert_eq!(Found::read(&path).count(), 10_000, "{name}");
            let mut reader = Options::new().open(&path).unwrap();
            let mut signals = 0;
            while let Some(event) = reader.next_event().unwrap() {
                signals += u64::from(matches!(event, Event::Signal(_)));
            }
            assert_eq!(signals, 1, "{name}");
        }
    }

    pub(super) fn each_log_has_its_own_rotation(place: &Path) {
        let (main, audit) = (place.join("app.kymo"), place.join("audit.kymo"));
        let route = Route::logger(AUDIT).to(&audit).only();
        let route = route.rotate(Rotation::size(1 << 20)).keep(Keep::bytes(256 << 20));
        let logger = builder(&main).route(route).start().unwrap();
        let mut number = 0;
        within_a_minute(|| {
            log_both(number..number + 1_000);
            number += 1_000;
            logger.stats().logs[0].segments > 3
        });
        assert!(kymo::flush());
        logger.rotate().unwrap();
        let stats = logger.stats();
        assert_eq!(stats.segments, 0);
        let report = logger.shutdown();
        assert_eq!((report.written, report.logs[0].written), (number, number));
        assert_eq!(Found::read(&main).count(), number);
        let mut found = Found::default();
        let mut files: Vec<_> = fs::read_dir(place).unwrap().map(|it| it.unwrap().path()).collect();
        files.retain(|path| {
            *path != main && *path != audit && path.extension().is_some_and(|it| it == "kymo")
        });
        files.sort();
        assert!(files.len() as u64 >= 4, "{files:?}");
        for segment in files {
            found.add(Options::new().order(Order::Written).open(segment).unwrap());
        }
        assert_eq!(found.count(), number);
        found.of(ME);
    }

    /// Another program moves the files: each log goes on in a new one.
    pub(super) fn moved_files_are_left_by_their_logs(place: &Path) {
        let (main, audit) = (place.join("app.kymo"), place.join("audit.kymo"));
        let logger = builder(&main).route(Route::logger(AUDIT).to(&audit).only()).start().unwrap();
        log_both(0..100);
        for path in [&main, &audit] {
            fs::rename(path, path.with_extension("old")).unwrap();
        }
        logger.reopen().unwrap();
        log_both(100..150);
        let report = logger.shutdown();
        assert_eq!((report.written, report.logs[0].written), (150, 150));
        for path in [&main, &audit] {
            let old = Found::read(&path.with_extension("old"));
            assert!(old.is_complete);
            assert_eq!((old.count(), Found::read(path).count()), (100, 50));
        }
    }

    /// Nobody flushes. The record is there, and what this thread logged before.
    pub(super) fn critical_records_are_in_all_their_logs(place: &Path) {
        let (main, critical) = (place.join("app.kymo"), place.join("critical.kymo"));
        let route = Route::level(Level::Warn).to(&critical).write_through();
        let builder = builder(&main).poll_interval(Duration::from_millis(50));
        let logger = builder.route(route).start().unwrap();
        for number in 0..20 {
            kymo::info!("before {number}");
            kymo::error!("error {number}");
            assert_eq!(Found::read(&critical).count(), number + 1);
            assert_eq!(Found::read(&main).count(), 2 * number + 2);
        }
        let report = logger.shutdown();
        assert_eq!((report.written, report.logs[0].written, report.rescued), (40, 20, 0));
    }

    pub(super) fn names_without_a_route_change_nothing(place: &Path) {
        let (main, net) = (place.join("app.kymo"), place.join("net.kymo"));
        static STATIC: NamedLog = NamedLog::new("static");
        struct Place;
        impl Place {
            const LOG: NamedLog = NamedLog::new("static");
        }
        let route = Route::target("net").to(&net);
        let route = builder(&main).route(route).route(Route::logger(STATIC).to(&net).only());
        let logger = route.start().unwrap();
        kymo::info!(logger: AUDIT, "{}", 1);
        kymo::info!(target: "net", logger: AUDIT, "{}", 2);
        kymo::info!(logger: Place::LOG, target: "net", "{}", 3);
        kymo::log!(logger: STATIC, [Level::Info][0], "{}", 4);
        let report = logger.shutdown();
        assert_eq!(Found::read(&main).of(ME), [1, 2]);
        assert_eq!(Found::read(&net).of(ME), [2, 3, 4]);
        assert_eq!((report.written, report.logs[0].written), (2, 3));
    }

    /// What is left in the rings is counted for its logs.
    pub(super) fn a_shutdown_that_times_out_counts_by_log(place: &Path) {
        let (main, audit) = (place.join("app.kymo"), place.join("audit.kymo"));
        let builder = builder(&main).ring_capacity(32 << 20);
        let builder =
            builder.poll_interval(Duration::from_secs(1)).idle_sleep(Duration::from_secs(1));
        let logger = builder.route(Route::logger(AUDIT).to(&audit).only()).start().unwrap();
        log_both(0..50_000);
        let report = logger.shutdown_timeout(Duration::ZERO);
        assert_eq!(report.logs.len(), 1);
        let is_late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
        if report.error.as_ref().is_some_and(is_late) {
            // The machine is so busy that not even the counting was done in time.
            return;
        }
        assert_eq!(report.written + report.dropped + report.unwritten, 50_000, "{report:?}");
        assert_eq!(logged(&report.logs[0]), 50_000, "{report:?}");
        for (path, written, dropped) in [
            (&main, report.written, report.dropped + report.unwritten),
            (&audit, report.logs[0].written, report.logs[0].dropped + report.logs[0].unwritten),
        ] {
            let found = Found::read(path);
            assert_eq!((found.count(), found.dropped), (written, dropped));
        }
    }

    fn refusal(builder: Builder) -> &'static str {
        match builder.start().unwrap_err().kind() {
            StartErrorKind::Option { name: "route", reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn options_for_one_log_are_refused(place: &Path) {
        let main = place.join("app.kymo");
        let routed = || builder(&main).route(Route::level(Level::Error).to(place.join("b.kymo")));
        assert!(refusal(routed().crash_proof("/dev/shm")).contains("crash_proof"));
        assert!(
            refusal(routed().flight_recorder(Level::Debug, 1 << 20)).contains("flight_recorder")
        );
        let overwriting = routed().overflow_at(Level::Debug, Overflow::OverwriteOldest);
        assert!(refusal(overwriting).contains("OverwriteOldest"));
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
        // The error leaves the process as it was.
        let report = routed().start().unwrap().shutdown();
        assert_eq!(report.logs.len(), 1);
    }

    pub(super) fn routes_that_cannot_be_are_refused(place: &Path) {
        let main = place.join("app.kymo");
        let route = |route| refusal(builder(&main).route(route));
        let to = |name: &str| place.join(name);
        assert!(route(Route::level(Level::Error)).contains("leads nowhere"));
        assert!(route(Route::level(Level::Error).to(&main)).contains("own log"));
        assert!(route(Route::target("").to(to("b.kymo"))).contains("empty"));
        for by in [Route::target("net"), Route::logger(AUDIT)] {
            let by = by.at(Level::Error).to(to("b.kymo")).write_through();
            assert!(route(by).contains("by level alone"));
        }
        let first = || builder(&main).route(Route::target("a").to(to("b.kymo")).overwrite(true));
        let again = Route::target("b").to(to("b.kymo")).overwrite(true);
        assert!(refusal(first().route(again)).contains("to the first one"));
        let numbered = |number: u64| Route::target("a").to(to(&format!("{number}.kymo")));
        let many = (0..64).fold(builder(&main), |builder, number| builder.route(numbered(number)));
        assert!(refusal(many).contains("at most 63"));
        let bad = Route::target("a").to(to("b.kymo")).rotate(Rotation::size(1));
        let error = builder(&main).route(bad).start().unwrap_err();
        assert!(matches!(error.kind(), StartErrorKind::Rotation(_)), "{error}");
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
        let most = (0..63).fold(builder(&main), |builder, number| builder.route(numbered(number)));
        let logger = most.start().unwrap();
        kymo::info!(target: "a", "{}", 1);
        let report = logger.shutdown();
        assert!(report.logs.iter().all(|log| log.written == 1), "{report:?}");
        assert_eq!(Found::read(&report.logs[62].path).of(ME), [1]);
    }

    pub(super) fn a_log_that_cannot_be_made_is_an_error(place: &Path) {
        let main = place.join("app.kymo");
        let missing = place.join("missing").join("b.kymo");
        let routed = || builder(&main).route(Route::level(Level::Error).to(place.join("c.kymo")));
        let error = routed().route(Route::target("a").to(&missing)).start().unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        let made = routed().route(Route::target("a").to(&missing)).make_directory(true).start();
        made.unwrap().shutdown();
        assert!(missing.exists());
    }

    /// The second process has both of its logs under the second names.
    pub(super) fn processes_that_join_have_logs_of_their_own(place: &Path) {
        let route = Route::level(Level::Error).to(place.join("critical.kymo"));
        let start = || Logger::builder(place).join("app").route(route.clone()).start().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        // SAFETY: the child starts a logger, logs, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(writer);
            let _logger = start();
            kymo::error!("{}", 2);
            kymo::flush();
            // Until the parent has its logger.
            let _ = std::io::read_to_string(reader);
            std::process::exit(0);
        }
        let second = place.join("app.kymo");
        within_a_minute(|| second.exists() && place.join("critical.kymo").exists());
        let logger = start();
        kymo::error!("{}", 1);
        let report = logger.shutdown();
        drop((writer, reader));
        // SAFETY: it is this process's child.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(report.logs[0].path, place.join("critical-2.kymo"));
        let numbers = |name: &str| Found::read(&place.join(name)).numbers[ME].clone();
        assert_eq!([numbers("critical-2.kymo"), numbers("critical.kymo")], [[1], [2]]);
    }
}

#[path = "../examples/routes.rs"]
#[allow(dead_code, reason = "the example has a `main`")]
mod example;

/// The example's records are in the logs that it says.
#[test]
fn the_example_has_four_logs() {
    let place = tempfile::tempdir().unwrap();
    let run = command(HERE, "example", place.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let messages = |name: &str| {
        let mut reader = Options::new().open(place.path().join(name)).unwrap();
        let mut messages = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            let mut text = String::new();
            record.message(&mut text);
            if record.target() != "kymo" {
                messages.push(text);
            }
        }
        messages
    };
    let (net, error) = ("a request took 250 ms", "no connection to XETRA");
    assert_eq!(messages("app.kymo"), ["the exchange opens", net, error]);
    assert_eq!(messages("critical.kymo"), [error]);
    assert_eq!(messages("net.kymo"), [net, error]);
    assert_eq!(messages("audit.kymo"), ["bought user=ann order=7", "sold user=bob order=8"]);
}
