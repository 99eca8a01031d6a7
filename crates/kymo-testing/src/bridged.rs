//! A test of what comes through the crates `log` and `tracing`.
//!
//! Their loggers are those of the process, and so is kymo's. So such tests have turns.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kymo::{Builder, Level, Logger};
use kymo_reader::Reader;

static TURN: Mutex<()> = Mutex::new(());

/// The log of a test, for as long as it has its turn.
pub struct Log {
    _turn: MutexGuard<'static, ()>,
    dir: tempfile::TempDir,
}

impl Log {
    /// Waits for the turn.
    #[allow(clippy::new_without_default, reason = "it waits")]
    pub fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _turn: turn, dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("app.kymo")
    }

    pub fn builder(&self) -> Builder {
        Logger::builder(self.path())
    }

    pub fn records(&self) -> Vec<Found> {
        records(&self.path())
    }

    pub fn messages(&self) -> Vec<String> {
        self.records().into_iter().map(|found| found.message).collect()
    }
}

/// A record as it was read.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub level: Level,
    pub target: String,
    pub module: String,
    pub file: String,
    pub line: u64,
    /// The spans that it is in, as text puts them before the message.
    pub spans: String,
    pub message: String,
    /// The arguments with names: their values as text, and as JSON, which shows the types.
    pub fields: Vec<(String, String, String)>,
    pub cut: bool,
}

impl Found {
    pub fn field(&self, name: &str) -> &str {
        &self.fields.iter().find(|(own, ..)| own == name).unwrap().1
    }

    pub fn json(&self) -> Vec<&str> {
        self.fields.iter().map(|(_, _, json)| json.as_str()).collect()
    }
}

/// The records that are neither kymo's own nor of spans.
pub fn records(path: &Path) -> Vec<Found> {
    let mut reader = Reader::open(path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        if record.target() == "kymo" || record.span_role().is_some() {
            continue;
        }
        let (mut spans, mut message) = (String::new(), String::new());
        record.write_spans(&mut spans);
        record.message(&mut message);
        let fields = record.arguments().filter(|(name, _)| !name.is_empty());
        let fields = fields.map(|(name, value)| {
            let mut json = String::new();
            kymo_reader::json::write_value(&value, &mut json);
            (name.to_owned(), value.to_string(), json)
        });
        found.push(Found {
            level: record.level(),
            target: record.target().to_owned(),
            module: record.module().to_owned(),
            file: record.file().to_owned(),
            line: record.line(),
            spans,
            message,
            fields: fields.collect(),
            cut: record.is_cut(),
        });
    }
    assert_eq!(reader.report().damages, 0);
    found
}
