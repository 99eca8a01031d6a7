//! One measurement of one logger, in a process of its own. The figures go to standard output, as
//! JSON, for the program `peers`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use serde_json::{Value, json};

use crate::Result;
use crate::peer::{Peer, Setup};
use kymo_bench::bare::{CounterRead, Empty};
use kymo_bench::counter;
use kymo_bench::messages::{Disabled, Ints, Message, Mixed, Producer, Static, Str64};
use kymo_bench::place;
use kymo_bench::statistics::{COLUMNS, Distribution, median};
use kymo_bench::timing::{BURST, batch, bursts_of};
use kymo_bench::values::BATCH;

/// Bursts between two pauses in which the queue is drained: their calls fit into every queue.
const BURSTS: usize = BATCH as usize / BURST;

/// What to measure, and how much of it.
struct Task {
    measure: String,
    message: String,
    /// Batches of the measure `hot`, groups of bursts of the measure `latency`.
    batches: u64,
    /// Messages of the measure `end-to-end`.
    count: u64,
    producers: u64,
    producer_core: usize,
    setup: Setup,
    /// The cores that this process may use.
    cores: Vec<usize>,
}

/// The `main` of a logger's program.
pub fn main<P: Peer>() -> ExitCode {
    match parse().and_then(|task| run::<P>(task)) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Task> {
    let mut task = Task {
        measure: String::new(),
        message: Mixed::NAME.to_owned(),
        batches: 8,
        count: 100_000,
        producers: 1,
        producer_core: place::PRODUCER_CORE,
        setup: Setup {
            directory: PathBuf::new(),
            consumer_core: place::consumer_core(),
            variant: String::new(),
        },
        cores: place::allowed_cores(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("measure") => task.measure = parser.value()?.string()?,
            Long("message") => task.message = parser.value()?.string()?,
            Long("batches") => task.batches = parser.value()?.parse()?,
            Long("count") => task.count = parser.value()?.parse()?,
            Long("producers") => task.producers = parser.value()?.parse::<u64>()?.max(1),
            Long("producer-core") => task.producer_core = parser.value()?.parse()?,
            Long("consumer-core") => {
                let core = parser.value()?;
                task.setup.consumer_core = if core == "none" { None } else { Some(core.parse()?) };
            }
            Long("directory") => task.setup.directory = parser.value()?.into(),
            Long("variant") => task.setup.variant = parser.value()?.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(task)
}

fn run<P: Peer>(task: Task) -> Result<Value> {
    match task.message.as_str() {
        "mixed" => measure::<P, Mixed>(&task, "filled at"),
        "ints" => measure::<P, Ints>(&task, "tick "),
        "static" => measure::<P, Static>(&task, "heartbeat"),
        "str64" => measure::<P, Str64>(&task, "text "),
        "disabled" => measure::<P, Disabled>(&task, "filled at"),
        other => Err(format!("there is no message {other:?}").into()),
    }
}

fn measure<P: Peer, M: Message>(task: &Task, marker: &str) -> Result<Value> {
    let (mut figures, logged, dropped) = match task.measure.as_str() {
        "hot" => hot::<P, M>(task)?,
        "latency" => latency::<P, M>(task)?,
        "end-to-end" => end_to_end::<P, M>(task)?,
        other => return Err(format!("there is no measure {other:?}").into()),
    };
    let logged = if M::NAME == Disabled::NAME { 0 } else { logged };
    let (mut written, mut bytes) = (0, 0);
    for file in files(&task.setup.directory)? {
        written += P::messages_in(&file, marker)?;
        bytes += file.metadata()?.len();
    }
    if dropped.is_some_and(|dropped| written + dropped != logged) {
        let dropped = dropped.unwrap_or_default();
        return Err(format!("{logged} logged, {written} in the file, {dropped} dropped").into());
    }
    if written > logged {
        return Err(format!("{logged} logged, but {written} in the file").into());
    }
    if let Some(seconds) = figures["seconds"].as_f64() {
        figures["messages/s"] = json!(written as f64 / seconds);
    }
    figures["logged"] = json!(logged);
    figures["written"] = json!(written);
    figures["lost %"] = json!(100.0 * (logged - written) as f64 / logged.max(1) as f64);
    figures["bytes"] = json!(bytes as f64 / written as f64);
    Ok(figures)
}

/// The logger's threads inherit the core on which they are started; then the producer moves.
fn start<P: Peer>(task: &Task) -> Result<P> {
    if let Some(core) = task.setup.consumer_core {
        place::pin(core)?;
    }
    let peer = P::start(&task.setup)?;
    place::pin(task.producer_core)?;
    Ok(peer)
}

/// Figures, how many messages were logged, and how many the logger says that it dropped.
type Outcome = (Value, u64, Option<u64>);

/// A tight loop: batches that fit into the queue, which is drained in between, untimed. Beside each
/// batch a loop of bare counter reads.
fn hot<P: Peer, M: Message>(task: &Task) -> Result<Outcome> {
    const WARM_UP: u64 = 16;
    let peer = start::<P>(task)?;
    let mut producer = peer.producer();
    let (mut calls, mut bare) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + task.batches {
        let call = batch::<_, M>(&mut producer, number * BATCH);
        drain(task, &mut producer)?;
        let read = batch::<_, M>(&mut CounterRead, number * BATCH);
        if number >= WARM_UP {
            calls.push(counter::ns(call as f64) / BATCH as f64);
            bare.push(counter::ns(read as f64) / BATCH as f64);
        }
    }
    drop(producer);
    let dropped = peer.stop()?;
    let figures = json!({ "ns": median(calls), "bare ns": median(bare) });
    Ok((figures, (WARM_UP + task.batches) * BATCH, dropped))
}

/// Single calls in bursts with short pauses between them; after as many as fit into the queue it is
/// drained. Beside them pairs of counter reads with nothing in between.
fn latency<P: Peer, M: Message>(task: &Task) -> Result<Outcome> {
    let warm_up = task.batches.div_ceil(10);
    let peer = start::<P>(task)?;
    let mut producer = peer.producer();
    let (mut calls, mut empty) = (Distribution::default(), Distribution::default());
    let mut warming = Distribution::default();
    for number in 0..warm_up + task.batches {
        let (calls, empty) = if number < warm_up {
            (&mut warming, &mut Distribution::default())
        } else {
            (&mut calls, &mut empty)
        };
        bursts_of::<_, M>(&mut producer, BURSTS, calls);
        drain(task, &mut producer)?;
        bursts_of::<_, M>(&mut Empty, BURSTS / 10, empty);
    }
    drop(producer);
    let dropped = peer.stop()?;
    let named = |distribution: &Distribution| {
        let figures = COLUMNS.into_iter().map(str::to_owned).zip(distribution.figures_ns());
        figures.map(|(name, ns)| (name, json!(ns))).collect::<serde_json::Map<_, _>>()
    };
    let figures = json!({ "ns": named(&calls), "empty pair ns": named(&empty) });
    Ok((figures, (warm_up + task.batches) * (BURSTS * BURST) as u64, dropped))
}

/// From the first call until the logger has ended and all is in the file.
fn end_to_end<P: Peer, M: Message>(task: &Task) -> Result<Outcome> {
    let peer = start::<P>(task)?;
    let each = task.count / task.producers;
    let begin = Barrier::new(task.producers as usize);
    let run = || -> std::result::Result<(), String> {
        if task.producers > 1 {
            place::unpin(&task.cores).map_err(|error| error.to_string())?;
        }
        let mut producer = peer.producer();
        begin.wait();
        for number in 0..each {
            M::log(&mut producer, number);
        }
        Ok(())
    };
    let cpu = cpu_seconds();
    let first_call = Instant::now();
    if task.producers == 1 {
        run()?;
    } else {
        std::thread::scope(|scope| {
            let threads = (0..task.producers).map(|_| scope.spawn(run)).collect::<Vec<_>>();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a producer"))
        })?;
    }
    let dropped = peer.stop()?;
    let seconds = first_call.elapsed().as_secs_f64();
    let logged = each * task.producers;
    let cpu_ns = (cpu_seconds() - cpu) * 1e9 / logged as f64;
    Ok((json!({ "seconds": seconds, "cpu ns": cpu_ns }), logged, dropped))
}

/// Waits until the logger has caught up: as it offers, and then until its file has not grown for
/// two milliseconds.
fn drain(task: &Task, producer: &mut impl Producer) -> Result<()> {
    const STEP: Duration = Duration::from_micros(500);
    producer.flush();
    let (mut bytes, mut still) = (0, 0);
    while still < 4 {
        std::thread::sleep(STEP);
        let now = files(&task.setup.directory)?.iter().map(|file| length(file)).sum::<u64>();
        still = if now == bytes { still + 1 } else { 0 };
        bytes = now;
    }
    Ok(())
}

fn length(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// The files, not the symbolic links, of a folder.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Processor time of all threads of this process.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for writes for as long as the call takes.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if failed != 0 { f64::NAN } else { time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9 }
}
