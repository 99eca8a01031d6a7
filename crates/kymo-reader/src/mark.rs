//! Marks: events that are no records, owned, so that they can be held back with records.

use super::dictionary::Thread;
use super::event::{
    self, ClockSet, Continued, Damage, Deleted, DropCount, Drops, DumpEnd, DumpReason, Event, Gap,
    MissingSegments, Signal, ThreadEnd, Totals,
};
use kymo_format::dump::Dump;
use kymo_format::frame;

/// An event that is no record.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Drops {
        thread: u32,
        /// When the first record was dropped.
        ticks: u64,
        /// When the last one was.
        last_ticks: u64,
        first_ns: i64,
        last_ns: i64,
        counts: Box<[DropCount]>,
        offset: u64,
    },
    Gap {
        thread: Option<u32>,
        records: u64,
        offset: u64,
        /// The number of the segment in its log.
        segment: Option<u64>,
    },
    Damage(Damage),
    ThreadEnd {
        thread: u32,
        written: u64,
        dropped: u64,
        offset: u64,
    },
    Signal {
        os_thread: u64,
        thread: Option<u32>,
        signal: u8,
        ticks: u64,
        time_ns: i64,
        offset: u64,
    },
    ClockSet {
        set: frame::ClockSet,
        offset: u64,
    },
    Continued(Continued),
    Deleted {
        ticks: u64,
        deleted: Deleted,
    },
    Dump {
        thread: u32,
        dump: Dump,
        offset: u64,
    },
    DumpEnd {
        thread: u32,
        records: u64,
        offset: u64,
        /// The offset of the mark that begins its part, if that was met.
        part: Option<u64>,
    },
    End(Totals),
    /// Segments of the log are missing.
    Missing(MissingSegments),
}

impl Mark {
    /// The offset of the mark that begins the part of a dump that it belongs to.
    pub(super) fn part(&self) -> Option<u64> {
        match self {
            Self::Dump { offset, .. } => Some(*offset),
            Self::DumpEnd { part, .. } => *part,
            _ => None,
        }
    }

    /// The index of the thread that it belongs to.
    pub(super) fn thread(&self) -> Option<u32> {
        match self {
            Self::Drops { thread, .. }
            | Self::ThreadEnd { thread, .. }
            | Self::Dump { thread, .. }
            | Self::DumpEnd { thread, .. } => Some(*thread),
            Self::Gap { thread, .. } | Self::Signal { thread, .. } => *thread,
            Self::Damage(_)
            | Self::ClockSet { .. }
            | Self::Continued(_)
            | Self::Deleted { .. }
            | Self::End(_)
            | Self::Missing(_) => None,
        }
    }

    /// The index of the thread that it belongs to, to replace it.
    pub(super) fn thread_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Drops { thread, .. }
            | Self::ThreadEnd { thread, .. }
            | Self::Dump { thread, .. }
            | Self::DumpEnd { thread, .. } => Some(thread),
            Self::Gap { thread, .. } | Self::Signal { thread, .. } => thread.as_mut(),
            Self::Damage(_)
            | Self::ClockSet { .. }
            | Self::Continued(_)
            | Self::Deleted { .. }
            | Self::End(_)
            | Self::Missing(_) => None,
        }
    }

    /// When it happened, in ticks, if known.
    pub(super) fn ticks(&self) -> Option<u64> {
        match self {
            Self::Drops { ticks, .. }
            | Self::Signal { ticks, .. }
            | Self::Deleted { ticks, .. } => Some(*ticks),
            Self::ClockSet { set, .. } => Some(set.ticks),
            Self::Dump { dump, .. } => Some(dump.oldest),
            _ => None,
        }
    }

    /// When it happened, in nanoseconds since the epoch, if known.
    pub(super) fn time_ns(&self) -> Option<i64> {
        match self {
            Self::Drops { first_ns, .. } => Some(*first_ns),
            Self::Signal { time_ns, .. } => Some(*time_ns),
            Self::ClockSet { set, .. } => Some(set.time_ns),
            Self::Deleted { deleted, .. } => Some(deleted.time_ns),
            Self::Dump { dump, .. } => Some(dump.oldest_ns),
            Self::End(totals) => Some(totals.time_ns),
            _ => None,
        }
    }

    /// The size of its memory on the heap, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Drops { counts, .. } => size_of_val(&**counts),
            _ => 0,
        }
    }

    /// The event of this mark, whose thread is an index into `threads`.
    pub(super) fn event<'r>(&'r self, threads: &'r [Thread]) -> Event<'r> {
        match self {
            Self::Drops { thread, first_ns, last_ns, counts, offset, .. } => Event::Drops(Drops {
                thread: &threads[*thread as usize],
                first_ns: *first_ns,
                last_ns: *last_ns,
                counts,
                offset: *offset,
            }),
            Self::Gap { thread, records, offset, segment } => Event::Gap(Gap {
                thread: thread.map(|index| &threads[index as usize]),
                records: *records,
                offset: *offset,
                segment: *segment,
            }),
            Self::Damage(damage) => Event::Damage(damage),
            Self::ThreadEnd { thread, written, dropped, offset } => Event::ThreadEnd(ThreadEnd {
                thread: &threads[*thread as usize],
                written: *written,
                dropped: *dropped,
                offset: *offset,
            }),
            Self::Signal { os_thread, thread, signal, time_ns, offset, .. } => {
                Event::Signal(Signal {
                    os_thread: *os_thread,
                    thread: thread.map(|index| &threads[index as usize]),
                    signal: *signal,
                    time_ns: *time_ns,
                    offset: *offset,
                })
            }
            Self::ClockSet { set, offset } => Event::ClockSet(ClockSet {
                time_ns: set.time_ns,
                by_ns: set.by_ns,
                offset: *offset,
            }),
            Self::Continued(continued) => Event::Continued(*continued),
            Self::Deleted { deleted, .. } => Event::Deleted(*deleted),
            Self::Dump { thread, dump, offset } => Event::Dump(event::Dump {
                thread: &threads[*thread as usize],
                reason: DumpReason::from_codes(dump.reason, dump.detail),
                time_ns: dump.time_ns,
                first_ns: dump.oldest_ns,
                last_ns: dump.newest_ns,
                records: dump.records,
                overwritten: dump.overwritten,
                offset: *offset,
            }),
            Self::DumpEnd { thread, records, offset, .. } => Event::DumpEnd(DumpEnd {
                thread: &threads[*thread as usize],
                records: *records,
                offset: *offset,
            }),
            Self::End(totals) => Event::End(*totals),
            Self::Missing(missing) => Event::Missing(*missing),
        }
    }
}
