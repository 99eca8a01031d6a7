//! What stands between the records, owned, so that it can be held back with them.

use super::dictionary::Dictionary;
use super::event::{Damage, DropCount, Drops, Event, Gap, Signal, ThreadEnd, Totals};

/// Something that is no record.
#[derive(Debug)]
pub(super) enum Mark {
    Drops {
        thread: u32,
        /// When the first record was dropped.
        ticks: u64,
        first_ns: i64,
        last_ns: i64,
        counts: Box<[DropCount]>,
        offset: u64,
    },
    Gap {
        thread: Option<u32>,
        records: u64,
        offset: u64,
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
    End(Totals),
}

impl Mark {
    /// The index of the thread that it belongs to.
    pub(super) fn thread(&self) -> Option<u32> {
        match self {
            Self::Drops { thread, .. } | Self::ThreadEnd { thread, .. } => Some(*thread),
            Self::Gap { thread, .. } | Self::Signal { thread, .. } => *thread,
            Self::Damage(_) | Self::End(_) => None,
        }
    }

    /// When it happened, in ticks, where that is known.
    pub(super) fn ticks(&self) -> Option<u64> {
        match self {
            Self::Drops { ticks, .. } | Self::Signal { ticks, .. } => Some(*ticks),
            _ => None,
        }
    }

    /// When it happened, in nanoseconds since the epoch, where that is known.
    pub(super) fn time_ns(&self) -> Option<i64> {
        match self {
            Self::Drops { first_ns, .. } => Some(*first_ns),
            Self::Signal { time_ns, .. } => Some(*time_ns),
            Self::End(totals) => Some(totals.time_ns),
            _ => None,
        }
    }

    pub(super) fn event<'r>(&'r self, dictionary: &'r Dictionary) -> Event<'r> {
        match self {
            Self::Drops { thread, first_ns, last_ns, counts, offset, .. } => Event::Drops(Drops {
                thread: dictionary.thread(*thread),
                first_ns: *first_ns,
                last_ns: *last_ns,
                counts,
                offset: *offset,
            }),
            Self::Gap { thread, records, offset } => Event::Gap(Gap {
                thread: thread.map(|index| dictionary.thread(index)),
                records: *records,
                offset: *offset,
            }),
            Self::Damage(damage) => Event::Damage(damage),
            Self::ThreadEnd { thread, written, dropped, offset } => Event::ThreadEnd(ThreadEnd {
                thread: dictionary.thread(*thread),
                written: *written,
                dropped: *dropped,
                offset: *offset,
            }),
            Self::Signal { os_thread, thread, signal, time_ns, offset, .. } => {
                Event::Signal(Signal {
                    os_thread: *os_thread,
                    thread: thread.map(|index| dictionary.thread(index)),
                    signal: *signal,
                    time_ns: *time_ns,
                    offset: *offset,
                })
            }
            Self::End(totals) => Event::End(*totals),
        }
    }
}
