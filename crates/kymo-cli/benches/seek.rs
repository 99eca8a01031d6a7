//! How long it takes to the first line of a rotated log of 1,000 segments and 100 GiB, of which only indexes and few
//! blocks are read.
//!
//! `cargo bench -p kymo-cli --bench seek` makes the log in a temporary directory (`TMPDIR`). Its files are sparse: what
//! is not read is not there, and a command that read it would say that it is damaged. Takes some MiB of the disk, and
//! prints the median of 21 runs for each command, all of them warm.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kymo_format::frame::Kind;
use kymo_format::index::{Index, Step};
use kymo_format::types::Type;
use kymo_testing::rotated::{segment_name, set_link};
use kymo_testing::segment::{Arg, Rec, Segment};

/// How many segments there are, and how long each says to be.
const SEGMENTS: u64 = 1_000;
const SEGMENT_BYTES: u64 = 100 << 20;

/// After how many bytes there is a step, and how much of the end of a segment is there.
const STEP_BYTES: u64 = 256 << 10;

/// The call sites of a segment.
const SITES: u64 = 100;

/// The length of a segment in time: a minute.
const SEGMENT_NS: u64 = 60_000_000_000;

/// When the log begins.
const BEGIN_NS: i64 = 1_796_018_220_000_000_000;

/// The segment that has a record of level error.
const WITH_ERROR: u64 = 900;

const RUNS: usize = 21;

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    for sequence in 1..=SEGMENTS {
        write_segment(&directory.path().join(segment_name(sequence)), sequence);
    }
    let log = directory.path().join("app.kymo");
    set_link(&log, SEGMENTS);
    let there: u64 = fs::read_dir(&directory)
        .expect("it is there")
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|it| std::os::unix::fs::MetadataExt::blocks(&it) * 512)
        .sum();
    println!(
        "{SEGMENTS} segments of {} MiB, of which {} MiB are there, made in {:.1} s",
        SEGMENT_BYTES >> 20,
        there >> 20,
        begun.elapsed().as_secs_f64()
    );
    let seconds = |sequence: u64| (BEGIN_NS as u64 / 1_000_000_000) + sequence * 60;
    let since = format!("--since={}.9", seconds(500) + 59);
    let until = format!("--until={}.95", seconds(700) + 59);
    let from = format!("--since={}.9", seconds(700) + 59);
    for args in [
        &["cat", &since][..],
        &["cat", &from, &until],
        &["cat", "--level=error", "--no-marks"],
        &["cat", "--last=10"],
        &["tail"],
        &["ls"],
    ] {
        let before = processor_time();
        let mut times: Vec<Duration> = (0..RUNS).map(|_| first_line(args, &log)).collect();
        let processor = (processor_time() - before) / RUNS as u32;
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{:>6.1} ms to the first line ({:.1} to {:.1}), {:.1} ms of a processor: kymo {}",
            ms(times[RUNS / 2]),
            ms(times[0]),
            ms(times[RUNS - 1]),
            ms(processor),
            args.join(" ")
        );
    }
}

/// The processor time of the commands that have ended, in steps of the system's clock.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Fields 16 and 17 of the line; the name is the second one.
    let ticks = after_name.split_whitespace().skip(13).take(2);
    Duration::from_millis(10 * ticks.filter_map(|it| it.parse::<u64>().ok()).sum::<u64>())
}

/// The time from the start of a command to its first line.
fn first_line(args: &[&str], log: &Path) -> Duration {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kymo"))
        .args(args)
        .arg(log)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the command");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    let time = begun.elapsed();
    assert!(!line.is_empty() && !line.contains("--"), "{args:?}: {line:?}");
    let _ = child.kill();
    let _ = child.wait();
    time
}

/// Writes a segment of which only the dictionary, the last steps and the index are there.
fn write_segment(path: &Path, sequence: u64) {
    let mut segment = Segment::of_log(9, sequence);
    segment.clock(BEGIN_NS).thread(0, "main");
    for site in 0..SITES {
        let level = if sequence == WITH_ERROR && site == 0 { 1 } else { 3 };
        segment.site_at(
            site,
            site,
            level,
            "order {id} of {account}",
            &[("id", Type::U64), ("account", Type::Str)],
        );
    }
    let known: Vec<u64> = segment.frames.iter().map(|frame| frame.0 as u64).collect();
    let begin = sequence * SEGMENT_NS;
    if sequence == WITH_ERROR {
        let args = [Arg::Unsigned(1), Arg::Str(b"ACME")];
        segment.last_block(0, &[Rec(0, begin, &args)], begin).close_with_index(1_000);
        fs::write(path, &segment.bytes).expect("room");
        return;
    }
    let near = segment.bytes.len();
    // What is there at the end: a step, and of the last segment all that is looked into.
    let steps_there = if sequence + 1 >= SEGMENTS { 8 } else { 1 };
    let mut records = 0;
    let steps = SEGMENT_BYTES / STEP_BYTES;
    let step_ns = SEGMENT_NS / steps;
    let far = SEGMENT_BYTES - steps_there * STEP_BYTES;
    let mut index = Index { steps: Vec::new(), frames: known };
    for step in 0..steps {
        let oldest_ns = BEGIN_NS + (begin + step * step_ns) as i64;
        let offset = if step == 0 { 4_096 } else { step * STEP_BYTES };
        let newest_ns = oldest_ns + step_ns as i64 - 1;
        index.steps.push(Step { offset, oldest_ns, newest_ns, watermark: 0 });
    }
    for step in steps - steps_there..steps {
        let at = (begin + step * step_ns, step_ns / 5_000);
        let offset = far + (segment.bytes.len() - near) as u64;
        index.steps[step as usize].offset = offset;
        let end = (step + 1 - (steps - steps_there)) * STEP_BYTES - 32_768;
        while ((segment.bytes.len() - near) as u64) < end {
            let args = [Arg::Unsigned(records), Arg::Str(b"ACME")];
            let first = records % 4_000;
            let block: Vec<Rec<'_>> =
                (0..1_000).map(|n| Rec(n % SITES, at.0 + (first + n) * at.1, &args)).collect();
            segment.last_block(0, &block, at.0 + first * at.1);
            records += 1_000;
        }
    }
    let length = far + (segment.bytes.len() - near) as u64;
    let mut payload = Vec::new();
    index.put(length, &mut payload);
    segment.frame(Kind::Index as u8, &payload);
    segment.close_end();
    let there = segment.bytes.split_off(near);
    segment.set_committed(far + there.len() as u64);
    let mut file = File::create(path).expect("room");
    file.write_all(&segment.bytes).expect("room");
    file.seek(SeekFrom::Start(far)).and_then(|_| file.write_all(&there)).expect("room");
}
