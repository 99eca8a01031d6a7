//! The consumer's side of rotation: when it is time, and the next segment.
//!
//! In: how long the segment is, the clock, what the housekeeper has prepared. Out: a segment with its name. It never
//! waits: if the next segment is not ready, the old one goes on.

use std::io;
use std::path::PathBuf;

use crate::format::rotated::Deleted;
use crate::mutant::{self, Mutant};
use crate::process::allocate::Backoff;
use crate::rotation::Rotation;
use crate::rotation::boundaries::Boundaries;
use crate::rotation::housekeeper::{Answer, Switched, Task};
use crate::rotation::limits::{Limits, Retained};
use crate::rotation::predecessors::Unclosed;
use crate::rotation::queue::{Receiver, Sender};
use crate::segment::{Identity, LogOutput};
use crate::segments::LogName;
use crate::sync::Arc;

/// How often the clock is looked at, in nanoseconds.
const LOOK_NS: u64 = 1_000_000;

/// How many names are tried that may be taken.
const MAX_NAMES: u64 = 1_000;

/// The place of the current segment in its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    /// The log's id.
    pub(crate) log: [u8; 16],
    /// The id of the segment.
    pub(crate) id: [u8; 16],
    /// Its number.
    pub(crate) sequence: u64,
    /// When it began: no later segment begins before that.
    pub(crate) opened_ns: i64,
    /// The number of this run.
    pub(crate) run: u16,
}

/// What the housekeeper said, in the end: what the consumer has to tell.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Why there is no next segment.
    pub(crate) not_made: Option<io::Error>,
    /// What else failed.
    pub(crate) failed: Vec<io::Error>,
    /// What was deleted, without the time.
    pub(crate) deleted: Vec<Deleted>,
    /// How many records went with rings of dead processes whose segments were deleted.
    pub(crate) discarded: u64,
    /// By how many bytes the log may exceed its limit, if it does.
    pub(crate) excess_bytes: Option<u64>,
    /// Segments of dead processes that could not be closed.
    pub(crate) unclosed: Vec<Unclosed>,
    /// What was compressed so far.
    #[cfg(feature = "compress")]
    pub(crate) compressed: Option<crate::rotation::compress::Totals>,
}

impl News {
    fn add(&mut self, retained: Retained) {
        let Retained { mut deleted, mut failed, discarded, excess_bytes } = retained;
        self.discarded += discarded;
        self.deleted.append(&mut deleted);
        self.failed.append(&mut failed);
        self.excess_bytes = Some(excess_bytes).filter(|bytes| *bytes > 0).or(self.excess_bytes);
    }
}

/// The ends of the queues to the housekeeper.
pub(crate) struct Ends<O> {
    pub(crate) tasks: Sender<Task<O>>,
    pub(crate) answers: Receiver<Answer<O>>,
    /// Wakes the housekeeper.
    pub(crate) wake: Box<dyn Fn() + Send>,
    /// What the segments keep within the limits of the log before they grow.
    pub(crate) limits: Option<Arc<Limits>>,
}

/// Rotates a log.
pub(crate) struct Rotator<O> {
    names: LogName,
    current: Current,
    size: u64,
    boundaries: Boundaries,
    /// When to look at the clock next, on the monotonic clock.
    look_at_ns: u64,
    /// The clock has passed a boundary.
    is_time: bool,
    ends: Ends<O>,
    /// The next segment, without a name.
    next: Option<O>,
    /// The housekeeper prepares one.
    is_asked: bool,
    /// When to ask again.
    backoff: Backoff,
}

impl<O: LogOutput> Rotator<O> {
    /// `now_ns`: what the clock shows by which the log is rotated.
    pub(crate) fn new(
        rotation: &Rotation,
        names: LogName,
        current: Current,
        now_ns: i64,
        ends: Ends<O>,
    ) -> Self {
        let mut this = Self {
            names,
            current,
            size: rotation.size_limit().unwrap_or(u64::MAX),
            boundaries: Boundaries::new(rotation, now_ns),
            look_at_ns: 0,
            is_time: false,
            ends,
            next: None,
            is_asked: false,
            backoff: Backoff::default(),
        };
        this.ask();
        this
    }

    /// Returns whether a segment of this length is to be rotated, at this time of the monotonic clock. `clock` returns
    /// the time by which the log is rotated.
    #[inline]
    pub(crate) fn is_due(&mut self, len: u64, now_ns: u64, clock: impl FnOnce() -> i64) -> bool {
        if now_ns >= self.look_at_ns {
            self.look_at_ns = now_ns.saturating_add(LOOK_NS);
            self.is_time |= self.boundaries.passes(clock());
        }
        self.is_time || len >= self.size
    }

    /// Whether the length alone asks for another segment.
    pub(crate) fn is_too_long(&self, len: u64) -> bool {
        len >= self.size
    }

    /// A segment in which nothing is goes on past a boundary.
    pub(crate) fn forget_boundary(&mut self) {
        self.is_time = false;
    }

    /// The log gets its end: nothing is deleted from now on, unless the segment grows beyond its size.
    pub(crate) fn end_retention(&self) {
        if let Some(limits) = &self.ends.limits {
            limits.end();
        }
    }

    /// Takes what the housekeeper has answered.
    pub(crate) fn listen(&mut self) -> News {
        let mut news = News::default();
        if let Some(limits) = &self.ends.limits {
            news.add(limits.take_untold());
        }
        while let Some(answer) = self.ends.answers.pop() {
            match answer {
                Answer::Next(next) => {
                    (self.next, self.is_asked) = (Some(next), false);
                    self.backoff.note(&Ok(()));
                }
                Answer::NotMade(error) => {
                    self.is_asked = false;
                    let error = Err::<(), _>(error);
                    self.backoff.note(&error);
                    news.not_made = error.err();
                }
                Answer::Failed(error) => news.failed.push(error),
                Answer::Unclosed(unclosed) => news.unclosed.push(unclosed),
                #[cfg(feature = "compress")]
                Answer::Compressed(totals) => news.compressed = Some(totals),
            }
        }
        news
    }

    /// Whether the next segment is ready. If not, sees to it that it comes; `at_once`: without a pause after a failure.
    pub(crate) fn is_ready(&mut self, at_once: bool) -> bool {
        if self.next.is_some() && self.ends.tasks.has_room() {
            return true;
        }
        if at_once {
            self.backoff.end();
        }
        if self.next.is_none() && !self.is_asked && self.backoff.ask().is_ok() {
            self.ask();
        }
        false
    }

    /// Has the housekeeper prepare a segment.
    fn ask(&mut self) {
        self.is_asked = self.ends.tasks.push(Task::Prepare).is_ok();
        (self.ends.wake)();
    }

    /// Returns the next segment, which has its name and is announced; `now_ns` is when it begins.
    ///
    /// # Errors
    /// If it can get no name, or cannot be announced. Then it is gone, and the current one goes on.
    pub(crate) fn begin(
        &mut self,
        now_ns: i64,
        announce: impl FnOnce([u8; 16]) -> io::Result<()>,
    ) -> io::Result<Option<O>> {
        let Some(mut next) = self.next.take() else { return Ok(None) };
        let named = give_name(&self.names, &self.current, &mut next, now_ns);
        let begun = named.and_then(|current| {
            announce(next.segment_id())?;
            Ok(current)
        });
        self.backoff.note(&begun);
        match begun {
            Ok(current) => {
                self.current = current;
                self.is_time = false;
                Ok(Some(next))
            }
            Err(error) => {
                next.discard();
                Err(error)
            }
        }
    }

    /// Hands over the segment before: the consumer goes on in the next one.
    /// `is_removed`: its file is gone.
    pub(crate) fn hand_over(&mut self, closed: O, is_removed: bool) {
        let current = path_of(&self.names, &self.current);
        let switched = Switched { closed, is_removed, current, sequence: self.current.sequence };
        if mutant::broken(Mutant::HousekeeperWokenEarly) {
            (self.ends.wake)();
        }
        // There is room: `is_ready` said so, and nobody else pushes.
        self.is_asked = self.ends.tasks.push(Task::Switched(switched)).is_ok();
        if !mutant::broken(Mutant::HousekeeperWokenEarly) {
            (self.ends.wake)();
        }
    }

    /// The log has ended. `join` waits for the housekeeper. Returns what still has to be told.
    pub(crate) fn end(self, join: impl FnOnce()) -> News {
        let Self { ends: Ends { tasks, mut answers, wake, limits }, mut next, .. } = self;
        drop(tasks);
        wake();
        join();
        // Its last answers.
        let mut news = News::default();
        if let Some(limits) = limits {
            news.add(limits.take_untold());
        }
        while let Some(answer) = answers.pop() {
            match answer {
                Answer::Next(segment) => next = Some(segment),
                Answer::NotMade(error) => news.not_made = Some(error),
                Answer::Failed(error) => news.failed.push(error),
                // The next start tries again, and tells.
                Answer::Unclosed(_) => {}
                #[cfg(feature = "compress")]
                Answer::Compressed(_) => {}
            }
        }
        if let Some(next) = next {
            next.discard();
        }
        news
    }
}

/// Gives a segment, which begins now, its name: the first that is free past the segment `before`.
///
/// # Errors
/// Those of the system.
pub(crate) fn give_name<O: LogOutput>(
    names: &LogName,
    before: &Current,
    next: &mut O,
    now_ns: i64,
) -> io::Result<Current> {
    let opened_ns = now_ns.max(before.opened_ns);
    let mut current = Current { opened_ns, id: next.segment_id(), ..*before };
    for _ in 0..MAX_NAMES {
        current.sequence += 1;
        let named = next.take_name(&Identity {
            path: &path_of(names, &current),
            log: current.log,
            previous: before.id,
            sequence: current.sequence,
            opened_ns,
            run: current.run,
        });
        match named {
            Ok(()) => return Ok(current),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The path of a segment.
pub(crate) fn path_of(names: &LogName, segment: &Current) -> PathBuf {
    names.segment(segment.opened_ns.div_euclid(1_000_000_000), segment.sequence)
}
