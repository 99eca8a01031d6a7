//! The file of call sites: what the addresses in the rings of a process mean, and how its ticks
//! become time. `docs/format.md`, "Files of call sites", is the specification.
//!
//! It is written with system calls. What one of them has written stays when the process dies: an
//! entry, and then the committed length.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;

use crate::derived::{self, Owner};
use crate::format::frame::{self, Kind};
use crate::format::header::Header;
use crate::process::fork;
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::ring::known_sites::key;
use crate::ring::storage::file;
use crate::segment::Output;
use crate::segment::crash_proof::RingFileName;
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::plain::PlainFile;
use crate::segment::writer::dictionary::{put_call_site, put_purpose};
use crate::statement::call_site::CallSite;

/// The ending of its name.
pub(crate) const EXTENSION: &str = "kymosites";

/// The offset of the last clock frames in the header page.
pub(crate) const CLOCKS_OFFSET: usize = 3072;

/// How many of them.
pub(crate) const CLOCKS: usize = 4;

/// The length of a clock frame in bytes.
pub(crate) const CLOCK_FRAME_BYTES: usize = 56;

/// Where the header page says to which log the rings belong now.
pub(crate) const LOG_OFFSET: usize = CLOCKS_OFFSET + CLOCKS * CLOCK_FRAME_BYTES;

/// Makes the field that names the log: its segment id, and a checksum of that.
pub(crate) fn log_field(segment: [u8; 16]) -> [u8; 20] {
    let mut field = [0; 20];
    field[..16].copy_from_slice(&segment);
    field[16..].copy_from_slice(&crc32c::crc32c(&segment).to_le_bytes());
    field
}

/// The segment id of the log to which the rings belong; `None` if the page does not say it.
pub(crate) fn log_of(page: &[u8]) -> Option<[u8; 16]> {
    let field: &[u8; 20] = page.get(LOG_OFFSET..)?.first_chunk()?;
    let segment = *field.first_chunk()?;
    (segment != [0; 16] && *field == log_field(segment)).then_some(segment)
}

/// How long the file may become.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// How much of it is allocated when it is made: room for some thousand call sites, so that a
/// directory without room is noticed when the logger starts.
const FIRST_BYTES: u64 = 256 << 10;

/// Makes the file, and locks it for as long as it is open: so others know that the logger runs.
fn create_locked(place: &RingPlace, process: u32) -> io::Result<(PathBuf, File)> {
    for _ in 0..100 {
        let owner = (process, place.process_start);
        let (path, file) = file::create_numbered(&place.directory, owner, EXTENSION)?;
        // Who looks for files that nobody uses may have come before the lock.
        if lock(&file)? != LockOutcome::Elsewhere && is_at(&file, &path)? {
            return Ok((path, file));
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes the files of call sites of processes that have left no ring: they were killed while they
/// started, or before they had logged. Without a ring there is nothing to recover.
pub(crate) fn remove_unused(directory: &Path, owner: Owner) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let (mut found, mut with_rings) = (Vec::new(), HashSet::new());
    for entry in entries.flatten() {
        let file = entry.file_name();
        if let Some(name) = RingFileName::parse(&file, EXTENSION) {
            found.push((name, entry.path()));
        }
        // Whatever follows the ending: damaged ones are kept.
        let bytes = file.as_encoded_bytes();
        let end = bytes.windows(RING.len()).position(|it| it == RING.as_bytes());
        let ring = end.and_then(|end| std::str::from_utf8(&bytes[..end + RING.len()]).ok());
        if let Some(ring) =
            ring.and_then(|ring| RingFileName::parse(ring.as_ref(), file::EXTENSION))
        {
            with_rings.insert((ring.process, ring.start));
        }
    }
    found.retain(|(name, _)| !with_rings.contains(&(name.process, name.start)));
    for (name, path) in found {
        let runs = file::process_start(name.process) == Some(name.start);
        // Where files cannot be locked, another container's process may use it.
        let is_unused = |file: &File| {
            lock(file).is_ok_and(|locked| locked == LockOutcome::Here)
                && is_at(file, &path).unwrap_or(false)
        };
        if !runs && derived::open(&path, owner).is_ok_and(|file| is_unused(&file)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The ending of a ring's name.
const RING: &str = ".kymoring";
const _: () = assert!(RING.len() == file::EXTENSION.len() + 1);

/// The file of the call sites of this process.
pub(crate) struct SiteFile {
    file: PlainFile,
    salt: u32,
    /// `None` when it has been removed.
    path: Option<PathBuf>,
    generation: u32,
    /// What is in it.
    known: HashSet<u64>,
    /// How many clock frames were written.
    clocks: usize,
}

impl SiteFile {
    pub(crate) fn create(place: &RingPlace, header: Header) -> io::Result<Self> {
        let (path, file) = create_locked(place, header.process)?;
        if let Ok(metadata) = file.metadata() {
            remove_unused(&place.directory, Owner::of(&metadata));
        }
        let salt = header.salt;
        let made = PlainFile::on(file, header, FIRST_BYTES, MAX_BYTES);
        if made.is_err() {
            // It is of no use; the error that led here is the one to be told.
            let _ = std::fs::remove_file(&path);
        }
        let file = made?;
        Ok(Self {
            file,
            salt,
            path: Some(path),
            generation: fork::generation(),
            known: HashSet::new(),
            clocks: 0,
        })
    }

    /// The file once more: it stays locked until both are closed.
    pub(crate) fn try_clone_file(&self) -> io::Result<File> {
        self.file.try_clone_file()
    }

    /// Writes a call site, unless it is there.
    pub(crate) fn register(&mut self, site: &'static CallSite) -> io::Result<()> {
        if self.known.contains(&key(site)) {
            return Ok(());
        }
        let mut frames = Vec::new();
        let start = frame::begin(&mut frames);
        put_call_site(&mut frames, self.known.len() as u64, site);
        frames.extend_from_slice(&(ptr::from_ref(site).addr() as u64).to_le_bytes());
        // Releases that know no purposes expect the address before.
        put_purpose(&mut frames, site);
        frame::finish(&mut frames, start, Kind::CallSite, self.salt);
        self.file.append(&frames).and_then(|()| self.file.commit())?;
        self.known.insert(key(site));
        Ok(())
    }

    /// Writes how ticks become time, in place of what was so four times before.
    pub(crate) fn put_clock(&mut self, clock: &frame::Clock) {
        let mut frame = Vec::with_capacity(CLOCK_FRAME_BYTES);
        let start = frame::begin(&mut frame);
        clock.put(&mut frame);
        frame::finish(&mut frame, start, Kind::Clock, self.salt);
        let at = CLOCKS_OFFSET + self.clocks % CLOCKS * CLOCK_FRAME_BYTES;
        self.clocks += 1;
        // The page is allocated. If it fails all the same, times are recovered less exactly.
        let _ = self.file.write_at(&frame, at as u64);
    }

    /// Takes the file away.
    pub(crate) fn remove(&mut self) {
        if let Some(path) = self.path.take()
            && self.generation == fork::generation()
        {
            // What cannot be removed is found by a recovery.
            let _ = std::fs::remove_file(path);
        }
    }
}
