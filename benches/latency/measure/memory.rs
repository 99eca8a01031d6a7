//! What a logger and its threads' rings take in memory.
//!
//! A process that measured something else before has memory of that, so a child process does it. It
//! prints bytes, one figure a line.

use std::sync::Barrier;

use super::nothing_lost;
use crate::Result;
use crate::options::Options;
use crate::subject::logger::{Counter, Kymo};
use crate::subject::{Message, Mixed, Producer, Setup, Subject};
use kymo_bench::machine::{self, Resident};
use kymo_bench::statistics::median;
use kymo_bench::table::Table;

const THREADS: [usize; 2] = [1, 64];

/// Messages that the threads log, together.
const MESSAGES: u64 = 1_000_000;

/// Mebibytes, all and without mapped files, at four moments.
type Figures = [f64; 8];

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [Vec<Figures>; THREADS.len()] = Default::default();
    for _ in 0..options.rounds {
        for (threads, rounds) in THREADS.into_iter().zip(&mut rounds) {
            rounds.push(one_round(options, threads)?);
        }
    }
    let mut table = Table::new(
        "Resident memory, MiB",
        &["before", "logger", "prepared", "logged", "own, logger", "own, prepared", "a thread"],
        format!(
            "of the process: before there is a logger, with one, when all threads are prepared, \
             and when they have logged {MESSAGES} messages (mixed) together. own: without mapped \
             files, and more than before. a thread: what preparing one adds of its own."
        ),
    );
    for (threads, rounds) in THREADS.into_iter().zip(&rounds) {
        let column = |index: usize| median(rounds.iter().map(|figures| figures[index]));
        let [before, logger, prepared, logged] = [0, 2, 4, 6].map(column);
        let [own_before, own_logger, own_prepared] = [1, 3, 5].map(column);
        let figures = vec![
            before,
            logger,
            prepared,
            logged,
            own_logger - own_before,
            own_prepared - own_before,
            (own_prepared - own_logger) / threads as f64,
        ];
        table.row(format!("{threads} threads"), figures);
    }
    Ok(vec![table])
}

fn one_round(options: &Options, threads: usize) -> Result<Figures> {
    let output = options.child()?.args(["--memory-of", &threads.to_string()]).output()?;
    if !output.status.success() {
        return Err(format!("the child process ended with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut figures = [f64::NAN; 8];
    for (figure, line) in figures.iter_mut().zip(text.lines()) {
        *figure = line.parse::<u64>()? as f64 / (1 << 20) as f64;
    }
    Ok(figures)
}

/// The child process.
pub fn child(options: &Options, threads: usize) -> Result<()> {
    // A system that does not tell prints nothing.
    let mut moments = Vec::new();
    let mut look = || moments.extend(machine::resident());
    look();
    let setup = Setup::new(options);
    let kymo = Kymo::<Counter>::start(&setup)?;
    look();
    // Everybody, this thread too, waits for the others: twice the threads are all prepared.
    let (prepared, looked) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut producer = kymo.producer();
                prepared.wait();
                looked.wait();
                for number in 0..MESSAGES / threads as u64 {
                    Mixed::log(&mut producer, number);
                }
                producer.flush();
                prepared.wait();
                looked.wait();
            });
        }
        for _ in 0..2 {
            prepared.wait();
            look();
            looked.wait();
        }
    });
    nothing_lost("kymo", kymo.stop()?)?;
    for Resident { all, anonymous } in moments {
        println!("{all}\n{anonymous}");
    }
    Ok(())
}
