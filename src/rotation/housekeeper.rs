//! The housekeeper: one thread for all that takes time and is not writing.
//!
//! ```text
//!  consumer                                        housekeeper
//!     │  Prepare ─────────────────────────────────▶  makes, allocates and maps the next segment
//!     │  ◀───────────────────────────────── Next(segment)
//!     │  names it, goes on in it
//!     │  Switched(the one before) ────────────────▶  replaces the link, cuts and unmaps the one before,
//!     │  ◀───────────────────────────────── Next(…)  then makes the next
//! ```
//!
//! - INV-1: there is at most one segment that is prepared and has no name.
//! - INV-2: each segment that the consumer hands over is finished, also when the logger ends.
//!
//! The consumer never waits for it. It is woken by the consumer alone, and by time. Files are the business of
//! [`Chores`], so that a model can run it without files.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::mutant::{self, Mutant};
use crate::rotation::limits::Retained;
use crate::rotation::predecessors::Unclosed;
use crate::rotation::queue::{Receiver, Sender};
use crate::sync::thread;

/// How many tasks may wait: one for each segment that was finished and is not closed yet, and one more.
pub(crate) const TASKS: usize = 16;

/// How many answers may wait.
pub(crate) const ANSWERS: usize = 16;

/// What the consumer asks for.
pub(crate) enum Task<S> {
    /// To prepare the next segment.
    Prepare,
    /// To finish what the consumer has left, now that it goes on in another segment; then as `Prepare`.
    Switched(Switched<S>),
}

/// What is left to do when the consumer goes on in another segment.
pub(crate) struct Switched<S> {
    /// The segment before.
    pub(crate) closed: S,
    /// Its file is gone.
    pub(crate) is_removed: bool,
    /// The path of the current one.
    pub(crate) current: PathBuf,
    /// Its number.
    pub(crate) sequence: u64,
}

/// What the consumer gets.
pub(crate) enum Answer<S> {
    /// The next segment, without a name.
    Next(S),
    /// There is none, for this reason. The consumer asks again.
    NotMade(io::Error),
    /// Something else failed.
    Failed(io::Error),
    /// The segment of a dead process could not be closed.
    Unclosed(Unclosed),
    /// The log was kept within its limits.
    Retained(Retained),
    /// Segments were compressed.
    #[cfg(feature = "compress")]
    Compressed(crate::rotation::compress::Totals),
}

/// What the housekeeper does with files.
pub(crate) trait Chores {
    /// A segment.
    type Segment;

    /// Prepares a segment.
    fn prepare(&mut self) -> io::Result<Self::Segment>;

    /// Does what is left to do when the consumer goes on in another segment. Returns what is to be told.
    fn finish(&mut self, switched: Switched<Self::Segment>) -> Vec<Answer<Self::Segment>>;

    /// Does what is to be done now and then. Returns what is to be told.
    fn look_around(&mut self) -> Vec<Answer<Self::Segment>>;

    /// Removes a segment that nobody needs.
    fn discard(&mut self, next: Self::Segment);
}

/// Does what the consumer asks for, until its end of the queue is gone and nothing is left to do. Sleeps by `park`.
pub(crate) fn keep_house<C: Chores>(
    chores: &mut C,
    mut tasks: Receiver<Task<C::Segment>>,
    mut answers: Sender<Answer<C::Segment>>,
    park: impl Fn(),
) {
    // What the consumer has not taken yet.
    let mut waiting = VecDeque::new();
    loop {
        // Before the last look: what was pushed before the end is there.
        let mut has_ended = tasks.is_abandoned();
        while let Some(task) = tasks.pop() {
            if let Task::Switched(switched) = task {
                waiting.extend(chores.finish(switched));
            }
            if has_ended {
                continue;
            }
            waiting.push_back(match chores.prepare() {
                Ok(next) => Answer::Next(next),
                Err(error) => Answer::NotMade(error),
            });
        }
        if mutant::broken(Mutant::HousekeeperEndLate) {
            has_ended = tasks.is_abandoned();
        }
        if !has_ended {
            waiting.extend(chores.look_around());
        }
        while let Some(answer) = waiting.pop_front() {
            if let Err(answer) = answers.push(answer) {
                waiting.push_front(answer);
                break;
            }
        }
        if has_ended {
            break;
        }
        park();
    }
    for answer in waiting {
        if let Answer::Next(next) = answer {
            chores.discard(next);
        }
    }
}

/// How long the housekeeper sleeps if nobody wakes it: answers that found no room are pushed then.
pub(crate) const NAP: Duration = Duration::from_secs(1);

/// Sleeps until it is woken, or for [`NAP`].
pub(crate) fn nap() {
    thread::park_timeout(NAP);
}
