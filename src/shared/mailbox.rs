//! How a signal handler asks the consumer to drain the rings, and learns that it has.
//!
//! There is no lock and no allocation. The handler's side is two words:
//!
//! ```text
//! 1. handler:  requested = a new number and the request (acquire-release); wakes the consumer
//! 2. consumer: reads requested (acquire), sweeps until the rings are empty, marks, commits
//! 3. consumer: acknowledged = the word that it read (release)
//! 4. handler:  reads acknowledged (acquire) now and then, until it has that word or the time is up
//! ```
//!
//! One request at a time: a handler that finds one under way waits for that. (Two threads that
//! crash at once are one crash.)

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::statics;

/// The request of a handler, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(u64);

impl Request {
    const MARK: u64 = 1 << 7;
    const CLOSE: u64 = 1 << 8;
    const THREAD: u32 = 9;
    /// Linux gives threads numbers of up to 22 bits.
    const THREAD_BITS: u32 = 23;
    const NUMBER: u32 = Self::THREAD + Self::THREAD_BITS;

    /// Makes a request for a drain because of `signal`, which `thread` received.
    pub fn drain(signal: u8, thread: u64) -> Self {
        let thread = thread & ((1 << Self::THREAD_BITS) - 1);
        Self(u64::from(signal & 0x7F) | thread << Self::THREAD)
    }

    /// Adds that the file gets a mark: the process is about to die of the signal.
    pub fn marked(self) -> Self {
        Self(self.0 | Self::MARK)
    }

    /// Adds that the file is closed after the drain.
    pub fn closing(self) -> Self {
        Self(self.0 | Self::CLOSE)
    }

    /// Returns the signal's number.
    pub fn signal(self) -> u8 {
        (self.0 & 0x7F) as u8
    }

    /// Returns the operating system's number of the thread that received the signal.
    pub fn thread(self) -> u64 {
        self.0 >> Self::THREAD & ((1 << Self::THREAD_BITS) - 1)
    }

    /// Returns whether the file gets a mark.
    pub fn is_marked(self) -> bool {
        self.0 & Self::MARK != 0
    }

    /// Returns whether the file is closed after the drain.
    pub fn is_closing(self) -> bool {
        self.0 & Self::CLOSE != 0
    }

    fn number(self) -> u32 {
        (self.0 >> Self::NUMBER) as u32
    }

    fn numbered(self, number: u32) -> Self {
        let rest = self.0 & ((1 << Self::NUMBER) - 1);
        Self(rest | u64::from(number) << Self::NUMBER)
    }
}

/// The place where handlers leave a request.
#[derive(Debug)]
pub struct Mailbox {
    /// The last request.
    requested: AtomicU64,
    /// The last request that was served.
    acknowledged: AtomicU64,
    /// The end of the time limit for a drain, by signal, on the monotonic clock.
    deadlines_ns: [statics::AtomicU64; SIGNALS],
    /// True if no request will be served any more.
    ended: AtomicBool,
}

/// Signals below this number may have handlers.
const SIGNALS: usize = 32;

impl Mailbox {
    /// Makes an empty mailbox.
    pub(crate) fn new() -> Self {
        let [requested, acknowledged] = [(); 2].map(|()| AtomicU64::new(0));
        let deadlines_ns = [const { statics::AtomicU64::new(u64::MAX) }; SIGNALS];
        Self { requested, acknowledged, deadlines_ns, ended: AtomicBool::new(false) }
    }

    /// The handler's side: sets when a drain for `signal` ends, on the monotonic clock. To be
    /// called before the request.
    ///
    /// Records that are left in the rings at that time are marked and counted.
    pub fn set_deadline(&self, signal: u8, deadline_ns: u64) {
        // Relaxed: the store in `request` publishes it. Of two threads that receive one signal at
        // once, either time will do.
        self.deadlines_ns[signal as usize % SIGNALS].store(deadline_ns, Ordering::Relaxed);
    }

    /// The consumer's side: returns when the drain for a request ends; never, if no handler set a
    /// limit.
    pub(crate) fn deadline_ns(&self, request: Request) -> u64 {
        // Relaxed: ordered by the load in `pending`.
        self.deadlines_ns[request.signal() as usize % SIGNALS].load(Ordering::Relaxed)
    }

    /// The handler's side: makes a request, unless another one is under way.
    ///
    /// Returns the request to wait for, and whether it is the caller's own.
    pub fn request(&self, request: Request) -> (Request, bool) {
        // Acquire, all: the request that is found may have been served. Release: pairs with the
        // acquire load in `pending`: what this thread published is seen by the sweeps that follow.
        let release = mutant::ordering(Ordering::AcqRel, Mutant::SignalRequest);
        let mut last = Request(self.requested.load(Ordering::Acquire));
        loop {
            if last.0 != self.acknowledged.load(Ordering::Acquire) {
                return (last, false);
            }
            let new = request.numbered(last.number().wrapping_add(1));
            let failed = Ordering::Acquire;
            match self.requested.compare_exchange(last.0, new.0, release, failed) {
                Ok(_) => return (new, true),
                Err(other) => last = Request(other),
            }
        }
    }

    /// The handler's side: returns whether the request was served, or will never be.
    pub fn is_served(&self, request: Request) -> bool {
        // Acquire, both: pairs with the release in `acknowledge` and in `end`: the file has what
        // was there to be drained.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::SignalServedLoad);
        let acknowledged = Request(self.acknowledged.load(acquire)).number();
        acknowledged.wrapping_sub(request.number()) < 1 << 31 || self.ended.load(Ordering::Acquire)
    }

    /// The asker's side: asks for a drain and waits for it.
    ///
    /// `goes_on` is called again and again and lets a little time pass. Returns false when
    /// `goes_on` does.
    pub fn drain(
        &self,
        request: Request,
        wake: impl Fn(),
        mut goes_on: impl FnMut() -> bool,
    ) -> bool {
        loop {
            let (under_way, is_own) = self.request(request);
            wake();
            while !self.is_served(under_way) {
                if !goes_on() {
                    return false;
                }
            }
            // Another request asked for something else.
            if is_own || self.has_ended() {
                return true;
            }
        }
    }

    /// The consumer's side: the request that is to be served. To be read before the sweeps that
    /// serve it.
    #[inline]
    pub(crate) fn pending(&self) -> Option<Request> {
        // Acquire: pairs with the release in `request`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::SignalPendingLoad);
        let requested = self.requested.load(acquire);
        // Relaxed: only the consumer writes it.
        (requested != self.acknowledged.load(Ordering::Relaxed)).then_some(Request(requested))
    }

    /// The consumer's side: the request has been served.
    pub(crate) fn acknowledge(&self, request: Request) {
        // Release: pairs with the acquire in `is_served`.
        let release = mutant::ordering(Ordering::Release, Mutant::SignalAcknowledge);
        self.acknowledged.store(request.0, release);
    }

    /// The consumer's side: it has ended, and with it all that it will ever write is written.
    pub(crate) fn end(&self) {
        // Release: pairs with the acquire in `is_served`.
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the consumer has ended.
    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: pairs with the release in `end`.
        self.ended.load(Ordering::Acquire)
    }
}
