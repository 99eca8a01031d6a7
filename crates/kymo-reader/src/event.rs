//! What a reader meets besides records: drops, gaps, damage and totals.

use std::fmt;

use super::dictionary::Thread;
use super::record::Record;
use crate::{DropReason, Level};
use kymo_format::dump;

/// What was met in a file.
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
    /// What a dump of the flight recorder wrote of a thread begins.
    Dump(Dump<'r>),
    /// It ends.
    DumpEnd(DumpEnd<'r>),
    /// The file was closed in order.
    End(Totals),
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
    /// How many, by reason and level.
    pub counts: &'r [DropCount],
    /// Where the mark stands in the file.
    pub offset: u64,
}

/// How many records were dropped for one reason at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DropCount {
    /// Why.
    pub reason: DropReason,
    /// Their level; `None` if it is one that this version does not know.
    pub level: Option<Level>,
    /// How many.
    pub count: u64,
}

/// Records of which the numbering of a thread's records, or a total, says that they were written,
/// and which could not be read.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'r> {
    /// The thread that logged them; `None` where only the total of the segment shows that they are
    /// missing.
    pub thread: Option<&'r Thread>,
    /// How many.
    pub records: u64,
    /// Where in the file it showed.
    pub offset: u64,
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
    /// Where it stands in the file.
    pub offset: u64,
}

/// A fatal signal that the process received. What its rings then held stands before it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Signal<'r> {
    /// The operating system's id of the thread that received it; 0 where unknown.
    pub os_thread: u64,
    /// That thread, if it has logged anything.
    pub thread: Option<&'r Thread>,
    /// The number of the signal. The same number may mean another signal on another system.
    pub signal: u8,
    /// When, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// Where the mark stands in the file.
    pub offset: u64,
}

/// The wall clock has jumped: somebody set it, or the machine slept.
///
/// Times within a file never run backwards. If the wall clock jumped forward, time has jumped with
/// it. If it was set back, time went on from where it was: from here on it is ahead of the wall clock
/// by as much as that was set back, less half a millisecond a second, until the wall clock has caught
/// up. A wall clock that is slewed, however fast, is followed without a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockSet {
    /// When this was noticed, in nanoseconds since the epoch: the time that holds from here on.
    pub time_ns: i64,
    /// By how many nanoseconds the wall clock has jumped; less than 0 if it was set back.
    pub by_ns: i64,
    /// The byte offset of the mark in the file.
    pub offset: u64,
}

/// The flight recorder was dumped: what it held of one thread follows, up to a [`DumpEnd`] of the
/// thread. Where events are in the order of time, those of other threads, and what the thread logged
/// to the file itself, stand in between.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dump<'r> {
    /// The thread.
    pub thread: &'r Thread,
    /// Why.
    pub reason: DumpReason,
    /// When the dump was made, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// When the oldest record of it was logged, in nanoseconds since the epoch.
    pub first_ns: i64,
    /// When the newest was.
    pub last_ns: i64,
    /// How many records the recorder held.
    pub records: u64,
    /// How many had been overwritten since the dump before, or since the thread began.
    pub overwritten: u64,
    /// Where the mark stands in the file.
    pub offset: u64,
}

/// What a dump of the flight recorder wrote of a thread ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DumpEnd<'r> {
    /// The thread.
    pub thread: &'r Thread,
    /// How many records that were.
    pub records: u64,
    /// Where the mark stands in the file.
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
    /// What the process left was recovered.
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

    /// A name for programs, such as `record`; `None` where it is not known.
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
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What is wrong with them.
    pub kind: DamageKind,
}

/// What is wrong with bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// No valid frame begins in them.
    Corrupt,
    /// They are the beginning of what stood here: the file was cut.
    Incomplete,
    /// A frame with the right checksum, of this kind, whose content breaks the format.
    Malformed(u8),
    /// The rest of a block behind a record whose call site, of this number, is not in the
    /// dictionary, or has an argument of a type that this version does not know.
    UnknownCallSite(u64),
    /// The rest of a block behind a record that breaks the format.
    Record,
    /// They stand behind the frame that closes the file.
    PastEnd,
}

impl Signal<'_> {
    /// The name of the signal on Linux, where it is one that ends a process.
    pub fn name(&self) -> Option<&'static str> {
        signal_name(self.signal)
    }
}

/// The name of a signal on Linux, where it is one that ends a process.
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

/// Writes `SIGSEGV`, or `signal 77` where the number has no name.
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
        let Self { offset, bytes, kind } = self;
        write!(f, "{bytes} bytes at byte {offset} ")?;
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
