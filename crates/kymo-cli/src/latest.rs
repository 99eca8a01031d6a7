//! Finds the time at which the last records of files begin, by their indexes or the headers of their
//! frames. So the end of a long log is shown without reading all of it.
//!
//! A time is chosen that leaves out all but the last MiB. The records from that time on that pass the
//! filters are counted. If they are too few, four times as much is read. Older records cannot be among
//! the last ones, so the result is that of reading everything.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_query::Filter;
use kymo_reader::{Directory, Event, Options, Stretch, Stretches};

use crate::input::identity;
use crate::interrupt;

/// How many bytes are looked at first.
const FIRST_BYTES: u64 = 1 << 20;

/// The factor by which more is read if that was too little.
const FACTOR: u64 = 4;

/// Where to begin to read.
#[derive(Clone, Default)]
pub struct Latest {
    /// The wanted records are not older; `None` if all must be read.
    pub since: Option<i64>,
    stretches: Arc<[Stretches]>,
}

impl Latest {
    /// Finds where to begin for the last `records` records that pass `filter` in these files. Files about
    /// which nothing is known are ignored: their records come in addition.
    pub fn of(paths: &[PathBuf], filter: &mut Filter, records: u64) -> Self {
        let logs = logs(paths);
        let stretches: Vec<Stretches> = logs.iter().map(|log| stretches(log)).collect();
        let mut all: Vec<Stretch> = stretches.iter().flatten().copied().collect();
        let known = logs.iter().zip(&stretches).filter(|(_, stretches)| !stretches.is_empty());
        let known: Vec<&PathBuf> = known.map(|(log, _)| log).collect();
        let mut latest = Self { since: None, stretches: stretches.clone().into() };
        let until = filter.range().1.unwrap_or(i64::MAX);
        all.retain(|stretch| stretch.oldest_ns < until);
        all.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.oldest_ns));
        let mut wanted_bytes = FIRST_BYTES;
        while let Some(since) = since_of(&all, wanted_bytes)
            && !interrupt::requested()
        {
            if latest.count(&known, filter, since, records) >= records {
                latest.since = Some(since);
                break;
            }
            wanted_bytes = wanted_bytes.saturating_mul(FACTOR);
        }
        latest
    }

    /// Leaves out records that are known to be older.
    pub fn narrow<'a>(&self, options: Options<'a>) -> Options<'a> {
        let options = options.stretches(Arc::clone(&self.stretches));
        match self.since {
            Some(since) => options.skip_older(since),
            None => options,
        }
    }

    /// How many records from this time on pass the filter, up to `enough`.
    fn count(&self, logs: &[&PathBuf], filter: &mut Filter, since: i64, enough: u64) -> u64 {
        let mut found = 0;
        for (file, log) in logs.iter().enumerate() {
            let since = filter.range().0.map_or(since, |asked| asked.max(since));
            let options = filter.push_down(Options::new()).since(since).snapshot(true);
            // What cannot be read is told when it is read for good.
            let options = options.stretches(Arc::clone(&self.stretches));
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
}

/// Returns a time after which at least `wanted_bytes` follow; `None` if that is everything.
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

fn logs(paths: &[PathBuf]) -> Vec<PathBuf> {
    let logs = paths.iter().flat_map(|path| match path.is_dir() {
        true => Directory::read(path).map(|directory| directory.logs).unwrap_or_default(),
        false => vec![path.clone()],
    });
    let mut known = HashSet::new();
    let is_new = |log: &PathBuf| identity(log).is_none_or(|identity| known.insert(identity));
    logs.filter(is_new).collect()
}

/// Those of a file; none where they are not known.
fn stretches(log: &Path) -> Stretches {
    if log.as_os_str() == "-" {
        return Stretches::default();
    }
    let reader = Options::new().snapshot(true).open(log);
    reader.and_then(|mut reader| reader.stretches()).unwrap_or_default()
}
