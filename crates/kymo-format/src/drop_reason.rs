//! Why records are dropped.

use std::fmt;

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The ring was full, and the policy was to drop the newest.
    Full,
    /// The record was too large for the ring, cut as short as it can be.
    TooLarge,
    /// The ring was full, and stayed so for as long as the policy allowed to wait.
    TimedOut,
    /// The output failed.
    OutputFailed,
    /// It was logged after shutdown.
    AfterShutdown,
    /// It was logged by a signal handler that interrupted a log call of its own thread.
    InSignalHandler,
    /// The file was removed, and with it these records, which had been written.
    FileRemoved,
    /// It was overwritten by newer ones.
    Overwritten,
    /// It was in the file, or the mark of its drop was, and was damaged; the file was repaired since.
    Damaged,
    /// There was no room for a critical record, which its thread wrote into the side file.
    Rescued,
    /// The time that the logger had for shutting down was over.
    ShutdownTimedOut,
    /// A reason that this version does not know, by its code in the file.
    Unknown(u8),
}

impl DropReason {
    /// Those that this version knows, in the order of their codes, which begin at 1.
    pub const KNOWN: [Self; 11] = [
        Self::Full,
        Self::TooLarge,
        Self::TimedOut,
        Self::OutputFailed,
        Self::AfterShutdown,
        Self::InSignalHandler,
        Self::FileRemoved,
        Self::Overwritten,
        Self::Damaged,
        Self::Rescued,
        Self::ShutdownTimedOut,
    ];

    /// The reason with this code in a file.
    pub fn from_code(code: u8) -> Self {
        let index = usize::from(code).checked_sub(1);
        let known = index.and_then(|index| Self::KNOWN.get(index));
        known.copied().unwrap_or(Self::Unknown(code))
    }

    /// The code of it in a file.
    pub const fn code(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::TooLarge => 2,
            Self::TimedOut => 3,
            Self::OutputFailed => 4,
            Self::AfterShutdown => 5,
            Self::InSignalHandler => 6,
            Self::FileRemoved => 7,
            Self::Overwritten => 8,
            Self::Damaged => 9,
            Self::Rescued => 10,
            Self::ShutdownTimedOut => 11,
            Self::Unknown(code) => code,
        }
    }

    /// A name for programs, such as `timed_out`; `None` if it is not known.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::TimedOut => "timed_out",
            Self::OutputFailed => "output_failed",
            Self::AfterShutdown => "after_shutdown",
            Self::InSignalHandler => "in_signal_handler",
            Self::FileRemoved => "file_removed",
            Self::Overwritten => "overwritten",
            Self::Damaged => "damaged",
            Self::Rescued => "rescued",
            Self::ShutdownTimedOut => "shutdown_timed_out",
            Self::Unknown(_) => return None,
        })
    }

    /// The place of a known reason in arrays by reason.
    pub const fn index(self) -> usize {
        self.code() as usize - 1
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the ring was full",
            Self::TooLarge => "too large for the ring",
            Self::TimedOut => "waiting for room took too long",
            Self::OutputFailed => "the output failed",
            Self::AfterShutdown => "logged after shutdown",
            Self::InSignalHandler => "logged by a signal handler inside a log call",
            Self::FileRemoved => "the file was removed",
            Self::Overwritten => "overwritten by newer ones",
            Self::Damaged => "damaged in the file, which was repaired",
            Self::Rescued => "written to the side file instead",
            Self::ShutdownTimedOut => "the time for shutting down was over",
            Self::Unknown(code) => return write!(f, "reason {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_reasons_belong_together() {
        for code in 0..=u8::MAX {
            let reason = DropReason::from_code(code);
            assert_eq!(reason.code(), code);
            assert_eq!(reason.name().is_some(), DropReason::KNOWN.contains(&reason));
        }
        for (index, reason) in DropReason::KNOWN.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
