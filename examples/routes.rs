//! Several logs of one program: everything in `app.kymo`, errors also in `critical.kymo`, what the module `net` does
//! also in `net.kymo`, and what auditors ask for in `audit.kymo` alone.
//!
//! `cargo run --example routes [DIRECTORY]`

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use kymo::{Durability, Keep, Level, Logger, NamedLog, Report, Rotation, Route, error, info, warn};

/// What auditors ask for. It is a file of its own, and on the disk after a second.
const AUDIT: NamedLog = NamedLog::new("audit");

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let report = run(directory)?;
    println!("app.kymo: {} records, {} dropped", report.written, report.dropped);
    for log in report.logs {
        println!("{}: {} records, {} dropped", log.path.display(), log.written, log.dropped);
    }
    Ok(())
}

/// Logs to all logs.
pub fn run(directory: PathBuf) -> Result<Report, Box<dyn Error>> {
    let logger = Logger::builder(directory.join("app.kymo"))
        // A call that logs an error returns when that is in both of its logs.
        .route(Route::level(Level::Error).to(directory.join("critical.kymo")).write_through())
        .route(
            Route::target("net")
                .to(directory.join("net.kymo"))
                .rotate(Rotation::size(64 << 20))
                .keep(Keep::bytes(512 << 20)),
        )
        .route(
            Route::logger(AUDIT)
                .to(directory.join("audit.kymo"))
                .only()
                .durability(Durability::Every(Duration::from_secs(1))),
        )
        .start()?;

    info!("the exchange opens");
    info!(logger: AUDIT, user = "ann", order = 7; "bought");
    warn!(target: "net::http", "a request took {} ms", 250);
    error!(target: "net", "no connection to {}", "XETRA");
    info!(logger: AUDIT, user = "bob", order = 8; "sold");

    Ok(logger.shutdown())
}
