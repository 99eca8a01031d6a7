//! The content of the log of one child's logger.

use std::collections::BTreeMap;
use std::path::Path;

use kymo::Level;
use kymo_reader::{Event, Files, Options, Order, Record, Report};

use crate::configuration::{Configuration, index};
use crate::payload::Payload;
use crate::table::HOOK;

/// A log, decoded.
#[derive(Default)]
pub struct Log {
    /// The records of each thread, in their order in the file.
    pub threads: BTreeMap<u64, Vec<Entry>>,
    /// How many were dropped of each thread, by level, by the marks in the file.
    pub marks: BTreeMap<u64, [u64; 5]>,
    /// How many were dropped of unknown threads.
    pub unknown_marks: u64,
    /// kymo's own records.
    pub warnings: u64,
    /// Records in which something was cut off.
    pub cut: u64,
    pub signals: Vec<u8>,
    pub report: Report,
    /// What is not as it should be.
    pub wrong: Vec<String>,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// How many its thread had logged before.
    pub total: u64,
    /// How many records of its level its thread had logged before.
    pub number: u64,
    /// How many records that only an end of the logger can lose its thread had logged before.
    pub sure: u64,
    /// Whether it is one of those.
    pub is_sure: bool,
    pub level: Level,
}

impl Log {
    /// What the log holds by itself.
    pub fn read(path: &Path, configuration: &Configuration) -> Result<Self, kymo_reader::Error> {
        let mut log = Self::default();
        let mut reader = Options::new().order(Order::Written).open(path)?;
        let mut message = String::new();
        while let Some(event) = reader.next_event()? {
            log.add(event, configuration, &mut message);
        }
        log.report = reader.report().clone();
        Ok(log)
    }

    /// What it holds together with its side file, and how many records that has; each thread's
    /// records in the order in which it logged them.
    pub fn read_with_side_file(
        path: &Path,
        configuration: &Configuration,
    ) -> Result<(Self, u64), Box<dyn std::error::Error>> {
        let mut log = Self::default();
        let mut files = Files::open([path], || Options::new().order(Order::Time))?;
        let mut message = String::new();
        while let Some((_, event)) = files.next_event()? {
            if let Event::Record(_) = event {
                log.add(event, configuration, &mut message);
            }
        }
        // Together they show the log's copy where there are two.
        let mut beside = 0;
        let side = path.with_extension("kymo.rescue");
        if side.exists() {
            let mut reader = Options::new().order(Order::Written).open(&side)?;
            while reader.next_record()?.is_some() {
                beside += 1;
            }
        }
        for reader in files.readers() {
            let report = reader.report();
            if (report.damages, report.missing) != (0, 0) {
                log.wrong.push(format!("{:?}: {report:?}", reader.path()));
            }
        }
        for entries in log.threads.values_mut() {
            entries.sort_unstable_by_key(|entry| entry.total);
        }
        Ok((log, beside))
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.threads.values().map(|entries| entries.len() as u64).sum()
    }

    /// How many were dropped, by the marks.
    pub fn marked(&self) -> u64 {
        self.marks.values().flatten().sum::<u64>() + self.unknown_marks
    }

    fn add(&mut self, event: Event<'_>, configuration: &Configuration, message: &mut String) {
        match event {
            Event::Record(record) if record.thread().name() == "kymo" => self.warnings += 1,
            Event::Record(record) => {
                message.clear();
                record.message(message);
                self.cut += u64::from(record.is_cut());
                match parse(&record, message, configuration) {
                    Some((thread, entry)) => self.threads.entry(thread).or_default().push(entry),
                    None => self.wrong.push(format!("a record says {message:.200?}")),
                }
            }
            Event::Drops(drops) if drops.thread.name() == "kymo" => {}
            Event::Drops(drops) => match row_of(drops.thread.name()) {
                Some(thread) => {
                    let marks = self.marks.entry(thread).or_default();
                    for count in drops.counts {
                        marks[index(count.level.unwrap_or(Level::Trace))] += count.count;
                    }
                }
                None => self.unknown_marks += drops.total(),
            },
            Event::Signal(signal) => self.signals.push(signal.signal),
            _ => {}
        }
    }
}

/// The row of the thread with this name.
fn row_of(name: &str) -> Option<u64> {
    match name {
        "kymo-consumer" => Some(HOOK),
        name => name.strip_prefix('w')?.parse().ok(),
    }
}

/// What a record says, if that is what it has to say.
fn parse(record: &Record<'_>, message: &str, of: &Configuration) -> Option<(u64, Entry)> {
    let (numbers, rest) = message.split_at(message.find(':').unwrap_or(message.len()));
    let mut numbers = numbers.split(' ').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (total, thread, number, sure) = (next()?, next()?, next()?, next()?);
    let level = record.level();
    let payload = Payload::new(of.seed, thread, level, number);
    let expected = payload.render();
    let is_right = match (rest.strip_suffix('…'), record.is_cut()) {
        (Some(begin), true) => expected.starts_with(begin),
        _ => rest == expected,
    };
    let is_sure = thread != HOOK && of.is_sure(level) && !payload.is_too_large(of.ring_bytes);
    is_right.then_some((thread, Entry { total, number, sure, is_sure, level }))
}
