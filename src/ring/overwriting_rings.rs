//! The overwriting rings of a thread, both ends: that of the log, and the flight recorder.

use crate::clock::TickSource;
use crate::level::Level;
use crate::process::fork;
use crate::ring::cursor::LevelRing;
use crate::ring::storage::overwriting::{CLASSES, OverwritingConsumer, OverwritingProducer};

/// A thread's ends of its overwriting rings.
pub(crate) struct OverwritingProducers {
    /// The source of the time stamps.
    pub(crate) clock: TickSource,
    /// The ring of the levels that overwrite their oldest records.
    pub(crate) log: Option<OverwritingProducer>,
    /// The flight recorder.
    pub(crate) flight: Option<OverwritingProducer>,
    /// The process that made them.
    pub(crate) generation: u32,
}

impl OverwritingProducers {
    /// The producer for the records of a level whose ring is one that overwrites.
    #[inline(always)]
    pub(crate) fn of(&mut self, ring: LevelRing) -> Option<&mut OverwritingProducer> {
        debug_assert!(ring.overwrites());
        if ring == LevelRing::Flight { self.flight.as_mut() } else { self.log.as_mut() }
    }

    /// Whether this is the child of a fork: it has no mapping of these rings, and must not even
    /// drop them.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.generation != fork::generation()
    }
}

/// The consumer's ends of a thread's overwriting rings.
#[derive(Default)]
pub(crate) struct OverwritingConsumers {
    /// The ring of the levels that overwrite their oldest records.
    pub(crate) log: Option<OverwritingConsumer>,
    /// The flight recorder.
    pub(crate) flight: Option<OverwritingConsumer>,
}

impl OverwritingConsumers {
    /// Whether one of the rings is in a file.
    pub(crate) fn any_in_file(&self) -> bool {
        [&self.log, &self.flight].into_iter().flatten().any(OverwritingConsumer::is_in_file)
    }
}

/// The class of the records of a level. (The models have one class.)
pub(crate) fn class(level: Level) -> usize {
    class_of(level.index())
}

/// The class of the records of a level, given by its index.
#[inline(always)]
#[cfg_attr(kymo_loom, expect(clippy::unnecessary_min_or_max, reason = "there is one class"))]
pub(crate) fn class_of(level: usize) -> usize {
    level.min(CLASSES - 1)
}

const _: () = assert!(CLASSES == Level::ALL.len() || cfg!(kymo_loom));
