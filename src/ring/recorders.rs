//! The rings of the levels that overwrite their oldest records, and of the flight recorder: a thread's
//! ends and the consumer's.

use crate::clock::TickSource;
use crate::level::Level;
use crate::process::fork;
use crate::ring::cursor::Path;
use crate::ring::storage::overwriting::{CLASSES, Follower, Recorder};

/// A thread's ends of the rings of its recorded levels.
pub(crate) struct Recorders {
    /// Where the time stamps come from.
    pub(crate) clock: TickSource,
    /// Of the levels that overwrite their oldest records.
    pub(crate) overwriting: Option<Recorder>,
    pub(crate) flight: Option<Recorder>,
    /// The process that made them.
    pub(crate) generation: u32,
}

impl Recorders {
    /// The one that a path leads to, which is none where rings are in files.
    #[inline(always)]
    pub(crate) fn of(&mut self, path: Path) -> Option<&mut Recorder> {
        match path {
            Path::Overwriting => self.overwriting.as_mut(),
            Path::Flight => self.flight.as_mut(),
            _ => None,
        }
    }

    /// The same where rings are in files.
    #[inline(always)]
    pub(crate) fn in_file(&mut self, path: Path) -> Option<&mut Recorder> {
        match path {
            Path::OverwritingInFile => self.overwriting.as_mut(),
            Path::FlightInFile => self.flight.as_mut(),
            _ => None,
        }
    }

    /// Whether this is the child of a fork: it has no mapping of these rings, and must not even
    /// drop them.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.generation != fork::generation()
    }
}

/// The consumer's ends.
#[derive(Default)]
pub(crate) struct Followers {
    pub(crate) overwriting: Option<Follower>,
    pub(crate) flight: Option<Follower>,
}

impl Followers {
    /// Whether one of the rings is in a file.
    pub(crate) fn any_in_file(&self) -> bool {
        [&self.overwriting, &self.flight].into_iter().flatten().any(Follower::is_in_file)
    }
}

/// The class of records of a level. (The models have one for all.)
pub(crate) fn class(level: Level) -> usize {
    class_of(level.index())
}

#[inline(always)]
#[cfg_attr(kymo_loom, expect(clippy::unnecessary_min_or_max, reason = "there is one class"))]
pub(crate) fn class_of(level: usize) -> usize {
    level.min(CLASSES - 1)
}

const _: () = assert!(CLASSES == Level::ALL.len() || cfg!(kymo_loom));
