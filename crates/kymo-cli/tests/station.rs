//! A year of weather, logged by the example `station`, comes out of `kymo cat` as it went in: every
//! value of every row, in the order in which each thread logged them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const COLUMNS: [&str; 15] = [
    "origin",
    "year",
    "month",
    "day",
    "hour",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "time_hour",
];
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];

/// Every value of every row is read as it was logged.
#[test]
fn every_value_of_every_row_survives() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("station.kymo");
    let stdout = run(Command::new(example()).arg(&log));
    assert!(stdout.starts_with("26256 records from 3 threads, 0 dropped"), "{stdout}");
    // Without a terminal there are no colours. Rows as they were logged, warnings, what to do next.
    assert!(!stdout.contains('\x1b'), "{stdout}");
    let next = format!("kymo cat --level warn {}", log.display());
    for part in [" F, dew point ", ": gust of ", &next] {
        assert!(stdout.contains(part), "{part:?} is missing in {stdout}");
    }

    compare_all(&decode(&log, "time"));
    // By time, but for a thread that was suspended while it logged; exactly by time on request.
    let exact = decode(&log, "exact");
    assert!(exact.is_sorted_by_key(|record| record["time"].as_str()));
    compare_all(&exact);
}

fn decode(log: &Path, order: &str) -> Vec<Value> {
    let mut cat = Command::new(env!("CARGO_BIN_EXE_kymo"));
    // Of kymo's own warnings there may be some: the machine may have other things to do.
    let options = ["cat", "--format", "json", "--target", "station", "--order", order];
    let printed = run(cat.args(options).arg(log));
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn compare_all(records: &[Value]) {
    assert!(records.iter().all(|record| record["target"] == "station"));

    let rows = rows();
    assert_eq!((rows.len(), records.len()), (26_115, 26_115 + 141));
    let mut gusts = 0;
    for airport in AIRPORTS {
        let rows = rows.iter().filter(|row| &row[0] == airport);
        let mut records = records.iter().filter(|record| record["thread"] == airport);
        for row in rows {
            compare(row, records.next().expect("a record"));
            if row[10].parse().is_ok_and(|gust: f64| gust > 40.0) {
                compare_gust(row, records.next().expect("a warning"));
                gusts += 1;
            }
        }
        assert_eq!(records.next(), None);
    }
    assert_eq!(gusts, 141);
}

fn compare(row: &csv::StringRecord, record: &Value) {
    assert_eq!(record["level"], "info");
    let fields = record["fields"].as_object().unwrap();
    // A gust that is missing is no field of a row that is otherwise complete.
    let missing = !fields.contains_key("wind_gust");
    assert_eq!(fields.len() + usize::from(missing), COLUMNS.len());
    for (name, text) in COLUMNS.iter().zip(row) {
        let value = fields.get(*name).unwrap_or(&Value::Null);
        let equal = match *name {
            _ if text == "NA" => value.is_null(),
            "origin" | "time_hour" => value == text,
            "year" | "month" | "day" | "hour" | "wind_dir" => {
                value.as_u64() == text.parse().ok() && value.is_u64()
            }
            // Bit by bit: `as_f64` and `parse` both give the nearest float.
            _ => value.is_f64() && value.as_f64() == text.parse().ok(),
        };
        assert!(equal, "{name}: {text:?} became {value} in {record}");
    }
}

fn compare_gust(row: &csv::StringRecord, record: &Value) {
    assert_eq!(record["level"], "warn");
    assert_eq!(record["fields"]["origin"], row[0]);
    assert_eq!(record["fields"]["wind_gust"].as_f64(), row[10].parse().ok());
    assert_eq!(record["fields"]["time_hour"], row[14]);
}

fn rows() -> Vec<csv::StringRecord> {
    let path = root().join("examples/data/weather.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    reader.records().map(Result::unwrap).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Builds the example as it is now (a test of another package is built without it) and says where
/// it is. With the whole workspace, so that what a test run has built serves here too.
fn example() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or(env!("CARGO").into()));
    cargo.current_dir(root()).args(["build", "--workspace", "--example", "station"]);
    cargo.args(["--quiet", "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let messages = run(&mut cargo);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_station = message["target"]["name"] == "station";
        message["executable"].as_str().filter(|_| is_station).map(PathBuf::from)
    });
    executable.expect("an example")
}

/// Runs a command that is to succeed, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
