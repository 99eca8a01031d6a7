//! Whatever the length of a file, reading it takes a bounded amount of memory.

use std::convert::Infallible;
use std::error::Error;
use std::ops::ControlFlow;
use std::process::Command;
use std::{env, fs};

use kymo::{Logger, Overflow};
use kymo_reader::{Event, Files, Options, Order, json};

/// What a process that turns a file into text may take at most: its code and its threads' stacks
/// included.
const MOST_KIB: u64 = 64 << 10;

/// The file is larger than that, and its text larger still.
const RECORDS: u64 = 500_000;
const TEXT_BYTES: usize = 200;

/// Where the process that reads finds the file.
const FILE: &str = "KYMO_TEST_MEMORY_FILE";

/// A process that renders a long file stays below 64 MiB.
#[test]
fn rendering_stays_below_64_mib() -> Result<(), Box<dyn Error>> {
    if let Some(path) = env::var_os(FILE) {
        return render(path.as_ref());
    }
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("long.kymo");
    let logger = Logger::builder(&path).overflow(Overflow::Wait { timeout: None }).start()?;
    let text = "x".repeat(TEXT_BYTES);
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let text = &text;
            scope.spawn(move || {
                for i in 0..RECORDS / 2 {
                    kymo::info!("{thread} {i} {text}");
                }
            });
        }
    });
    assert_eq!(logger.shutdown().written, RECORDS);
    assert!(fs::metadata(&path)?.len() > MOST_KIB << 10);

    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let reader = Command::new(env::current_exe()?)
        .args(["--exact", &test, "--nocapture"])
        .env(FILE, &path)
        .status()?;
    assert!(reader.success());
    Ok(())
}

/// Turns the file into text and JSON, by time, with two threads besides this one.
fn render(path: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let mut files = Files::open([path], || Options::new().order(Order::Time))?;
    let renderer = || {
        |_: usize, event: &Event<'_>, out: &mut String| {
            if let Event::Record(record) = event {
                record.message(out);
                json::write_fields(record, out);
                out.push('\n');
            }
        }
    };
    let mut bytes = 0;
    let _: ControlFlow<Infallible> = files.render(2, renderer, |piece| {
        bytes += piece.len();
        ControlFlow::Continue(())
    })?;
    assert!(bytes > 2 * RECORDS as usize * TEXT_BYTES, "{bytes}");

    let status = fs::read_to_string("/proc/self/status")?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let most: u64 = most.trim().trim_end_matches(" kB").parse()?;
    println!("{most} KiB at most");
    assert!(most < MOST_KIB, "{most} KiB");
    Ok(())
}
