//! Spans of `tracing`: each event is in its span, wherever it was entered, and whatever is missing.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex};
use std::thread;

use kymo::bridge::tracing::untracked;
use kymo::{Logger, Overflow};
use kymo_reader::{Options, Order, Reader, SpanRole};
use kymo_testing::bridged::Log;
use proptest::prelude::*;
use tracing::{Instrument, Span, info, info_span, instrument};

struct Scene(Log);

impl Scene {
    fn new() -> Self {
        Self(Log::new())
    }

    fn path(&self) -> PathBuf {
        self.0.path()
    }

    fn builder(&self) -> kymo::Builder {
        self.0.builder().bridge_tracing(true)
    }

    /// The events, each after the chain of its spans.
    fn events(&self) -> Vec<String> {
        let found = read(&self.path(), Options::new().order(Order::Time));
        found.into_iter().filter(|it| it.role.is_none()).map(|it| it.text).collect()
    }
}

#[derive(Clone, Debug)]
struct Found {
    role: Option<SpanRole>,
    id: Option<u64>,
    chain: Vec<u64>,
    /// The chain and the message, or the name of the span.
    text: String,
}

fn read(path: &Path, options: Options<'_>) -> Vec<Found> {
    collect(options.open(path).unwrap())
}

fn collect(mut reader: Reader<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        if record.target() == "kymo" {
            continue;
        }
        let mut text = String::new();
        for span in record.spans() {
            span.write_text(&mut text);
            text.push_str(": ");
        }
        record.message(&mut text);
        found.push(Found {
            role: record.span_role(),
            id: record.span_id(),
            chain: record.spans().iter().map(|span| span.id()).collect(),
            text,
        });
    }
    assert_eq!(reader.report().damages, 0);
    found
}

/// The chain of an event is that of its spans, with fields that they got later.
#[test]
fn events_are_in_their_spans() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    info!("before");
    let outer = info_span!("outer", a = 1, user = tracing::field::Empty);
    outer.in_scope(|| {
        info!("in outer");
        info_span!("inner {}", b = 2.5, text = "x y").in_scope(|| {
            info!(n = 1, "in inner");
            outer.record("user", "ann");
            info!("in inner again");
            info!(parent: None, "at the root");
            info!(parent: &outer, "back in outer");
        });
        info_span!(parent: None, "alone").in_scope(|| info!("in alone"));
        info!("in outer again");
    });
    outer.in_scope(|| info!("entered again"));
    let child = info_span!(parent: &outer, "child");
    drop(outer);
    child.in_scope(|| info!("after the end of outer"));
    drop(child);
    info!("after");
    logger.shutdown();
    let expected = [
        "before",
        "outer{a=1}: in outer",
        "outer{a=1}: inner {}{b=2.5 text=\"x y\"}: in inner n=1",
        "outer{a=1 user=ann}: inner {}{b=2.5 text=\"x y\"}: in inner again",
        "at the root",
        "outer{a=1 user=ann}: back in outer",
        "alone: in alone",
        "outer{a=1 user=ann}: in outer again",
        "outer{a=1 user=ann}: entered again",
        "outer{a=1 user=ann}: child: after the end of outer",
        "after",
    ];
    assert_eq!(scene.events(), expected);
}

/// The records of a span say what happens to it, in order.
#[test]
fn a_span_has_a_record_of_each_moment() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    let other = info_span!("other");
    let span = info_span!("span", x = 1_u64);
    span.follows_from(&other);
    span.in_scope(|| span.record("x", 2_u64));
    let clone = span.clone();
    drop(span);
    drop(clone);
    logger.shutdown();
    let found = read(&scene.path(), Options::new());
    let roles: Vec<_> = found.iter().map(|it| (it.role.unwrap(), it.text.as_str())).collect();
    use SpanRole::{Close, Enter, Exit, Follows, New, Record};
    let expected = [
        (New, "other"),
        (New, "span x=1"),
        (Follows, "span{x=1}: span"),
        (Enter, "span{x=1}: span"),
        (Record, "span{x=2}: span x=2"),
        (Exit, "span{x=2}: span"),
        (Close, "span{x=2}: span"),
    ];
    assert_eq!(roles, expected);
    assert!(found[1..].iter().all(|it| it.id == found[1].id));
    assert_ne!(found[0].id, found[1].id);
}

/// Spans that are left in another order than they were entered in, or entered twice.
#[test]
fn spans_are_left_in_any_order() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    let [a, b] = [info_span!("a"), info_span!("b")];
    let in_a = a.enter();
    let in_b = b.enter();
    assert_eq!(Span::current().id(), b.id());
    let in_a_again = a.enter();
    info!("one");
    drop(in_b);
    info!("two");
    drop(in_a_again);
    assert_eq!(Span::current().id(), a.id());
    info!("three");
    drop(in_a);
    info!("four");
    assert!(Span::current().is_none());
    logger.shutdown();
    assert_eq!(scene.events(), ["a: one", "a: two", "a: three", "four"]);
}

#[instrument(skip(depth), fields(at = depth))]
fn dive(depth: u32) -> u32 {
    info!("at {depth}");
    if depth == 0 { 0 } else { dive(depth - 1) + 1 }
}

#[instrument(err)]
fn fail(n: u8) -> Result<(), String> {
    Err(format!("failed {n}"))
}

#[test]
fn instrumented_functions_nest() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    assert_eq!(dive(2), 2);
    let _ = fail(7);
    logger.shutdown();
    let expected = [
        "dive{at=2}: at 2",
        "dive{at=2}: dive{at=1}: at 1",
        "dive{at=2}: dive{at=1}: dive{at=0}: at 0",
        "fail{n=7}: error=\"failed 7\"",
    ];
    assert_eq!(scene.events(), expected);
}

/// Tasks that move between threads at each wait.
#[test]
fn tasks_keep_their_spans_on_any_thread() {
    const TASKS: u64 = 40;
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks = (0..TASKS).map(|task| {
            tokio::spawn(
                async move {
                    for step in 0..20_u64 {
                        tokio::task::yield_now().await;
                        info!(task, step, "outer");
                        async { info!(task, step, "inner") }
                            .instrument(info_span!("step", step))
                            .await;
                    }
                }
                .instrument(info_span!("task", task)),
            )
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    drop(runtime);
    logger.shutdown();
    let events = scene.events();
    assert_eq!(events.len() as u64, TASKS * 40);
    for task in 0..TASKS {
        let prefix = format!("task{{task={task}}}: ");
        let own: Vec<_> = events.iter().filter_map(|it| it.strip_prefix(&prefix)).collect();
        let expected = (0..20).flat_map(|step| {
            let fields = format!("task={task} step={step}");
            [format!("outer {fields}"), format!("step{{step={step}}}: inner {fields}")]
        });
        assert_eq!(own, expected.collect::<Vec<_>>());
    }
}

/// One span in many threads at once, closed by the last of them.
#[test]
fn a_span_is_entered_in_a_thousand_threads() {
    const THREADS: u64 = 1_000;
    let scene = Scene::new();
    let logger = scene.builder().ring_capacity(4 << 10).start().unwrap();
    let span = info_span!("shared", id = 7);
    let all = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (span, all) = (span.clone(), &all);
            thread::Builder::new()
                .stack_size(128 << 10)
                .spawn_scoped(scope, move || {
                    let _in = span.enter();
                    all.wait();
                    info_span!("own", n).in_scope(|| info!("here"));
                })
                .unwrap();
        }
        drop(span);
    });
    let report = logger.shutdown();
    assert_eq!(report.dropped, 0);
    let events: HashSet<_> = scene.events().into_iter().collect();
    let expected = (0..THREADS).map(|n| format!("shared{{id=7}}: own{{n={n}}}: here"));
    assert_eq!(events, expected.collect());
    let found = read(&scene.path(), Options::new());
    let closed = found.iter().filter(|it| it.role == Some(SpanRole::Close));
    assert_eq!(closed.count() as u64, THREADS + 1);
}

/// A rotated log is one log; a segment alone has the ids.
#[test]
fn spans_outlive_their_segment() {
    let scene = Scene::new();
    let rotation = kymo::Rotation::on_request();
    let logger = scene.builder().rotate(rotation).keep(kymo::Keep::unlimited()).start().unwrap();
    let span = info_span!("long", id = 1);
    span.in_scope(|| {
        info!("first");
        kymo::flush();
        logger.rotate().unwrap();
        info!("second");
    });
    logger.shutdown();
    let log = kymo_reader::Log::find(scene.path()).unwrap();
    let segments: Vec<_> =
        log.segments().iter().map(|it| it.open(Options::new()).unwrap()).collect();
    assert_eq!(segments.len(), 2);
    let alone = segments.into_iter().map(collect).last().unwrap();
    let second = alone.iter().find(|it| it.role.is_none()).unwrap();
    assert_eq!((&*second.text, second.chain.len()), ("second", 0));
    assert!(second.id.is_some());
    let whole = collect(log.open(Options::new().order(Order::Time)).unwrap());
    let events: Vec<_> = whole.iter().filter(|it| it.role.is_none()).map(|it| &*it.text).collect();
    assert_eq!(events, ["long{id=1}: first", "long{id=1}: second"]);
}

/// A filter that wants no record of spans, or not those of the time when they began, still knows them.
#[test]
fn filtered_records_have_their_spans() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    info_span!(target: "spans", "request", id = 3).in_scope(|| {
        info!("left out");
        tracing::warn!("kept");
    });
    logger.shutdown();
    let options = || Options::new().filter(|site| site.level() == kymo_reader::Level::Warn);
    for order in [Order::Time, Order::Written] {
        let found = read(&scene.path(), options().order(order));
        let texts: Vec<_> = found.iter().map(|it| &*it.text).collect();
        assert_eq!(texts, ["request{id=3}: kept"]);
    }
}

/// What is drawn of a program: which span is entered or left, or logged in, by a thread.
#[derive(Clone, Copy, Debug)]
enum Step {
    New,
    Enter(usize),
    Exit(usize),
    Drop(usize),
    Event,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::New),
        any::<usize>().prop_map(Step::Enter),
        any::<usize>().prop_map(Step::Exit),
        any::<usize>().prop_map(Step::Drop),
        Just(Step::Event),
    ]
}

/// Runs steps. Returns, for each event by its number, the numbers of the spans that it is in.
fn run(steps: &[Step]) -> Vec<Vec<u64>> {
    let mut next = 0_u64;
    let mut open: Vec<(u64, Span)> = Vec::new();
    let mut parents: HashMap<u64, Option<u64>> = HashMap::new();
    let mut guards: Vec<(u64, tracing::span::EnteredSpan)> = Vec::new();
    // Of a span that was entered more than once, the last time is over first: an exit does not say which.
    let mut entered: Vec<u64> = Vec::new();
    let mut events = Vec::new();
    for step in steps {
        match *step {
            Step::New => {
                let span = info_span!("span", number = next);
                parents.insert(next, entered.last().copied());
                open.push((next, span));
                next += 1;
            }
            Step::Enter(at) if !open.is_empty() => {
                let (number, span) = &open[at % open.len()];
                entered.push(*number);
                guards.push((*number, span.clone().entered()));
            }
            Step::Exit(at) if !guards.is_empty() => {
                let (number, guard) = guards.remove(at % guards.len());
                drop(guard);
                entered.remove(entered.iter().rposition(|it| *it == number).unwrap());
            }
            Step::Drop(at) if !open.is_empty() => drop(open.remove(at % open.len())),
            Step::Event => {
                info!(number = events.len(), "event");
                let mut chain = Vec::new();
                let mut at = entered.last().copied();
                while let Some(number) = at {
                    chain.push(number);
                    at = parents[&number];
                }
                chain.reverse();
                events.push(chain);
            }
            _ => {}
        }
    }
    // In the order in which they were entered: any will do.
    guards.into_iter().for_each(drop);
    events
}

/// The numbers of the spans in a text `span{number=1}: span{number=2}: event number=0`.
fn numbers(text: &str) -> (Vec<u64>, usize) {
    let mut parts: Vec<_> = text.split(": ").collect();
    let event = parts.pop().unwrap().strip_prefix("event number=").unwrap().parse().unwrap();
    let number = |part: &str| {
        part.strip_prefix("span{number=").unwrap().strip_suffix('}').unwrap().parse().unwrap()
    };
    (parts.into_iter().map(number).collect(), event)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any steps: each event is in the spans that it was logged in.
    #[test]
    fn any_steps_are_nested_right(steps in proptest::collection::vec(step(), 1..300)) {
        let scene = Scene::new();
        let logger = scene.builder().start().unwrap();
        let expected = run(&steps);
        prop_assert_eq!(logger.shutdown().dropped, 0);
        let found = scene.events();
        prop_assert_eq!(found.len(), expected.len());
        for (at, text) in found.iter().enumerate() {
            prop_assert_eq!(numbers(text), (expected[at].clone(), at));
        }
    }

    /// If records are dropped or overwritten, an event is in the innermost of its spans, or in none.
    #[test]
    fn dropped_records_nest_nothing_wrong(
        steps in proptest::collection::vec(step(), 300..800),
        overwrite in any::<bool>(),
    ) {
        let scene = Scene::new();
        let overflow = if overwrite { Overflow::OverwriteOldest } else { Overflow::DropNewest };
        let builder = scene.builder().ring_capacity(4 << 10).overflow(overflow);
        let logger = builder.idle_sleep(std::time::Duration::from_millis(50)).start().unwrap();
        let expected = run(&steps);
        logger.shutdown();
        for text in scene.events() {
            let (chain, event) = numbers(&text);
            prop_assert!(expected[event].ends_with(&chain), "{} {:?}", text, expected[event]);
        }
    }
}

/// Many spans are open at a time, and each has an id.
#[test]
fn a_hundred_thousand_spans_are_open() {
    let scene = Scene::new();
    let logger = scene.builder().start().unwrap();
    let spans: Vec<_> = (0..100_000_u64).map(|n| info_span!("connection", n)).collect();
    for (n, span) in spans.iter().enumerate().step_by(1_000) {
        span.in_scope(|| info!(n, "still here"));
    }
    drop(spans);
    logger.shutdown();
    let expected = (0..100_000).step_by(1_000);
    let expected = expected.map(|n| format!("connection{{n={n}}}: still here n={n}"));
    assert_eq!(scene.events(), expected.collect::<Vec<_>>());
    assert_eq!(untracked(), 0);
}

/// Beside another layer, each with a filter of its own.
#[test]
fn a_layer_composes_with_others() {
    use std::sync::Arc;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::prelude::*;

    #[derive(Clone, Default)]
    struct Other(Arc<Mutex<Vec<String>>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Other {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            self.0.lock().unwrap().push(event.metadata().target().to_owned());
        }
    }

    let scene = Scene::new();
    let logger = Logger::builder(scene.path()).filter("info,quiet=off").start().unwrap();
    let other = Other::default();
    let stack = tracing_subscriber::registry()
        .with(kymo::bridge::tracing::layer())
        .with(other.clone().with_filter(LevelFilter::DEBUG));
    tracing::subscriber::with_default(stack, || {
        let say = || {
            tracing::debug!(target: "debug", "debug");
            info!(target: "info", "info");
            info!(target: "quiet", "quiet");
        };
        let outer = info_span!("outer", a = 1, b = tracing::field::Empty);
        // A span that only the other layer sees is in no chain.
        let hidden = tracing::debug_span!("hidden");
        outer.in_scope(|| {
            outer.record("b", 2);
            hidden.in_scope(|| info_span!("inner").in_scope(say));
            info!(parent: &hidden, "in hidden");
        });
        info!(target: "info", parent: &outer, "by name");
        logger.set_filter("debug".parse().unwrap());
        say();
        let follows = info_span!("follows");
        follows.follows_from(&outer);
    });
    logger.shutdown();
    let expected = [
        "outer{a=1 b=2}: inner: info",
        "in hidden",
        "outer{a=1 b=2}: by name",
        "debug",
        "info",
        "quiet",
    ];
    assert_eq!(scene.events(), expected);
    let found = read(&scene.path(), Options::new());
    let roles = |role| found.iter().filter(|it| it.role == Some(role)).count();
    assert_eq!((roles(SpanRole::New), roles(SpanRole::Close)), (3, 3));
    assert_eq!((roles(SpanRole::Enter), roles(SpanRole::Exit)), (2, 2));
    assert_eq!(roles(SpanRole::Follows), 1);
    let module = module_path!();
    let expected = ["debug", "info", "quiet", module, "info", "debug", "info", "quiet"];
    assert_eq!(*other.0.lock().unwrap(), expected);
}

/// Records of the crate `log` are in the spans of their thread.
#[test]
fn records_of_log_are_in_their_spans() {
    let scene = Scene::new();
    let logger = scene.builder().bridge_log(true).start().unwrap();
    let names: Vec<_> = (0..70).map(|n| format!("k{n}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (&**name, 1)).collect();
    let long = "t".repeat(10_000);
    let say = || {
        log::info!("constant");
        log::warn!(n = 8; "number {}", 7);
        log::info!(target: &long, "crowded");
        let mut record = log::Record::builder();
        log::logger().log(&record.key_values(&pairs).args(format_args!("many")).build());
    };
    say();
    info_span!("request", id = 7).in_scope(|| {
        say();
        info_span!("query").in_scope(say);
    });
    say();
    logger.shutdown();
    let pair = |n| format!(" k{n}=1");
    let more = (61..70).map(pair).collect::<String>();
    let many =
        format!("many{} more={:?}", (0..61).map(pair).collect::<String>(), more.trim_start());
    let events = scene.events();
    assert_eq!(events.len(), 16, "{events:#?}");
    let chains = ["", "request{id=7}: ", "request{id=7}: query: ", ""];
    for (chain, events) in chains.into_iter().zip(events.chunks(4)) {
        assert_eq!(events[0], format!("{chain}constant"));
        assert_eq!(events[1], format!("{chain}number 7 n=8"));
        let begin = format!("{chain}crowded target={long} module=");
        assert!(events[2].starts_with(&begin), "{}", events[2]);
        assert_eq!(events[3], format!("{chain}{many}"));
    }
}
