//! What is traced through `tracing` is in kymo's file: each value, wherever it comes from.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use kymo::bridge::tracing::{Subscriber, crowded};
use kymo::{Level, Logger, Notice};
use kymo_testing::bridged::{Log, records};
use proptest::prelude::*;
use tracing::level_filters::LevelFilter;

#[derive(Debug)]
struct Order {
    #[allow(dead_code, reason = "read by `Debug`")]
    id: u64,
}

/// An error with causes.
#[derive(Debug)]
struct Failure(&'static str, Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|it| it as _)
    }
}

/// Each kind of value keeps its type; the others are text.
#[test]
fn each_kind_of_value_is_logged() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    let failure = Failure("cannot start", Some(Box::new(Failure("no file", None))));
    let error: &(dyn std::error::Error + 'static) = &failure;
    let (owned, bytes, px) = (String::from("ann b"), [1_u8, 255].as_slice(), 1.5_f64);
    tracing::info!(
        a = 1_u8, b = -2_i32, c = u64::MAX, d = i64::MIN, px, f = true, g = ?'ä', h = "text",
        owned, j = u128::MAX, k = i128::MIN, l = None::<u64>, m = ?Order { id: 7 }, n = %failure,
        o = Some(3_u64), p = "", q = f32::MAX, r = bytes, s = error, t = tracing::field::Empty,
        "order {}", 7
    );
    tracing::warn!(end = "string", "constant {{}}");
    tracing::warn!("no value");
    tracing::warn!(only = 1, fields = "two");
    logger.shutdown();
    let found = log.records();
    let expected = [
        "1",
        "-2",
        "18446744073709551615",
        "-9223372036854775808",
        "1.5",
        "true",
        "\"'ä'\"",
        "\"text\"",
        "\"ann b\"",
        "340282366920938463463374607431768211455",
        "-170141183460469231731687303715884105728",
        "\"Order { id: 7 }\"",
        "\"cannot start\"",
        "3",
        "\"\"",
    ];
    assert_eq!(found[0].json()[..15], expected);
    assert_eq!(found[0].json()[15].parse::<f64>().unwrap(), f64::from(f32::MAX));
    assert_eq!(found[0].json()[16..], ["[1,255]", "\"cannot start: no file\""]);
    assert!(
        found[0].message.starts_with(
            "order 7 a=1 b=-2 c=18446744073709551615 d=-9223372036854775808 px=1.5 f=true g=\"'ä'\" h=text owned=\"ann b\" j="
        ),
        "{}",
        found[0].message
    );
    assert_eq!(found[1].message, "constant {} end=string");
    assert_eq!(found[2].message, "no value");
    assert_eq!(found[3].message, "only=1 fields=two");
}

/// Level, target and place are those of the statement.
#[test]
fn a_statement_has_its_place() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    let line = u64::from(line!()) + 1;
    tracing::trace!(target: "own", n = 1, "one");
    tracing::debug!("two");
    tracing::info!("three");
    tracing::warn!("four");
    tracing::error!("five");
    logger.shutdown();
    let found = log.records();
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
    assert_eq!(found.iter().map(|it| it.level).collect::<Vec<_>>(), levels);
    for (at, found) in found.iter().enumerate() {
        assert_eq!(found.target, if at == 0 { "own" } else { module_path!() });
        assert_eq!((&*found.module, &*found.file), (module_path!(), file!()));
        assert_eq!(found.line, line + at as u64);
    }
}

/// What `tracing` keeps follows the filter, also when it goes back.
#[test]
fn the_filter_is_followed() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).filter("warn").start().unwrap();
    let at_debug = || tracing::enabled!(target: "x", tracing::Level::DEBUG);
    assert_eq!(LevelFilter::current(), LevelFilter::WARN);
    logger.set_filter("off".parse().unwrap());
    assert_eq!(LevelFilter::current(), LevelFilter::OFF);
    tracing::error!("never");
    logger.set_filter("info,net=trace,io=off".parse().unwrap());
    assert_eq!(LevelFilter::current(), LevelFilter::TRACE);
    assert!(tracing::enabled!(target: "net::http", tracing::Level::TRACE));
    assert!(!tracing::enabled!(target: "network", tracing::Level::DEBUG));
    let say = || {
        tracing::trace!(target: "net", "net");
        tracing::trace!(target: "other", "other");
        tracing::error!(target: "io", "io");
    };
    say();
    logger.set_filter("off,io=error".parse().unwrap());
    say();
    logger.set_max_level(Level::Error);
    assert_eq!(LevelFilter::current(), LevelFilter::ERROR);
    logger.set_max_level(Level::Trace);
    logger.set_filter("info".parse().unwrap());
    say();
    assert!(!at_debug());
    logger.set_filter_for("debug".parse().unwrap(), Duration::from_secs(10_000));
    assert!(at_debug());
    logger.set_filter_for("trace".parse().unwrap(), Duration::ZERO);
    while LevelFilter::current() != LevelFilter::INFO {
        thread::yield_now();
    }
    while at_debug() {
        thread::yield_now();
    }
    logger.shutdown();
    // Everything passes, to be counted.
    assert_eq!(LevelFilter::current(), LevelFilter::TRACE);
    let before = kymo::unlogged();
    tracing::trace!("nobody listens");
    assert_eq!(kymo::unlogged(), before + 1);
    assert_eq!(log.messages(), ["net", "io", "io"]);
}

/// A statement that is not logged does not evaluate its arguments.
#[test]
fn a_disabled_statement_evaluates_nothing() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).filter("info,quiet=off").start().unwrap();
    let never = || -> u64 { panic!("evaluated") };
    for _ in 0..2 {
        tracing::debug!(value = never(), "at a level that is off");
        tracing::error!(target: "quiet::inside", value = never(), "of a target that is off");
    }
    assert_eq!(logger.shutdown().written, 0);
}

/// A change of the filter while another subscriber logs, and changes the filter, when it is asked anew.
#[test]
fn another_subscriber_logs_when_it_is_asked() {
    struct Other(&'static Logger);
    impl tracing::Subscriber for Other {
        fn register_callsite(
            &self,
            metadata: &'static tracing::Metadata<'static>,
        ) -> tracing::subscriber::Interest {
            kymo::info!(target: "other", "asked of {}", metadata.target());
            if metadata.target() == "turn" {
                let filter = if self.0.filter().to_string() == "info" { "debug" } else { "info" };
                // Once there and back: not for ever.
                if !std::mem::replace(&mut *ASKED.lock().unwrap(), true) {
                    self.0.set_filter(filter.parse().unwrap());
                }
            }
            tracing::subscriber::Interest::sometimes()
        }
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            kymo::info!(target: "other", "event of {}", event.metadata().target());
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    static ASKED: Mutex<bool> = Mutex::new(true);
    let log = Log::new();
    let logger: &'static Logger =
        Box::leak(Box::new(log.builder().bridge_tracing(true).filter("info").start().unwrap()));
    let other = tracing::Dispatch::new(Other(logger));
    tracing::dispatcher::with_default(&other, || tracing::info!(target: "turn", "to the other"));
    *ASKED.lock().unwrap() = false;
    logger.set_filter("warn".parse().unwrap());
    assert!(*ASKED.lock().unwrap());
    tracing::debug!(target: "in between", "not logged");
    logger.set_filter("trace".parse().unwrap());
    tracing::info!(target: "turn", "to kymo");
    kymo::flush();
    assert!(log.messages().contains(&"to kymo".to_owned()));
    assert!(log.messages().contains(&"event of turn".to_owned()));
    drop(other);
    // The logger is in no static: its end is here.
    logger.set_filter("off".parse().unwrap());
    // SAFETY: leaked above, and no other reference is used any more.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(logger).cast_mut()) });
}

/// A subscriber of a scope, beside others.
#[test]
fn a_scope_has_its_own_subscriber() {
    let log = Log::new();
    let logger = Logger::builder(log.path()).filter("info").start().unwrap();
    let inside = |text: &str| {
        tracing::subscriber::with_default(Subscriber::new(), || tracing::info!("{text}"));
    };
    inside("first");
    thread::scope(|scope| {
        scope.spawn(|| {
            tracing::subscriber::with_default(Subscriber::new(), || {
                // From a thread that has no subscriber of its own.
                thread::scope(|scope| {
                    scope.spawn(|| logger.set_filter("debug".parse().unwrap()));
                });
                tracing::debug!("second");
            });
        });
    });
    inside("third");
    logger.shutdown();
    let mut messages = log.messages();
    messages.sort();
    assert_eq!(messages, ["first", "second", "third"]);
}

/// Many threads log by the same statements, with fields and types that alternate.
#[test]
fn threads_log_at_once() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    const EACH: u64 = 3_000;
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for n in 0..EACH {
                    let value: &dyn tracing::Value = if n % 2 == 0 { &n } else { &"odd" };
                    let third = (n % 3 == 0).then_some(n);
                    tracing::info!(thread, n, value, third, "step {n}");
                }
            });
        }
    });
    logger.shutdown();
    let found = log.records();
    assert_eq!(found.len() as u64, 4 * EACH);
    for thread in 0..4 {
        let own = found.iter().filter(|found| found.field("thread") == thread.to_string());
        for (n, found) in own.enumerate() {
            let value = if n % 2 == 0 { n.to_string() } else { "odd".to_owned() };
            let third = if n % 3 == 0 { format!(" third={n}") } else { String::new() };
            assert_eq!(
                found.message,
                format!("step {n} thread={thread} n={n} value={value}{third}")
            );
        }
    }
}

/// A message that does not fit is cut, and marked; the values are whole, and so are the records around it.
#[test]
fn a_long_message_is_cut() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).ring_capacity(64 << 10).start().unwrap();
    let long = "ä".repeat(50_000);
    let fits = "x".repeat(5_000);
    tracing::info!(n = 1, "before");
    tracing::info!(id = 7, name = "ann", "{long}!");
    tracing::info!(text = long.as_str(), id = 8, "short {}", 1);
    tracing::info!(id = 9, text = %long, "x");
    let many = &fits.as_bytes()[..1_500];
    tracing::info!(a = %fits, b = 1, c = fits, d = 2.5, bytes = many, "{fits}");
    tracing::info!(n = 2, "after");
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (6, 0));
    let found = log.records();
    let cut: Vec<_> = found.iter().map(|it| it.cut).collect();
    assert_eq!(cut, [false, true, true, true, false, false]);
    let message = found[1].message.strip_suffix(" id=7 name=ann").unwrap();
    assert!(message.len() > 10_000 && long.starts_with(message.strip_suffix('…').unwrap()));
    assert!(found[2].message.starts_with("short 1 text=") && found[2].message.ends_with(" id=8"));
    assert!(found[2].field("text").len() > 10_000);
    assert!(found[3].message.starts_with("x id=9 text="));
    let bytes = format!("{many:?}");
    assert!(found[4].message.starts_with(&format!("{fits} a={fits} b=1 c={fits} d=2.5 bytes=")));
    assert_eq!(found[4].field("bytes"), bytes);
    assert_eq!((&*found[5].message, &*found[0].message), ("after n=2", "before n=1"));
}

/// A value that logs while it is formatted leaves both records whole.
#[test]
fn a_debug_that_logs_is_logged() {
    struct Nested;
    impl fmt::Debug for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("out")?;
            f.write_str(&"u".repeat(2_000))?;
            let long = "i".repeat(3_000);
            tracing::info!(n = %5, text = ?"in", "inner {long}");
            f.write_str("er")
        }
    }
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    tracing::info!(first = %"a", second = ?Nested, third = %"b", "message {}", 2);
    logger.shutdown();
    let inner = format!("inner {} n=5 text=\"\\\"in\\\"\"", "i".repeat(3_000));
    let outer = format!("message 2 first=a second=out{}er third=b", "u".repeat(2_000));
    assert_eq!(log.messages(), [inner, outer]);
}

/// A value whose `Debug` panics takes its record with it, and nothing else.
#[test]
fn a_debug_that_panics_leaves_the_others_whole() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&"p".repeat(2_000))?;
            panic!("a value that cannot be shown")
        }
    }
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    let long = "l".repeat(2_000);
    for n in 0..3 {
        let panics = || tracing::info!(a = %long, b = ?Panics, "never");
        assert!(std::panic::catch_unwind(panics).is_err());
        tracing::info!(n, text = %long, "after");
    }
    logger.shutdown();
    let expected = [0, 1, 2].map(|n| format!("after n={n} text={long}"));
    assert_eq!(log.messages(), expected);
}

/// A hook of the logger may log through `tracing`; nothing recurses or waits.
#[test]
fn a_hook_logs() {
    let log = Log::new();
    let hook = |notice: &Notice<'_>| tracing::warn!(target: "hook", "{notice}");
    let builder = log
        .builder()
        .bridge_tracing(true)
        .ring_capacity(4 << 10)
        .overflow(kymo::Overflow::DropNewest);
    let logger = builder.on_notice(hook).start().unwrap();
    for n in 0..20_000 {
        tracing::info!(n, "step");
    }
    let report = logger.shutdown();
    let logged = log.records().iter().filter(|found| found.target != "hook").count() as u64;
    assert!(logged + report.dropped >= 20_000, "{logged} {report:?}");
    assert!(logged <= 20_000);
}

#[derive(Clone, Debug)]
enum Kind {
    None,
    Bool(bool),
    U64(u64),
    I64(i64),
    F64(f64),
    U128(u128),
    I128(i128),
    Str(String),
    Bytes(Vec<u8>),
    Debug(String),
}

impl Kind {
    /// What the field shows; nothing if it is not there.
    fn text(&self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Bool(value) => value.to_string(),
            Self::U64(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::F64(value) => value.to_string(),
            Self::U128(value) => value.to_string(),
            Self::I128(value) => value.to_string(),
            Self::Str(value) => value.clone(),
            Self::Bytes(value) => format!("{value:?}"),
            Self::Debug(value) => format!("{value:?}"),
        })
    }

    fn with(&self, log: &mut dyn FnMut(&dyn tracing::Value)) {
        match self {
            Self::None => log(&None::<u64>),
            Self::Bool(value) => log(value),
            Self::U64(value) => log(value),
            Self::I64(value) => log(value),
            Self::F64(value) => log(value),
            Self::U128(value) => log(value),
            Self::I128(value) => log(value),
            Self::Str(value) => log(value),
            Self::Bytes(value) => log(&value.as_slice()),
            Self::Debug(value) => log(&tracing::field::debug(value)),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::None),
        any::<bool>().prop_map(Kind::Bool),
        any::<u64>().prop_map(Kind::U64),
        any::<i64>().prop_map(Kind::I64),
        any::<f64>().prop_map(Kind::F64),
        any::<u128>().prop_map(Kind::U128),
        any::<i128>().prop_map(Kind::I128),
        ".{0,40}".prop_map(Kind::Str),
        "[a-zä]{900,1200}".prop_map(Kind::Str),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Kind::Bytes),
        ".{0,40}".prop_map(Kind::Debug),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any three values, by one statement.
    #[test]
    fn any_values_are_logged(records in proptest::collection::vec([kind(), kind(), kind()], 1..30)) {
        let log = Log::new();
        let logger = log.builder().bridge_tracing(true).start().unwrap();
        for [a, b, c] in &records {
            a.with(&mut |a| b.with(&mut |b| c.with(&mut |c| tracing::info!(a, b, c, "m {}", 1))));
        }
        let report = logger.shutdown();
        prop_assert_eq!(report.dropped, 0);
        let found = log.records();
        prop_assert_eq!(found.len(), records.len());
        for (found, record) in found.iter().zip(&records) {
            prop_assert!(found.message.starts_with("m 1"));
            // There are more than 16 shapes, and none of them is crowded out.
            prop_assert_eq!(&*found.target, module_path!());
            let expected = ["a", "b", "c"].into_iter().zip(record);
            let expected: Vec<_> = expected.filter_map(|(name, it)| Some((name, it.text()?))).collect();
            let shown = found.fields.iter().map(|(name, value, _)| (name.as_str(), value.clone()));
            prop_assert_eq!(shown.collect::<Vec<_>>(), expected);
        }
    }
}

/// Logs, by one statement, two fields of all types by turns, and returns the JSON of the fields.
fn log_alternating() -> Vec<[String; 2]> {
    let long = "ä".repeat(2_000);
    let kinds = || {
        [
            (Kind::I64(-7), "-7".to_owned()),
            (Kind::Str("a \"b\"".into()), "\"a \\\"b\\\"\"".to_owned()),
            (Kind::F64(0.5), "0.5".to_owned()),
            (Kind::Bool(true), "true".to_owned()),
            (Kind::Debug("Some(1)".into()), "\"\\\"Some(1)\\\"\"".to_owned()),
            (Kind::U128(u128::MAX), u128::MAX.to_string()),
            (Kind::Bytes(vec![0, 255]), "[0,255]".to_owned()),
            (Kind::Str(long.clone()), format!("\"{long}\"")),
        ]
    };
    let mut expected = Vec::new();
    for (a, a_json) in kinds() {
        for (b, b_json) in kinds() {
            a.with(&mut |a| b.with(&mut |b| tracing::info!(a, b, "by turns")));
            expected.push([a_json.clone(), b_json]);
        }
    }
    expected
}

/// Types that alternate at one statement are kept, in spans, too, however many sequences of types there are.
#[test]
fn types_that_alternate_are_kept() {
    let log = Log::new();
    let before = crowded();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    let mut expected = log_alternating();
    let span = tracing::info_span!("within", id = 3);
    expected.extend(span.in_scope(log_alternating));
    drop(span);
    logger.shutdown();
    assert_eq!(crowded(), before);
    let found = log.records();
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.json(), *expected, "{at}");
        assert_eq!((&*found.target, found.cut), (module_path!(), false));
        assert_eq!(found.spans, if at < 64 { "" } else { "within{id=3}: " });
    }
}

/// Expressions compare such a value by its own type.
#[test]
fn expressions_know_types_that_alternate() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("expressions", dir.path());
    assert!(output.status.success(), "{output:?}");
}

/// In a process of its own, whose only logger captures.
fn expressions() {
    kymo::bridge::tracing::init().unwrap();
    let log = kymo::testing::capture();
    log_alternating();
    for (expression, count) in [
        ("a == -7", 8),
        ("a < 0 and b > 0", 2),
        ("a == 'a \"b\"'", 8),
        ("a contains \"ä\"", 8),
        ("a", 8),
        ("a contains 255", 8),
        ("b == 0.5 and a == 0.5", 1),
    ] {
        log.assert_count(count, expression);
    }
}

/// A record that is too long is cut at its texts, and the other values are whole.
#[test]
fn a_record_that_states_its_types_is_cut_at_texts() {
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).start().unwrap();
    log_alternating();
    let texts = ["x".repeat(40_000), "y".repeat(20_000), "z".repeat(900)];
    for text in &texts {
        // The statement has alternated before, for others than the first round.
        for value in [&1_u8 as &dyn tracing::Value, &"a", &2.5, &true, &-1, &u128::MAX] {
            for other in [&1_u8 as &dyn tracing::Value, &2.5, &true, &-1] {
                tracing::info!(value, text = text.as_str(), other, last = 7_u64, "m");
            }
        }
    }
    logger.shutdown();
    let found = &log.records()[64..];
    assert_eq!(found.len(), 3 * 24);
    for (at, found) in found.iter().enumerate() {
        assert_eq!((found.field("last"), found.cut), ("7", at < 24), "{at}");
        let text = found.field("text").trim_end_matches('…');
        assert!(texts[at / 24].starts_with(text) && text.len() >= 900, "{at}");
        let others = ["1", "2.5", "true", "-1"];
        assert_eq!(found.json()[2], others[at % 4], "{at}");
    }
}

/// A child process that runs `scene` of this test.
fn child(scene: &str, dir: &Path) -> std::process::Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--ignored", "--nocapture"]);
    command.env("KYMO_TEST_SCENE", scene).current_dir(dir).output().unwrap()
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn child_process() {
    match std::env::var("KYMO_TEST_SCENE").as_deref() {
        Ok("taken") => taken(),
        Ok("shapes") => shapes(),
        Ok("expressions") => expressions(),
        Ok("killed") => killed(),
        _ => {}
    }
}

/// Another subscriber was there first.
fn taken() {
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new()).unwrap();
    let error = Logger::builder("app.kymo").bridge_tracing(true).start().unwrap_err();
    assert!(matches!(error.kind(), kymo::StartErrorKind::BridgeTracing(_)), "{error:?}");
    assert!(error.to_string().starts_with("bridge_tracing: tracing already has a subscriber: "));
    assert!(!Path::new("app.kymo").exists());
    assert!(kymo::bridge::tracing::init().is_err());
    Logger::builder("app.kymo").start().unwrap().shutdown();
}

#[test]
fn another_subscriber_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("taken", dir.path());
    assert!(output.status.success(), "{output:?}");
}

/// One statement with more shapes than it can have call sites.
fn shapes() {
    let logger = Logger::builder("app.kymo").bridge_tracing(true).start().unwrap();
    for n in 0..64_u64 {
        let at = |bit: u64| (n >> bit & 1 == 1).then_some(n);
        tracing::warn!(a = at(0), b = at(1), c = at(2), d = at(3), e = at(4), f = at(5), "of {n}");
    }
    // 16 with known types, and 16 that state them.
    assert_eq!(crowded(), 64 - 32);
    assert_eq!(logger.shutdown().written, 64);
}

/// Logs what states its types, and is gone before it is all in the file.
fn killed() {
    std::fs::create_dir("rings").unwrap();
    let logger = Logger::builder("app.kymo").bridge_tracing(true).crash_proof("rings").start();
    std::mem::forget(logger.unwrap());
    log_alternating();
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        .unwrap();
}

/// What a killed process had in its rings states its types, too.
#[test]
fn values_that_state_their_types_are_recovered() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!child("killed", dir.path()).status.success());
    let path = dir.path().join("app.kymo");
    let recovery = kymo::recover(&path).unwrap();
    assert!(recovery.damage.is_empty() && recovery.refused.is_empty(), "{recovery:?}");
    let mut found = records(&path);
    if let Some(recovered) = &recovery.file {
        found.extend(records(recovered));
    }
    // What the child expected.
    let _turn = Log::new();
    let expected = log_alternating();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.json(), *expected);
    }
}

/// Fields that come and go are bounded, and none of their records is lost.
#[test]
fn shapes_of_a_statement_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("shapes", dir.path());
    assert!(output.status.success(), "{output:?}");
    let found = records(&dir.path().join("app.kymo"));
    for (n, found) in found.iter().enumerate() {
        let fields = ["a", "b", "c", "d", "e", "f"].into_iter().enumerate();
        let fields = fields.filter(|(bit, _)| n >> bit & 1 == 1);
        let fields = fields.map(|(_, name)| format!("{name}={n}")).collect::<Vec<_>>().join(" ");
        if n < 32 {
            assert_eq!(found.message, format!("of {n} {fields}").trim_end());
        } else {
            assert_eq!((&*found.target, found.level), ("tracing", Level::Warn));
            assert_eq!(found.field("target"), module_path!());
            assert_eq!(found.field("fields"), fields);
            assert!(found.message.starts_with(&format!("of {n} target=bridge_tracing module=")));
        }
    }
}

/// With all in one line, as in a macro that has both. `examples/frameworks` tests the feature `log` of `tracing`.
#[test]
fn statements_of_log_in_the_line_of_an_event_are_logged() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a value that cannot be shown")
        }
    }

    macro_rules! both {
        ($n:expr) => {
            tracing::info!("event {}", $n);
            log::info!("by log {}", $n);
            let panics = || tracing::info!(a = ?Panics, "never");
            assert!(std::panic::catch_unwind(panics).is_err());
            log::info!("after it {}", $n);
            log::info!(target: "tracing::span", "of a span {}", $n);
        };
    }
    let log = Log::new();
    let logger = log.builder().bridge_tracing(true).bridge_log(true).start().unwrap();
    (0..3).for_each(|n| {
        both!(n);
    });
    logger.shutdown();
    let each = |n| ["event", "by log", "after it", "of a span"].map(|text| format!("{text} {n}"));
    assert_eq!(log.messages(), [each(0), each(1), each(2)].concat());
}
