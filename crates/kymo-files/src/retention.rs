//! Retention: which segments of a log are deleted, and how.
//!
//! 1. [`Inventory::read`] lists the segments of a log, by their headers, with the files beside them.
//! 2. [`plan`] says which of them a [`Keep`] deletes: the oldest first. It asks nobody.
//! 3. [`enforce`] does both, and deletes.
//!
//! Invariants:
//! - INV-1: a file is deleted only if its header names this log and its segment, or, of a file beside it, the segment
//!   to which it belongs. This is looked at again in the file that has the name right before that is removed.
//! - INV-2: no segment from [`Situation::first_kept`] on is deleted.
//! - INV-3: the files beside a segment go before it, also on the disk. Whoever is killed or loses power in between
//!   leaves a segment, which goes the next time; never a file that belongs to nothing. What its dead process has left
//!   elsewhere goes first of all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::beside::{self, header_of};
use crate::derived::{Directory, OpenError, Owner};
use crate::keep::{Keep, Space};
use crate::segments::{LogName, disk_bytes};
use crate::tap::{self, Step};
use kymo_format::header::Header;

/// A segment of a log on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The number that no other segment has.
    pub segment: [u8; 16],
    /// Its number in the log.
    pub sequence: u64,
    /// When it was opened, in nanoseconds since the epoch.
    pub opened_ns: i64,
    /// Its files, in the order in which they go: those beside it, then itself. While it is being compressed it is there
    /// twice.
    pub files: Vec<StoredFile>,
    /// It could not be deleted, so that others have to go.
    pub is_stuck: bool,
}

/// A file of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name in the directory of the log.
    pub name: OsString,
    /// The bytes that it takes on the disk, or its length if that is more.
    pub bytes: u64,
    /// Whether it belongs to the segment, and is not the segment itself.
    pub is_beside: bool,
}

/// The segments of a log on the disk.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// By their number.
    pub segments: Vec<Stored>,
    /// Names of files that are called as segments of the log, and are not: their headers name another log, or cannot be
    /// read.
    pub others: Vec<OsString>,
    /// The bytes of hidden temporary files: of a segment that is prepared, or that is being compressed.
    pub temporary_bytes: u64,
}

/// What the limits depend on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation {
    /// The time, in nanoseconds since the epoch.
    pub now_ns: i64,
    /// The number of the first segment that must not be deleted: of the current one, or of the one that comes.
    pub first_kept: u64,
    /// How many bytes the segments from there on may take before anybody looks again. They count with this, or with
    /// what they take now, if that is more.
    pub kept_bytes: u64,
    /// How many bytes everything else of the log may take: what is prepared, and temporary files.
    pub other_bytes: u64,
    /// How many segments are prepared and have no names yet. They count as files.
    pub other_files: u64,
    /// The file system.
    pub space: Space,
}

/// What was deleted.
#[derive(Debug, Default)]
pub struct Deleted {
    /// The numbers of the first and the last segment; `None` if there was nothing to delete.
    pub sequences: Option<(u64, u64)>,
    /// How many segments.
    pub segments: u64,
    /// The names of the files.
    pub names: Vec<OsString>,
    /// How many bytes of the disk they took.
    pub bytes: u64,
    /// How many records that were in no file of the segments went with what their processes had left elsewhere.
    pub discarded: u64,
    /// What could not be deleted, and why. It stays, and counts.
    pub errors: Vec<(PathBuf, io::Error)>,
    /// By how many bytes the log may exceed its limit in bytes, since nothing more can be deleted.
    pub excess_bytes: u64,
    /// How many bytes more the log may take until it reaches this limit.
    pub spare_bytes: u64,
}

impl Stored {
    /// The bytes that all of its files take.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The bytes that the files beside it take.
    fn bytes_beside(&self) -> u64 {
        self.files.iter().filter(|file| file.is_beside).map(|file| file.bytes).sum()
    }
}

impl Inventory {
    /// Lists the segments of the log with this id that belong to this owner.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn read(name: &LogName, log: [u8; 16], owner: Owner) -> io::Result<Self> {
        let mut by_segment = BTreeMap::new();
        let mut this = Self::default();
        for file in name.list(owner)? {
            let Some(name) = file.path.file_name().map(ToOwned::to_owned) else { continue };
            let Some(header) = file.header.filter(|header| is_of_log(header, log)) else {
                this.others.push(name);
                continue;
            };
            let stored: &mut Stored = by_segment.entry(header.segment).or_insert_with(|| Stored {
                segment: header.segment,
                sequence: header.sequence,
                opened_ns: header.opened_ns,
                ..Stored::default()
            });
            let bytes = file.bytes.max(file.disk_bytes);
            stored.files.push(StoredFile { name, bytes, is_beside: false });
        }
        for file in beside::in_directory(name.directory(), owner)? {
            let Some(stored) = by_segment.get_mut(&file.header.side_of) else { continue };
            let Some(name) = file.path.file_name().map(ToOwned::to_owned) else { continue };
            // What is gone in between takes nothing.
            let Ok(metadata) = std::fs::symlink_metadata(&file.path) else { continue };
            let bytes = metadata.len().max(disk_bytes(&metadata));
            stored.files.insert(0, StoredFile { name, bytes, is_beside: true });
        }
        for entry in std::fs::read_dir(name.directory())? {
            let entry = entry?;
            if name.is_temporary(&entry.file_name()) {
                let metadata = std::fs::symlink_metadata(entry.path());
                let bytes = metadata.map_or(0, |it| it.len().max(disk_bytes(&it)));
                this.temporary_bytes += bytes;
            }
        }
        this.segments = by_segment.into_values().collect();
        this.segments.sort_by_key(|stored| (stored.sequence, stored.opened_ns));
        Ok(this)
    }

    /// The bytes that all segments take, with the files beside them.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(Stored::bytes).sum()
    }
}

/// Whether this is the header of a segment of the log with this id.
fn is_of_log(header: &Header, log: [u8; 16]) -> bool {
    header.log == log && log != [0; 16] && header.side_of == [0; 16]
}

/// Returns the indexes of the segments that are to be deleted, the oldest first.
///
/// `segments` are all of the log, by number. Those that are stuck, and those from [`Situation::first_kept`] on, stay
/// and count.
pub fn plan(segments: &[Stored], keep: &Keep, now: &Situation) -> Vec<usize> {
    let closed = segments.partition_point(|stored| stored.sequence < now.first_kept);
    let kept = &segments[closed..];
    let mut bytes = counted_bytes(segments, now);
    // The current segment counts before it is there.
    let mut files = (closed + kept.len().max(1)) as u64 + now.other_files;
    let mut missing = keep.missing_bytes(now.space);
    let most_bytes = keep.most_bytes(now.space).unwrap_or(u64::MAX);
    let most_files = keep.most_files().unwrap_or(u64::MAX);
    let is_too_old = |index: usize| {
        // It ended when the next one began.
        let Some((age, next)) = keep.most_age().zip(segments.get(index + 1)) else { return false };
        i128::from(now.now_ns) - i128::from(next.opened_ns) > age.as_nanos().cast_signed()
    };
    let mut deleted = Vec::new();
    for (index, stored) in segments[..closed].iter().enumerate() {
        let is_over = bytes > most_bytes || files > most_files || missing > 0;
        if !is_over && !is_too_old(index) {
            break;
        }
        if !stored.is_stuck {
            bytes -= stored.bytes();
            files -= 1;
            missing = missing.saturating_sub(stored.bytes());
            deleted.push(index);
        }
    }
    deleted
}

/// Returns the bytes that count for the limit of a log.
fn counted_bytes(segments: &[Stored], now: &Situation) -> u64 {
    let closed = segments.partition_point(|stored| stored.sequence < now.first_kept);
    let kept = &segments[closed..];
    let beside: u64 = kept.iter().map(Stored::bytes_beside).sum();
    let taken = kept.iter().map(Stored::bytes).sum::<u64>() - beside;
    let closed: u64 = segments[..closed].iter().map(Stored::bytes).sum();
    closed + beside + now.kept_bytes.max(taken) + now.other_bytes
}

/// How often a log is looked through again because a segment was no longer there by its name.
const MOST_LOOKS: u32 = 100;

/// Deletes what the limits of a log delete now.
///
/// What cannot be deleted stays, is told, and counts: others go in its place.
///
/// `discard` is told the path of each segment before that is deleted. It removes what the dead process of the segment
/// has left elsewhere (its rings), and returns the number of records that so are lost.
///
/// # Errors
/// If the directory cannot be read.
pub fn enforce(
    name: &LogName,
    log: [u8; 16],
    owner: Owner,
    keep: &Keep,
    now: &Situation,
    discard: &dyn Fn(&Path) -> u64,
) -> io::Result<Deleted> {
    let mut segments = Inventory::read(name, log, owner)?.segments;
    let directory = Directory::open(name.directory())?;
    let mut deleted = Deleted::default();
    let mut now = *now;
    let mut looks_left = MOST_LOOKS;
    loop {
        let planned = plan(&segments, keep, &now);
        if planned.is_empty() {
            let most = keep.most_bytes(now.space).unwrap_or(u64::MAX);
            let counted = counted_bytes(&segments, &now);
            deleted.excess_bytes = counted.saturating_sub(most);
            deleted.spare_bytes = most.saturating_sub(counted);
            return Ok(deleted);
        }
        // Segments that were not there by their names.
        let mut absent = Vec::new();
        for index in planned {
            let stored = &mut segments[index];
            let bytes = stored.bytes();
            for file in stored.files.iter().filter(|file| !file.is_beside) {
                deleted.discarded += discard(&name.directory().join(&file.name));
            }
            match remove(stored, &directory, log, owner, &mut deleted) {
                Ok(true) => {
                    deleted.note(stored.sequence);
                    now.space.free_bytes += bytes;
                }
                Ok(false) => absent.push((stored.segment, stored.sequence)),
                Err((file, error)) => {
                    now.space.free_bytes += bytes - stored.bytes();
                    stored.is_stuck = true;
                    deleted.errors.push((name.directory().join(file), error));
                }
            }
        }
        segments.retain(|stored| !stored.files.is_empty());
        if !absent.is_empty() && looks_left > 0 {
            looks_left -= 1;
            let is_stuck = |it: &Stored| it.is_stuck.then_some(it.segment);
            let stuck: BTreeSet<_> = segments.iter().filter_map(is_stuck).collect();
            segments = Inventory::read(name, log, owner)?.segments;
            segments.iter_mut().for_each(|it| it.is_stuck = stuck.contains(&it.segment));
            // What has another name now is looked at once more.
            absent.retain(|(segment, _)| segments.iter().all(|it| it.segment != *segment));
        }
        absent.into_iter().for_each(|(_, sequence)| deleted.note(sequence));
    }
}

impl Deleted {
    /// A segment is gone.
    fn note(&mut self, sequence: u64) {
        self.segments += 1;
        let (first, last) = self.sequences.unwrap_or((sequence, sequence));
        self.sequences = Some((first.min(sequence), last.max(sequence)));
    }
}

/// Removes the files of a segment, as long as they are its files, and takes them from the list. Returns false if the
/// segment itself was not there: it was deleted by somebody else, or has another name because it was compressed.
fn remove(
    stored: &mut Stored,
    directory: &Directory,
    log: [u8; 16],
    owner: Owner,
    deleted: &mut Deleted,
) -> Result<bool, (OsString, io::Error)> {
    let segment = stored.segment;
    let (mut is_synced, mut was_there) = (true, true);
    while let Some(file) = stored.files.first() {
        if !file.is_beside && !std::mem::replace(&mut is_synced, true) {
            directory.sync().map_err(|error| (file.name.clone(), error))?;
            tap::note(|| Step::SyncedNames);
        }
        is_synced &= !file.is_beside;
        match remove_file(file, segment, directory, log, owner) {
            Ok(()) => {
                tap::note(|| Step::Removed(PathBuf::from(&file.name)));
                deleted.names.push(file.name.clone());
                deleted.bytes += file.bytes;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => was_there &= file.is_beside,
            Err(error) => return Err((file.name.clone(), error)),
        }
        stored.files.remove(0);
    }
    Ok(was_there)
}

/// Removes a file, if it is what it was (INV-1).
fn remove_file(
    file: &StoredFile,
    segment: [u8; 16],
    directory: &Directory,
    log: [u8; 16],
    owner: Owner,
) -> io::Result<()> {
    let header = match directory.open_file(&file.name, owner) {
        Ok(mut opened) => header_of(&mut opened),
        Err(OpenError::Io(error)) => return Err(error),
        Err(error) => return Err(io::Error::other(error)),
    };
    let is_it = header.is_some_and(|header| match file.is_beside {
        true => header.side_of == segment,
        false => is_of_log(&header, log) && header.segment == segment,
    });
    if !is_it {
        return Err(io::Error::other("another file has this name now"));
    }
    directory.remove(&file.name)
}

#[cfg(all(test, not(kymo_loom)))]
mod tests;
