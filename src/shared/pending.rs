//! A termination signal on its way from a handler to the standby thread, and back.
//!
//! The handler leaves the signal here and returns, so it never waits in a thread that may hold a
//! lock. The standby thread has the rings drained, and then lets the signal have its effect.
//!
//! ```text
//!           handler: post            standby: take             standby: ready
//!   IDLE ---> WRITING ---> POSTED ------------------> TAKEN ------------------> READY
//!    ^                                                  | standby: clear          |
//!    +--------------------------------------------------+-------------------------+
//!                                                         handler: post, collect
//!   any state ---> GONE      standby: close; from then on each handler acts by itself
//! ```
//!
//! - INV-1: the thread that moves a word out of `POSTED` or `READY` acts on that signal, and no
//!   other thread does. So a signal has its effect exactly once, even if the standby thread ends
//!   meanwhile.
//! - INV-2: only the handler in `WRITING` writes the payload. Only the standby thread in `TAKEN`,
//!   or the one that found `POSTED` when it closed, reads it.
//!
//! Signals do not queue. A signal that comes while the same number is under way is merged with it,
//! as the kernel merges pending signals.

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The number of words that are kept of a signal's description.
pub const PAYLOAD_WORDS: usize = if cfg!(kymo_loom) { 1 } else { 16 };

/// The kernel's description of a signal.
pub type Payload = [u64; PAYLOAD_WORDS];

const STATE_MASK: u64 = 0x7;
const IDLE: u64 = 0;
const WRITING: u64 = 1;
const POSTED: u64 = 2;
const TAKEN: u64 = 3;
const READY: u64 = 4;
const GONE: u64 = 5;

/// The effect of a signal after the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It ends the process.
    Kill,
    /// It calls the program's handler.
    Call,
    /// None: the program acts on the signal by itself.
    Nothing,
}

/// A signal that a handler leaves for the standby thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// The effect after the drain.
    pub effect: Effect,
    /// Whether the handler waits for the drain, because its thread sent the signal itself.
    pub waits: bool,
    /// The operating system's number of the thread that received the signal.
    pub thread: u64,
}

impl Post {
    const KILL: u64 = 1 << 3;
    const CALL: u64 = 1 << 4;
    const WAITS: u64 = 1 << 5;
    const THREAD: u32 = 8;

    fn word(self, state: u64) -> u64 {
        let effect = match self.effect {
            Effect::Kill => Self::KILL,
            Effect::Call => Self::CALL,
            Effect::Nothing => 0,
        };
        let waits = if self.waits { Self::WAITS } else { 0 };
        state | effect | waits | self.thread << Self::THREAD
    }

    fn of(word: u64) -> Self {
        let effect = match word & (Self::KILL | Self::CALL) {
            Self::KILL => Effect::Kill,
            Self::CALL => Effect::Call,
            _ => Effect::Nothing,
        };
        Self { effect, waits: word & Self::WAITS != 0, thread: word >> Self::THREAD }
    }
}

/// The result of leaving a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The signal was left: wake the standby thread, which acts on it.
    Left,
    /// Another signal of this number is already under way.
    Merged,
    /// This is the signal that was sent again after the drain: act now.
    Drained,
    /// There is no standby thread any more: act now.
    Gone,
}

/// The state of one signal number.
#[derive(Debug)]
pub struct Pending {
    word: AtomicU64,
    payload: [AtomicU64; PAYLOAD_WORDS],
}

impl Pending {
    /// Makes a state without a signal under way.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(IDLE), payload: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The handler's side: leaves a signal, or learns that the handler has to act.
    pub fn post(&self, post: Post, payload: &Payload) -> Posted {
        // Acquire: pairs with the release in `ready` and `clear`: the payload has been read.
        let found = self.word.compare_exchange(
            IDLE,
            post.word(WRITING),
            Ordering::Acquire,
            Ordering::Acquire,
        );
        match found.map_err(|word| word & STATE_MASK) {
            Ok(_) => {}
            Err(GONE) => return Posted::Gone,
            Err(READY) if self.collect() => return Posted::Drained,
            Err(_) => return Posted::Merged,
        }
        for (to, word) in self.payload.iter().zip(payload) {
            // Relaxed: published by the exchange below.
            to.store(*word, Ordering::Relaxed);
        }
        // Release: pairs with the acquire in `take` and `close`: the payload, and all that this
        // thread has logged.
        let release = mutant::ordering(Ordering::Release, Mutant::PendingPost);
        let (from, to) = (post.word(WRITING), post.word(POSTED));
        if mutant::broken(Mutant::PendingPostBlind) {
            self.word.store(to, release);
            return Posted::Left;
        }
        let left = self.word.compare_exchange(from, to, release, Ordering::Relaxed);
        if left.is_ok() { Posted::Left } else { Posted::Gone }
    }

    /// The handler's side: takes back a signal that is ready for its effect; false if none is.
    pub fn collect(&self) -> bool {
        // Relaxed: the exchange decides.
        let word = self.word.load(Ordering::Relaxed);
        // Acquire: pairs with the release in `ready`: what was drained is in the file.
        word & STATE_MASK == READY
            && self.word.compare_exchange(word, IDLE, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Returns whether the standby thread has gone.
    pub fn is_gone(&self) -> bool {
        // Acquire: pairs with the release in `close`.
        self.word.load(Ordering::Acquire) & STATE_MASK == GONE
    }

    /// Returns whether no signal is under way.
    pub fn is_idle(&self) -> bool {
        // Relaxed: nothing is read on account of it.
        self.word.load(Ordering::Relaxed) & STATE_MASK == IDLE
    }

    /// Returns the signal under way, if it ends the process.
    pub fn fatal(&self) -> Option<Post> {
        // Relaxed: nothing is read on account of it. A signal that is just being posted came after.
        let word = self.word.load(Ordering::Relaxed);
        let post = Post::of(word);
        (word & STATE_MASK != IDLE && post.effect == Effect::Kill).then_some(post)
    }

    /// The standby's side: takes a signal that was left, if there is one. `ready` or `clear` has to
    /// follow.
    pub fn take(&self) -> Option<(Post, Payload)> {
        // Relaxed: the exchange decides.
        let word = self.word.load(Ordering::Relaxed);
        if word & STATE_MASK != POSTED {
            return None;
        }
        let post = Post::of(word);
        // Acquire: pairs with the release in `post`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::PendingTake);
        self.word.compare_exchange(word, post.word(TAKEN), acquire, Ordering::Relaxed).ok()?;
        Some((post, self.payload()))
    }

    /// The standby's side: lets the signal that was taken have its effect.
    pub fn ready(&self, post: Post) {
        // Release: pairs with the acquire in `collect`, and in `post`.
        self.word.store(post.word(READY), Ordering::Release);
    }

    /// The standby's side: the signal that was taken has had its effect.
    pub fn clear(&self) {
        // Release: pairs with the acquire in `post`.
        self.word.store(IDLE, Ordering::Release);
    }

    /// The standby's side: ends. Returns a signal that had been left, on which the standby thread
    /// has to act.
    pub fn close(&self) -> Option<(Post, Payload)> {
        // Relaxed: the exchange decides.
        let mut word = self.word.load(Ordering::Relaxed);
        let closed = mutant::broken(Mutant::PendingCloseBlind);
        // Acquire: pairs with the release in `post`. Release: pairs with the acquire in `is_gone`.
        while let Err(other) = self.word.compare_exchange(
            word,
            word & !STATE_MASK | GONE,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            word = other;
        }
        let posted = word & STATE_MASK == POSTED && !closed;
        posted.then(|| (Post::of(word), self.payload()))
    }

    fn payload(&self) -> Payload {
        // Relaxed: INV-2; ordered by the exchange of the word.
        std::array::from_fn(|index| self.payload[index].load(Ordering::Relaxed))
    }
}

impl Default for Pending {
    fn default() -> Self {
        Self::new()
    }
}
