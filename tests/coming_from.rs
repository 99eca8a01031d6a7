//! The snippets of `docs/coming-from.md`, run. Each one of the page is here, word for word.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

type Result = std::result::Result<(), Box<dyn Error>>;

/// Runs a snippet in a directory of its own, one at a time: a process has one logger.
fn in_directory(snippet: impl FnOnce() -> Result) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    let result = snippet();
    std::env::set_current_dir("/").unwrap();
    result.unwrap();
}

/// The messages in the log, each with its target.
fn messages() -> Vec<String> {
    let mut reader = kymo_reader::Reader::open("app.kymo").unwrap();
    let mut messages = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut message = format!("{} ", record.target());
        record.message(&mut message);
        messages.push(message);
    }
    messages
}

#[test]
fn start() {
    fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let _kymo = kymo::init()?;
        kymo::info!("the service starts");
        log::info!("a library, too");
        Ok(())
    }

    in_directory(|| {
        // SAFETY: tests that read it have their turn later, and code in C does not read the environment.
        unsafe { std::env::set_var("KYMO_DIR", std::env::current_dir()?) };
        main()?;
        // SAFETY: as above.
        unsafe { std::env::remove_var("KYMO_DIR") };
        let log = fs::read_dir(".")?.map(|it| it.unwrap().path());
        let log = log.into_iter().find(|path| path.is_symlink()).expect("a log");
        std::os::unix::fs::symlink(log, "app.kymo")?;
        let messages = messages();
        for said in ["coming_from the service starts", "coming_from a library, too"] {
            assert!(messages.iter().any(|it| it == said), "{messages:?}");
        }
        Ok(())
    });
}

#[test]
fn step_by_step() {
    use kymo::{Logger, info};

    in_directory(|| {
        {
            let _logger = Logger::builder("app.kymo")
                .filter("info")
                .filter_env("APP_LOG")
                .bridge_log(true)
                .panic_hook(true)
                .start()?;
            info!("the service starts");
        }
        assert_eq!(messages(), ["coming_from the service starts"]);
        Ok(())
    });
}

#[test]
fn configuration() {
    use kymo::{Config, Logger};

    in_directory(|| {
        fs::write("kymo.toml", "filter = \"info\"\n")?;

        let config = Config::from_file("kymo.toml")?;
        let logger = Logger::builder("app.kymo")
            .configure(&config)
            .configure(&Config::from_env()?)
            .start()?;

        assert_eq!(logger.filter().to_string(), "info");
        Ok(())
    });
}

struct Order {
    id: u64,
}

#[derive(Debug)]
enum Venue {
    Xetra,
}

#[test]
fn statements() {
    use kymo::{debug, info, warn};

    in_directory(|| {
        let logger = kymo::Logger::builder("app.kymo").start()?;
        let (order, px, venue) = (Order { id: 7 }, 101.25, Venue::Xetra);
        let secret = [0_u8; 3];

        info!("order {} filled at {px:.2}", order.id);
        info!(order.id, px, ?venue; "filled");
        info!("order {id} filled at {px}", id = order.id);
        warn!(target: "risk", "limit {limit} exceeded by {px}", limit = 100);
        debug!("venue {:?}", kymo::as_debug(&venue));
        if kymo::enabled!(Debug) {
            debug!("checksum {}", secret.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }

        for tick in 0..2_000 {
            warn!(every_n: 1000; "tick {tick} is late");
        }

        logger.shutdown();
        assert_eq!(
            messages(),
            [
                "coming_from order 7 filled at 101.25",
                "coming_from filled order.id=7 px=101.25 venue=Xetra",
                "coming_from order 7 filled at 101.25",
                "risk limit 100 exceeded by 101.25",
                "coming_from venue Xetra",
                "coming_from checksum 0",
                "coming_from tick 0 is late",
                "coming_from tick 1000 is late (suppressed 999)",
                "coming_from tick {tick} is late (suppressed 999)",
            ]
        );
        Ok(())
    });
}

#[test]
fn spans() {
    use kymo::Logger;

    in_directory(|| {
        let logger = Logger::builder("app.kymo").bridge_tracing(true).start()?;
        tracing::info_span!("request", id = 7).in_scope(|| {
            tracing::info!(order = 8, "paid");
        });

        logger.shutdown();
        let found = messages();
        assert!(found.iter().any(|it| it == "coming_from paid order=8"), "{found:?}");
        Ok(())
    });
}

#[test]
fn filters() {
    use std::time::Duration;

    use kymo::Logger;

    in_directory(|| {
        let logger =
            Logger::builder("app.kymo").filter("info,shop::payment=trace,hyper=off").start()?;
        logger.set_filter("warn,shop=debug".parse()?);
        // For five minutes; then the one before is in force again.
        logger.set_filter_for("trace".parse()?, Duration::from_secs(300));

        assert_eq!(logger.filter().to_string(), "trace");
        Ok(())
    });
}

#[test]
fn console() {
    use kymo::console::Format;
    use kymo::{Console, Level, Logger};

    in_directory(|| {
        let logger = Logger::builder("app.kymo").console(Level::Info).start()?;

        drop(logger);

        let json = Console::at(Level::Debug).format(Format::Json);
        let builder = Logger::builder("app.kymo").console(json);

        drop(builder.start()?);
        Ok(())
    });
}

#[test]
fn errors() {
    use kymo::{Logger, error};

    in_directory(|| {
        let logger = Logger::builder("app.kymo").panic_hook(true).start()?;

        if let Err(err) = std::fs::read("no.toml") {
            error!("no configuration: {err}", err = kymo::as_error(&err));
        }

        logger.shutdown();
        assert_eq!(
            messages(),
            ["coming_from no configuration: No such file or directory (os error 2)"]
        );
        Ok(())
    });
}

#[test]
fn rotation() {
    use std::time::Duration;

    use kymo::{Keep, Logger, Rotation, Zone};

    in_directory(|| {
        let midnight = Rotation::daily_at("00:00", Zone::local()?);
        let logger = Logger::builder("logs/app.kymo")
            .make_directory(true)
            .rotate(Rotation::size(256 << 20).or(midnight))
            .keep(Keep::bytes(8 << 30).files(100).age(Duration::from_secs(7 * 86_400)))
            .compress(true)
            .start()?;

        kymo::info!("in the first segment");
        logger.rotate()?;
        assert_eq!(logger.stats().segments, 2);
        Ok(())
    });
}

#[test]
fn full_queue() {
    use std::time::Duration;

    use kymo::{Level, Logger, Overflow};

    in_directory(|| {
        let logger = Logger::builder("app.kymo")
            .ring_capacity(4 << 20)
            .overflow(Overflow::Wait { timeout: Some(Duration::from_millis(10)) })
            .overflow_at(Level::Debug, Overflow::DropNewest)
            .on_notice(|notice| eprintln!("log: {notice}"))
            .start()?;
        let dropped = logger.stats().total.dropped();

        assert_eq!(dropped, 0);
        Ok(())
    });
}

#[test]
fn flushing() {
    use std::time::Duration;

    use kymo::{Level, Logger};

    in_directory(|| {
        let logger = Logger::builder("app.kymo")
            .write_through(Level::Error)
            .drain_on_termination(Duration::from_secs(2))
            .drain_on_crash(Duration::from_secs(1))
            .start()?;
        kymo::flush();
        let report = logger.shutdown();

        assert_eq!(report.dropped, 0);
        Ok(())
    });
}

#[test]
fn recorder() {
    use std::time::Duration;

    use kymo::{Level, Logger, debug, error};

    in_directory(|| {
        let logger = Logger::builder("app.kymo")
            .flight_recorder(Level::Debug, 1 << 20)
            .dump_at(Level::Error, Duration::from_millis(100))
            .start()?;
        debug!("only in memory, until");
        error!("something fails");

        logger.flush();
        logger.shutdown();
        assert_eq!(messages().len(), 2);
        Ok(())
    });
}

#[test]
fn processes() {
    use kymo::Logger;

    in_directory(|| {
        let logger = Logger::builder("logs").join("worker").make_directory(true).start()?;

        assert!(logger.path().ends_with("logs/worker.kymo"));
        Ok(())
    });
}

#[test]
fn reading() {
    use kymo_reader::Reader;

    in_directory(|| {
        let logger = kymo::Logger::builder("app.kymo").start()?;
        kymo::info!(target: "shop", "paid {amount} by {user}", amount = 3.5, user = "ann");
        logger.shutdown();
        let mut sum = 0.0;

        let mut reader = Reader::open("app.kymo")?;
        while let Some(record) = reader.next_record()? {
            if record.target() == "shop" {
                sum += record.get::<f64>("amount")?;
            }
        }

        assert_eq!(sum, 3.5);
        Ok(())
    });
}

/// In a process of its own: the logger of tests stays.
#[test]
fn testing() {
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(program);
    let status = command.args(["--ignored", "--exact", "limits_are_watched"]).status().unwrap();
    assert!(status.success());
}

fn check(px: f64) {
    if px > 100.0 {
        kymo::warn!(target: "risk", "limit exceeded at {px}");
    }
}

#[test]
#[ignore = "run by another test"]
fn limits_are_watched() {
    let log = kymo::testing::capture();
    check(101.25);
    std::thread::spawn(log.wrap(|| check(99.0))).join().unwrap();
    log.assert_contains(r#"level == warn and target == "risk" and px > 100"#);
    log.assert_not_contains("px < 100");
}

/// What a library does.
mod library {
    pub fn pay(order: u64, amount: f64) {
        log::info!(target: "shop::payment", order, amount; "paid");
    }
}

#[test]
fn libraries() {
    in_directory(|| {
        let logger = kymo::Logger::builder("app.kymo").bridge_log(true).start()?;
        library::pay(7, 3.5);
        logger.shutdown();
        assert_eq!(messages(), ["shop::payment paid order=7 amount=3.5"]);
        Ok(())
    });
}

/// The Rust snippets of the page.
fn snippets(page: &str) -> Vec<String> {
    let mut parts = page.split("```rust\n").skip(1);
    let mut snippets = Vec::new();
    for part in &mut parts {
        snippets.push(part.split("```").next().unwrap().to_owned());
    }
    snippets
}

#[test]
fn each_snippet_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/coming-from.md")).unwrap();
    let file: PathBuf = root.join("tests/coming_from.rs");
    // However they are broken into lines.
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let here = squeeze(&fs::read_to_string(file).unwrap());
    let snippets = snippets(&page);
    assert!(snippets.len() >= 12, "{}", snippets.len());
    for snippet in snippets {
        assert!(here.contains(&squeeze(&snippet)), "not run: {snippet}");
    }
}
