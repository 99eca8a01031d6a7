//! Records of the crate `log` that come through `tracing`, as tracing-log sends them.

use std::path::PathBuf;
use std::sync::Once;

use kymo::{Level, Logger};
use kymo_testing::bridged::{Found, Log, records};
use tracing_subscriber::prelude::*;

struct Scene(Log);

impl Scene {
    fn new() -> Self {
        static TRACER: Once = Once::new();
        let log = Log::new();
        // It sets `log::max_level` to all; the subscriber is asked for each record.
        TRACER.call_once(|| tracing_log::LogTracer::init().unwrap());
        Self(log)
    }

    fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// Logs in a scope whose subscriber has kymo's layer, and returns what is in the log.
    fn run(&self, filter: &str, log: impl FnOnce(&Logger)) -> Vec<Found> {
        let logger = Logger::builder(self.path()).filter(filter).start().unwrap();
        let stack = tracing_subscriber::registry().with(kymo::bridge::tracing::layer());
        tracing::subscriber::with_default(stack, || log(&logger));
        logger.shutdown();
        records(&self.path())
    }
}

fn texts(found: Vec<Found>) -> Vec<String> {
    found
        .into_iter()
        .map(|found| format!("{}: {}{}", found.target, found.spans, found.message))
        .collect()
}

#[test]
fn a_record_has_its_own_place() {
    let scene = Scene::new();
    let line = line!() + 3;
    let log = |_: &Logger| {
        for n in 0..2 {
            log::warn!(target: "mylib::net", "number {n}");
            log::error!("{{braces}}");
        }
        // A record without a place.
        let mut record = log::Record::builder();
        let record = record.target("bare").level(log::Level::Debug);
        log::logger().log(&record.args(format_args!("no place")).build());
    };
    let found = scene.run("trace", log);
    let own = |level, target: &str, line, text: &str| Found {
        level,
        target: target.into(),
        module: module_path!().into(),
        file: file!().into(),
        line,
        spans: String::new(),
        message: text.into(),
        fields: Vec::new(),
        cut: false,
    };
    let line = u64::from(line);
    let bare = Found {
        module: String::new(),
        file: String::new(),
        ..own(Level::Debug, "bare", 0, "no place")
    };
    let expected = [
        own(Level::Warn, "mylib::net", line, "number 0"),
        own(Level::Error, module_path!(), line + 1, "{braces}"),
        own(Level::Warn, "mylib::net", line, "number 1"),
        own(Level::Error, module_path!(), line + 1, "{braces}"),
        bare,
    ];
    assert_eq!(found, expected);
}

/// By the target of the record, and not by that of the event.
#[test]
fn the_filter_is_followed() {
    let scene = Scene::new();
    let say = |round: u32| {
        log::info!(target: "mylib", "{round}");
        log::debug!(target: "mylib", "{round}");
        log::info!(target: "otherlib", "{round}");
        log::info!(target: "log", "{round}");
        tracing::info!(target: "mylib", "{round} traced");
        tracing::info!(target: "log", "{round} traced");
    };
    let found = scene.run("off,mylib=info", |logger| {
        say(1);
        logger.set_filter("trace,mylib=off,log=off".parse().unwrap());
        say(2);
        logger.set_filter("off".parse().unwrap());
        say(3);
        logger.set_filter("off,log=info".parse().unwrap());
        say(4);
        logger.set_filter("debug".parse().unwrap());
        say(5);
    });
    let expected = [
        "mylib: 1",
        "mylib: 1 traced",
        "otherlib: 2",
        "log: 4",
        "log: 4 traced",
        "mylib: 5",
        "mylib: 5",
        "otherlib: 5",
        "log: 5",
        "mylib: 5 traced",
        "log: 5 traced",
    ];
    assert_eq!(texts(found), expected);
}

#[test]
fn a_record_is_in_its_span() {
    let scene = Scene::new();
    let found = scene.run("info", |_| {
        tracing::info_span!("request", id = 7).in_scope(|| log::info!(target: "mylib", "within"));
        log::info!(target: "mylib", "without");
    });
    assert_eq!(texts(found), ["mylib: request{id=7}: within", "mylib: without"]);
}

/// A long message is whole, and a target that is too long for a call site is an argument.
#[test]
fn long_texts_are_logged() {
    let scene = Scene::new();
    let (message, target) = ("m".repeat(3000), "t".repeat(5000));
    let before = kymo::bridge::tracing::crowded();
    let found = scene.run("info", |_| {
        log::info!(target: "mylib", "{message}");
        log::info!(target: &target, "crowded");
    });
    assert_eq!(kymo::bridge::tracing::crowded() - before, 1);
    let texts = texts(found);
    assert_eq!(texts[0], format!("mylib: {message}"));
    assert!(
        texts[1].starts_with(&format!("tracing: crowded target={target} module=log_tracer file="))
    );
    assert!(!texts[1].contains("log.target"), "{}", texts[1]);
    assert_eq!(texts.len(), 2);
}

/// A subscriber of a scope takes them as well.
#[test]
fn the_subscriber_takes_them() {
    let scene = Scene::new();
    let logger = Logger::builder(scene.path()).filter("off,mylib=info").start().unwrap();
    tracing::subscriber::with_default(kymo::bridge::tracing::Subscriber::new(), || {
        log::info!(target: "mylib", "taken");
        log::info!(target: "otherlib", "left out");
    });
    logger.shutdown();
    assert_eq!(texts(records(&scene.path())), ["mylib: taken"]);
}

/// Without a logger, they are counted.
#[test]
fn nothing_is_lost_silently() {
    let _scene = Scene::new();
    let stack = tracing_subscriber::registry().with(kymo::bridge::tracing::layer());
    tracing::subscriber::with_default(stack, || {
        let before = kymo::unlogged();
        log::info!(target: "mylib", "nobody listens");
        assert_eq!(kymo::unlogged() - before, 1);
    });
}
