//! The very first call of a call site, over a thousand of them.
//!
//! A call site is fresh only once in a process, so a child process does it, a new one each round.
//! It prints ticks, one call a line.

use super::nothing_lost;
use crate::Result;
use crate::options::{FirstThread, Options};
use crate::sites::{Statement, statements};
use crate::subject::logger::{Counter, Kymo};
use crate::subject::{Setup, Subject};
use kymo_bench::statistics::{COLUMNS, Distribution, summarise};
use kymo_bench::table::Table;
use kymo_bench::{counter, place};

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds = FirstThread::ALL.map(|_| Vec::new());
    for _ in 0..options.rounds {
        for ((_, name), rounds) in FirstThread::ALL.into_iter().zip(&mut rounds) {
            rounds.push(one_round(options, name)?);
        }
    }
    let mut table = Table::new(
        "The first call of a call site, ns",
        &COLUMNS,
        "mixed, 1,000 call sites, each called once, in a process of its own. prepared, \
         unprepared: one thread calls them all, after kymo::prepare_thread() or without it (the \
         maximum is then the making of its ring). new: each by an unprepared thread of its own, \
         100 of them.",
    );
    for ((_, name), rounds) in FirstThread::ALL.into_iter().zip(&rounds) {
        table.row(format!("{name} thread"), summarise(rounds));
    }
    Ok(vec![table])
}

fn one_round(options: &Options, thread: &str) -> Result<Vec<f64>> {
    let output = options.child()?.args(["--first-calls", thread]).output()?;
    if !output.status.success() {
        return Err(format!("the child process ended with {}", output.status).into());
    }
    let mut distribution = Distribution::default();
    for line in String::from_utf8(output.stdout)?.lines() {
        distribution.add(line.parse()?);
    }
    Ok(distribution.figures_ns())
}

/// The child process.
pub fn child(options: &Options, thread: FirstThread) -> Result<()> {
    /// So many threads make a first call.
    const NEW_THREADS: usize = 100;
    place::pin(options.producer_core)?;
    let setup = Setup::new(options);
    let kymo = Kymo::<Counter>::start(&setup)?;
    if thread == FirstThread::Prepared {
        let _ = kymo.producer();
    }
    let statements = statements().collect::<Vec<_>>();
    // What the timing itself needs is warm.
    time(|_| (), 0);
    let ticks = match thread {
        FirstThread::New => statements[..NEW_THREADS].iter().map(in_new_thread).collect(),
        _ => statements.iter().zip(0..).map(|(&statement, id)| time(statement, id)).collect(),
    };
    let ticks: Vec<u64> = ticks;
    nothing_lost("kymo", kymo.stop()?)?;
    ticks.iter().for_each(|ticks| println!("{ticks}"));
    Ok(())
}

fn in_new_thread(&statement: &Statement) -> u64 {
    std::thread::spawn(move || time(statement, 7)).join().expect("a log call does not panic")
}

#[inline(never)]
fn time(statement: Statement, id: u64) -> u64 {
    let start = counter::read_fenced();
    statement(id);
    counter::read_fenced() - start
}
