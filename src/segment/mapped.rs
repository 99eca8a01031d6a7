//! A segment in a memory-mapped file.
//!
//! In: frames. Out: bytes of the file, and its committed length. It does not know what frames mean.
//!
//! Invariants:
//! - INV-1: Every byte of the window is backed by an allocated block of the file *before* it is
//!   mapped. So a full disk is an error of a system call.
//! - INV-2: The committed length never decreases. All bytes before it were written before it was
//!   stored.
//! - INV-3: A write counts only after the mappings were checked, and found not to be cut (see
//!   [`guard`]).
//!
//! The header page is mapped as long as the segment is written ([`header_page`](super::header_page)), the frames one
//! window at a time ([`window`](super::window)).
//!
//! What others may do to the file:
//! - They cut it. What they cut off is lost. The file is allocated again up to where it had been
//!   committed, gets its header page again, and goes on there. Readers find zeros in the lost part,
//!   and say what is missing.
//! - They remove it, or write another over its name. Nobody could find what is written to it from
//!   then on. So a new segment is begun at its path.
//!
//! Some file systems cannot map or allocate (some FUSE, NFS, 9p). There the frames are written by system calls
//! ([`Pages::Plain`]). Then a write may fail itself, and what it has written is cut off before the next one.
//!
//! *Not taken:* `pwrite` instead of the mapping, everywhere. If the file was cut, it leaves a hole and never
//! raises a signal. But it costs a system call for each sweep and has the kernel copy each byte
//! again. That would slow down the usual case for the sake of an accident.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::format::HEADER_BYTES;
use crate::format::header::{ClockSource, LAST_DUMP_OFFSET, LAST_INDEX_OFFSET, NEXT_DUMP_OFFSET};
use crate::process::allocate::{Backoff, UNIT_BYTES, allocate, allocate_up_to, check_length};
use crate::process::fork::Private;
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::error::OpenSegmentError;
use crate::segment::guard;
use crate::segment::header_page::HeaderPage;
use crate::segment::lock::is_at;
use crate::segment::open::{Target, add_final_name};
use crate::segment::tap::Ability;
use crate::segment::window::Window;
use crate::segment::{Identity, LogFile, LogOutput, Output, tap};
use crate::sync::Arc;

/// A segment file.
#[derive(Debug)]
pub(crate) struct MappedFile {
    place: Place,
    file: Private,
    header: HeaderPage,
    pages: Pages,
    /// Up to where the file is allocated.
    allocated: u64,
    /// How many bytes to ask for next.
    growth: u64,
    committed: u64,
    state: State,
    backoff: Backoff,
    /// Its number in a rotated log.
    sequence: u64,
    /// The name of a segment that has none of its own yet, nor a header.
    temporary: Option<PathBuf>,
}

/// How frames get into the file.
#[derive(Debug)]
enum Pages {
    Mapped(Window),
    /// By system calls, because the file cannot be mapped or allocated: `why`. The next frame goes to `len`.
    Plain {
        len: u64,
        why: io::Error,
    },
}

/// The path of the segments, and how they are made.
#[derive(Clone, Debug)]
struct Place {
    /// Absolute, and not a symbolic link.
    path: PathBuf,
    making: Making,
}

/// How segments are made.
#[derive(Clone, Debug)]
pub(crate) struct Making {
    pub(crate) clock: ClockSource,
    /// How many bytes are allocated and mapped at a time.
    pub(crate) window_bytes: u64,
    /// How long the file is going to be: no more is allocated in advance.
    pub(crate) most_bytes: u64,
    /// Where the rings are, if they are in files.
    pub(crate) rings: Option<RingPlace>,
    /// The permissions of a new file, from which the process's mask is taken.
    pub(crate) mode: u32,
    /// Makes room before a segment grows.
    pub(crate) room: Option<Arc<dyn MakesRoom>>,
    /// Whether the file keeps its name. One that does not is not looked for.
    pub(crate) has_name: bool,
}

/// Makes room on the disk for a segment that grows.
pub(crate) trait MakesRoom: fmt::Debug + Send + Sync {
    /// To be called before the segment with this number takes so many bytes.
    fn make_room(&self, sequence: u64, bytes: u64);

    /// Whether the segment with this number was deleted to make room. That may be before it is closed.
    fn has_deleted(&self, sequence: u64) -> bool;
}

/// What others did to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// They cut it, and it is not repaired yet.
    Cut,
    /// They removed it.
    Removed,
}

impl MappedFile {
    /// Makes a segment at `path`. What is there already is renamed, or overwritten. The file is
    /// allocated and mapped a window at a time, or less if the disk is nearly full.
    ///
    /// # Errors
    /// Then everything is as it was before. (But on a file system that cannot allocate, what was to
    /// be overwritten is lost.)
    pub(crate) fn create(
        path: &Path,
        overwrite: bool,
        making: Making,
    ) -> Result<Self, OpenSegmentError> {
        Self::create_at(Target::lock(path, making.mode)?, overwrite, || {}, making)
    }

    /// Makes a segment as [`MappedFile::create`] does, at a target that is locked already. If
    /// something is overwritten, `discard` is called before that, when nothing can fail any more.
    pub(crate) fn create_at(
        mut target: Target,
        overwrite: bool,
        discard: impl FnOnce(),
        making: Making,
    ) -> Result<Self, OpenSegmentError> {
        let path = target.path().to_owned();
        target.decide(overwrite)?;
        let place = Place { path: path.clone(), making };
        let made = target.file().and_then(|(file, is_used)| {
            let discard = || {
                target.discard_beside()?;
                discard();
                Ok(())
            };
            Self::on(file, is_used, discard, place)
        });
        let this = made.map_err(|error| OpenSegmentError::file(&path, error))?;
        target.keep(overwrite)?;
        Ok(this)
    }

    /// Makes a file a segment. What is in it goes when nothing can fail any more, and `discard` is
    /// called before.
    fn on(
        file: File,
        is_used: bool,
        discard: impl FnOnce() -> io::Result<()>,
        place: Place,
    ) -> io::Result<Self> {
        let mut this = Self::map(file, place)?;
        if is_used {
            discard()?;
            this.file.set_len(0)?;
            if let Pages::Mapped(_) = this.pages {
                allocate(&this.file, 0, this.allocated)?;
            }
        } else {
            this.trim_plain()?;
        }
        tap::length(this.header.id(), this.allocated);
        this.header.write(&this.file, this.committed)?;
        Ok(this)
    }

    /// Makes a segment that has everything but its name and its header. The file is at `temporary`
    /// and is locked; a later start removes it if it never gets a name. Its first pages are ready.
    pub(crate) fn ahead(file: File, temporary: PathBuf, making: Making) -> io::Result<Self> {
        let mut this = Self::map(file, Place { path: temporary.clone(), making })?;
        this.trim_plain()?;
        tap::length(this.header.id(), this.allocated);
        if let Pages::Mapped(window) = &mut this.pages {
            window.populate(HEADER_BYTES);
        }
        this.header.populate();
        this.temporary = Some(temporary);
        Ok(this)
    }

    /// Allocates and maps the header page and the first window of a file, if that is possible.
    fn map(file: File, place: Place) -> io::Result<Self> {
        guard::install()?;
        let committed = HEADER_BYTES as u64;
        let Making { clock, window_bytes, rings, .. } = &place.making;
        let mut header = HeaderPage::new(*clock, rings.as_ref());
        let (pages, allocated) = match map_first(&file, &mut header, *window_bytes) {
            Ok((window, allocated)) => (Pages::Mapped(window), allocated),
            Err(error) if is_unable(&error) => {
                (Pages::Plain { len: committed, why: error }, committed)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            header,
            pages,
            growth: *window_bytes,
            place,
            file: Private::new(file),
            allocated,
            committed,
            state: State::Sound,
            backoff: Backoff::default(),
            sequence: 0,
            temporary: None,
        })
    }

    /// Cuts off what was allocated before it was known that the file cannot be mapped.
    fn trim_plain(&self) -> io::Result<()> {
        match self.pages {
            Pages::Mapped(_) => Ok(()),
            Pages::Plain { .. } => self.file.set_len(self.committed),
        }
    }

    /// Removes a segment that is of no use: one that never got its name, or in which nothing is.
    pub(crate) fn discard(self) {
        let path = self.temporary.as_ref().unwrap_or(&self.place.path);
        if is_at(&self.file, path).unwrap_or(false) {
            // At worst a file without records is left.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The segment id.
    pub(crate) fn segment_id(&self) -> [u8; 16] {
        self.header.id()
    }

    /// The segment's salt, a part of all its checksums.
    pub(crate) fn salt(&self) -> u32 {
        self.header.salt()
    }

    /// Makes sure that `bytes` more can be written, and that nothing but a mapping may still fail.
    fn prepare(&mut self, bytes: u64) -> io::Result<()> {
        if self.state == State::Cut {
            self.mend()?;
        }
        match self.pages {
            Pages::Mapped(_) => self.reserve(bytes),
            Pages::Plain { len, .. } => {
                check_length(len + bytes)?;
                if let Some(room) = &self.place.making.room {
                    room.make_room(self.sequence, len + bytes);
                }
                Ok(())
            }
        }
    }

    /// Writes bytes for which `prepare` has made room.
    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        let id = self.header.id();
        let window = match &mut self.pages {
            Pages::Mapped(window) => window,
            Pages::Plain { len, .. } => {
                // A part of it may have been written.
                self.state = State::Cut;
                self.file.write_all_at(frames, *len)?;
                tap::length(id, *len + frames.len() as u64);
                tap::write(id, *len, frames);
                *len += frames.len() as u64;
                (self.state, self.allocated) = (State::Sound, *len);
                return Ok(());
            }
        };
        let (now, later) = frames.split_at(frames.len().min(window.room()));
        let end = window.end();
        // Before anything is written. After this only a cut can fail.
        let next = if later.is_empty() { None } else { Some(self.next_window(end)?) };
        let Pages::Mapped(window) = &mut self.pages else { return Ok(()) };
        tap::write(id, window.len(), now);
        window.write(now);
        let mut cut = window.is_cut();
        if let Some(mut next) = next {
            tap::write(id, next.len(), later);
            next.write(later);
            cut |= next.is_cut();
            *window = next;
        }
        if cut { Err(self.cut()) } else { Ok(()) }
    }

    /// Makes sure that `bytes` more can be written without an allocation that might fail.
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let needed = self.len() + bytes;
        if needed > self.allocated {
            let (from, least) = (self.allocated, needed - self.allocated);
            self.allocated = self.allocate(from, self.growth, least)?;
            tap::length(self.header.id(), self.allocated);
            // On a disk that is nearly full, an allocation should not begin each time with what is
            // too much.
            self.growth = (2 * (self.allocated - from)).min(self.place.making.window_bytes);
        }
        Ok(())
    }

    /// Allocates up to `wanted` bytes from `from` on, and at least `least`. Before that, makes room for them. Returns
    /// the end.
    fn allocate(&self, from: u64, wanted: u64, least: u64) -> io::Result<u64> {
        let Making { most_bytes, room, .. } = &self.place.making;
        let planned = match most_bytes.saturating_sub(from) {
            // Past its size it grows in steps, because making room for one takes a while.
            0 => most_bytes / 16,
            left => left,
        };
        let wanted = wanted.min(planned).max(least);
        if let Some(room) = room {
            room.make_room(self.sequence, (from + wanted).next_multiple_of(UNIT_BYTES));
        }
        allocate_up_to(&self.file, from, wanted, least)
    }

    /// Maps all of the file that is allocated past `end`, the end of the window.
    fn next_window(&mut self, end: u64) -> io::Result<Window> {
        self.look()?;
        Window::map(&self.file, end, self.allocated, 0)
    }

    /// Checks that the file is there, and long enough.
    fn look(&mut self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if metadata.nlink() == 0 && self.place.making.has_name {
            return Err(self.removed());
        }
        if metadata.len() < self.allocated { Err(self.cut()) } else { Ok(()) }
    }

    fn removed(&mut self) -> io::Error {
        self.state = State::Removed;
        let text = format!("{}: removed by somebody else", self.place.path.display());
        io::Error::new(io::ErrorKind::NotFound, text)
    }

    /// Notes that somebody cut the file, and repairs it. If that fails, it is tried again later.
    fn cut(&mut self) -> io::Error {
        self.state = State::Cut;
        let mended = self.mend();
        self.backoff.note(&mended);
        let text = format!("{}: cut by somebody else", self.place.path.display());
        io::Error::new(io::ErrorKind::UnexpectedEof, text)
    }

    /// Repairs the file up to what was committed. What was cut off is lost.
    fn mend(&mut self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if metadata.nlink() == 0 && self.place.making.has_name {
            return Err(self.removed());
        }
        if metadata.len() > self.committed {
            // What a failed append has written must never be taken for frames.
            self.file.set_len(self.committed)?;
        }
        if let Pages::Plain { len, .. } = &mut self.pages {
            *len = self.committed;
            self.file.set_len(self.committed)?;
            tap::length(self.header.id(), self.committed);
            self.header.renew(&self.file, self.committed)?;
            (self.allocated, self.state) = (self.committed, State::Sound);
            return Ok(());
        }
        let wanted = self.place.making.window_bytes;
        let allocated = self.allocate(self.committed, wanted, 1)?;
        tap::length(self.header.id(), self.committed);
        tap::length(self.header.id(), allocated);
        self.header.renew(&self.file, self.committed)?;
        let offset = self.committed / UNIT_BYTES * UNIT_BYTES;
        let position = (self.committed - offset) as usize;
        self.pages = Pages::Mapped(Window::map(&self.file, offset, allocated, position)?);
        self.allocated = allocated;
        self.state = State::Sound;
        Ok(())
    }
}

impl Output for MappedFile {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.state == State::Removed {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.backoff.ask()?;
        let ready = self.prepare(frames.len() as u64);
        self.backoff.note(&ready);
        ready.and_then(|()| self.write(frames))
    }

    fn commit(&mut self) -> io::Result<()> {
        let committed = self.header.commit(&self.file, self.len());
        if committed.is_err() {
            self.state = State::Cut;
            return committed;
        }
        if self.header.is_cut() {
            return Err(self.cut());
        }
        self.committed = self.len();
        Ok(())
    }

    fn len(&self) -> u64 {
        match self.state {
            State::Sound => match &self.pages {
                Pages::Mapped(window) => window.len(),
                Pages::Plain { len, .. } => *len,
            },
            State::Cut | State::Removed => self.committed,
        }
    }

    fn close(&mut self) -> io::Result<()> {
        let result = self.check();
        let room = self.place.making.room.as_ref();
        if self.state == State::Removed && room.is_some_and(|it| it.has_deleted(self.sequence)) {
            return Ok(());
        }
        if self.state == State::Sound {
            self.file.set_len(self.len())?;
            tap::length(self.header.id(), self.len());
        }
        result
    }
}

impl LogOutput for MappedFile {
    fn check(&mut self) -> io::Result<()> {
        self.backoff.end();
        match self.state {
            State::Removed => return Err(self.removed()),
            State::Cut => return self.mend(),
            State::Sound => self.look()?,
        }
        if self.header.is_intact(&self.file) { Ok(()) } else { Err(self.cut()) }
    }

    fn is_removed(&self) -> bool {
        self.state == State::Removed
    }

    fn unmapped(&self) -> Option<&io::Error> {
        match &self.pages {
            Pages::Mapped(_) => None,
            Pages::Plain { why, .. } => Some(why),
        }
    }

    fn make_next(
        &mut self,
        announce: impl FnOnce([u8; 16]) -> io::Result<()>,
    ) -> io::Result<Option<(Self, u32)>> {
        if self.state != State::Removed && is_at(&self.file, &self.place.path)? {
            return Ok(None);
        }
        if self.state == State::Removed {
            self.backoff.ask()?;
        }
        let Place { path, making } = self.place.clone();
        let next = Self::create(&path, false, making);
        let next =
            next.map_err(io::Error::other).and_then(|next| match announce(next.segment_id()) {
                Ok(()) => Ok(next),
                Err(error) => {
                    next.discard();
                    Err(error)
                }
            });
        if self.state == State::Removed {
            self.backoff.note(&next);
        }
        next.map(|next| {
            let salt = next.salt();
            Some((next, salt))
        })
    }

    fn has_lost_name(&self) -> io::Result<bool> {
        Ok(self.state == State::Removed || !is_at(&self.file, &self.place.path)?)
    }

    fn take_name(&mut self, identity: &Identity<'_>) -> io::Result<()> {
        let Some(temporary) = &self.temporary else {
            return Err(io::Error::other("the segment has a name"));
        };
        // Others find a file that has all of its header.
        self.header.identify(identity);
        self.header.write(&self.file, self.committed)?;
        add_final_name(temporary, identity.path)?;
        tap::name(self.header.id(), identity.path);
        identity.path.clone_into(&mut self.place.path);
        self.sequence = identity.sequence;
        self.temporary = None;
        Ok(())
    }

    fn salt(&self) -> u32 {
        Self::salt(self)
    }

    fn segment_id(&self) -> [u8; 16] {
        Self::segment_id(self)
    }

    fn discard(self) {
        Self::discard(self);
    }

    fn rewind(&mut self) {
        match &mut self.pages {
            Pages::Mapped(window) => window.rewind(self.committed),
            // What was appended is cut off before the next write.
            Pages::Plain { .. } => self.state = State::Cut,
        }
    }

    fn set_next_dump(&mut self, offset: u64) {
        self.header.set_hint(&self.file, NEXT_DUMP_OFFSET, offset);
    }

    fn set_last_dump(&mut self, offset: u64) {
        self.header.set_hint(&self.file, LAST_DUMP_OFFSET, offset);
    }

    fn set_last_index(&mut self, offset: u64) {
        self.header.set_hint(&self.file, LAST_INDEX_OFFSET, offset);
    }

    fn segment_number(&self) -> u64 {
        u64::from_le_bytes(self.header.id()[..8].try_into().unwrap_or_default())
    }

    fn log_file(&self) -> Option<LogFile> {
        let file = self.file.try_clone().ok()?;
        Some(LogFile::new(self.place.path.clone(), self.header.id(), file))
    }
}

/// Allocates and maps the first window of a file, and its header page. Returns how much is allocated.
fn map_first(file: &File, header: &mut HeaderPage, bytes: u64) -> io::Result<(Window, u64)> {
    tap::ask(Ability::Allocate)?;
    let allocated = allocate_up_to(file, 0, bytes, HEADER_BYTES as u64)?;
    tap::ask(Ability::Map)?;
    header.map(file)?;
    Ok((Window::map(file, 0, allocated, HEADER_BYTES)?, allocated))
}

/// Whether the file system can allocate no blocks, or map no files that are written.
fn is_unable(error: &io::Error) -> bool {
    // The system says `EINVAL` of a mapping on 9p, for instance.
    let unable = [libc::ENODEV, libc::EOPNOTSUPP, libc::ENOSYS, libc::EINVAL];
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|error| unable.contains(&error))
}

#[cfg(test)]
impl Making {
    /// As unit tests have it.
    pub(crate) fn of_tests(window_bytes: u64) -> Self {
        let (clock, most_bytes) = (ClockSource::Counter, u64::MAX);
        Self {
            clock,
            window_bytes,
            most_bytes,
            rings: None,
            mode: 0o666,
            room: None,
            has_name: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::COMMITTED_OFFSET;
    use crate::segment::tap::disk;

    /// File systems: one that can do everything, and those that lack something.
    const REFUSED: [&[(Ability, i32)]; 3] =
        [&[], &[(Ability::Map, libc::ENODEV)], &[(Ability::Allocate, libc::EOPNOTSUPP)]];

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("kymo-mapped-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn create(&self) -> MappedFile {
            MappedFile::create(&self.0, true, Making::of_tests(1)).unwrap()
        }

        fn bytes(&self) -> Vec<u8> {
            std::fs::read(&self.0).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// The content of a file with these frames.
    fn expected(mapped: &MappedFile, frames: &[u8]) -> Vec<u8> {
        let mut bytes = mapped.header.bytes().to_vec();
        bytes.extend_from_slice(frames);
        let length = bytes.len() as u64;
        bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn what_is_appended_across_windows_is_what_the_file_holds_when_closed() {
        for refused in REFUSED {
            disk::refuse(refused);
            append_across_windows(refused.is_empty());
        }
    }

    fn append_across_windows(is_mapped: bool) {
        let scratch = Scratch::new("windows");
        // Overwritten.
        std::fs::write(&scratch.0, [1; 200_000]).unwrap();
        let mut mapped = scratch.create();
        assert_eq!(mapped.unmapped().is_none(), is_mapped);
        let mut frames = Vec::new();
        for step in 0..100_u64 {
            let part = vec![step as u8; if step == 70 { 300_001 } else { 3_001 }];
            mapped.append(&part).unwrap();
            mapped.commit().unwrap();
            frames.extend(part);
        }
        mapped.close().unwrap();
        assert!(scratch.bytes() == expected(&mapped, &frames));
    }

    /// Cuts the file to `length` when 40,000 bytes follow the header, and appends `more` bytes
    /// three times. Returns the results, what is then in the file, and what should be.
    fn cut_at(name: &str, length: u64, more: usize) -> (Vec<io::Result<()>>, Vec<u8>, Vec<u8>) {
        let scratch = Scratch::new(name);
        let mut mapped = scratch.create();
        mapped.append(&[1; 40_000]).unwrap();
        mapped.commit().unwrap();
        mapped.file.set_len(length).unwrap();
        let mut frames = vec![1; 40_000];
        let mut results = Vec::new();
        for step in 2..5 {
            let part = vec![step; more];
            let result = mapped.append(&part).and_then(|()| mapped.commit());
            if result.is_ok() {
                frames.extend(part);
            }
            results.push(result);
        }
        mapped.check().unwrap_or_default();
        mapped.close().unwrap();
        (results, scratch.bytes(), expected(&mapped, &frames))
    }

    #[test]
    fn a_file_that_was_cut_goes_on_where_it_was() {
        for refused in REFUSED {
            disk::refuse(refused);
            cut_everywhere();
        }
    }

    fn cut_everywhere() {
        for (name, length) in [("empty", 0), ("header", 100), ("middle", 10_000), ("page", 45_000)]
        {
            for more in [8, 9_000, 100_000] {
                let (results, found, expected) = cut_at(name, length, more);
                assert_eq!(found.len(), expected.len(), "{name} {more}");
                // At most what was cut off is lost, and what followed it in its page.
                let kept = found.iter().zip(&expected).take_while(|(a, b)| a == b).count();
                let hole = found[kept..].iter().take_while(|byte| **byte == 0).count();
                assert!(kept as u64 >= length.clamp(4_096, 40_000), "{name} {more}: {kept}");
                assert!(hole <= 44_096, "{name} {more}: {hole}");
                assert!(found[kept + hole..] == expected[kept + hole..], "{name} {more}");
                assert!(results[1..].iter().all(Result::is_ok), "{name} {more}: {results:?}");
            }
        }
    }

    #[test]
    fn a_file_that_was_removed_is_begun_anew_and_only_that() {
        for refused in REFUSED {
            disk::refuse(refused);
            remove_and_begin_anew();
        }
    }

    /// A write that fails leaves nothing that a reader could find.
    #[test]
    fn what_a_failed_write_has_left_is_cut_off() {
        disk::refuse(&[(Ability::Map, libc::ENODEV)]);
        let scratch = Scratch::new("failed");
        let mut plain = scratch.create();
        plain.append(&[1; 800]).unwrap();
        plain.commit().unwrap();
        plain.append(&[2; 8_000]).unwrap();
        // The thread that wrote has crashed; another one goes on.
        plain.rewind();
        plain.append(&[3; 80]).unwrap();
        plain.commit().unwrap();
        let frames = [&[1; 800][..], &[3; 80]].concat();
        assert!(scratch.bytes() == expected(&plain, &frames));
    }

    fn remove_and_begin_anew() {
        let scratch = Scratch::new("removed");
        let mut mapped = scratch.create();
        mapped.append(&[1; 4_000]).unwrap();
        mapped.commit().unwrap();
        std::fs::remove_file(&scratch.0).unwrap();
        assert!(!mapped.is_removed(), "nobody has looked");
        let error = mapped.check().unwrap_err();
        assert!(error.to_string().contains("removed"), "{error}");
        assert!(mapped.is_removed());
        assert!(mapped.append(&[2; 8]).is_err());
        let before = mapped.salt();
        let (next, salt) = mapped.make_next(|_| Ok(())).unwrap().expect("it has no name any more");
        mapped = next;
        assert_ne!(salt, before);
        assert!(!mapped.is_removed());
        mapped.append(&[3; 8]).unwrap();
        mapped.commit().unwrap();
        mapped.close().unwrap();
        assert!(scratch.bytes() == expected(&mapped, &[3; 8]));
    }
}
