//! Logs to a file of its own and reads it back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kymo::{Builder, Level, Logger};
use kymo_reader::{Event, Options, Order, Reader, Report};

/// There is one logger in a process: the tests of a file take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A turn, and a path that nobody else uses. The file goes when this is dropped.
pub struct Turn {
    pub path: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    pub fn take() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("kymo-test-{}-{number}.kymo", std::process::id());
        Self { path: std::env::temp_dir().join(name), _turn: turn }
    }

    pub fn builder(&self) -> Builder {
        Logger::builder(&self.path)
    }

    /// What the file holds, in the order in which it was written.
    pub fn read(&self) -> Log {
        read(Options::new().order(Order::Written).open(&self.path).unwrap())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file, decoded.
pub struct Log {
    pub records: Vec<Entry>,
    /// kymo's own.
    pub warnings: Vec<Entry>,
    /// The sum of the drop marks.
    pub marked_drops: u64,
    pub report: Report,
}

/// A record, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub level: Level,
    pub time_ns: i64,
    pub target: String,
    pub thread: String,
    pub thread_number: u64,
    pub line: u64,
    pub message: String,
    pub cut: bool,
}

impl Log {
    pub fn messages(&self) -> Vec<&str> {
        self.records.iter().map(|entry| entry.message.as_str()).collect()
    }
}

fn read(mut reader: Reader<'_>) -> Log {
    let (mut records, mut warnings) = (Vec::new(), Vec::new());
    let mut marked_drops = 0;
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                let own = record.target() == "kymo";
                let list = if own { &mut warnings } else { &mut records };
                list.push(Entry {
                    level: record.level(),
                    time_ns: record.time_ns(),
                    target: record.target().to_owned(),
                    thread: record.thread().name().to_owned(),
                    thread_number: record.thread().number(),
                    line: record.line(),
                    message,
                    cut: record.is_cut(),
                });
            }
            Event::Drops(drops) => marked_drops += drops.total(),
            _ => {}
        }
    }
    Log { records, warnings, marked_drops, report: reader.report().clone() }
}
