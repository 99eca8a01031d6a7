//! A termination signal on its way from a handler to the thread that stands by, and back.
//!
//! The handler leaves the signal here and returns, so it never waits in a thread that may hold a lock.
//! The thread that stands by has the rings drained, and then lets the signal have its effect.
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
//! - INV-1: whoever moves a word out of `POSTED` or `READY` acts on that signal, and nobody else does.
//!   So a signal has its effect exactly once, also where the standby ends meanwhile.
//! - INV-2: only the handler in `WRITING` writes the payload; only the standby in `TAKEN`, or the one
//!   that found `POSTED` when it closed, reads it.
//!
//! Signals do not queue: one that comes while the same number is on its way is merged with it, as the
//! kernel merges signals that are pending.

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicU64, Ordering};

/// How many words of a signal's description are kept.
pub const PAYLOAD_WORDS: usize = if cfg!(kymo_loom) { 1 } else { 16 };

/// What came with a signal.
pub type Payload = [u64; PAYLOAD_WORDS];

const STATE_MASK: u64 = 0x7;
const IDLE: u64 = 0;
const WRITING: u64 = 1;
const POSTED: u64 = 2;
const TAKEN: u64 = 3;
const READY: u64 = 4;
const GONE: u64 = 5;

/// What a signal does after the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It ends the process.
    Kill,
    /// It calls the program's handler.
    Call,
    /// Nothing: the program acts on it by itself.
    Nothing,
}

/// A signal that a handler leaves for the thread that stands by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// What it does after the drain.
    pub effect: Effect,
    /// Whether the handler waits for that, because its thread sent the signal itself.
    pub waits: bool,
    /// The operating system's number of the thread that received it.
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

/// What a handler learns when it posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The standby has to be woken, and sees to it.
    Left,
    /// The same signal is on its way already.
    Merged,
    /// This is the signal that was sent again after the drain: act now.
    Drained,
    /// Nobody stands by any more: act now.
    Gone,
}

/// One signal number's way.
#[derive(Debug)]
pub struct Pending {
    word: AtomicU64,
    payload: [AtomicU64; PAYLOAD_WORDS],
}

impl Pending {
    /// No signal is on its way.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(IDLE), payload: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The handler's side: leaves a signal, or learns that it has to act.
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

    /// Whether nobody stands by any more.
    pub fn is_gone(&self) -> bool {
        // Acquire: pairs with the release in `close`.
        self.word.load(Ordering::Acquire) & STATE_MASK == GONE
    }

    /// Whether no signal is on its way.
    pub fn is_idle(&self) -> bool {
        // Relaxed: nothing is read on account of it.
        self.word.load(Ordering::Relaxed) & STATE_MASK == IDLE
    }

    /// The signal that is on its way, if it ends the process.
    pub fn fatal(&self) -> Option<Post> {
        // Relaxed: nothing is read on account of it. A signal that is just being posted came after.
        let word = self.word.load(Ordering::Relaxed);
        let post = Post::of(word);
        (word & STATE_MASK != IDLE && post.effect == Effect::Kill).then_some(post)
    }

    /// The standby's side: a signal that was left, if one was. `ready` or `clear` has to follow.
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

    /// The standby's side: the signal that was taken may have its effect.
    pub fn ready(&self, post: Post) {
        // Release: pairs with the acquire in `collect`, and in `post`.
        self.word.store(post.word(READY), Ordering::Release);
    }

    /// The standby's side: the signal that was taken has had its effect.
    pub fn clear(&self) {
        // Release: pairs with the acquire in `post`.
        self.word.store(IDLE, Ordering::Release);
    }

    /// The standby's side: it ends. Returns a signal that had been left, on which it has to act.
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
