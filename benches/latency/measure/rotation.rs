//! Single calls while the log is rotated a thousand times, beside calls of a logger whose log is one file: as the
//! measure `latency`, round by round in one run.

use super::nothing_lost;
use crate::Result;
use crate::options::Options;
use crate::subject::logger::{Counter, Kymo, Rotated};
use crate::subject::{Mixed, Producer, Setup, Subject};
use kymo_bench::statistics::{COLUMNS, Distribution, median, summarise};
use kymo_bench::table::Table;
use kymo_bench::timing::{BURST, bursts_of};

/// Fills a thousand segments of 64 KiB.
const CALLS: usize = 4_000_000;

/// Where the figures have the 99.9th percentile.
const P99_9: usize = 3;

/// The figures of a round, and how many segments there were.
type Round = (Vec<f64>, f64);

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let (mut single, mut rotated) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        single.push(one_round::<Kymo<Counter>>(options, |_| 1)?);
        rotated.push(one_round::<Kymo<Rotated>>(options, |it| it.stats().segments)?);
    }
    let mut columns = COLUMNS.to_vec();
    columns.push("segments");
    let mut table = Table::new(
        "Single calls in bursts of 20 while the log is rotated, ns",
        &columns,
        "Segments of 64 KiB, of which four are kept. As the table of single calls. x one file: the median over the \
         rounds of the ratios of the p99.9.",
    );
    for (name, rounds) in [("one file", &single), ("rotated", &rotated)] {
        let figures: Vec<_> = rounds.iter().map(|(figures, _)| figures.clone()).collect();
        let mut row = summarise(&figures);
        row.push(median(rounds.iter().map(|(_, segments)| *segments)));
        table.row(name.to_owned(), row);
    }
    let ratio = median(rotated.iter().zip(&single).map(|(a, b)| a.0[P99_9] / b.0[P99_9]));
    let mut row = vec![f64::NAN; COLUMNS.len() + 1];
    row[P99_9] = ratio;
    table.row("x one file".to_owned(), row);
    Ok(vec![table])
}

fn one_round<S: Subject + AsRef<kymo::Logger>>(
    options: &Options,
    segments: impl Fn(&kymo::Logger) -> u64,
) -> Result<Round> {
    let setup = Setup::new(options);
    let subject = S::start(&setup)?;
    let mut producer = subject.producer();
    let bursts = options.pick(CALLS, 20_000) / BURST;
    bursts_of::<_, Mixed>(&mut producer, bursts / 10, &mut Distribution::default());
    let mut distribution = Distribution::default();
    bursts_of::<_, Mixed>(&mut producer, bursts, &mut distribution);
    producer.flush();
    drop(producer);
    let segments = segments(subject.as_ref()) as f64;
    nothing_lost("kymo", subject.stop()?)?;
    Ok((distribution.figures_ns(), segments))
}
