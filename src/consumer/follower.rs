//! Who follows what the consumer commits: a console.
//!
//! The consumer tells of each commit, and of each other segment. It never waits for it, but at the end.

use crate::consumer::Consumer;
use crate::segment::{LogFile, LogOutput};

/// Follows what the consumer commits.
pub(crate) trait Follower: Send {
    /// The log goes on in this file. `written`: how many records of each level the segment before has.
    fn begin(&mut self, log: Option<&LogFile>, written: &[u64; 5]);

    /// So many bytes of it are committed.
    fn committed(&mut self, len: u64);

    /// Is called every ten milliseconds.
    fn look(&mut self);

    /// Waits until all that is committed was followed, up to a time on the monotonic clock, or an earlier one of its
    /// own.
    fn catch_up(&mut self, deadline_ns: u64);

    /// Nothing more is committed: waits as `catch_up`. `written`: how many records of each level the last segment has.
    fn end(self: Box<Self>, written: &[u64; 5], deadline_ns: u64) -> Followed;
}

/// What became of the records that a follower was to show. Each is counted once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Followed {
    pub(crate) shown: u64,
    pub(crate) skipped: u64,
    /// The rest.
    pub(crate) unshown: u64,
}

impl<O: LogOutput> Consumer<O> {
    /// Has what is committed followed, from the current segment on.
    #[cfg(feature = "console")]
    pub(crate) fn set_follower(&mut self, mut follower: Box<dyn Follower>) {
        follower.begin(self.writer.output().log_file().as_ref(), &[0; 5]);
        follower.committed(self.writer.output().len());
        self.follower = Some(follower);
    }

    /// The log goes on in another segment. `written`: how many records of each level the one before has.
    pub(super) fn follow_on(&mut self, log: Option<&LogFile>, written: &[u64; 5]) {
        if let Some(follower) = &mut self.follower {
            follower.begin(log, written);
        }
    }

    /// Something was committed.
    #[inline]
    pub(super) fn tell_follower(&mut self) {
        if let Some(follower) = &mut self.follower {
            follower.committed(self.writer.output().len());
        }
    }

    /// It is time to look.
    pub(super) fn look_after_follower(&mut self) {
        if let Some(follower) = &mut self.follower {
            follower.look();
        }
    }

    /// The process is about to end: waits until all is followed, up to a time on the monotonic clock.
    pub(super) fn catch_up(&mut self, deadline_ns: u64) {
        if let Some(follower) = &mut self.follower {
            follower.catch_up(deadline_ns);
        }
    }

    /// The log is complete.
    pub(crate) fn end_following(&mut self) -> Followed {
        let Some(follower) = self.follower.take() else { return Followed::default() };
        let mailbox = &self.shared.emergency.mailbox;
        let signal_ns = mailbox.pending().map_or(u64::MAX, |request| mailbox.deadline_ns(request));
        let deadline_ns = self.shared.control.deadline_ns().min(signal_ns);
        follower.end(&self.written_at_end, deadline_ns)
    }

    /// How many records of each level the segment has.
    pub(super) fn written_in_segment(&self) -> [u64; 5] {
        let mut written = self.ended.written;
        for lane in &self.lanes {
            written.iter_mut().zip(lane.in_segment.written()).for_each(|(sum, it)| *sum += it);
        }
        written
    }
}
