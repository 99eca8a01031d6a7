//! What the housekeeper does with the files of a log.

use std::io;
use std::path::PathBuf;

use crate::clock::{monotonic_ns, wall_ns};
use crate::derived::Owner;
use crate::format::rotated;
use crate::keep::{Keep, KeepError, Space};
use crate::retention::{self, Situation};
#[cfg(feature = "compress")]
use crate::rotation::compress::Compressor;
use crate::rotation::housekeeper::{Answer, Chores, Switched};
use crate::rotation::link;
use crate::rotation::log::LogLock;
use crate::segment::Output;
use crate::segment::create_temporary;
use crate::segment::mapped::{Making, MappedFile};
use crate::segments::{LogName, disk_bytes};

/// How often the limits are looked at when nothing happens, in nanoseconds.
const LOOK_NS: u64 = 60_000_000_000;

/// The files of a log, for the housekeeper.
pub(crate) struct Files {
    pub(crate) log: LogName,
    /// The log's id.
    pub(crate) id: [u8; 16],
    pub(crate) owner: Owner,
    pub(crate) making: Making,
    pub(crate) keep: Keep,
    /// How many bytes a segment takes that is as long as it may be.
    pub(crate) full_bytes: u64,
    /// The number of the current segment.
    pub(crate) current: u64,
    /// Its path, as soon as there is one.
    pub(crate) current_path: PathBuf,
    /// How many bytes it took when the limits were looked at the last time.
    pub(crate) looked_bytes: u64,
    /// When to look at the limits, on the monotonic clock.
    pub(crate) look_at_ns: u64,
    /// Compresses the segments before the current one, if the program wants that.
    #[cfg(feature = "compress")]
    pub(crate) compressor: Option<Compressor>,
    /// The lock on the log, which is held as long as anything is done here.
    pub(crate) _lock: LogLock,
}

impl Files {
    /// Returns an error if the limits leave no room for the current segment and the one that is prepared.
    pub(crate) fn check_limits(&self) -> Result<(), KeepError> {
        let needed = self.full_bytes.saturating_add(self.other_bytes());
        // A directory that cannot be asked is an error later.
        let space = Space::of(self.log.directory()).unwrap_or_default();
        self.keep.check_room(needed, space)
    }

    /// How many bytes hidden files may take: the segment that is prepared, and the one that is being compressed, which
    /// may become a little longer than it was.
    fn other_bytes(&self) -> u64 {
        #[cfg(feature = "compress")]
        if self.compressor.is_some() {
            return self.full_bytes.saturating_mul(2).saturating_add(self.full_bytes / 64);
        }
        self.full_bytes
    }

    /// Has all segments before the current one compressed, unless they are. Adds what is to be told.
    #[cfg(feature = "compress")]
    fn compress(&mut self, answers: &mut Vec<Answer<MappedFile>>) {
        let Some(compressor) = &self.compressor else { return };
        let looked = compressor.look_through(&self.log, self.current);
        answers.extend(looked.err().map(Answer::Failed));
        let failed = compressor.take_errors().into_iter().map(io::Error::other);
        answers.extend(failed.map(Answer::Failed));
        answers.push(Answer::Compressed(compressor.totals()));
    }

    /// Stops what is being compressed, and waits for that, but not for long: if need be it ends later.
    #[cfg(feature = "compress")]
    pub(crate) fn stop_compressing(&self) {
        const LIMIT: std::time::Duration = std::time::Duration::from_secs(1);
        self.compressor.as_ref().map(|compressor| compressor.stop(LIMIT));
    }

    /// How many bytes the current segment takes.
    fn current_bytes(&self) -> u64 {
        std::fs::symlink_metadata(&self.current_path).map_or(0, |metadata| disk_bytes(&metadata))
    }

    /// Whether the current segment takes more than a full one, and more than when the limits were looked at: the next
    /// could not be made, or not in time.
    fn is_past_its_size(&self) -> bool {
        self.current_bytes() > self.full_bytes.max(self.looked_bytes + self.full_bytes / 16)
    }

    /// Deletes what the limits of the log delete now. Returns what is to be told.
    pub(crate) fn retain(&mut self) -> Vec<Answer<MappedFile>> {
        self.look_at_ns = monotonic_ns().saturating_add(LOOK_NS);
        self.looked_bytes = self.current_bytes();
        let deleted = Space::of(self.log.directory()).and_then(|space| {
            let now = Situation {
                now_ns: wall_ns(),
                first_kept: self.current,
                kept_bytes: self.full_bytes,
                other_bytes: self.other_bytes(),
                space,
            };
            retention::enforce(&self.log, self.id, self.owner, &self.keep, &now)
        });
        let deleted = match deleted {
            Ok(deleted) => deleted,
            Err(error) => return vec![Answer::Failed(error)],
        };
        let mut answers: Vec<_> = deleted
            .errors
            .into_iter()
            .map(|(path, error)| {
                let text = format!("{}: not deleted: {error}", path.display());
                Answer::Failed(io::Error::new(error.kind(), text))
            })
            .collect();
        if let Some((first, last)) = deleted.sequences {
            let (files, bytes) = (deleted.names.len() as u64, deleted.bytes);
            answers.push(Answer::Deleted(rotated::Deleted { ticks: 0, first, last, files, bytes }));
        }
        #[cfg(feature = "compress")]
        self.compress(&mut answers);
        answers
    }

    /// Makes a segment without a name.
    pub(crate) fn prepare_segment(&self) -> io::Result<MappedFile> {
        let (file, temporary) =
            create_temporary(&link::temporary(&self.log, "next"), self.making.mode)?;
        MappedFile::ahead(file, temporary.clone(), self.making.clone()).inspect_err(|_| {
            // Nobody else knows it.
            let _ = std::fs::remove_file(&temporary);
        })
    }

    /// Removes the temporary name of the segment that got its own.
    pub(crate) fn forget_temporary(&self) {
        // It may be removed already, or never have been there.
        let _ = std::fs::remove_file(link::temporary(&self.log, "next"));
    }
}

impl Chores for Files {
    type Segment = MappedFile;

    fn prepare(&mut self) -> io::Result<MappedFile> {
        self.prepare_segment()
    }

    fn finish(&mut self, switched: Switched<MappedFile>) -> Vec<Answer<MappedFile>> {
        let Switched { mut closed, is_removed, current, sequence } = switched;
        (self.current, self.current_path) = (sequence, current);
        self.forget_temporary();
        let linked = link::point(&self.log, &self.current_path);
        let closed = if is_removed { Ok(()) } else { closed.close() };
        let failed = [linked, closed].into_iter().filter_map(Result::err);
        let mut answers: Vec<_> = failed.map(Answer::Failed).collect();
        answers.extend(self.retain());
        answers
    }

    fn look_around(&mut self) -> Vec<Answer<MappedFile>> {
        let is_due = monotonic_ns() >= self.look_at_ns || self.is_past_its_size();
        if is_due { self.retain() } else { Vec::new() }
    }

    fn discard(&mut self, next: MappedFile) {
        next.discard();
    }
}
