//! Logs a year of weather from three airports, one thread each, and reads the log back.
//!
//! `cargo run --release --example station [LOG]`; without LOG, into the temporary directory.

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use kymo::{Level, error, info, warn};
use kymo_reader::{Options, Order};

const WEATHER: &str = include_str!("data/weather.csv");
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
const STRONG_GUST: f64 = 40.0;

fn main() -> Result<(), Box<dyn Error>> {
    let default = || std::env::temp_dir().join("station.kymo");
    let path = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let logger = kymo::Logger::builder(&path).overwrite(true).start()?;

    let logging: Duration = thread::scope(|scope| {
        let stations = AIRPORTS.map(|airport| {
            let station = thread::Builder::new().name(airport.to_owned());
            station.spawn_scoped(scope, move || observe(airport)).expect("a thread")
        });
        stations.into_iter().map(|station| station.join().expect("no panic")).sum()
    });

    let report = logger.shutdown();
    let records = report.written;
    let ns = logging.as_nanos() / u128::from(records.max(1));
    let bytes = report.file_bytes;
    println!("{records} records from {} threads, {} dropped", AIRPORTS.len(), report.dropped);
    println!("{ns} ns for a record of 15 values, on average over all log calls");
    println!("{bytes} bytes, {} a record, in {}", bytes / records.max(1), path.display());

    println!();
    show(&path)?;

    let log = path.display();
    println!("\nTo look at it, `cargo install --path crates/kymo-cli`, then:");
    println!("  kymo cat --level warn {log}");
    println!("  kymo cat --where 'temp > 95 and wind_gust > 20' --format json {log}");
    println!("  kymo stats {log}");
    Ok(())
}

/// Prints the first records of the log, and the first warnings.
fn show(path: &Path) -> Result<(), Box<dyn Error>> {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut reader = Options::new().order(Order::Time).open(path)?;
    let (mut shown, mut warnings) = (0, 0);
    let mut message = String::new();
    while warnings < 3 {
        let Some(record) = reader.next_record()? else { break };
        let level = record.level();
        match level {
            Level::Warn => warnings += 1,
            _ if shown < 3 => shown += 1,
            _ => continue,
        }
        message.clear();
        record.message(&mut message);
        let (on, off) = match level {
            _ if !colour => ("", ""),
            Level::Warn => ("\x1b[33m", "\x1b[0m"),
            _ => ("\x1b[32m", "\x1b[0m"),
        };
        println!("{on}{level:5}{off} {message}");
    }
    Ok(())
}

/// Logs all rows of one airport, and returns how long its log calls took.
fn observe(airport: &str) -> Duration {
    kymo::prepare_thread();
    let rows = WEATHER.lines().filter(|row| row.starts_with(airport));
    let rows: Vec<_> = rows.map(|row| Row::parse(row).ok_or(row)).collect();
    let begin = Instant::now();
    for row in &rows {
        match row {
            Ok(row) => row.log(),
            Err(row) => error!(target: "station", "cannot parse {row:?}"),
        }
    }
    begin.elapsed()
}

/// A row of the table. Its last columns may be missing.
struct Row<'a> {
    origin: &'a str,
    date: [u16; 4],
    air: [Option<f64>; 3],
    wind_dir: Option<u16>,
    rest: [Option<f64>; 5],
    time_hour: &'a str,
}

impl<'a> Row<'a> {
    fn parse(row: &'a str) -> Option<Self> {
        let mut columns = row.split(',');
        let origin = columns.next()?;
        let mut whole = || columns.next()?.parse().ok();
        let date = [whole()?, whole()?, whole()?, whole()?];
        let mut decimal = || optional(columns.next()?);
        let air = [decimal()?, decimal()?, decimal()?];
        let wind_dir = optional(columns.next()?)?;
        let mut decimal = || optional(columns.next()?);
        let rest = [decimal()?, decimal()?, decimal()?, decimal()?, decimal()?];
        Some(Self { origin, date, air, wind_dir, rest, time_hour: columns.next()? })
    }

    /// Logs the row. The fields of the record have the names of the table's columns.
    fn log(&self) {
        let &Self { origin, date: [year, month, day, hour], air, wind_dir, rest, time_hour } = self;
        let [wind_speed, wind_gust, precip, pressure, visib] = rest;
        if let ([Some(temp), Some(dewp), Some(humid)], Some(wind_dir)) = (air, wind_dir)
            && let [Some(wind_speed), _, Some(precip), Some(pressure), Some(visib)] = rest
        {
            match wind_gust {
                Some(wind_gust) => info!(
                    target: "station",
                    "{origin} {year}-{month:02}-{day:02} {hour:02} h: {temp} F, dew point {dewp} F, \
                     {humid} %, wind {wind_dir} deg {wind_speed:.1} mph, gusts {wind_gust:.1} mph, {precip} in, \
                     {pressure} mbar, visibility {visib} mi ({time_hour})",
                ),
                None => info!(
                    target: "station",
                    "{origin} {year}-{month:02}-{day:02} {hour:02} h: {temp} F, dew point {dewp} F, \
                     {humid} %, wind {wind_dir} deg {wind_speed:.1} mph, {precip} in, \
                     {pressure} mbar, visibility {visib} mi ({time_hour})",
                ),
            }
        } else {
            let [temp, dewp, humid] = air;
            info!(
                target: "station",
                "{origin} {year}-{month:02}-{day:02} {hour:02} h, incomplete: {temp:?} F, {dewp:?} F, \
                 {humid:?} %, {wind_dir:?} deg {wind_speed:?} mph, {wind_gust:?} mph, {precip:?} in, \
                 {pressure:?} mbar, {visib:?} mi ({time_hour})",
            );
        }
        if let Some(wind_gust) = wind_gust.filter(|gust| *gust > STRONG_GUST) {
            warn!(target: "station", "{origin}: gust of {wind_gust:.1} mph at {time_hour}");
        }
    }
}

/// A value that may be missing; `None` if it is neither there nor marked as missing.
fn optional<T: FromStr>(column: &str) -> Option<Option<T>> {
    if column == "NA" { Some(None) } else { column.parse().ok().map(Some) }
}
