//! Crash-proof logging: rings in files that outlive the process, and what it takes to decode them
//! without it.
//!
//! While the logger runs, its directory has the files of each thread's rings
//! (`ring::storage::mapping`) and one file of call sites ([`sites`]). The latter is needed because
//! a record in a ring has only the address of its call site, which the consumer may not have met.
//! So the first record of a call site in a thread takes the slow path. That writes the call site
//! into the file before the record is published, if it is not there. Each thread remembers which
//! ones are there (`ring::known_sites`).
//!
//! The log's header page says where the directory is ([`place`]). All these files are removed when
//! the logger has ended cleanly. `crash::recover` puts what a dead process left beside its log.
//!
//! Not taken: writing all call sites in advance. They are constants that nothing enumerates (see
//! `call_site`).

pub(crate) mod place;
pub(crate) mod sites;

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use place::RingPlace;
use sites::SiteFile;

use crate::clock::TickSource;
use crate::format::frame;
use crate::format::header::Header;
use crate::process::fork::Private;
use crate::process::inside::Locked;
use crate::process::thread_info::ThreadInfo;
use crate::ring::storage::layout::{Purpose, RingIdentity, RingMode};
use crate::ring::storage::memory::capacity_for;
use crate::ring::storage::overwriting::{OverwritingConsumer, OverwritingProducer};
use crate::ring::{RingConsumer, RingProducer, recorder_in_file, ring_in_file};
use crate::statement::call_site::CallSite;
use crate::sync::statics::{Mutex, MutexGuard, PoisonError};

/// What a logger keeps in files while it runs.
pub(crate) struct CrashProof {
    place: RingPlace,
    boot: [u8; 16],
    /// The file of call sites, for what it says of the log.
    sites: Private,
    files: Mutex<Files>,
    /// How much room there was in the directory when the logger started, if that was little.
    scarce_room: Option<RingRoom>,
    /// The last error, until it is told.
    error: Mutex<Option<io::Error>>,
}

struct Files {
    sites: SiteFile,
    /// How ticks become time, as the log has it.
    clock: frame::Clock,
}

/// For how many threads' rings a directory has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingRoom {
    pub(crate) threads: u64,
    /// How long the files of one thread's rings are.
    pub(crate) bytes_per_thread: u64,
}

impl RingRoom {
    /// For fewer threads than this, the program is told.
    const FEW: u64 = 128;

    /// `None` if there is enough, or if the system does not say.
    fn if_scarce(directory: &Path, bytes_per_thread: u64) -> Option<Self> {
        let room = rustix::fs::statvfs(directory).ok()?;
        // A file system that keeps no account has no blocks.
        let threads = room.f_bavail.saturating_mul(room.f_frsize).checked_div(bytes_per_thread)?;
        let is_scarce = room.f_blocks > 0 && threads < Self::FEW;
        is_scarce.then_some(Self { threads, bytes_per_thread })
    }
}

impl CrashProof {
    /// Makes the file of call sites. `bytes_per_thread`: how long the files of a thread's rings are going to be.
    ///
    /// # Errors
    /// What the system says; or that the directory's name is too long.
    pub(crate) fn new(
        directory: &Path,
        clock: TickSource,
        bytes_per_thread: u64,
    ) -> io::Result<Self> {
        let header = crate::segment::header(clock.source());
        let Header { boot, segment, .. } = header;
        let place = RingPlace::new(directory, segment)?;
        let mut sites = SiteFile::create(&place, header)?;
        let page = sites.try_clone_file().inspect_err(|_| sites.remove())?;
        let files = Mutex::new(Files { sites, clock: frame::Clock::default() });
        let scarce_room = RingRoom::if_scarce(&place.directory, bytes_per_thread);
        Ok(Self {
            place,
            boot,
            sites: Private::new(page),
            files,
            scarce_room,
            error: Mutex::default(),
        })
    }

    /// For how many threads' rings there was room when the logger started, if for few.
    pub(crate) fn scarce_room(&self) -> Option<RingRoom> {
        self.scarce_room
    }

    /// Where its files are.
    pub(crate) fn place(&self) -> &RingPlace {
        &self.place
    }

    /// From now on the rings belong to the log with this segment id: only its recovery takes them.
    /// Zeros: to any log that leads there. It takes no lock, for who has it may wait for the consumer.
    pub(crate) fn set_log(&self, segment: [u8; 16]) -> io::Result<()> {
        self.sites.write_all_at(&sites::log_field(segment), sites::LOG_OFFSET as u64)
    }

    /// The consumer's side: this is how ticks become time from now on.
    pub(crate) fn set_clock(&self, clock: &frame::Clock) {
        // A thread that has the lock may have been interrupted by a signal, and wait for the
        // consumer. There is another comparison of the clocks soon.
        let Ok(files) = self.files.try_lock() else { return };
        let mut files = Locked::by(|| files);
        files.clock = *clock;
        files.sites.put_clock(clock);
    }

    /// Makes a ring for a thread; `None`, and an error is noted, if that is not possible.
    pub(crate) fn ring(
        &self,
        words: usize,
        thread: &ThreadInfo,
        clock: TickSource,
    ) -> Option<(RingProducer, RingConsumer)> {
        let identity = self.identity(words, thread, clock);
        self.noted(ring_in_file(&self.place.directory, identity))
    }

    /// Makes the file of a ring that overwrites its oldest records.
    pub(crate) fn recorder(
        &self,
        words: usize,
        purpose: Purpose,
        thread: &ThreadInfo,
        clock: TickSource,
    ) -> Option<(OverwritingProducer, OverwritingConsumer)> {
        let identity = self.identity(words, thread, clock);
        let identity = RingIdentity { mode: RingMode::Overwriting, purpose, ..identity };
        self.noted(recorder_in_file(&self.place.directory, identity))
    }

    /// That of a bounded ring.
    fn identity(&self, words: usize, thread: &ThreadInfo, clock: TickSource) -> RingIdentity {
        RingIdentity {
            capacity_words: capacity_for(words),
            mode: RingMode::Bounded,
            purpose: Purpose::Log,
            clock_source: clock.source(),
            clock: self.files().clock,
            process: std::process::id(),
            process_start: self.place.process_start,
            boot: self.boot,
            logger: self.place.logger,
            thread_os_id: thread.os_id,
            thread_name: thread.name.clone(),
        }
    }

    /// Sees to it that a call site is in the file; says whether it is. If not, an error is noted.
    pub(crate) fn register(&self, site: &'static CallSite) -> bool {
        let registered = self.files().sites.register(site);
        self.noted(registered).is_some()
    }

    /// The last error that was noted since it was asked for.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        // Who has the lock may have been interrupted by a signal, and wait for the consumer.
        self.error.try_lock().ok()?.take()
    }

    fn noted<T>(&self, result: io::Result<T>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let text = format!("{}: {error}", self.place.directory.display());
        let error = io::Error::new(error.kind(), text);
        // Nothing under this lock panics.
        *Locked::by(|| self.error.lock().unwrap_or_else(PoisonError::into_inner)) = Some(error);
        None
    }

    /// The logger has ended cleanly: nothing is to be recovered.
    pub(crate) fn end(&self) {
        self.files().sites.remove();
    }

    fn files(&self) -> Locked<MutexGuard<'_, Files>> {
        // At worst a call site is written once more.
        Locked::by(|| self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A file of the process with this id and start time: `kymo-PID-START-NUMBER.EXTENSION`.
pub(crate) struct RingFileName {
    pub(crate) process: u32,
    pub(crate) start: u64,
    pub(crate) number: u64,
}

impl RingFileName {
    /// `None` if it is not such a name.
    pub(crate) fn parse(name: &OsStr, extension: &str) -> Option<Self> {
        let name = name.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
        let mut parts = name.strip_prefix("kymo-")?.split('-');
        let name = Self {
            process: parts.next()?.parse().ok()?,
            start: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(name)
    }
}
