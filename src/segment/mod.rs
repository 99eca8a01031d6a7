//! Segments: where frames go.

pub(crate) mod closing;
pub(crate) mod crash_proof;
pub(crate) mod drop_counts;
pub(crate) mod error;
pub(crate) mod guard;
mod header_page;
pub(crate) mod mapped;
mod open;
pub(crate) mod plain;
pub(crate) mod side;
pub(crate) mod tap;
mod window;
pub(crate) mod writer;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::beside::directory_of;
use crate::derived::Directory;
use crate::process::fork::Private;
use crate::process::lock;
use crate::sync::statics::{AtomicBool, Ordering};
pub(crate) use open::{
    Target, boot_id, create_temporary, header, of_segment, remove_left_over, resolve, trim,
    with_infix, with_stem_end,
};

/// The file of a log, for others than the consumer.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// The segment id.
    pub(crate) id: [u8; 16],
    pub(crate) file: Private,
    /// Whether the disk has the file's name.
    has_name_on_disk: AtomicBool,
}

impl LogFile {
    pub(crate) fn new(path: PathBuf, id: [u8; 16], file: File) -> Self {
        Self { path, id, file: Private::new(file), has_name_on_disk: AtomicBool::new(false) }
    }

    /// Waits until the disk has what is in the file, and its name.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        tap::sync(self.id);
        // Relaxed, both: who holds the lock on the turn of syncs is the only one here.
        if !self.has_name_on_disk.load(Ordering::Relaxed) {
            Directory::open(directory_of(&self.path_now()))?.sync()?;
            self.has_name_on_disk.store(true, Ordering::Relaxed);
            tap::sync_name(self.id);
        }
        Ok(())
    }

    /// Gives the lock on the file back, which lasts as long as anything has it open. To be called when nothing is
    /// written to it any more.
    pub(crate) fn unlock(&self) {
        // A file system without locks fails.
        let _ = lock::unlock(&self.file);
    }

    /// Waits until the disk has all that is in any file of its file system.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return Ok(rustix::fs::syncfs(&*self.file)?);
        #[cfg(not(target_os = "linux"))]
        {
            rustix::fs::sync();
            Ok(())
        }
    }

    /// The path that the file has now: somebody may have renamed it.
    fn path_now(&self) -> PathBuf {
        // Asked first: the system goes by the name that the file had when it was opened.
        if lock::is_at(&self.file, &self.path).unwrap_or(false) {
            return self.path.clone();
        }
        let name = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let renamed = std::fs::read_link(name).ok();
        let renamed = renamed.filter(|path| lock::is_at(&self.file, path).unwrap_or(false));
        renamed.unwrap_or_else(|| self.path.clone())
    }
}

/// The place of a segment in its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) path: &'a Path,
    /// The log's id.
    pub(crate) log: [u8; 16],
    /// The id of the segment before; zeros if there is none.
    pub(crate) previous: [u8; 16],
    /// The number of the segment, from 1.
    pub(crate) sequence: u64,
    /// When the segment begins.
    pub(crate) opened_ns: i64,
    /// A number that the segments of other runs do not have.
    pub(crate) run: u16,
}

/// Where the frames of a segment go: bytes, and nothing else.
///
/// After an error, what was written before may be gone: a call site, a thread's name or a clock frame that later frames
/// rely on has to be written again.
pub(crate) trait Output {
    /// Appends all of `frames`, or nothing.
    fn append(&mut self, frames: &[u8]) -> io::Result<()>;

    /// Lets readers see all that was appended. On an error, what was appended since the last commit is lost.
    fn commit(&mut self) -> io::Result<()>;

    /// How many bytes were appended, the header page included.
    fn len(&self) -> u64;

    /// Ends the segment: nothing is appended any more.
    fn close(&mut self) -> io::Result<()>;
}

/// The output of a log, whose file others may cut, remove or move, and whose process may die.
///
/// One implementation maps a file; tests have others, which fail on purpose. What a method does by default is right for
/// an output that is in no danger.
pub(crate) trait LogOutput: Output + Sized {
    /// Looks whether what was written is still there, and mends what can be mended. What failed before is tried again
    /// at once the next time, and not only after a while.
    fn check(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether all that was ever committed is gone, as far as a call before has noticed. Then nothing can be written
    /// here any more.
    fn is_removed(&self) -> bool {
        false
    }

    /// Why frames are written by system calls, if they are: the file cannot be mapped.
    fn unmapped(&self) -> Option<&io::Error> {
        None
    }

    /// Makes the next segment if this one is removed, or if another file, or none, has its name now. Returns it with
    /// its salt; `None` if this one still has its name. `announce` is told the new segment's id; if that fails, the
    /// new file is removed.
    fn make_next(
        &mut self,
        announce: impl FnOnce([u8; 16]) -> io::Result<()>,
    ) -> io::Result<Option<(Self, u32)>> {
        let _ = announce;
        Ok(None)
    }

    /// Whether this segment is removed, or another file, or none, has its name now.
    fn has_lost_name(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Gives a segment that was prepared its header and its name. From then on it is a segment of its log.
    ///
    /// If that fails, nothing has the name that had not ([`io::ErrorKind::AlreadyExists`]: something had).
    fn take_name(&mut self, identity: &Identity<'_>) -> io::Result<()> {
        let _ = identity;
        Ok(())
    }

    /// What the checksums of its frames are exclusive-or'ed with.
    fn salt(&self) -> u32 {
        0
    }

    /// The segment id.
    fn segment_id(&self) -> [u8; 16] {
        [0; 16]
    }

    /// Removes a segment in which nothing is.
    fn discard(self) {}

    /// Takes back what was appended and not committed, if that is possible, also after an `append` that ended in the
    /// middle.
    fn rewind(&mut self) {}

    /// Says in the header where a dump mark is going to be, for readers that look for the last one: to be called before
    /// it is committed. If that fails, to be called with the one before.
    fn set_next_dump(&mut self, offset: u64) {
        let _ = offset;
    }

    /// Says in the header where the last dump mark is: to be called when it has been committed.
    fn set_last_dump(&mut self, offset: u64) {
        let _ = offset;
    }

    /// Says in the header where the last part of the index is: to be called when it has been committed.
    fn set_last_index(&mut self, offset: u64) {
        let _ = offset;
    }

    /// The number by which rings name the segment: see `ring::storage::LogMark`.
    fn segment_number(&self) -> u64 {
        0
    }

    /// The file, if it is one.
    fn log_file(&self) -> Option<LogFile> {
        None
    }
}

impl Output for Vec<u8> {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.extend_from_slice(frames);
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
