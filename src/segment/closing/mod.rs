//! Closes a segment whose writer died: ends of its threads, that it was killed, an index, and the end frame.
//!
//! In: the file of a segment that nobody writes, and from whose rings nothing is left to be recovered. Out: a segment
//! that is closed as any other, or is as it was.
//!
//! The order of the steps makes sure that what is done can be cut short anywhere, also by a power failure, and done
//! again:
//!
//! 1. Read all frames, up to the first that is not valid: those are what a reader finds.
//! 2. Cut off what follows. No reader looks at it.
//! 3. Append the last frames, and bring them to the disk. A reader finds those that are whole. The next attempt goes on
//!    after them; an index without an end is written anew.
//! 4. Store the committed length.
//!
//! A segment with damage stays as it is, because nobody knows what it had: `kymo repair` makes a whole copy of it.

mod scan;
#[cfg(all(test, not(kymo_loom)))]
mod tests;
mod value;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::format::VERSION;
use crate::format::frame::{self, Kind};
use crate::format::header::{COMMITTED_OFFSET, Header};
use crate::process::allocate::reserve;
use crate::segment::closing::scan::{Scan, Thread};
use crate::segment::tap;
use crate::segment::writer::frames;
use crate::segment::writer::index::TickRange;
use crate::segment::writer::staging::Staging;

/// The signal that the process is assumed to have died of.
const SIGKILL: u8 = 9;

/// The length of an end frame in bytes, at most.
const END_BYTES: u64 = 48;

/// Why a segment was not closed. It is as it was, or has some of its last frames.
#[derive(Debug)]
pub(crate) enum NotClosed {
    /// The frame at this offset is damaged, or none that this version knows how to count.
    Damaged(u64),
    /// A later version of the format, which has other rules.
    Version(u32),
    /// The work was stopped.
    Stopped,
    Io(io::Error),
}

/// Whether the file ends with its end frame, and says so in its header: then there is nothing to do.
pub(crate) fn is_closed(file: &File, header: &Header) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if committed_of(file)? != length {
        return Ok(false);
    }
    let from = length.saturating_sub(END_BYTES);
    let mut bytes = vec![0; (length - from) as usize];
    file.read_exact_at(&mut bytes, from)?;
    let is_end = |at: usize| {
        frame::valid_at_start(&bytes[at..], header.salt).is_some_and(|(kind, payload)| {
            kind == Kind::End as u8 && frame::bytes_of(payload.len()) == bytes.len() - at
        })
    };
    Ok((0..bytes.len()).step_by(8).any(is_end))
}

/// Closes the segment with this header. `is_told`: another file says how its process ended. `go_on` is asked now and
/// then. Returns whether there was anything to do.
///
/// # Errors
/// If it is damaged, the system refuses something, or `go_on` says so.
pub(crate) fn close(
    file: &File,
    header: &Header,
    is_told: bool,
    go_on: &dyn Fn() -> bool,
) -> Result<bool, NotClosed> {
    if header.version > VERSION {
        return Err(NotClosed::Version(header.version));
    }
    if is_closed(file, header)? {
        return Ok(false);
    }
    let scan = Scan::read(file, header.salt, go_on)?;
    if scan.end < committed_of(file)? {
        return Err(NotClosed::Damaged(scan.end));
    }
    let (id, end) = (header.segment, scan.end);
    if file.metadata()?.len() > end {
        file.set_len(end)?;
        tap::length(id, end);
    }
    let mut last = Vec::new();
    if scan.last_kind() != Some(Kind::End) {
        last = last_frames(scan, is_told);
        // Obeys the limits of the process, and finds out whether the disk is full.
        reserve(file, end, last.len() as u64)?;
        tap::length(id, end + last.len() as u64);
        file.write_all_at(&last, end)?;
        tap::write(id, end, &last);
    }
    // Before the length that says that they are there.
    file.sync_data()?;
    tap::sync(id);
    let committed = (end + last.len() as u64).to_le_bytes();
    file.write_all_at(&committed, COMMITTED_OFFSET as u64)?;
    tap::write(id, COMMITTED_OFFSET as u64, &committed);
    Ok(true)
}

/// The frames that a segment lacks.
fn last_frames(mut scan: Scan, is_told: bool) -> Vec<u8> {
    let (end, ticks, totals) = (scan.end, scan.newest, scan.totals());
    let mut staging = Staging::new(scan.salt());
    let mut threads: Vec<_> =
        scan.threads.iter().map(|(number, thread)| (*number, *thread)).collect();
    threads.sort_unstable_by_key(|(number, _)| *number);
    for (number, Thread { written, dropped, is_ended }) in threads {
        if !is_ended {
            frames::put_thread_end(&mut staging, number, written, dropped);
        }
    }
    if !is_told && !scan.has_signal {
        frames::put_signal(&mut staging, 0, SIGKILL, ticks);
    }
    frames::put_watermark(&mut staging, ticks);
    let mut bytes = staging.as_slice().to_vec();
    scan.index.note(&bytes, end, TickRange::default());
    staging.clear();
    scan.index.put(&mut staging, end + bytes.len() as u64);
    frames::put_end(&mut staging, totals, ticks);
    bytes.extend_from_slice(staging.as_slice());
    bytes
}

/// Reads the committed length from the header of a segment.
pub(super) fn committed_of(file: &File) -> io::Result<u64> {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, COMMITTED_OFFSET as u64)?;
    Ok(u64::from_le_bytes(word))
}

impl fmt::Display for NotClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(offset) => write!(
                f,
                "it is damaged at byte {offset}, and stays unclosed: `kymo repair` makes a whole copy"
            ),
            Self::Version(version) => {
                write!(f, "it has version {version} of the format, and this kymo knows {VERSION}")
            }
            Self::Stopped => f.write_str("the work was stopped: the next start goes on"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for NotClosed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
