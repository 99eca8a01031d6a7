//! Follows rotated logs: one segment at a time, and the next one when it has ended.
//!
//! A logger makes the next segment before it ends the current one. So when that was read to its end, the next one
//! is there, or the log has ended. It is looked for in the directory: between two looks there may have been several.

use std::path::Path;

use kymo_reader::{Log, LogSegment};

use super::Work;
use super::source::{NotYet, Source};
use crate::outcome::{Outcome, complain};

/// A rotated log that is followed.
pub struct Followed {
    /// Which log it is.
    id: [u8; 16],
    /// The segment that was begun last.
    last: u64,
    /// The number of the source that reads it; it has ended when there is none.
    number: usize,
}

impl Work {
    /// Follows the log at a path, if it is a rotated one. Returns whether it is.
    pub(super) fn look_at_log(&mut self, index: usize, path: &Path, at_first: bool) -> bool {
        if self.targets[index].logs.contains_key(path) {
            if !at_first {
                self.go_on_with_log(index, path);
            }
            return true;
        }
        if path.as_os_str() == "-" {
            return false;
        }
        let Some(log) = self.latest.find(path).ok().filter(Log::is_rotated) else { return false };
        log.set_aside().iter().for_each(complain);
        self.begin_log(index, path, log, at_first);
        true
    }

    /// Begins to read a log: what is complete to its end, the last segment as it grows.
    fn begin_log(&mut self, index: usize, path: &Path, mut log: Log, at_first: bool) {
        let since = self.latest.since.filter(|_| at_first).unwrap_or(i64::MIN);
        let Some(last) = log.segments().last().cloned() else { return };
        self.targets[index].is_awaited = false;
        log.retain(|segment| {
            let is_wanted = segment.range().is_none_or(|(_, newest)| newest >= since);
            is_wanted && segment.path != last.path
        });
        if !log.segments().is_empty() {
            let number = self.take_number();
            let latest = self.latest.at_first(at_first);
            match Source::of_log(&log, index, number, &latest, self.batch.filter()) {
                Ok(source) => self.sources.push(source),
                Err(error) => {
                    complain(error);
                    self.outcome.add(Outcome::Failed);
                }
            }
        }
        self.begin_segment(index, path, &last, at_first);
    }

    /// Begins to read a segment. Returns whether it could be opened.
    fn begin_segment(&mut self, index: usize, path: &Path, segment: &LogSegment, at_first: bool) {
        let number = self.take_number();
        let latest = self.latest.at_first(at_first);
        let follow = (self.follow, latest);
        match Source::open_segment(segment, index, number, follow, self.batch.filter()) {
            Ok(source) => self.sources.push(source),
            Err(NotYet { error, .. }) => {
                complain(format_args!("{}: {error}", segment.path.display()));
                self.outcome.add(Outcome::Failed);
            }
        }
        let id = segment.header.as_ref().map_or([0; 16], |header| header.log);
        let followed = Followed { id, last: segment.sequence(), number };
        self.targets[index].logs.insert(path.to_owned(), followed);
    }

    /// Goes on with the next segment of each log whose last one was read to its end.
    pub(super) fn go_on_with_logs(&mut self) {
        if !self.follow {
            return;
        }
        for index in 0..self.targets.len() {
            let logs = self.targets[index].logs.iter();
            let is_read = |number: usize| self.sources.iter().any(|it| it.number() == number);
            let ended = logs.filter(|(_, followed)| !is_read(followed.number));
            for path in ended.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
                self.go_on_with_log(index, &path);
            }
        }
    }

    fn go_on_with_log(&mut self, index: usize, path: &Path) {
        let Some(followed) = self.targets[index].logs.get(path) else { return };
        let is_read = self.sources.iter().any(|source| source.number() == followed.number);
        let Some(log) = (!is_read).then(|| Log::find(path).ok()).flatten() else { return };
        let (id, last) = (followed.id, followed.last);
        let of_log =
            |segment: &&LogSegment| segment.header.as_ref().is_some_and(|header| header.log == id);
        let next = match log.segments().first().filter(|_| log.is_rotated()) {
            // All of it was removed, and another one has begun.
            Some(first) if !of_log(&first) => Some(first),
            _ => log.segments().iter().find(|it| of_log(it) && it.sequence() > last),
        };
        let Some(next) = next else { return };
        let is_known =
            |it: &kymo_reader::MissingSegments| of_log(&next) && it.after == next.sequence();
        let gap = next.sequence().saturating_sub(last);
        if of_log(&next) && gap > 1 {
            complain(format_args!(
                "{}: {}",
                path.display(),
                log.missing().find(is_known).map_or_else(
                    || format!("{} segments before segment {} are gone", gap - 1, next.sequence()),
                    |missing| missing.to_string(),
                )
            ));
            self.outcome.add(Outcome::Failed);
        }
        let next = next.clone();
        self.begin_segment(index, path, &next, false);
    }
}
