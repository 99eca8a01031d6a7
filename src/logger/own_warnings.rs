//! kymo's own records in the log, of a thread named `kymo`: each notice becomes a warning. What a statement with a rate
//! has suppressed, and says nowhere, becomes a record with level, target and place of that statement.
//!
//! Notices and numbers come in from the consumer; records go to a ring of their own, which the consumer reads
//! like any other.

use crate::argument::Argument;
use crate::call::{self, slow};
use crate::consumer::{Notice, OwnRecord, OwnRecords};
use crate::level::Level;
use crate::statement::call_site::{At, Location, Statement};
use crate::thread::producer::Producer;

/// The capacity of the ring of kymo's own records, in words.
const RING_WORDS: usize = 1 << 10;

/// The target of kymo's own records.
const TARGET: &str = "kymo";

/// Returns a function that logs what the logger itself has to say: notices as warnings, if warnings are logged. The
/// first record makes the ring.
pub(crate) fn own_records() -> OwnRecords {
    let mut own = None;
    Box::new(move |record, shared| {
        // The gate opens to this logger only when it has started.
        if matches!(record, OwnRecord::Notice(_)) && !shared.filter.allows(Level::Warn, TARGET) {
            return;
        }
        if own.is_none() {
            own = shared.make_own_producer(RING_WORDS);
        }
        if let Some(own) = &mut own {
            match record {
                OwnRecord::Notice(notice) => log(own, notice),
                OwnRecord::Suppressed(site, records) => {
                    slow::log_at_once(own, site, (records.capture(), ()));
                }
            }
        }
    })
}

/// Logs a warning of kymo's own. Its arguments are variables.
macro_rules! own_warning {
    ($own:expr, $format:literal, $($name:ident)*) => {{
        struct Here;
        impl Statement for Here {
            type At = At<{ Level::Warn as u8 }>;
            const LEVEL: Level = Level::Warn;
            const LOCATION: Location = Location {
                target: TARGET,
                module: module_path!(),
                file: file!(),
                line: line!(),
                column: column!(),
                format: $format,
                names: &[$(stringify!($name)),*],
            };
        }
        let list = own_warning!(list $($name)*);
        slow::log_at_once($own, call::site(Here, list), list);
    }};
    (list) => { () };
    (list $first:ident $($rest:ident)*) => { ($first.capture(), own_warning!(list $($rest)*)) };
}

/// Logs a notice.
fn log(own: &mut Producer, notice: &Notice<'_>) {
    match notice {
        Notice::HighWater { thread, os_id, used, capacity } => own_warning!(
            own,
            "the ring of thread {thread:?} ({os_id}) holds {used} of {capacity} bytes",
            thread os_id used capacity
        ),
        Notice::Dropped { records } => {
            own_warning!(own, "{records} records were dropped", records);
        }
        Notice::OutputFailed { error } => {
            let error = error.to_string();
            own_warning!(own, "the log cannot be written: {error}", error);
        }
        Notice::OutputRecovered { lost } => {
            own_warning!(own, "the log can be written again: {lost} records are lost", lost);
        }
        Notice::SyncFailed { error } => {
            let error = error.to_string();
            own_warning!(own, "the log could not be brought to the disk: {error}", error);
        }
        Notice::RingFileFailed { count, error } => {
            let error = error.to_string();
            own_warning!(
                own,
                "{count} rings or statements are not safe from SIGKILL: {error}",
                count error
            );
        }
        Notice::FewRingsFit { threads, bytes_per_thread, directory } => {
            let directory = directory.display().to_string();
            own_warning!(
                own,
                "{directory} has room for the rings of {threads} threads, of {bytes_per_thread} bytes \
                 each: more threads are not safe from SIGKILL",
                directory threads bytes_per_thread
            );
        }
        Notice::NoMemory { records } => own_warning!(
            own,
            "{records} records were not logged: there was no memory for rings",
            records
        ),
        Notice::DirectiveIgnored { variable, error } => {
            let error = error.to_string();
            own_warning!(own, "{variable}: a directive was left out: {error}", variable error);
        }
        Notice::FilterCommanded { filter, duration: None } => {
            let filter = filter.to_string();
            own_warning!(own, "the filter is now {filter}, by command", filter);
        }
        Notice::FilterCommanded { filter, duration: Some(duration) } => {
            let filter = filter.to_string();
            own_warning!(
                own,
                "the filter is now {filter} for {duration:?}, by command",
                filter duration
            );
        }
        Notice::RotationFailed { error } => {
            let error = error.to_string();
            own_warning!(
                own,
                "the log cannot be rotated, and goes on in its segment: {error}",
                error
            );
        }
        Notice::NotMapped { error } => {
            let error = error.to_string();
            own_warning!(
                own,
                "the file system cannot map or allocate files, so that the log is written by system calls: {error}",
                error
            );
        }
        Notice::NoLink { error } => {
            let error = error.to_string();
            own_warning!(
                own,
                "no link leads to the current segment: the file system has none: {error}",
                error
            );
        }
        Notice::LimitExceeded { bytes } => own_warning!(
            own,
            "the log may exceed its limit by {bytes} bytes: nothing more can be deleted",
            bytes
        ),
        Notice::SegmentUnclosed { segment, error } => {
            let (segment, error) = (segment.display().to_string(), error.to_string());
            own_warning!(
                own,
                "{segment}: the segment of a dead process was not closed: {error}",
                segment error
            );
        }
        // The log has a mark of its own.
        Notice::SegmentsDeleted { .. } => {}
        Notice::DefaultLimits { bytes } => own_warning!(
            own,
            "the log keeps its last {bytes} bytes, and 5 % of the file system free: choose other limits with `keep`",
            bytes
        ),
        Notice::RecordsDiscarded { records } => own_warning!(
            own,
            "the log of a killed process was written over or deleted, and {records} records in its rings were \
             discarded",
            records
        ),
    }
}
