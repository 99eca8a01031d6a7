//! The start of a console, and what the consumer knows of it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::console::Console;
use crate::console::screen::Screen;
use crate::consumer::feed::{self, Feed, Source};
use crate::consumer::{Followed, Follower};
use crate::level::Level;
use crate::process::signal_action;
use crate::process::thread_info::be_ordinary;
use crate::segment::LogFile;
use crate::shared::Shared;
use crate::sync::Arc;
use crate::sync::statics::{AtomicU64, Ordering};

/// How long the console waits after it was woken, before it looks. What is committed meanwhile comes together, and
/// costs the consumer no system call.
const GATHER: Duration = Duration::from_millis(1);

/// How long the consumer sleeps, at the end, between two looks at whether everything was shown.
const NAP: Duration = Duration::from_micros(100);

/// The consumer's side of a console.
struct Following {
    feed: Feed<File>,
    level: Level,
    end_timeout: Duration,
    /// How many records of the levels that are shown were logged, in the segments before.
    logged: u64,
    unseen: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

/// Starts the thread of a console. `None` if there is to be none, because the stream is no terminal, or closed.
///
/// # Errors
/// If there can be no other thread.
pub(crate) fn start(
    options: &Console,
    shared: &Arc<Shared>,
) -> io::Result<Option<Box<dyn Follower>>> {
    if options.is_for_terminals && !options.target().is_terminal() {
        return Ok(None);
    }
    let Ok(to) = options.target().duplicate() else {
        shared.counters.console_errors.increment();
        return Ok(None);
    };
    let unseen = Arc::new(AtomicU64::new(0));
    let mut screen = Screen::new(options, to, shared.clone(), unseen.clone());
    let (feed, source): (_, Source<File>) = feed::ends();
    let its_shared = shared.clone();
    let run = move || {
        signal_action::block_all_but_faults();
        be_ordinary();
        let park = || {
            std::thread::park();
            std::thread::sleep(GATHER);
        };
        let follow = || feed::follow(&mut screen, source, park);
        if catch_unwind(AssertUnwindSafe(follow)).is_err() {
            // The panic hook has reported it.
            its_shared.counters.console_errors.increment();
        }
    };
    let thread = std::thread::Builder::new().name("kymo-console".to_owned()).spawn(run)?;
    let feed = feed(thread.thread().clone());
    let shared = shared.clone();
    let Console { level, end_timeout, .. } = *options;
    Ok(Some(Box::new(Following { feed, level, end_timeout, logged: 0, unseen, shared })))
}

impl Following {
    /// Waits until something is so, up to a time on the monotonic clock, or its own limit.
    fn wait(&mut self, deadline_ns: u64, is_so: impl Fn(&mut Feed<File>) -> bool) {
        let own_ns = monotonic_ns().saturating_add(nanoseconds(self.end_timeout));
        let deadline_ns = deadline_ns.min(own_ns);
        while !is_so(&mut self.feed) && monotonic_ns() < deadline_ns {
            std::thread::sleep(NAP);
        }
    }

    /// Counts the records of a segment. `is_skipped`: nobody has seen them.
    fn count(&mut self, written: &[u64; 5], is_skipped: bool) {
        let records: u64 = written[..=self.level.index()].iter().sum();
        self.logged += records;
        if is_skipped && records > 0 {
            self.shared.counters.console_skipped.increase(records);
            // Relaxed: a number. The console sees it with the next segment at the latest.
            self.unseen.fetch_add(records, Ordering::Relaxed);
        }
    }
}

impl Follower for Following {
    fn begin(&mut self, log: Option<&LogFile>, written: &[u64; 5]) {
        // Counted first, so that the console can say it before it shows this segment.
        self.count(written, !self.feed.is_followed());
        self.feed.begin(log.and_then(open));
    }

    fn committed(&mut self, len: u64) {
        self.feed.committed(len);
    }

    fn look(&mut self) {
        self.feed.retry();
    }

    fn catch_up(&mut self, deadline_ns: u64) {
        self.wait(deadline_ns, Feed::has_caught_up);
    }

    fn end(mut self: Box<Self>, written: &[u64; 5], deadline_ns: u64) -> Followed {
        self.wait(deadline_ns, Feed::end);
        self.feed.give_up();
        self.count(written, !self.feed.is_followed());
        // Each once: a console that was given up may still count.
        let counters = &self.shared.counters;
        let (shown, skipped) = (counters.console_shown.get(), counters.console_skipped.get());
        Followed { shown, skipped, unshown: self.logged.saturating_sub(shown + skipped) }
    }
}

/// Opens the file of a segment for reading.
///
/// Not a duplicate of the descriptor, if that can be avoided: it would keep the lock on the log.
fn open(log: &LogFile) -> Option<File> {
    let opened = File::open(format!("/proc/self/fd/{}", log.file.as_raw_fd()));
    opened.or_else(|_| log.file.try_clone()).ok()
}
