//! Single calls: bursts of 20, each call timed, with pauses of 1 to 2 µs between the bursts.

use super::nothing_lost;
use crate::Result;
use crate::options::Options;
use crate::subject::bare::Empty;
use crate::subject::floor::Floor;
use crate::subject::logger::{Coarse, Counter, Kymo};
use crate::subject::{Disabled, Ints, Message, Mixed, Producer, Setup, Static, Str64, Subject};
use kymo_bench::statistics::{COLUMNS, Distribution, summarise};
use kymo_bench::table::Table;
use kymo_bench::timing::{BURST, bursts_of};

struct Row {
    message: &'static str,
    subject: &'static str,
    run: fn(&Options, &str) -> Result<Vec<f64>>,
}

const ROWS: [Row; 14] = [
    row::<Empty, Mixed>("empty pair"),
    row::<Floor, Mixed>("floor"),
    row::<Kymo<Counter>, Mixed>("kymo"),
    row::<Kymo<Coarse>, Mixed>("kymo, coarse clock"),
    row::<Floor, Ints>("floor"),
    row::<Kymo<Counter>, Ints>("kymo"),
    row::<Kymo<Coarse>, Ints>("kymo, coarse clock"),
    row::<Floor, Static>("floor"),
    row::<Kymo<Counter>, Static>("kymo"),
    row::<Kymo<Coarse>, Static>("kymo, coarse clock"),
    row::<Floor<10>, Str64>("floor"),
    row::<Kymo<Counter>, Str64>("kymo"),
    row::<Kymo<Coarse>, Str64>("kymo, coarse clock"),
    row::<Kymo<Counter>, Disabled>("kymo"),
];

const fn row<S: Subject, M: Message>(subject: &'static str) -> Row {
    Row { message: M::NAME, subject, run: one_round::<S, M> }
}

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [Vec<Vec<f64>>; ROWS.len()] = std::array::from_fn(|_| Vec::new());
    for _ in 0..options.rounds {
        for (row, rounds) in ROWS.iter().zip(&mut rounds) {
            rounds.push((row.run)(options, row.subject)?);
        }
    }
    let mut table = Table::new(
        "Single calls in bursts of 20, ns",
        &COLUMNS,
        "Each call stands between two fenced counter reads; the empty pair is what these cost, \
         and is not subtracted. Medians over rounds; max is that of all rounds.",
    );
    for (row, rounds) in ROWS.iter().zip(&rounds) {
        table.row(format!("{:9} {}", row.message, row.subject), summarise(rounds));
    }
    Ok(vec![table])
}

fn one_round<S: Subject, M: Message>(options: &Options, name: &str) -> Result<Vec<f64>> {
    let setup = Setup::new(options);
    let subject = S::start(&setup)?;
    let mut producer = subject.producer();
    // Every round has a million calls, so that its p99.99 means something.
    let bursts = options.pick(1_000_000, 20_000) / BURST;
    bursts_of::<_, M>(&mut producer, bursts / 10, &mut Distribution::default());
    let mut distribution = Distribution::default();
    bursts_of::<_, M>(&mut producer, bursts, &mut distribution);
    producer.flush();
    drop(producer);
    nothing_lost(name, subject.stop()?)?;
    Ok(distribution.figures_ns())
}
