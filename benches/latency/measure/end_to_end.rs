//! From the first call until all is in the file: as fast as the waiting policy lets the producers
//! log.

use std::sync::Barrier;
use std::time::Instant;

use super::nothing_lost;
use crate::Result;
use crate::cpu;
use crate::options::Options;
use crate::subject::floor::Floor;
use crate::subject::logger::{Counter, Kymo};
use crate::subject::{Message, Mixed, Outcome, Producer, Setup, Subject};
use kymo_bench::place;
use kymo_bench::statistics::median;
use kymo_bench::table::Table;

/// Messages/s, bytes per message in the file, seconds of the consumer on a processor, and
/// nanoseconds of these per message.
type Figures = [f64; 4];

type Run = fn(&Options, u64, &str) -> Result<Figures>;

/// A name, how long a record of the message is in its rings in bytes, and what runs it.
const SUBJECTS: [(&str, f64, Run); 3] = [
    ("floor", 40.0, one_round::<Floor>),
    ("floor of 24 bytes", 24.0, one_round::<Floor<3>>),
    ("kymo", 40.0, one_round::<Kymo<Counter>>),
];

const PRODUCERS: [u64; 3] = [1, 2, 4];

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [[Vec<Figures>; SUBJECTS.len()]; PRODUCERS.len()] = Default::default();
    for _ in 0..options.rounds {
        for (producers, rounds) in PRODUCERS.into_iter().zip(&mut rounds) {
            for ((name, _, run), rounds) in SUBJECTS.into_iter().zip(rounds) {
                rounds.push(run(options, producers, name)?);
            }
        }
    }
    let mut table = Table::new(
        format!("End to end: {} messages until all is in the file", messages(options)),
        &["messages/s", "bytes in ring", "bytes in file", "consumer s", "consumer ns"],
        "mixed, nothing is lost. One producer is pinned, several run where the system puts them, \
         on the consumer's core too. The floor of 24 bytes copies one argument of three. consumer s: its processor time (it spins while it waits); \
         consumer ns: the same per message.",
    );
    for (producers, rounds) in PRODUCERS.into_iter().zip(&rounds) {
        for ((name, ring_bytes, _), rounds) in SUBJECTS.into_iter().zip(rounds) {
            let column = |index: usize| median(rounds.iter().map(|figures| figures[index]));
            let figures = vec![column(0), ring_bytes, column(1), column(2), column(3)];
            table.row(format!("{producers} producers, {name}"), figures);
        }
    }
    Ok(vec![table])
}

fn messages(options: &Options) -> u64 {
    if options.long { 50_000_000 } else { options.pick(4_000_000, 200_000) }
}

fn one_round<S: Subject>(options: &Options, producers: u64, name: &str) -> Result<Figures> {
    let total = messages(options);
    let setup = Setup { floor_writes: true, ..Setup::new(options) };
    let subject = S::start(&setup)?;
    let cpu = || S::CONSUMER.and_then(cpu::seconds_of).unwrap_or(f64::NAN);
    let cpu_before = cpu();
    let seconds = if producers == 1 {
        let mut producer = subject.producer();
        let start = Instant::now();
        produce(&mut producer, total);
        start.elapsed().as_secs_f64()
    } else {
        at_once(options, &subject, producers, total / producers)
    };
    let cpu_seconds = cpu() - cpu_before;
    let Outcome { written, dropped, file_bytes } = subject.stop()?;
    nothing_lost(name, Outcome { written, dropped, file_bytes })?;
    if written != total {
        return Err(format!("{name}: {written} of {total} records were written").into());
    }
    let bytes = file_bytes as f64 / total as f64;
    Ok([total as f64 / seconds, bytes, cpu_seconds, cpu_seconds * 1e9 / total as f64])
}

/// Several producers; the time from the first one's start to the last one's end.
fn at_once<S: Subject>(options: &Options, subject: &S, producers: u64, each: u64) -> f64 {
    let begin = Barrier::new(producers as usize);
    let run = || {
        place::unpin(&options.cores).expect("the cores that the process had");
        let mut producer = subject.producer();
        begin.wait();
        let start = Instant::now();
        produce(&mut producer, each);
        (start, Instant::now())
    };
    let times = std::thread::scope(|scope| {
        let threads = (0..producers).map(|_| scope.spawn(run)).collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().expect("a producer")).collect::<Vec<_>>()
    });
    let first = times.iter().map(|(start, _)| *start).min();
    let last = times.iter().map(|(_, end)| *end).max();
    last.zip(first).map_or(f64::NAN, |(last, first)| (last - first).as_secs_f64())
}

/// Logs and flushes.
#[inline(never)]
fn produce<P: Producer>(producer: &mut P, messages: u64) {
    for number in 0..messages {
        Mixed::log(producer, number);
    }
    producer.flush();
}
