//! What the consumer costs while one thread logs a little.

use std::time::{Duration, Instant};

use super::nothing_lost;
use crate::Result;
use crate::cpu;
use crate::options::Options;
use crate::subject::logger::{Counter, Kymo};
use crate::subject::{Message, Mixed, Producer, Setup, Subject};
use kymo_bench::statistics::median;
use kymo_bench::table::Table;

/// Records a second.
const RATES: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// A gap that is shorter is spun for, because no sleep ends in time.
const SHORTEST_SLEEP: Duration = Duration::from_micros(500);

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [Vec<[f64; 3]>; RATES.len()] = Default::default();
    for _ in 0..options.rounds {
        for (rate, rounds) in RATES.into_iter().zip(&mut rounds) {
            rounds.push(one_round(options, rate)?);
        }
    }
    let mut table = Table::new(
        format!("Low rates: one producer, for {:?}", time(options)),
        &["CPU %", "lag ms", "max lag ms"],
        "CPU: of the consumer, in percent of a core. Lag: how old the oldest record of a sweep was \
         when it was in the file; the median of some, and the largest of all.",
    );
    for (rate, rounds) in RATES.into_iter().zip(&rounds) {
        let column = |index: usize| rounds.iter().map(move |figures| figures[index]);
        let largest = column(2).fold(0.0, f64::max);
        table.row(format!("{rate}/s"), vec![median(column(0)), median(column(1)), largest]);
    }
    Ok(vec![table])
}

fn time(options: &Options) -> Duration {
    options.pick(Duration::from_secs(2), Duration::from_millis(100))
}

fn one_round(options: &Options, rate: u32) -> Result<[f64; 3]> {
    let setup = Setup::new(options);
    let kymo = Kymo::<Counter>::start(&setup)?;
    let mut producer = kymo.producer();
    let cpu = || Kymo::<Counter>::CONSUMER.and_then(cpu::seconds_of).unwrap_or(f64::NAN);
    // The first records are of another kind: the thread and the call site are made known.
    Mixed::log(&mut producer, 0);
    producer.flush();
    let before = cpu();
    let start = Instant::now();
    let mut lags = Vec::new();
    let mut number = 0;
    while start.elapsed() < time(options) {
        let next = Duration::from_secs(u64::from(number)) / rate;
        loop {
            match next.checked_sub(start.elapsed()) {
                Some(rest) if rest > SHORTEST_SLEEP => std::thread::sleep(rest - SHORTEST_SLEEP),
                Some(_) => std::hint::spin_loop(),
                None => break,
            }
        }
        Mixed::log(&mut producer, u64::from(number));
        number += 1;
        if number % rate.div_ceil(100) == 0 {
            lags.push(kymo.as_ref().stats().lag.as_secs_f64() * 1e3);
        }
    }
    let share = (cpu() - before) / start.elapsed().as_secs_f64();
    producer.flush();
    let max_lag = kymo.as_ref().stats().max_lag.as_secs_f64() * 1e3;
    nothing_lost("kymo", kymo.stop()?)?;
    Ok([share * 100.0, median(lags), max_lag])
}
