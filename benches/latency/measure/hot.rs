//! A call in a tight loop: batches that fit into the ring, which is drained in between, untimed.
//!
//! Each batch is followed by one of bare counter reads in a loop of the same shape. After them all
//! a batch more, whose instructions the processor counts, where it does.

use std::time::Duration;

use super::nothing_lost;
use crate::Result;
use crate::options::Options;
use crate::subject::bare::CounterRead;
use crate::subject::floor::Floor;
use crate::subject::logger::{Coarse, Counter, Kymo};
use crate::subject::{
    Disabled, Ints, Message, Mixed, Producer as _, Setup, Static, Str64, Subject,
};
use kymo_bench::counter;
use kymo_bench::instructions;
use kymo_bench::statistics::median;
use kymo_bench::table::Table;
use kymo_bench::timing::batch;
use kymo_bench::values::BATCH;

/// Median nanoseconds of a call, and of a bare counter read beside it; instructions of a call.
struct Figures {
    call_ns: f64,
    bare_ns: f64,
    instructions: f64,
}

type Run = fn(&Options, &str) -> Result<Figures>;

struct Row {
    message: &'static str,
    subject: &'static str,
    run: Run,
}

const ROWS: [Row; 14] = [
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
    row::<CounterRead, Static>("bare counter read"),
];

const fn row<S: Subject, M: Message>(subject: &'static str) -> Row {
    Row { message: M::NAME, subject, run: one_round::<S, M> }
}

pub fn run(options: &Options) -> Result<Vec<Table>> {
    let mut rounds: [Vec<Figures>; ROWS.len()] = std::array::from_fn(|_| Vec::new());
    for _ in 0..options.rounds {
        for (row, rounds) in ROWS.iter().zip(&mut rounds) {
            rounds.push((row.run)(options, row.subject)?);
        }
    }
    let mut table = Table::new(
        "A call in a tight loop",
        &["ns/call", "bare read", "x bare", "x floor", "instructions"],
        format!(
            "ns/call: median over batches of 4,096 calls, then over rounds. bare read: a loop of \
             counter reads, each batch beside one of calls. x floor: a multiple of the floor \
             program with the same message. instructions: of a call and of the loop around it, \
             {}.",
            match instructions::Counter::new() {
                Ok(_) => "counted by the processor".to_owned(),
                Err(error) => format!("not counted: {error}; benches/instructions.sh counts them"),
            }
        ),
    );
    let calls =
        rounds.each_ref().map(|rounds| median(rounds.iter().map(|figures| figures.call_ns)));
    for (index, row) in ROWS.iter().enumerate() {
        let bare = median(rounds[index].iter().map(|figures| figures.bare_ns));
        let ratio = median(rounds[index].iter().map(|figures| figures.call_ns / figures.bare_ns));
        let floor =
            ROWS.iter().position(|other| (other.subject, other.message) == ("floor", row.message));
        let over_floor = floor.map_or(f64::NAN, |floor| calls[index] / calls[floor]);
        let name = format!("{:9} {}", row.message, row.subject);
        let instructions = median(rounds[index].iter().map(|figures| figures.instructions));
        table.row(name, vec![calls[index], bare, ratio, over_floor, instructions]);
    }
    Ok(vec![table])
}

fn one_round<S: Subject, M: Message>(options: &Options, name: &str) -> Result<Figures> {
    const WARM_UP: u64 = 8;
    // A consumer that may sleep would just be falling asleep between two batches, and miss the
    // next one: calls look cheaper while nobody looks at the ring.
    let setup = Setup { idle_sleep: Some(Duration::ZERO), ..Setup::new(options) };
    let subject = S::start(&setup)?;
    let (mut calls, mut bare) = (Vec::new(), Vec::new());
    let instructions;
    {
        let mut producer = subject.producer();
        for number in 0..WARM_UP + options.pick(100, 8) {
            let call = batch::<_, M>(&mut producer, number * BATCH);
            producer.flush();
            let read = batch::<_, M>(&mut CounterRead, number * BATCH);
            if number >= WARM_UP {
                calls.push(call as f64);
                bare.push(read as f64);
            }
        }
        let counted = instructions::count(|| batch::<_, M>(&mut producer, 0));
        instructions = counted.map_or(f64::NAN, |counted| counted as f64 / BATCH as f64);
        producer.flush();
    }
    nothing_lost(name, subject.stop()?)?;
    let per_call = |ticks: Vec<f64>| counter::ns(median(ticks)) / BATCH as f64;
    Ok(Figures { call_ns: per_call(calls), bare_ns: per_call(bare), instructions })
}
