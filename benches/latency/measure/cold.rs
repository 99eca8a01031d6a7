//! A call after the caches were filled with something else.

use std::hint::black_box;

use super::nothing_lost;
use crate::Result;
use crate::options::Options;
use crate::subject::bare::Empty;
use crate::subject::floor::Floor;
use crate::subject::logger::{Coarse, Counter, Kymo};
use crate::subject::{Message, Mixed, Producer, Setup, Subject};
use kymo_bench::counter;
use kymo_bench::statistics::{COLUMNS, Distribution, summarise};
use kymo_bench::table::Table;

/// What is walked between two calls: more than the caches hold.
const WALK_BYTES: usize = 64 << 20;

const LINE_BYTES: usize = 64;

type Run = fn(&Options, &[u8], &str) -> Result<Vec<f64>>;

const ROWS: [(&str, Run); 4] = [
    ("empty pair", one_round::<Empty>),
    ("floor", one_round::<Floor>),
    ("kymo", one_round::<Kymo<Counter>>),
    ("kymo, coarse clock", one_round::<Kymo<Coarse>>),
];

pub fn run(options: &Options) -> Result<Vec<Table>> {
    // Ones, not zeros: each page is a page of its own.
    let memory = vec![1; WALK_BYTES];
    let mut rounds = ROWS.map(|_| Vec::new());
    for _ in 0..options.rounds {
        for ((name, run), rounds) in ROWS.into_iter().zip(&mut rounds) {
            rounds.push(run(options, &memory, name)?);
        }
    }
    let mut table = Table::new(
        "Single calls with cold caches, ns",
        &COLUMNS,
        "mixed; 64 MiB are read, a byte of each cache line, between two calls. Some hundred calls \
         a round: the outer columns say little.",
    );
    for ((name, _), rounds) in ROWS.into_iter().zip(&rounds) {
        table.row(name, summarise(rounds));
    }
    Ok(vec![table])
}

fn one_round<S: Subject>(options: &Options, memory: &[u8], name: &str) -> Result<Vec<f64>> {
    let setup = Setup::new(options);
    let subject = S::start(&setup)?;
    let mut producer = subject.producer();
    let mut distribution = Distribution::default();
    for number in 0..options.pick(400, 20) {
        walk(memory);
        distribution.add(one_call(&mut producer, number));
    }
    producer.flush();
    drop(producer);
    nothing_lost(name, subject.stop()?)?;
    Ok(distribution.figures_ns())
}

fn walk(memory: &[u8]) {
    let lines = memory.iter().step_by(LINE_BYTES);
    black_box(lines.map(|&byte| u64::from(byte)).sum::<u64>());
}

#[inline(never)]
fn one_call<P: Producer>(producer: &mut P, number: u64) -> u64 {
    // The clock's own code is warm; the call's is not.
    let start = counter::read_fenced();
    Mixed::log(producer, number);
    counter::read_fenced() - start
}
