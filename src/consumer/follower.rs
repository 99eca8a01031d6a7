//! Who follows what the consumer commits: the console, and sinks.
//!
//! The consumer tells of each commit, and of each other segment. It never waits for a follower, but at the end.

use crate::clock::monotonic_ns;
use crate::consumer::{Consumer, MAIN, Report};
use crate::segment::{LogFile, LogOutput};
use crate::shared::stats::SinkStats;

/// Follows what the consumer commits.
pub(crate) trait Follower: Send {
    /// The log goes on in this file. `written`: how many records of each level the segment before has.
    fn begin(&mut self, log: Option<&LogFile>, written: &[u64; 5]);

    /// So many bytes of it are committed.
    fn committed(&mut self, len: u64);

    /// Is called every ten milliseconds.
    fn look(&mut self);

    /// Waits until all that is committed was followed: up to a time on the monotonic clock, or until its own limit
    /// after `since_ns`.
    fn catch_up(&mut self, since_ns: u64, deadline_ns: u64);

    /// Nothing more is committed. Tells the follower, and does not wait.
    fn begin_end(&mut self);

    /// Waits as `catch_up`, after `begin_end`. `written`: how many records of each level the last segment has.
    fn end(self: Box<Self>, written: &[u64; 5], since_ns: u64, deadline_ns: u64) -> Followed;
}

/// What became of the records that a follower was for. Each is counted once.
#[cfg_attr(not(feature = "sinks"), allow(dead_code, reason = "nothing follows then"))]
pub(crate) enum Followed {
    /// `unshown`: the rest.
    Console {
        shown: u64,
        skipped: u64,
        unshown: u64,
    },
    Sink(SinkStats),
}

impl<O: LogOutput> Consumer<O> {
    /// Has what is committed followed, from the current segment on.
    #[cfg(feature = "sinks")]
    pub(crate) fn add_follower(&mut self, mut follower: Box<dyn Follower>) {
        let output = self.logs[MAIN].writer.output();
        follower.begin(output.log_file().as_ref(), &[0; 5]);
        follower.committed(output.len());
        self.followers.push(follower);
    }

    /// The log goes on in another segment. `written`: how many records of each level the one before has.
    pub(super) fn follow_on(&mut self, log: Option<&LogFile>, written: &[u64; 5]) {
        self.followers.iter_mut().for_each(|follower| follower.begin(log, written));
    }

    /// Something was committed.
    #[inline]
    pub(super) fn tell_followers(&mut self) {
        for follower in &mut self.followers {
            follower.committed(self.logs[MAIN].writer.output().len());
        }
    }

    /// It is time to look.
    pub(super) fn look_after_followers(&mut self) {
        self.followers.iter_mut().for_each(|follower| follower.look());
    }

    /// The process is about to end: waits until all is followed, up to a time on the monotonic clock.
    pub(super) fn catch_up(&mut self, deadline_ns: u64) {
        let since_ns = monotonic_ns();
        self.followers.iter_mut().for_each(|follower| follower.catch_up(since_ns, deadline_ns));
    }

    /// The log is complete. Waits for the followers, all at a time, and reports what became of what they were for.
    pub(crate) fn end_following(&mut self, report: &mut Report) {
        let mut followers = std::mem::take(&mut self.followers);
        let mailbox = &self.shared.emergency.mailbox;
        let signal_ns = mailbox.pending().map_or(u64::MAX, |request| mailbox.deadline_ns(request));
        let deadline_ns = self.shared.control.deadline_ns().min(signal_ns);
        let since_ns = monotonic_ns();
        followers.iter_mut().for_each(|follower| follower.begin_end());
        for follower in followers {
            match follower.end(&self.written_at_end, since_ns, deadline_ns) {
                Followed::Console { shown, skipped, unshown } => {
                    (report.shown, report.skipped, report.unshown) = (shown, skipped, unshown);
                }
                Followed::Sink(stats) => report.sinks.push(stats),
            }
        }
    }

    /// How many records of each level the segment of a log has.
    pub(super) fn written_in_segment(&self, log: usize) -> [u64; 5] {
        let mut written = self.logs[log].ended.written;
        for lane in &self.lanes {
            let in_segment = &lane.logs[log].in_segment;
            written.iter_mut().zip(in_segment.written()).for_each(|(sum, it)| *sum += it);
        }
        written
    }
}
