//! A producer that logs as fast as it can, under each overflow policy.

use std::time::{Duration, Instant};

use crate::Result;
use crate::options::Options;
use crate::subject::logger::{Counter, Kymo, Prepared};
use crate::subject::{Message, Mixed, Outcome, Producer, Setup, Subject};
use kymo_bench::counter;
use kymo_bench::statistics::{COLUMNS, Distribution, median};
use kymo_bench::table::Table;
use kymo_bench::values::BATCH;

const POLICIES: [(&str, kymo::Overflow); 2] = [
    ("wait", kymo::Overflow::Wait { timeout: None }),
    ("drop the newest", kymo::Overflow::DropNewest),
];

/// Calls/s, share dropped in percent, then p99.9 and the maximum of a call in nanoseconds.
type Figures = [f64; 4];

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [Vec<Figures>; POLICIES.len()] = Default::default();
    for _ in 0..options.rounds {
        for ((_, policy), rounds) in POLICIES.into_iter().zip(&mut rounds) {
            rounds.push(one_round(options, policy)?);
        }
    }
    let mut table = Table::new(
        format!("Saturation: one producer, as fast as it can, for {:?}", time(options)),
        &["calls/s", "dropped %", "p99.9 ns", "max ns"],
        "mixed. The calls are not timed while they are counted; p99.9 and max come from a second \
         run, in which each is timed.",
    );
    for ((name, _), rounds) in POLICIES.into_iter().zip(&rounds) {
        let column = |index: usize| rounds.iter().map(move |figures| figures[index]);
        let figures = [median(column(0)), median(column(1)), median(column(2))];
        let largest = column(3).fold(0.0, f64::max);
        table.row(name, figures.into_iter().chain([largest]).collect());
    }
    Ok(vec![table])
}

fn time(options: &Options) -> Duration {
    options.pick(Duration::from_secs(2), Duration::from_millis(200))
}

fn one_round(options: &Options, policy: kymo::Overflow) -> Result<Figures> {
    let time = time(options);
    let mut calls_per_second = 0.0;
    let outcome = with_policy(options, policy, |producer| {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < time {
            (calls..calls + BATCH).for_each(|number| Mixed::log(producer, number));
            calls += BATCH;
        }
        calls_per_second = calls as f64 / start.elapsed().as_secs_f64();
    })?;
    let mut distribution = Distribution::default();
    with_policy(options, policy, |producer| {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < time {
            for number in calls..calls + BATCH {
                let before = counter::read_fenced();
                Mixed::log(producer, number);
                distribution.add(counter::read_fenced() - before);
            }
            calls += BATCH;
        }
    })?;
    let logged = outcome.written + outcome.dropped;
    let dropped = 100.0 * outcome.dropped as f64 / logged.max(1) as f64;
    let column = |name| COLUMNS.iter().position(|&column| column == name).expect("a column");
    let ns = distribution.figures_ns();
    Ok([calls_per_second, dropped, ns[column("p99.9")], ns[column("max")]])
}

fn with_policy(
    options: &Options,
    policy: kymo::Overflow,
    log: impl FnOnce(&mut Prepared<'_>),
) -> Result<Outcome> {
    let setup = Setup { overflow: policy, ..Setup::new(options) };
    let kymo = Kymo::<Counter>::start(&setup)?;
    let mut producer = kymo.producer();
    log(&mut producer);
    producer.flush();
    kymo.stop()
}
