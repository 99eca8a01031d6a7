//! Logs a year of weather from three airports, one thread each, and reads the log back.
//!
//! `cargo run --release --example station [LOG]`; without LOG, into the temporary directory.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;

use kymo_reader::{Options, Order};

const WEATHER: &str = include_str!("data/weather.csv");
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
const STRONG_GUST: f64 = 40.0;

fn main() -> Result<(), Box<dyn Error>> {
    let default = || std::env::temp_dir().join("station.kymo");
    let path = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let logger = kymo::Logger::builder(&path).overwrite(true).start()?;

    thread::scope(|scope| {
        for airport in AIRPORTS {
            let station = thread::Builder::new().name(airport.to_owned());
            station.spawn_scoped(scope, move || observe(airport)).expect("a thread");
        }
    });

    let report = logger.shutdown();
    println!("{} records, {} bytes in {}", report.written, report.file_bytes, path.display());

    let mut reader = Options::new().order(Order::Time).open(&path)?;
    let mut message = String::new();
    for _ in 0..5 {
        let Some(record) = reader.next_record()? else { break };
        message.clear();
        record.message(&mut message);
        println!("{:5} {message}", record.level());
    }
    Ok(())
}

/// Logs each row of one airport.
fn observe(airport: &str) {
    kymo::prepare_thread();
    for row in WEATHER.lines().skip(1).filter(|row| row.starts_with(airport)) {
        log_row(row).unwrap_or_else(|| kymo::error!(target: "station", "cannot parse {row:?}"));
    }
}

/// Logs one row; the names of the record's fields are those of the table's columns.
fn log_row(row: &str) -> Option<()> {
    let mut columns = row.split(',');
    let origin = columns.next()?;
    let year: u16 = columns.next()?.parse().ok()?;
    let mut small = || columns.next()?.parse::<u8>().ok();
    let (month, day, hour) = (small()?, small()?, small()?);
    let mut decimal = || optional::<f64>(columns.next()?);
    let (temp, dewp, humid) = (decimal()?, decimal()?, decimal()?);
    let wind_dir = optional::<u16>(columns.next()?)?;
    let mut decimal = || optional::<f64>(columns.next()?);
    let (wind_speed, wind_gust, precip) = (decimal()?, decimal()?, decimal()?);
    let (pressure, visib) = (decimal()?, decimal()?);
    let time_hour = columns.next()?;
    kymo::info!(
        target: "station",
        "{origin} {year}-{month:02}-{day:02} {hour:02} h: {temp:?} F, dew point {dewp:?}, \
         {humid:?} %, wind {wind_dir:?} deg {wind_speed:?} mph, gusts {wind_gust:?}, \
         {precip:?} in, {pressure:?} mbar, visibility {visib:?} mi ({time_hour})",
    );
    if let Some(wind_gust) = wind_gust.filter(|gust| *gust > STRONG_GUST) {
        kymo::warn!(target: "station", "{origin}: gust of {wind_gust:.1} mph at {time_hour}");
    }
    Some(())
}

/// A value that may be missing; `None` if it is neither there nor marked as missing.
fn optional<T: FromStr>(column: &str) -> Option<Option<T>> {
    if column == "NA" { Some(None) } else { column.parse().ok().map(Some) }
}
