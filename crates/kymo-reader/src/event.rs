//! Events: records, and marks of drops, gaps, damage, signals, dumps and totals.

use std::fmt;

use super::dictionary::Thread;
use super::record::Record;
use crate::{DropReason, Level};
use kymo_format::dump;

/// A record, or a mark, as a reader meets it in a file.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'r> {
    /// A record.
    Record(Record<'r>),
    /// The program dropped records of a thread here.
    Drops(Drops<'r>),
    /// Records of a thread are known to be missing here.
    Gap(Gap<'r>),
    /// Bytes could not be read.
    Damage(&'r Damage),
    /// A thread ended, or the segment did.
    ThreadEnd(ThreadEnd<'r>),
    /// The process received a fatal signal.
    Signal(Signal<'r>),
    /// The wall clock has jumped.
    ClockSet(ClockSet),
    /// The logger has finished other segments before this one.
    Continued(Continued),
    /// Older segments of the log were deleted.
    Deleted(Deleted),
    /// The flight recorder was dumped: the records of one thread follow.
    Dump(Dump<'r>),
    /// The last record of that thread in that dump was before this.
    DumpEnd(DumpEnd<'r>),
    /// The file was closed cleanly.
    End(Totals),
    /// Segments of a rotated log are missing here.
    Missing(MissingSegments),
}

/// Segments of a rotated log that are not there, or cannot be read, between two that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingSegments {
    /// The number of the segment before.
    pub before: u64,
    /// The number of the segment after. If it is one more than `before`, the segment names another one as
    /// the one before it. If it is `before`, there are two of this number.
    pub after: u64,
}

impl MissingSegments {
    /// How many segments are missing, by the numbers.
    pub fn count(&self) -> u64 {
        self.after.saturating_sub(self.before).saturating_sub(1)
    }
}

impl fmt::Display for MissingSegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after } = *self;
        match self.count() {
            0 if before >= after => write!(f, "there are two segments of number {after}"),
            0 => write!(f, "segment {after} does not follow the segment {before} that is here"),
            1 => write!(f, "segment {} is missing", before + 1),
            _ => write!(f, "the segments {} to {} are missing", before + 1, after - 1),
        }
    }
}

/// Records that the program dropped.
#[derive(Clone, Copy, Debug)]
pub struct Drops<'r> {
    /// The thread that logged them.
    pub thread: &'r Thread,
    /// When the first was logged, in nanoseconds since the epoch.
    pub first_ns: i64,
    /// When the last was logged, in nanoseconds since the epoch.
    pub last_ns: i64,
    /// Counts by reason and level.
    pub counts: &'r [DropCount],
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// How many records were dropped for one reason at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DropCount {
    /// Why they were dropped.
    pub reason: DropReason,
    /// Their level; `None` if this version does not know it.
    pub level: Option<Level>,
    /// The number of records.
    pub count: u64,
}

/// Records that were written and could not be read. The numbering of a thread's records, or a total,
/// shows that they are missing.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'r> {
    /// The thread that logged them; `None` if only the total of the segment shows the gap.
    pub thread: Option<&'r Thread>,
    /// The number of missing records.
    pub records: u64,
    /// The byte offset in the file at which the gap showed.
    pub offset: u64,
    /// Of a rotated log: the number of the segment.
    pub segment: Option<u64>,
}

/// The totals of a thread.
#[derive(Clone, Copy, Debug)]
pub struct ThreadEnd<'r> {
    /// The thread.
    pub thread: &'r Thread,
    /// Records of it that were written to the segment.
    pub written: u64,
    /// Records of it that were dropped.
    pub dropped: u64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// A fatal signal that the process received. The records that its rings then held are before it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Signal<'r> {
    /// The operating system's id of the thread that received it; 0 if unknown.
    pub os_thread: u64,
    /// That thread, if it has logged anything.
    pub thread: Option<&'r Thread>,
    /// The number of the signal. On another system the number may mean another signal.
    pub signal: u8,
    /// When it arrived, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// The wall clock has jumped: somebody set it, or the machine slept.
///
/// Times within a file never run backwards. If the wall clock jumped forward, time has jumped with
/// it. If it was set back, time continues, and from here on is ahead of the wall clock by the amount
/// of the jump. The difference shrinks by half a millisecond a second. A wall clock that is slewed,
/// at any rate, is followed without a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockSet {
    /// When the jump was noticed, in nanoseconds since the epoch, by the time that holds from here on.
    pub time_ns: i64,
    /// The length of the jump in nanoseconds; negative if the clock was set back.
    pub by_ns: i64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// The totals of the segments of a rotated log that the logger finished before this one.
///
/// With the totals of this segment they are those since the start of the logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Continued {
    /// The number of these segments.
    pub segments: u64,
    /// Records written to them, the logger's own included.
    pub written: u64,
    /// Records dropped.
    pub dropped: u64,
    /// Records in which something was cut to fit.
    pub cut: u64,
    /// How many of the records written are the logger's own: its warnings.
    pub own: u64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// Older segments of the log were deleted, because it had reached its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// When they were, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// The number of the first of them in the log.
    pub first: u64,
    /// The number of the last of them.
    pub last: u64,
    /// How many files were deleted. If some were missing before, that is less than the numbers say.
    pub files: u64,
    /// How many bytes these took on the disk.
    pub bytes: u64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// The flight recorder was dumped: its records of one thread follow, up to a [`DumpEnd`] of that
/// thread. If events are in the order of time, those of other threads are in between, and so are
/// records that the thread logged to the file itself.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dump<'r> {
    /// The thread.
    pub thread: &'r Thread,
    /// Why it was dumped.
    pub reason: DumpReason,
    /// When the dump was made, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// When the oldest record of it was logged, in nanoseconds since the epoch.
    pub first_ns: i64,
    /// When the newest record of it was logged, in nanoseconds since the epoch.
    pub last_ns: i64,
    /// How many records the recorder held.
    pub records: u64,
    /// How many had been overwritten since the dump before, or since the thread began.
    pub overwritten: u64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// The last record of one thread in a dump of the flight recorder was before this.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DumpEnd<'r> {
    /// The thread.
    pub thread: &'r Thread,
    /// The number of records of the thread in the dump.
    pub records: u64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// Why a flight recorder was dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpReason {
    /// A record of this level was logged; `None` if it is one that this version does not know.
    Record(Option<Level>),
    /// The program asked for it.
    Call,
    /// The process received a fatal signal, of this number.
    Signal(u8),
    /// The ring files of a dead process were recovered.
    Recovery,
    /// A reason that this version does not know, by its code in the file.
    Unknown(u8),
}

impl DumpReason {
    pub(super) fn from_codes(reason: u8, detail: u8) -> Self {
        match reason {
            dump::RECORD => Self::Record(Level::from_code(detail)),
            dump::CALL => Self::Call,
            dump::SIGNAL => Self::Signal(detail),
            dump::RECOVERY => Self::Recovery,
            other => Self::Unknown(other),
        }
    }

    /// A name for programs, such as `record`; `None` if this version does not know the reason.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Record(_) => "record",
            Self::Call => "call",
            Self::Signal(_) => "signal",
            Self::Recovery => "recovery",
            Self::Unknown(_) => return None,
        })
    }
}

impl fmt::Display for DumpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(Some(level)) => write!(f, "a record of level {level}"),
            Self::Record(None) => f.write_str("a record"),
            Self::Call => f.write_str("the program asked for it"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {signal}"),
            },
            Self::Recovery => f.write_str("recovered from what the process left"),
            Self::Unknown(code) => write!(f, "reason {code}"),
        }
    }
}

/// The totals of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Records written.
    pub written: u64,
    /// Records dropped.
    pub dropped: u64,
    /// Records in which something was cut to fit.
    pub cut: u64,
    /// When the segment was closed, in nanoseconds since the epoch.
    pub time_ns: i64,
}

/// Bytes of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The byte offset at which they begin.
    pub offset: u64,
    /// The number of bytes.
    pub bytes: u64,
    /// The kind of damage.
    pub kind: DamageKind,
    /// Of a rotated log: the number of the segment.
    pub segment: Option<u64>,
}

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// No valid frame begins in them.
    Corrupt,
    /// The file ends within them: it was truncated.
    Incomplete,
    /// A frame with the right checksum, of this kind, whose content breaks the format.
    Malformed(u8),
    /// The rest of a block. Its next record has a call site, of this number, that is not in the
    /// dictionary or has an argument of a type that this version does not know.
    UnknownCallSite(u64),
    /// The rest of a block, from a record on that breaks the format.
    Record,
    /// They follow the frame that closes the file.
    PastEnd,
}

impl Signal<'_> {
    /// The name of the signal on Linux, if it is one that ends a process.
    pub fn name(&self) -> Option<&'static str> {
        signal_name(self.signal)
    }
}

/// The name of a signal on Linux, if it is one that ends a process.
fn signal_name(signal: u8) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        16 => "SIGSTKFLT",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        26 => "SIGVTALRM",
        27 => "SIGPROF",
        29 => "SIGIO",
        30 => "SIGPWR",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// Writes `SIGSEGV`, or `signal 77` if the number has no name.
impl fmt::Display for Signal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.signal),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes, kind, segment } = self;
        write!(f, "{bytes} bytes at byte {offset} ")?;
        if let Some(segment) = segment {
            write!(f, "of segment {segment} ")?;
        }
        match kind {
            DamageKind::Corrupt => f.write_str("are damaged"),
            DamageKind::Incomplete => f.write_str("are the beginning of what was cut off"),
            DamageKind::Malformed(kind) => write!(f, "break the format of a frame of kind {kind}"),
            DamageKind::UnknownCallSite(number) => {
                write!(f, "cannot be decoded: call site {number} is not known")
            }
            DamageKind::Record => f.write_str("break the format of a record"),
            DamageKind::PastEnd => f.write_str("follow the end of the segment"),
        }
    }
}

impl Drops<'_> {
    /// How many records were dropped.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum: u64, count| sum.saturating_add(count.count))
    }
}
