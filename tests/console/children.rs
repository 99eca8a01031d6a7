//! The programs whose consoles are looked at. Each is run by [`run`] in a process of its own.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use kymo::console::{Color, Format, Stream};
use kymo::{Builder, Console, Keep, Level, Logger, Overflow, Rotation};

use crate::terminal::log_around_fork;

/// What the parent waits for is not limited by time.
const ENOUGH: Duration = Duration::from_secs(600);

/// How many records are logged to a terminal that is blocked.
pub const MANY: u64 = 50_000;

/// Runs the child of this name, with its log at this path.
pub fn run(name: &str, path: &Path) {
    let console = Console::at(Level::Info).end_timeout(ENOUGH);
    let builder = Logger::builder(path);
    match name {
        "zoned" => {
            let config = kymo::Config::from_env().unwrap();
            let logger = builder.console(console).configure(&config).start().unwrap();
            kymo::info!(target: "shop", "now");
            logger.shutdown();
        }
        "text" => {
            let logger = builder.console(console).start().unwrap();
            kymo::info!(target: "shop", "order {id} for {}", "ACME", id = 7);
            kymo::debug!("only in the file");
            kymo::warn!("a bell \x07, a colour \x1b[31m and a line\nbreak, {}", "\u{9b}31m\r");
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "coloured" => {
            let logger = builder.console(console.color(Color::Always)).start().unwrap();
            kymo::error!("red");
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "json" => {
            let logger = builder.console(console.format(Format::Json)).start().unwrap();
            kymo::info!(target: "shop", "order {id} for {}", "\u{1b}ACME", id = 7);
            kymo::error!("and {:?}", [1, 2]);
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "logfmt" => {
            let console = console.format(Format::Logfmt).stream(Stream::Stderr);
            let logger = builder.console(console).start().unwrap();
            kymo::info!(target: "shop", "order {id}", id = 7);
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "spans" | "no spans" => {
            let console = console.spans(name == "spans");
            let logger = builder.bridge_tracing(true).console(console).start().unwrap();
            tracing::info_span!("order", id = 7).in_scope(|| tracing::info!("filled"));
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "blocked" => {
            let console = console.backlog(100_000);
            let logger = rotated(builder).console(console).start().unwrap();
            for number in 0..MANY {
                if number % (MANY / 8) == 0 {
                    // More segments than a console that is blocked can have open.
                    logger.rotate().unwrap();
                }
                kymo::info!("record {number}");
            }
            assert!(kymo::flush());
            let stats = logger.stats();
            assert_eq!(stats.total.written(), MANY);
            assert!(stats.console_shown < MANY);
            say("logged");
            let told = hear();
            while settled(&logger) < MANY {
                std::thread::yield_now();
            }
            kymo::info!("{told}");
            let report = logger.shutdown();
            assert_eq!(report.unshown, 0);
            assert!(report.skipped > 0);
            assert_eq!(report.shown + report.skipped, MANY + 1 + report.warnings);
        }
        "stuck" => {
            let console = console.end_timeout(Duration::from_millis(10));
            let logger = builder.console(console).start().unwrap();
            (0..MANY).for_each(|number| kymo::info!("record {number}"));
            let report = logger.shutdown();
            assert_eq!(report.written, MANY);
            assert!(report.unshown > 0);
            let all = report.shown + report.skipped + report.unshown;
            assert_eq!(all, MANY + report.warnings);
            say(&report.unshown.to_string());
            hear();
        }
        "closed" => {
            let logger = builder.console(console).start().unwrap();
            hear();
            kymo::info!("nobody reads this");
            while logger.stats().console_errors == 0 {
                std::thread::yield_now();
            }
            kymo::info!("nor this");
            let report = logger.shutdown();
            assert_eq!((report.written, report.unshown), (2, 2));
            say("alive");
        }
        "rotated" => {
            let logger = rotated(builder).console(console).start().unwrap();
            for number in 0..20 {
                kymo::info!("record {number}");
                while settled(&logger) <= number {
                    std::thread::yield_now();
                }
                logger.rotate().unwrap();
            }
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "moved" => {
            let logger = builder.console(console).start().unwrap();
            for number in 0..3 {
                kymo::info!("record {number}");
                std::fs::rename(path, path.with_extension(number.to_string())).unwrap();
                logger.reopen().unwrap();
            }
            std::fs::remove_file(path).unwrap();
            // The next record is in a file that has a name.
            while std::fs::metadata(path).is_err() {
                kymo::flush();
            }
            kymo::info!("record 3");
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "exit" => {
            let builder = builder.exit_timeout(ENOUGH);
            std::mem::forget(builder.console(console).start().unwrap());
            kymo::info!("the last words");
            std::process::exit(0);
        }
        "term" => {
            let builder = builder.drain_on_termination(ENOUGH).console(console);
            std::mem::forget(builder.start().unwrap());
            kymo::info!("the last words");
            // SAFETY: a call without pointers.
            unsafe { libc::raise(libc::SIGTERM) };
            loop {
                std::thread::park();
            }
        }
        "fork" => {
            let logger = builder.console(console).start().unwrap();
            assert_eq!(log_around_fork(logger).unshown, 0);
        }
        "own" => {
            let builder = builder.filter("info").filter_env("KYMO_TEST_FILTER").console(console);
            let logger = builder.overflow(Overflow::DropNewest).ring_capacity(4096);
            let logger = logger.start().unwrap();
            while logger.stats().total.dropped() == 0 {
                (0..1_000).for_each(|number| kymo::info!("record {number}"));
                kymo::flush();
            }
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "slow consumer" => {
            let builder = builder.poll_interval(ENOUGH).idle_sleep(ENOUGH).console(console);
            let logger = builder.start().unwrap();
            kymo::info!("soon");
            // The parent answers what it sees. Nothing else wakes the consumer.
            hear();
            assert_eq!(logger.shutdown().unshown, 0);
        }
        "none" => {
            let only = console.only_on_a_terminal(true);
            let logger = builder.console(only).start().unwrap();
            kymo::info!("not shown");
            let threads = std::fs::read_dir("/proc/self/task").unwrap();
            let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
            // (One may have ended meanwhile.)
            let names: Vec<_> = threads.filter_map(|task| name(task.unwrap()).ok()).collect();
            assert!(!names.iter().any(|name| name.trim() == "kymo-console"), "{names:?}");
            assert_eq!(logger.shutdown().unshown, 0);
        }
        other => panic!("no child {other}"),
    }
}

/// A log of several segments, none of which is deleted, however full the disk is.
fn rotated(builder: Builder) -> Builder {
    builder.rotate(Rotation::on_request()).keep(Keep::unlimited())
}

/// How many records the console is done with.
fn settled(logger: &Logger) -> u64 {
    let stats = logger.stats();
    stats.console_shown + stats.console_skipped
}

/// Says something to the parent.
fn say(text: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "said {text}").unwrap();
    stdout.flush().unwrap();
}

/// Waits for a line of the parent.
fn hear() -> String {
    std::io::stdin().lock().lines().next().map(Result::unwrap).unwrap_or_default()
}
