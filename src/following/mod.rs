//! Threads that follow what the consumer commits: the console, and sinks.
//!
//! In: segments, while the consumer writes them (`consumer::feed`). Out: events for one that [takes](Take) them. Each
//! follower has a thread and a reader of its own, the reader that reads all logs. So records are formatted in no thread
//! that logs, and a follower that is slow, blocked or broken holds nothing but itself. Each record of its levels is
//! counted once ([`Tally`]).
//!
//! It knows nothing of rings, nor of threads that log.

mod reading;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::consumer::feed::{self, Feed, Source};
use crate::consumer::{Followed, Follower};
use crate::following::reading::Reading;
pub(crate) use crate::following::reading::{Part, Take};
use crate::level::Level;
use crate::process::own_thread;
use crate::process::thread_info::be_ordinary;
use crate::segment::LogFile;
use crate::shared::tally::{SinkTally, Tally};
use crate::sync::Arc;

/// How long a follower waits after it was woken, before it looks. What is committed meanwhile comes together, and
/// costs the consumer no system call.
const GATHER: Duration = Duration::from_millis(1);

/// How long the consumer sleeps, at the end, between two looks at whether everything was taken.
const NAP: Duration = Duration::from_micros(100);

/// How many bytes of the log a follower may be late by default.
pub(crate) const BACKLOG_BYTES: u64 = 8 << 20;

/// How long the end of a logger waits for a follower by default.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(1);

/// How a log is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The least urgent level.
    pub(crate) level: Level,
    /// How many bytes of the log it may be late.
    pub(crate) backlog: u64,
    /// How long the end of the logger waits for it.
    pub(crate) end_timeout: Duration,
}

/// The consumer's side of a follower.
struct Following {
    feed: Feed<File>,
    terms: Terms,
    /// How many records of its levels were logged, in the segments before.
    logged: u64,
    tally: Arc<Tally>,
    /// What it is to statistics. `None`: the console.
    sink: Option<Arc<SinkTally>>,
}

/// Starts the thread of a follower.
///
/// # Errors
/// If there can be no other thread.
pub(crate) fn start<T: Take + 'static>(
    thread_name: String,
    terms: Terms,
    mut take: T,
    tally: Arc<Tally>,
    sink: Option<Arc<SinkTally>>,
) -> io::Result<Box<dyn Follower>> {
    let (feed, source): (_, Source<File>) = feed::ends();
    let (its_tally, its_terms) = (tally.clone(), terms.clone());
    let run = move || {
        be_ordinary();
        let park = || {
            std::thread::park();
            std::thread::sleep(GATHER);
        };
        let follow = || {
            take.enter();
            let mut reading = Reading::new(take, &its_terms, its_tally.clone());
            feed::follow(&mut reading, source, park);
        };
        if catch_unwind(AssertUnwindSafe(follow)).is_err() {
            // The panic hook has reported it.
            its_tally.errors.increment();
        }
    };
    let thread = own_thread::spawn(thread_name, run)?;
    let feed = feed(thread.thread().clone());
    Ok(Box::new(Following { feed, terms, logged: 0, tally, sink }))
}

impl Following {
    /// Waits until something is so, up to a time on the monotonic clock, or its own limit after `since_ns`.
    fn wait(&mut self, since_ns: u64, deadline_ns: u64, is_so: impl Fn(&mut Feed<File>) -> bool) {
        let own_ns = since_ns.saturating_add(nanoseconds(self.terms.end_timeout));
        let deadline_ns = deadline_ns.min(own_ns);
        while !is_so(&mut self.feed) && monotonic_ns() < deadline_ns {
            std::thread::sleep(NAP);
        }
    }

    /// Counts the records of a segment. `is_skipped`: nobody has seen them.
    fn count(&mut self, written: &[u64; 5], is_skipped: bool) {
        let records: u64 = written[..=self.terms.level.index()].iter().sum();
        self.logged += records;
        if is_skipped && records > 0 {
            self.tally.skip_unseen(records);
        }
    }
}

impl Follower for Following {
    fn begin(&mut self, log: Option<&LogFile>, written: &[u64; 5]) {
        // Counted first, so that the follower can say it before it goes on with this segment.
        self.count(written, !self.feed.is_followed());
        self.feed.begin(log.and_then(open));
    }

    fn committed(&mut self, len: u64) {
        self.feed.committed(len);
    }

    fn look(&mut self) {
        self.feed.retry();
    }

    fn catch_up(&mut self, since_ns: u64, deadline_ns: u64) {
        self.wait(since_ns, deadline_ns, Feed::has_caught_up);
    }

    fn begin_end(&mut self) {
        self.feed.end();
    }

    fn end(mut self: Box<Self>, written: &[u64; 5], since_ns: u64, deadline_ns: u64) -> Followed {
        self.wait(since_ns, deadline_ns, Feed::end);
        self.feed.give_up();
        self.count(written, !self.feed.is_followed());
        // Each once: a follower that was given up may still count.
        let Some(sink) = &self.sink else {
            let (shown, skipped) = (self.tally.taken.get(), self.tally.skipped.get());
            let unshown = self.logged.saturating_sub(shown + skipped);
            return Followed::Console { shown, skipped, unshown };
        };
        let mut stats = sink.stats();
        stats.unseen = self.logged.saturating_sub(stats.settled());
        Followed::Sink(stats)
    }
}

/// Opens the file of a segment for reading.
///
/// Not a duplicate of the descriptor, if that can be avoided: it would keep the lock on the log.
fn open(log: &LogFile) -> Option<File> {
    let opened = File::open(format!("/proc/self/fd/{}", log.file.as_raw_fd()));
    opened.or_else(|_| log.file.try_clone()).ok()
}
