//! Where the last records of files begin, by the indexes of the files: so that the end of a long log
//! is shown without reading all of it.
//!
//! A time is chosen that leaves out all but the last MiB, and the records from there on that pass the
//! filters are counted; where they are too few, eight times as much is looked at. What is older than
//! that time cannot be among the last, so the result is that of reading everything.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use kymo_query::Filter;
use kymo_reader::{Directory, Event, Options, Stretch};

use crate::input::identity;
use crate::interrupt;

/// How many bytes are looked at first.
const FIRST_BYTES: u64 = 1 << 20;

/// By how much more is looked at if that was too little.
const FACTOR: u64 = 8;

/// A time such that the last so many records that pass `filter` in these files are not older; `None`
/// where everything has to be read. Files without an index do not matter: their records come on top.
pub fn since(paths: &[PathBuf], filter: &mut Filter, records: u64) -> Option<i64> {
    let logs = logs(paths);
    let stretches: Vec<Vec<Stretch>> = logs.iter().map(|log| stretches(log)).collect();
    let mut all: Vec<Stretch> = stretches.iter().flatten().copied().collect();
    let until = filter.range().1.unwrap_or(i64::MAX);
    all.retain(|stretch| stretch.oldest_ns < until);
    all.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.oldest_ns));
    let mut wanted_bytes = FIRST_BYTES;
    while let Some(since) = since_of(&all, wanted_bytes)
        && !interrupt::requested()
    {
        let indexed = logs.iter().zip(&stretches).filter(|(_, stretches)| !stretches.is_empty());
        if count(indexed.map(|(log, _)| log), filter, since, records) >= records {
            return Some(since);
        }
        wanted_bytes = wanted_bytes.saturating_mul(FACTOR);
    }
    None
}

/// A time such that what is younger takes at least so many bytes; `None` where that is everything.
fn since_of(youngest_first: &[Stretch], wanted_bytes: u64) -> Option<i64> {
    let mut bytes = 0_u64;
    for (at, stretch) in youngest_first.iter().enumerate() {
        bytes = bytes.saturating_add(stretch.bytes);
        if bytes >= wanted_bytes {
            return (at + 1 < youngest_first.len()).then_some(stretch.oldest_ns);
        }
    }
    None
}

/// How many records from this time on pass the filter, up to `enough`.
fn count<'l>(
    logs: impl Iterator<Item = &'l PathBuf>,
    filter: &mut Filter,
    since: i64,
    enough: u64,
) -> u64 {
    let mut found = 0;
    for (file, log) in logs.enumerate() {
        let since = filter.range().0.map_or(since, |asked| asked.max(since));
        let options = filter.push_down(Options::new()).since(since).snapshot(true);
        // What cannot be read is told when it is read for good.
        let Ok(mut reader) = options.open(log) else { continue };
        while found < enough
            && !interrupt::requested()
            && let Ok(Some(event)) = reader.next_event()
        {
            if let Event::Record(record) = &event {
                found += u64::from(filter.admits(file, record));
            }
        }
    }
    filter.forget_files();
    found
}

fn logs(paths: &[PathBuf]) -> Vec<PathBuf> {
    let logs = paths.iter().flat_map(|path| match path.is_dir() {
        true => Directory::read(path).map(|directory| directory.logs).unwrap_or_default(),
        false => vec![path.clone()],
    });
    let mut known = HashSet::new();
    let is_new = |log: &PathBuf| identity(log).is_none_or(|identity| known.insert(identity));
    logs.filter(is_new).collect()
}

/// Those of a file; none where it has no index.
pub fn stretches(log: &Path) -> Vec<Stretch> {
    if log.as_os_str() == "-" {
        return Vec::new();
    }
    let reader = Options::new().snapshot(true).open(log);
    reader.and_then(|mut reader| reader.stretches()).unwrap_or_default()
}
