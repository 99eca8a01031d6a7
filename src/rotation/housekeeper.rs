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
//! - INV-3: each `Prepare`, and each `Switched` before the end, is answered by `Next` or `NotMade`, once. So the
//!   consumer knows whether a segment is coming, and asks again if none is, also after a panic here.
//!
//! The consumer never waits for it. It is woken by the consumer alone, and by time. Files are the business of
//! [`Chores`], so that a model can run it without files.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::mutant::{self, Mutant};
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

/// The housekeeper's ends of the queues, and what it has in hand.
pub(crate) struct House<S> {
    tasks: Receiver<Task<S>>,
    answers: Sender<Answer<S>>,
    /// What the consumer has not taken yet.
    waiting: VecDeque<Answer<S>>,
    /// The consumer waits for a segment, or for the reason why there is none.
    owes_segment: bool,
}

impl<S> House<S> {
    pub(crate) fn new(tasks: Receiver<Task<S>>, answers: Sender<Answer<S>>) -> Self {
        Self { tasks, answers, waiting: VecDeque::new(), owes_segment: false }
    }

    /// Does what the consumer asks for, until its end of the queue is gone and nothing is left to do. Sleeps by `park`.
    pub(crate) fn keep(&mut self, chores: &mut impl Chores<Segment = S>, park: impl Fn()) {
        loop {
            // Before the last look: what was pushed before the end is there.
            let mut has_ended = self.tasks.is_abandoned();
            while let Some(task) = self.tasks.pop() {
                self.owes_segment = !has_ended;
                if let Task::Switched(switched) = task {
                    self.waiting.extend(chores.finish(switched));
                }
                if has_ended {
                    continue;
                }
                self.waiting.push_back(match chores.prepare() {
                    Ok(next) => Answer::Next(next),
                    Err(error) => Answer::NotMade(error),
                });
                self.owes_segment = false;
            }
            if mutant::broken(Mutant::HousekeeperEndLate) {
                has_ended = self.tasks.is_abandoned();
            }
            if !has_ended {
                self.waiting.extend(chores.look_around());
            }
            while let Some(answer) = self.waiting.pop_front() {
                if let Err(answer) = self.answers.push(answer) {
                    self.waiting.push_front(answer);
                    break;
                }
            }
            if has_ended {
                break;
            }
            park();
        }
        for answer in self.waiting.drain(..) {
            if let Answer::Next(next) = answer {
                chores.discard(next);
            }
        }
    }

    /// [`keep`](Self::keep) has panicked, and is going to be called again: the consumer is told.
    pub(crate) fn note_panic(&mut self) {
        let error = io::Error::other("the housekeeper panicked, and goes on");
        match std::mem::take(&mut self.owes_segment) {
            true => self.waiting.push_back(Answer::NotMade(error)),
            // It may panic for ever.
            false if self.waiting.len() < ANSWERS => self.waiting.push_back(Answer::Failed(error)),
            false => {}
        }
    }
}

/// How long the housekeeper sleeps if nobody wakes it: answers that found no room are pushed then.
pub(crate) const NAP: Duration = Duration::from_secs(1);

/// Sleeps until it is woken, or for [`NAP`].
pub(crate) fn nap() {
    thread::park_timeout(NAP);
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::rotation::queue::queue;

    /// A housekeeper whose chores panic now and then.
    struct Panicking {
        random: fastrand::Rng,
        /// The segments that were finished.
        finished: Arc<Mutex<Vec<u64>>>,
        /// How many were prepared and are in nobody's hands.
        left: Arc<AtomicU64>,
        next: u64,
    }

    impl Panicking {
        fn panic_perhaps(&mut self) {
            if self.random.u8(..3) == 0 {
                // Without the message of the panic hook.
                std::panic::resume_unwind(Box::new("now and then"));
            }
        }
    }

    impl Chores for Panicking {
        type Segment = u64;

        fn prepare(&mut self) -> io::Result<u64> {
            self.panic_perhaps();
            if self.random.u8(..4) == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.next += 1;
            self.left.fetch_add(1, Ordering::Relaxed);
            Ok(self.next)
        }

        fn finish(&mut self, switched: Switched<u64>) -> Vec<Answer<u64>> {
            self.finished.lock().unwrap().push(switched.closed);
            self.panic_perhaps();
            Vec::new()
        }

        fn look_around(&mut self) -> Vec<Answer<u64>> {
            self.panic_perhaps();
            Vec::new()
        }

        fn discard(&mut self, _next: u64) {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// However often it panics: each request is answered, the log is rotated on and on, and each segment is finished.
    #[test]
    fn a_panic_does_not_end_rotation() {
        for seed in 0..40 {
            let (finished, left) = (Arc::default(), Arc::new(AtomicU64::new(0)));
            let random = fastrand::Rng::with_seed(seed);
            let mut chores =
                Panicking { random, finished: Arc::clone(&finished), left: left.clone(), next: 0 };
            let (mut tasks, taken) = queue(TASKS);
            let (answered, mut answers) = queue(ANSWERS);
            let keep = std::thread::spawn(move || {
                let mut house = House::new(taken, answered);
                let mut panics = 0;
                let keep = |house: &mut House<u64>, chores: &mut Panicking| {
                    catch_unwind(AssertUnwindSafe(|| house.keep(chores, std::thread::yield_now)))
                };
                while keep(&mut house, &mut chores).is_err() {
                    house.note_panic();
                    panics += 1;
                }
                panics
            });
            let mut asked = tasks.push(Task::Prepare).is_ok();
            let mut current = 0;
            while current < 50 {
                match answers.pop() {
                    Some(Answer::Next(next)) => {
                        assert!(std::mem::take(&mut asked), "seed {seed}: a second one");
                        left.fetch_sub(1, Ordering::Relaxed);
                        let path = PathBuf::new();
                        let switched = Switched {
                            closed: std::mem::replace(&mut current, next),
                            is_removed: false,
                            current: path,
                            sequence: next,
                        };
                        asked = tasks.push(Task::Switched(switched)).is_ok();
                    }
                    Some(Answer::NotMade(_)) => {
                        assert!(std::mem::take(&mut asked), "seed {seed}: nobody asked");
                        asked = tasks.push(Task::Prepare).is_ok();
                    }
                    _ => std::thread::yield_now(),
                }
            }
            drop(tasks);
            assert!(keep.join().unwrap() > 5, "seed {seed}");
            while let Some(answer) = answers.pop() {
                left.fetch_sub(u64::from(matches!(answer, Answer::Next(_))), Ordering::Relaxed);
            }
            let finished = finished.lock().unwrap().clone();
            assert!(finished.len() as u64 >= 49 && finished.is_sorted(), "{finished:?}");
            assert_eq!(left.load(Ordering::Relaxed), 0, "seed {seed}: one is left");
        }
    }
}
