//! Finds the time at which the last records of files begin, by their indexes or the headers of their
//! frames. So the end of a long log is shown without reading all of it.
//!
//! A time is chosen that leaves out all but the last MiB. The records from that time on that pass the
//! filters are counted. If they are too few, four times as much is read. Older records cannot be among
//! the last ones, so the result is that of reading everything.
//!
//! Of a rotated log, the times of most segments are those of their whole. Only the last segments are looked
//! into: as many as the bytes asked for need.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use kymo_query::Filter;
use kymo_reader::{Directory, Event, Log, OpenError, Options, Stretch, Stretches};

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
    /// The logs that were found, with what their last frames say. Each is taken out once.
    found: Rc<RefCell<HashMap<PathBuf, Log>>>,
}

/// A part of a log, and the times in it.
struct Part {
    stretch: Stretch,
    /// The segment that it is, if that was not looked into yet: the log, and which of its segments.
    whole: Option<(usize, usize)>,
}

impl Latest {
    /// Finds where to begin for the last `records` records that pass `filter` in these files. Files about
    /// which nothing is known are ignored: their records come in addition.
    pub fn of(paths: &[PathBuf], filter: &mut Filter, records: u64) -> Self {
        let logs = logs(paths);
        let (mut parts, mut stretches, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (_, log)) in logs.iter().enumerate() {
            let before = parts.len();
            for (at, segment) in log.segments().iter().enumerate() {
                match segment.range().filter(|_| log.is_rotated()) {
                    Some((oldest_ns, newest_ns)) => {
                        let stretch = Stretch::new(segment.bytes, oldest_ns, newest_ns);
                        parts.push(Part { stretch, whole: Some((number, at)) });
                    }
                    None => look_into(log, at, &mut parts, &mut stretches),
                }
            }
            if parts.len() > before {
                known.push(log);
            }
        }
        let until = filter.range().1.unwrap_or(i64::MAX);
        parts.retain(|part| part.stretch.oldest_ns < until);
        let mut latest = Self::default();
        let mut wanted_bytes = FIRST_BYTES;
        while let Some(since) = since_of(&logs, &mut parts, &mut stretches, wanted_bytes)
            && !interrupt::requested()
        {
            latest.stretches = stretches.clone().into();
            if latest.count(&known, filter, since, records) >= records {
                latest.since = Some(since);
                break;
            }
            wanted_bytes = wanted_bytes.saturating_mul(FACTOR);
        }
        latest.stretches = stretches.into();
        latest.found = Rc::new(RefCell::new(logs.into_iter().collect()));
        latest
    }

    /// The log at a path, which may be known already.
    pub fn find(&self, path: &Path) -> Result<Log, OpenError> {
        match self.found.borrow_mut().remove(path) {
            Some(log) => Ok(log),
            None => Log::find(path),
        }
    }

    /// This one for files that are there at first, and none for later ones.
    pub fn at_first(&self, at_first: bool) -> Self {
        if at_first { self.clone() } else { Self::default() }
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
    fn count(&self, logs: &[&Log], filter: &mut Filter, since: i64, enough: u64) -> u64 {
        let mut found = 0;
        for (file, log) in logs.iter().enumerate() {
            let since = filter.range().0.map_or(since, |asked| asked.max(since));
            let options = filter.push_down(Options::new()).since(since).snapshot(true);
            // What cannot be read is told when it is read for good.
            let options = options.stretches(Arc::clone(&self.stretches));
            let Ok(mut reader) = log.open(options) else { continue };
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

/// Returns a time after which at least `wanted_bytes` follow; `None` if that is everything. Looks into the
/// segments that these are in.
fn since_of(
    logs: &[(PathBuf, Log)],
    parts: &mut Vec<Part>,
    stretches: &mut Vec<Stretches>,
    wanted_bytes: u64,
) -> Option<i64> {
    loop {
        parts.sort_by_key(|part| std::cmp::Reverse(part.stretch.oldest_ns));
        let mut bytes = 0_u64;
        let mut whole = None;
        for (at, part) in parts.iter().enumerate() {
            if part.whole.is_some() {
                whole = Some(at);
                break;
            }
            bytes = bytes.saturating_add(part.stretch.bytes);
            if bytes >= wanted_bytes {
                return (at + 1 < parts.len()).then_some(part.stretch.oldest_ns);
            }
        }
        let part = parts.swap_remove(whole?);
        let (log, segment) = part.whole?;
        let before = parts.len();
        look_into(&logs[log].1, segment, parts, stretches);
        if parts.len() == before {
            // Nothing more is known of it.
            parts.push(Part { whole: None, ..part });
        }
    }
}

/// Adds the stretches of a segment. None where they are not known.
fn look_into(log: &Log, at: usize, parts: &mut Vec<Part>, stretches: &mut Vec<Stretches>) {
    if log.path().as_os_str() == "-" {
        return;
    }
    let opened = log.segments()[at].open(Options::new().snapshot(true)).ok();
    let found = opened.and_then(|mut reader| reader.stretches().ok()).unwrap_or_default();
    parts.extend(found.iter().map(|stretch| Part { stretch: *stretch, whole: None }));
    stretches.push(found);
}

/// The logs at some paths and in some directories, each of them once.
fn logs(paths: &[PathBuf]) -> Vec<(PathBuf, Log)> {
    let paths = paths.iter().filter(|path| path.as_os_str() != "-");
    let paths = paths.flat_map(|path| match path.is_dir() {
        true => Directory::read(path).map(|directory| directory.logs).unwrap_or_default(),
        false => vec![path.clone()],
    });
    let mut known = HashSet::new();
    let is_new = |log: &PathBuf| identity(log).is_none_or(|identity| known.insert(identity));
    paths.filter(is_new).filter_map(|path| Some((path.clone(), Log::find(&path).ok()?))).collect()
}
