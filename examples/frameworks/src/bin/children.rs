//! A program whose children log, too: each process has a file, and all are read as one log.
//!
//! `cargo run -p kymo-frameworks --bin children -- jobs`; `kymo cat jobs` prints what this program prints.

use std::path::Path;
use std::process::Command;

use kymo::reader::{Event, Files, Options, Order};
use kymo::{Logger, info};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "jobs".to_owned());
    // `job.kymo`, `job-2.kymo`, …: a file belongs to one process.
    let logger = Logger::builder(&directory).join("job").make_directory(true).start()?;
    if let Some(job) = arguments.next() {
        (0..3).for_each(|step| info!(target: "child", "job {job} at step {step}"));
        return Ok(());
    }
    let spawn = |job: u32| {
        Command::new(std::env::current_exe()?).args([&directory, &job.to_string()]).spawn()
    };
    let children = (1..=3).map(spawn).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        let (pid, status) = (child.id(), child.wait()?);
        info!(target: "parent", "child {pid} ended: {}", status.code().unwrap_or(-1));
    }
    logger.shutdown();
    print_all(Path::new(&directory))
}

/// Prints all logs of a directory, by time.
fn print_all(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Files::open_dir(directory, || Options::new().order(Order::Time))?;
    let mut message = String::new();
    while let Some((_, event)) = files.next_event()? {
        if let Event::Record(record) = event {
            message.clear();
            record.message(&mut message);
            println!("{}: {message}", record.target());
        }
    }
    Ok(())
}
