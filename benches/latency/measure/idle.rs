//! What a logger costs that has nothing to do.

use std::time::Duration;

use super::nothing_lost;
use crate::Result;
use crate::cpu;
use crate::options::Options;
use crate::subject::logger::{Counter, Kymo};
use crate::subject::{Message, Mixed, Producer, Setup, Subject};
use kymo_bench::statistics::median;
use kymo_bench::table::Table;

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let figures = (0..options.rounds).map(|_| one_round(options)).collect::<Result<Vec<_>>>()?;
    let mut table = Table::new(
        format!("Idle: {:?} without a call", time(options)),
        &["CPU ms", "CPU %"],
        "Processor time of the consumer, one thread being prepared.",
    );
    let column = |index: usize| median(figures.iter().map(|figures| figures[index]));
    table.row("kymo", vec![column(0), column(1)]);
    Ok(vec![table])
}

fn time(options: &Options) -> Duration {
    options.pick(Duration::from_secs(2), Duration::from_millis(300))
}

fn one_round(options: &Options) -> Result<[f64; 2]> {
    let time = time(options);
    let setup = Setup::new(options);
    let kymo = Kymo::<Counter>::start(&setup)?;
    let mut producer = kymo.producer();
    Mixed::log(&mut producer, 0);
    producer.flush();
    // It stays awake for a while after a record.
    std::thread::sleep(Duration::from_millis(20));
    let cpu = || Kymo::<Counter>::CONSUMER.and_then(cpu::seconds_of).unwrap_or(f64::NAN);
    let before = cpu();
    std::thread::sleep(time);
    let used = cpu() - before;
    nothing_lost("kymo", kymo.stop()?)?;
    Ok([used * 1e3, used * 100.0 / time.as_secs_f64()])
}
