//! What is logged through the crate `log` is in kymo's file: each value, wherever it comes from.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kymo::bridge::log::crowded;
use kymo::{Level, Logger, Notice};
use kymo_testing::bridged::{Log, records};
use log::kv::{self, Key, ToValue, VisitSource};
use log::{LevelFilter, RecordBuilder};
use proptest::prelude::*;

#[derive(Debug)]
struct Order {
    #[allow(dead_code, reason = "read by `Debug`")]
    id: u64,
}

/// Each kind of value keeps its type; the others are text.
#[test]
fn each_kind_of_value_is_logged() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    let (none, error) = (None::<u64>, std::io::Error::other("no room"));
    let owned = String::from("ann b");
    log::info!(
        a = 1_u8, b = -2_i32, c = u64::MAX, d = i64::MIN, e = 1.5_f64, f = true, g = 'ä',
        h = "text", i = owned.as_str(), j = u128::MAX, k = i128::MIN, l = none, m:? = Order { id: 7 },
        n:% = error, o = Some(3_u64), p = "", q = f32::MAX;
        "order {}", 7
    );
    log::warn!(end = "string"; "constant {{}}");
    log::warn!("no value");
    logger.shutdown();
    let found = log.records();
    let values: Vec<_> = found[0].fields.iter().map(|field| field.2.as_str()).collect();
    let expected = [
        "1",
        "-2",
        "18446744073709551615",
        "-9223372036854775808",
        "1.5",
        "true",
        "\"ä\"",
        "\"text\"",
        "\"ann b\"",
        "340282366920938463463374607431768211455",
        "-170141183460469231731687303715884105728",
        "null",
        "\"Order { id: 7 }\"",
        "\"no room\"",
        "3",
        "\"\"",
    ];
    assert_eq!(values[..16], expected);
    assert_eq!(values[16].parse::<f64>().unwrap(), f64::from(f32::MAX));
    assert!(found[0].message.starts_with(
        "order 7 a=1 b=-2 c=18446744073709551615 d=-9223372036854775808 e=1.5 f=true g=\"ä\" h=text i=\"ann b\" j="
    ));
    assert!(found[0].message.contains(" l=None m=\"Order { id: 7 }\" n=\"no room\" o=3 p=\"\" q="));
    assert_eq!(found[1].message, "constant {} end=string");
    assert_eq!(found[2].message, "no value");
}

/// An error that was caused by another one, or by itself.
#[derive(Debug)]
struct Caused(Option<std::io::Error>);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no order")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref().map_or(self, |error| error as _))
    }
}

/// An error is logged with its causes, by any path that a key-value takes.
#[test]
fn an_error_has_its_causes() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    let error = Caused(Some(std::io::Error::other("no room")));
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(Caused(None));
    log::warn!(err:err = error; "failed");
    log::warn!(err:err = *boxed; "failed");
    let many = (0..70).map(|key| (format!("k{key}"), &error as &(dyn std::error::Error + 'static)));
    let many: Vec<_> = many.collect();
    let pairs: Vec<(&str, kv::Value<'_>)> =
        many.iter().map(|(key, error)| (&**key, kv::Value::from_dyn_error(*error))).collect();
    let record = RecordBuilder::new().args(format_args!("many")).key_values(&pairs).build();
    log::logger().log(&record);
    logger.shutdown();
    let found = log.records();
    assert_eq!(found[0].field("err"), "no order: no room");
    assert_eq!(found[0].message, "failed err=\"no order: no room\"");
    assert_eq!(found[1].field("err"), format!("{}: …", ["no order"; 33].join(": ")));
    assert_eq!(found[2].field("k5"), "no order: no room");
    assert!(found[2].field("more").contains("k69=no order: no room"), "{:?}", found[2]);
}

/// Level, target and place are those of the statement.
#[test]
fn a_statement_has_its_place() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    let line = line!() + 1;
    let log_all = |level, target: &str| log::log!(target: target, level, n = 1; "at {level}");
    let made_up = format!("made::{}", "up");
    for level in log::Level::iter() {
        log_all(level, "static");
        log_all(level, &made_up);
    }
    log::info!("here");
    // No module, no file, no line.
    log::logger().log(&RecordBuilder::new().args(format_args!("from nowhere")).build());
    logger.shutdown();
    let found = log.records();
    let expected = log::Level::iter().flat_map(|level| [(level, "static"), (level, &made_up)]);
    for (found, (level, target)) in found.iter().zip(expected) {
        assert_eq!(found.level as usize, level as usize);
        assert_eq!(found.target, target);
        assert_eq!(found.message, format!("at {level} n=1"));
        assert_eq!((&*found.module, &*found.file), (module_path!(), file!()));
        assert_eq!(found.line, u64::from(line));
    }
    let [here, nowhere] = &found[10..] else { panic!("{found:?}") };
    assert_eq!((&*here.message, &*here.target), ("here", module_path!()));
    assert_eq!((&*nowhere.message, &*nowhere.target), ("from nowhere", ""));
    assert_eq!((&*nowhere.module, &*nowhere.file, nowhere.line), ("", "", 0));
}

/// `log::max_level` and the answers by target follow the filter, also when it goes back.
#[test]
fn the_filter_is_followed() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).filter("warn").start().unwrap();
    let enabled = |level, target| {
        let asked = log::Metadata::builder().level(level).target(target).build();
        log::logger().enabled(&asked)
    };
    assert_eq!(log::max_level(), LevelFilter::Warn);
    logger.set_filter("off".parse().unwrap());
    assert_eq!(log::max_level(), LevelFilter::Off);
    logger.set_filter("info,net=trace,io=off".parse().unwrap());
    assert_eq!(log::max_level(), LevelFilter::Trace);
    assert!(enabled(log::Level::Trace, "net::http") && !enabled(log::Level::Debug, "network"));
    assert!(!enabled(log::Level::Error, "io") && enabled(log::Level::Info, "network"));
    log::trace!(target: "net", "net");
    log::trace!(target: "other", "never");
    log::error!(target: "io", "never");
    // Whoever does not ask `max_level` is refused, too.
    log::logger().log(&RecordBuilder::new().level(log::Level::Debug).target("x").build());
    logger.set_max_level(Level::Error);
    assert_eq!(log::max_level(), LevelFilter::Error);
    logger.set_max_level(Level::Trace);
    logger.set_filter("info".parse().unwrap());
    logger.set_filter_for("debug".parse().unwrap(), Duration::from_secs(10_000));
    assert_eq!(log::max_level(), LevelFilter::Debug);
    logger.set_filter_for("trace".parse().unwrap(), Duration::ZERO);
    while log::max_level() != LevelFilter::Info {
        thread::yield_now();
    }
    logger.shutdown();
    // Everything passes, to be counted.
    assert_eq!(log::max_level(), LevelFilter::Trace);
    let before = kymo::unlogged();
    log::trace!("nobody listens");
    assert_eq!(kymo::unlogged(), before + 1);
    assert_eq!(log.messages(), ["net"]);
}

#[test]
fn flush_writes_what_the_thread_logged() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    log::info!("first");
    log::logger().flush();
    assert_eq!(log.messages(), ["first"]);
    drop(logger);
}

/// Many threads log by the same statements, with types that alternate.
/// A message that `log` has formatted is not a field as well.
#[test]
fn a_formatted_message_is_no_field() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    // (A literal would be a part of the text, which is not formatted then.)
    let order = std::hint::black_box(7);
    log::info!("order {order}");
    log::info!(id = 8; "order {order}");
    kymo::info!("{}", "native");
    logger.shutdown();
    let mut reader = kymo_reader::Reader::open(log.path()).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut fields = String::new();
        kymo_reader::json::write_fields(&record, &mut fields);
        found.push((record.call_site().has_message_argument(), fields));
    }
    let expected = [(true, "{}"), (true, r#"{"id":8}"#), (false, r#"{"0":"native"}"#)];
    assert_eq!(found, expected.map(|(is_it, fields)| (is_it, fields.to_owned())));
}

#[test]
fn threads_log_at_once() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    const EACH: u64 = 3_000;
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for n in 0..EACH {
                    let value: &dyn ToValue = if n % 2 == 0 { &n } else { &"odd" };
                    let value = value.to_value();
                    log::info!(target: ["a", "b", "c"][n as usize % 3], thread, n, value; "step {n}");
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
            assert_eq!(found.target, ["a", "b", "c"][n % 3]);
            assert_eq!(found.message, format!("step {n} thread={thread} n={n} value={value}"));
        }
    }
}

/// A message that does not fit is cut, and marked; the values are whole, and so are the records around it.
#[test]
fn a_long_message_is_cut() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).ring_capacity(64 << 10).start().unwrap();
    let long = "ä".repeat(50_000);
    log::info!(n = 1; "before");
    log::info!(id = 7, name = "ann"; "{long}!");
    log::info!(text = long.as_str(), id = 8; "short {}", 1);
    log::info!(id = 9, text:% = long; "x");
    log::info!(n = 2; "after");
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (5, 0));
    let found = log.records();
    assert_eq!(found.iter().map(|it| it.cut).collect::<Vec<_>>(), [false, true, true, true, false]);
    let message = found[1].message.strip_suffix(" id=7 name=ann").unwrap();
    assert!(message.len() > 10_000 && long.starts_with(message.strip_suffix('…').unwrap()));
    assert!(found[2].message.starts_with("short 1 text=") && found[2].message.ends_with(" id=8"));
    assert!(found[2].field("text").len() > 10_000);
    assert!(found[3].message.starts_with("x id=9 text="));
    assert_eq!((&*found[4].message, &*found[0].message), ("after n=2", "before n=1"));
}

/// A value that logs while it is formatted leaves both records whole.
#[test]
fn a_display_that_logs_is_logged() {
    struct Nested;
    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("out")?;
            log::info!(n:% = 5, text:? = "in"; "inner {}", 1);
            f.write_str("er")
        }
    }
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    log::info!(first:% = "a", second:% = Nested, third:% = "b"; "message {}", 2);
    logger.shutdown();
    let expected = ["inner 1 n=5 text=\"\\\"in\\\"\"", "message 2 first=a second=outer third=b"];
    assert_eq!(log.messages(), expected);
}

/// Key-values that a program makes up.
struct Pairs<'a>(Vec<(&'a str, kv::Value<'a>)>);

impl kv::Source for Pairs<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        self.0
            .iter()
            .try_for_each(|(name, value)| visitor.visit_pair(Key::from_str(name), value.clone()))
    }
}

#[test]
fn more_key_values_than_a_record_has_arguments() {
    let log = Log::new();
    let logger = log.builder().bridge_log(true).start().unwrap();
    let names: Vec<_> = (0..70).map(|n| format!("k{n}")).collect();
    let mut pairs: Vec<_> =
        names.iter().map(|name| &**name).zip((0_u64..).map(kv::Value::from)).collect();
    pairs[66].1 = kv::Value::from("a text");
    for count in [60, 61, 62, 70] {
        let pairs = Pairs(pairs[..count].to_vec());
        let mut record = RecordBuilder::new();
        log::logger().log(&record.key_values(&pairs).args(format_args!("n {count}")).build());
        let mut record = RecordBuilder::new();
        log::logger().log(&record.key_values(&pairs).args(format_args!("constant")).build());
    }
    logger.shutdown();
    let found = log.records();
    for (found, count) in found.iter().zip([60, 60, 61, 61, 62, 62, 70, 70]) {
        assert_eq!(found.fields.len(), count.min(62));
        for n in 0..count.min(61) {
            assert_eq!(found.field(&format!("k{n}")), n.to_string());
        }
    }
    assert_eq!(found[5].field("more"), "k61=61");
    let more = "k61=61 k62=62 k63=63 k64=64 k65=65 k66=\"a text\" k67=67 k68=68 k69=69";
    assert_eq!((found[6].field("more"), found[7].field("more")), (more, more));
}

/// A hook of the logger may log through `log`; nothing recurses or waits.
#[test]
fn a_hook_logs() {
    let log = Log::new();
    let hook = |notice: &Notice<'_>| log::warn!(target: "hook", "{notice}");
    let builder =
        log.builder().bridge_log(true).ring_capacity(4 << 10).overflow(kymo::Overflow::DropNewest);
    let logger = builder.on_notice(hook).start().unwrap();
    for n in 0..20_000 {
        log::info!(n; "step");
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
    Char(char),
    U64(u64),
    I64(i64),
    F64(f64),
    U128(u128),
    I128(i128),
    Str(String),
    Debug(String),
}

impl Kind {
    fn value(&self) -> kv::Value<'_> {
        match self {
            Self::None => kv::Value::null(),
            Self::Bool(value) => (*value).into(),
            Self::Char(value) => (*value).into(),
            Self::U64(value) => (*value).into(),
            Self::I64(value) => (*value).into(),
            Self::F64(value) => (*value).into(),
            Self::U128(value) => value.to_value(),
            Self::I128(value) => value.to_value(),
            Self::Str(value) => (&**value).into(),
            Self::Debug(value) => kv::Value::from_debug(value),
        }
    }

    /// What `{}` prints.
    fn text(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Char(value) => value.to_string(),
            Self::U64(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::F64(value) => value.to_string(),
            Self::U128(value) => value.to_string(),
            Self::I128(value) => value.to_string(),
            Self::Str(value) => value.clone(),
            Self::Debug(value) => format!("{value:?}"),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::None),
        any::<bool>().prop_map(Kind::Bool),
        any::<char>().prop_map(Kind::Char),
        any::<u64>().prop_map(Kind::U64),
        any::<i64>().prop_map(Kind::I64),
        any::<f64>().prop_map(Kind::F64),
        any::<u128>().prop_map(Kind::U128),
        any::<i128>().prop_map(Kind::I128),
        "\\PC{0,40}".prop_map(Kind::Str),
        "[ -~]{0,40}".prop_map(Kind::Debug),
    ]
}

fn record()
-> impl Strategy<Value = (log::Level, &'static str, u32, String, Vec<(&'static str, Kind)>)> {
    let level = prop::sample::select(log::Level::iter().collect::<Vec<_>>());
    let target =
        prop::sample::select(&["", "a", "net::http", "a target of some length: 33 bytes"][..]);
    let pair = (prop::sample::select(&["", "a", "px", "a name", "änd"][..]), kind());
    (level, target, 0..3_u32, "\\PC{0,60}", prop::collection::vec(pair, 0..5))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// What is logged is what is read.
    #[test]
    fn records_come_out_as_they_went_in(logged in prop::collection::vec(record(), 1..40)) {
        let log = Log::new();
        let logger = log.builder().bridge_log(true).start().unwrap();
        for (level, target, line, message, pairs) in &logged {
            let pairs = Pairs(pairs.iter().map(|(name, kind)| (*name, kind.value())).collect());
            let mut builder = RecordBuilder::new();
            builder.level(*level).target(target).line(Some(*line)).file(Some("f.rs"));
            log::logger().log(&builder.key_values(&pairs).args(format_args!("{message}")).build());
        }
        logger.shutdown();
        let found = log.records();
        prop_assert_eq!(found.len(), logged.len());
        for (found, (level, target, line, message, pairs)) in found.iter().zip(&logged) {
            prop_assert_eq!(found.level as usize, *level as usize);
            prop_assert_eq!((&*found.target, found.line), (*target, u64::from(*line)));
            prop_assert!(found.message.starts_with(message));
            let named: Vec<_> = pairs.iter().filter(|(name, _)| !name.is_empty()).collect();
            prop_assert_eq!(found.fields.len(), named.len());
            for ((name, text, _), (own, kind)) in found.fields.iter().zip(named) {
                prop_assert_eq!((&**name, text), (*own, &kind.text()));
            }
        }
    }
}

/// Types that alternate at one statement are kept, and take no more than some of the call sites.
#[test]
fn types_that_alternate_are_kept() {
    let log = Log::new();
    let before = crowded();
    let logger = log.builder().bridge_log(true).start().unwrap();
    let long = "ä".repeat(2_000);
    let kinds = [
        Kind::None,
        Kind::Bool(true),
        Kind::Char('ä'),
        Kind::I64(-7),
        Kind::F64(0.5),
        Kind::U128(u128::MAX),
        Kind::Str(long),
        Kind::Debug("Some(1)".into()),
    ];
    let mut expected = Vec::new();
    for a in &kinds {
        for b in &kinds {
            log::info!(a = a.value(), b = b.value(); "by turns {}", expected.len());
            expected.push([a.text(), b.text()]);
        }
    }
    logger.shutdown();
    assert_eq!(crowded(), before);
    let found = log.records();
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let texts = found.fields.iter().map(|(_, text, _)| text);
        assert!(texts.eq(expected), "{at}: {:?}", found.fields);
        assert!(found.message.starts_with(&format!("by turns {at} a=")), "{}", found.message);
    }
}

/// Which child this process is, and its log.
const CHILD: &str = "KYMO_BRIDGE_CHILD";

fn child(scene: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--ignored", "--nocapture"]);
    command.env(CHILD, scene).current_dir(dir).stdout(Stdio::piped());
    command
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn child_process() {
    match std::env::var(CHILD).as_deref() {
        Ok("crowd") => crowd(),
        Ok("taken") => taken(),
        Ok("count") => count(),
        _ => {}
    }
}

const TARGETS: usize = 6_000;

/// Logs with more targets than there can be call sites, each twice.
fn crowd() {
    let logger = Logger::builder("app.kymo").bridge_log(true).start().unwrap();
    for n in (0..TARGETS).chain(0..TARGETS) {
        let target = format!("target-{n}");
        log::info!(target: &target, n, text = "a b"; "message {n}");
    }
    let long = "t".repeat(10_000);
    log::error!(target: &long, "a long target");
    assert_eq!(crowded(), 2 * (TARGETS as u64 - 4096) + 1);
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (2 * TARGETS as u64 + 1, 0));
}

/// Targets that a program makes up are bounded, and none of their records is lost.
#[test]
fn many_targets_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    assert!(child("crowd", dir.path()).output().unwrap().status.success());
    let found = records(&dir.path().join("app.kymo"));
    for (at, found) in found[..2 * TARGETS].iter().enumerate() {
        let n = at % TARGETS;
        if n < 4096 {
            assert_eq!(found.target, format!("target-{n}"));
            assert_eq!(found.message, format!("message {n} n={n} text=\"a b\""));
        } else {
            assert_eq!((&*found.target, found.level), ("log", Level::Info));
            assert_eq!(found.field("target"), format!("target-{n}"));
            assert_eq!((found.field("module"), found.field("file")), (module_path!(), file!()));
            assert_ne!(found.field("line"), "0");
            assert_eq!(found.field("fields"), format!("n={n} text=\"a b\""));
            assert!(found.message.starts_with(&format!("message {n} target=target-{n} module=")));
        }
    }
    let last = &found[2 * TARGETS];
    assert_eq!((&*last.target, last.level), ("log", Level::Error));
    assert_eq!(last.field("target"), "t".repeat(10_000));
}

/// Another logger was there first.
fn taken() {
    struct Other;
    impl log::Log for Other {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    log::set_logger(&Other).unwrap();
    let error = Logger::builder("app.kymo").bridge_log(true).start().unwrap_err();
    assert!(matches!(error.kind(), kymo::StartErrorKind::BridgeLog(_)), "{error:?}");
    assert!(error.to_string().starts_with("bridge_log: the crate log already has a logger: "));
    assert!(!Path::new("app.kymo").exists());
    assert!(kymo::bridge::log::init().is_err());
    Logger::builder("app.kymo").start().unwrap().shutdown();
}

#[test]
fn another_logger_of_log_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let output = child("taken", dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Counts until it is killed, and prints what was logged.
fn count() {
    let builder = Logger::builder("app.kymo").crash_proof(".").bridge_log(true);
    // So late that most is in the rings.
    let _logger = builder.idle_sleep(Duration::from_secs(1)).start().unwrap();
    for n in 0_u64.. {
        let text: &dyn ToValue = if n % 3 == 0 { &"third" } else { &n };
        let text = text.to_value();
        log::info!(target: ["a", "b"][n as usize % 2], n, text; "step {}", n * 2);
        println!("logged {n}");
    }
}

/// With crash-proof rings, what was logged survives `SIGKILL`: recovery knows the call sites.
#[test]
fn killed_processes_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child("count", dir.path()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let logged = lines.filter_map(|line| line.strip_prefix("logged ")?.parse::<u64>().ok());
    let last = logged.take_while(|n| *n < 500).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let log = dir.path().join("app.kymo");
    let recovery = kymo::recover(&log).unwrap();
    let mut found = records(&log);
    found.extend(recovery.file.iter().flat_map(|file| records(file)));
    found.sort_by_key(|found| found.field("n").parse::<u64>().unwrap());
    assert!(found.len() as u64 > last, "{} {last}", found.len());
    for (n, found) in found.iter().enumerate() {
        let text = if n % 3 == 0 { "third".to_owned() } else { n.to_string() };
        assert_eq!(found.target, ["a", "b"][n % 2]);
        assert_eq!(found.message, format!("step {} n={n} text={text}", n * 2));
    }
}

/// The example, as a user runs it.
#[test]
fn the_example_runs() {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.args(["run", "--quiet", "--example", "log_bridge"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "\
info  shop: order 7 filled at 101.25
info  shop::payment: paid order=7 amount=202.5 currency=EUR
warn  shop::payment: slow answer of \"bank\" waited_ms=250 attempt=2
";
    assert_eq!(text, expected);
}
