//! What must hold when a file is read, whatever its bytes.

use std::fs;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use kymo_format::HEADER_BYTES;
use kymo_format::header::COMMITTED_OFFSET;
use kymo_reader::{Ending, Error, Event, Options, Order, Reader, Record, Report, Value};
use kymo_reader::{json, write_escaped};

use super::memory;

/// How many bytes a reader may hold for each byte of the file, and beyond that. An index entry of
/// 24 bytes may be needed for a record of 2; a vector that grows holds three times what is in it.
const BYTES_PER_BYTE: usize = 48;
const BYTES_BEYOND: usize = 1 << 20;

/// Once so much text came of one file, the rest of it is not rendered: what a record of two bytes
/// says may be long, and takes time in proportion to its length.
const ENOUGH_TEXT: usize = 1 << 18;

/// Reads a file in all orders, from memory and in small pieces.
pub fn read_in_every_way(file: &[u8]) {
    let Some(written) = read(file, Order::Written, false) else {
        for order in [Order::Time, Order::Exact] {
            assert!(read(file, order, false).is_none(), "only some orders accept the file");
        }
        return;
    };
    let in_pieces = read(file, Order::Written, true).expect("the file was accepted before");
    assert_eq!(written, in_pieces, "in pieces");
    for (order, in_pieces) in [(Order::Time, false), (Order::Time, true), (Order::Exact, true)] {
        let merged = read(file, order, in_pieces).expect("the file was accepted before");
        assert_eq!(essence(&merged), essence(&written), "{order:?}, in pieces: {in_pieces}");
    }
    for order in [Order::Written, Order::Time] {
        let options = Options::new().order(order).follow(true);
        drain(&mut options.from_slice(file).expect("the file was accepted before"), file.len());
    }
    in_a_range(file);
    render(file);
}

/// Reads from and up to some times, by the index if there is one.
fn in_a_range(file: &[u8]) {
    for (since, until, order) in [
        (i64::MIN, 20, Order::Written),
        (1, i64::MAX, Order::Time),
        (1_700_000_000_000_100_000, i64::MAX, Order::Written),
        (i64::MAX, i64::MIN, Order::Exact),
    ] {
        let ((), peak) = memory::peak_of(|| {
            let options = Options::new().order(order).since(since).until(until);
            let mut reader = options.from_slice(file).expect("the file was accepted before");
            drain(&mut reader, file.len());
        });
        assert_memory(peak, file.len());
    }
}

/// Recovers what a ring holds. Whatever its bytes are, what is recovered is a good segment.
pub fn recover(ring: &[u8], sites: &[u8], committed: u64) -> u64 {
    let (found, peak) =
        memory::peak_of(|| kymo::internals::recovery::recover(ring, sites, committed));
    assert_memory(peak, ring.len() + sites.len());
    let report = read(&found.segment, Order::Written, false).expect("a good header");
    assert_eq!((report.damages, report.records), (0, found.records));
    assert_eq!(report.ending, Ending::Closed);
    render(&found.segment);
    found.problems.iter().for_each(|problem| plain(problem));
    found.records
}

fn assert_memory(peak: usize, bytes: usize) {
    let limit = BYTES_PER_BYTE * bytes + BYTES_BEYOND;
    assert!(peak <= limit, "{peak} bytes held for a file of {bytes}");
}

/// What no order changes.
fn essence(report: &Report) -> impl PartialEq + std::fmt::Debug {
    let Report { records, late, missing, dropped, frames, damages, damaged_bytes, .. } = *report;
    (records, late, missing, dropped, frames, damages, damaged_bytes, report.ending)
}

/// Reads to the end, within bounds of work and memory.
fn read(file: &[u8], order: Order, in_pieces: bool) -> Option<Report> {
    let options = Options::new().order(order);
    let (report, peak) = memory::peak_of(|| {
        let reader = match in_pieces {
            true => options.from_read(Pieces(file, 0)),
            false => options.from_slice(file),
        };
        match reader {
            Ok(mut reader) => {
                drain(&mut reader, file.len());
                Some(reader.report().clone())
            }
            Err(error) => {
                assert!(!matches!(error, Error::Io { .. }), "{error}");
                None
            }
        }
    });
    assert_memory(peak, file.len());
    report
}

/// Takes all events. There can be no more of them than bytes.
fn drain(reader: &mut Reader<'_>, bytes: usize) {
    let mut events = 0;
    while reader.next_event().expect("memory can be read").is_some() {
        events += 1;
        assert!(events <= bytes, "more events than bytes");
    }
    assert!(reader.next_event().expect("memory can be read").is_none(), "the end is no end");
}

/// Gives a few bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // Mostly whole pages, or small files would take long; but always odd ends.
        self.1 = (self.1 + 1) % 7;
        let len = out.len().min(self.0.len()).min(1 + self.1 * 997);
        out[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

/// Makes text and JSON of what is in the file.
fn render(file: &[u8]) {
    let mut reader = Reader::from_slice(file).expect("the file was accepted before");
    let mut text = 0;
    while let Some(event) = reader.next_event().expect("memory can be read") {
        text += match event {
            Event::Record(record) => self::record(&record),
            Event::Drops(drops) => {
                assert!(drops.counts.iter().all(|count| count.count <= drops.total()));
                drops.counts.iter().map(|count| count.reason.to_string().len()).sum()
            }
            Event::Damage(damage) => {
                assert!(damage.offset <= file.len() as u64, "{damage}");
                damage.to_string().len()
            }
            _ => 0,
        };
        if text > ENOUGH_TEXT {
            return;
        }
    }
}

fn record(record: &Record<'_>) -> usize {
    let mut message = String::new();
    record.message(&mut message);
    plain(&message);
    for text in [record.target(), record.file(), record.module(), record.thread().name()] {
        plain(text);
    }
    for (name, value) in record.arguments() {
        plain(name);
        self::value(&value);
    }
    let _ = (record.is_cut(), record.time_ns(), record.argument("a"), record.argument_at(63));
    message.len()
}

/// What is printed of any text controls no terminal, and is one line.
fn plain(text: &str) {
    let mut out = String::new();
    write_escaped(text, &mut out);
    assert!(!out.contains(is_hostile), "{out:?}");
    out.clear();
    json::write_string(text, &mut out);
    assert!(!out.contains(is_hostile), "{out:?}");
    assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// A value is JSON on one line.
pub fn value(value: &Value<'_>) {
    let mut out = String::new();
    json::write_value(value, &mut out);
    assert!(!out.contains(is_hostile), "{out:?}");
    let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&out);
    assert!(parsed.is_ok(), "no JSON: {out}");
    out.clear();
    write_escaped(&value.to_string(), &mut out);
}

/// Follows a file that grows to what it is, in three steps, whatever it says about itself.
pub fn follow(file: &[u8]) {
    if file.len() < HEADER_BYTES {
        return;
    }
    static FILES: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only the number counts.
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("kymo-fuzz-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let claimed = &file[COMMITTED_OFFSET..COMMITTED_OFFSET + 8];
    let steps = [HEADER_BYTES, file.len() / 2 + HEADER_BYTES / 2, file.len()];
    fs::write(&path, &file[..HEADER_BYTES]).expect("a temporary file");
    if let Ok(mut reader) = Options::new().order(Order::Time).follow(true).open(&path) {
        for end in steps {
            let mut grown = file[..end].to_vec();
            let committed = if end == file.len() { claimed } else { &(end as u64).to_le_bytes() };
            grown[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(committed);
            fs::write(&path, grown).expect("a temporary file");
            drain(&mut reader, file.len());
        }
    }
    let _ = fs::remove_file(&path);
}
