//! A file that is followed: reads its new events, and finds out how it ends.

use std::fs::File;
use std::io;
use std::path::Path;

use kymo_reader::{Ending, Error, Log, LogSegment, Options, Reader, is_locked, open_file};

use super::batch::Batch;
use crate::input;
use crate::interrupt;
use crate::latest::Latest;
use crate::progress::Progress;
use kymo_query::Filter;

/// How many events are taken from a file before the next file.
const TURN: u64 = 8 << 10;

/// The offset of the segment's unique id in the header.
const SEGMENT_OFFSET: u64 = 48;

/// A file that is read to its end, or followed.
pub struct Source {
    /// What it is called in messages.
    pub name: String,
    /// The index of the path that the user named.
    pub target: usize,
    number: usize,
    reader: Reader<'static>,
    /// A second handle of the file, to look at its state. `None` if it is not followed.
    file: Option<File>,
    identity: Option<Identity>,
    state: SourceState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceState {
    /// Its writer may go on.
    Following,
    /// It has no writer: the committed bytes are read, then those past them.
    WriterGone,
    /// It is read to the last valid frame.
    Reading(Ended),
    Ended(Ended),
}

/// How a file came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was closed, or was not to be followed.
    Read,
    /// Its writer did not close it.
    WriterGone,
    /// It was removed, and its writer has begun another one.
    Removed,
    /// It was overwritten by another segment.
    Replaced,
    /// It could not be read.
    Failed,
}

/// Why a file could not be opened.
pub struct NotYet {
    pub error: Error,
    /// It does not exist.
    pub is_missing: bool,
    /// Its writer has made it, and is about to write to it.
    pub is_to_come: bool,
}

/// The identity of a file, which all its names share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    number: u64,
    /// The number of the segment: the file may be written over.
    segment: [u8; 16],
}

fn not_yet(error: Error) -> NotYet {
    let is_missing =
        matches!(&error, Error::Open(error) if error.kind() == io::ErrorKind::NotFound);
    NotYet { error, is_missing, is_to_come: false }
}

impl Source {
    /// Opens the file at `path`, as file number `number`, to be followed or read to its end, from where
    /// `latest` says.
    pub fn open(
        path: &Path,
        target: usize,
        number: usize,
        (follow, latest): (bool, Latest),
        filter: &Filter,
    ) -> Result<Self, NotYet> {
        if path.as_os_str() == "-" {
            return Self::standard_input(target, number, filter).map_err(not_yet);
        }
        let file = open_file(path).map_err(not_yet)?;
        let name = path.display().to_string();
        Self::begin(file, name, target, number, (follow, latest), filter)
    }

    /// Opens a segment of a rotated log.
    pub fn open_segment(
        segment: &LogSegment,
        target: usize,
        number: usize,
        (follow, latest): (bool, Latest),
        filter: &Filter,
    ) -> Result<Self, NotYet> {
        let file = segment.open_file().map_err(|error| not_yet(error.error))?;
        let name = segment.path.display().to_string();
        Self::begin(file, name, target, number, (follow, latest), filter)
    }

    /// Reads segments of a rotated log that are complete.
    pub fn of_log(
        log: &Log,
        target: usize,
        number: usize,
        latest: &Latest,
        filter: &Filter,
    ) -> Result<Self, kymo_reader::OpenError> {
        let options = latest.narrow(filter.push_down(Options::new())).snapshot(true);
        Ok(Self {
            name: log.path().display().to_string(),
            target,
            number,
            reader: log.open(options)?,
            file: None,
            identity: None,
            state: SourceState::Reading(Ended::Read),
        })
    }

    fn begin(
        file: File,
        name: String,
        target: usize,
        number: usize,
        (follow, latest): (bool, Latest),
        filter: &Filter,
    ) -> Result<Self, NotYet> {
        let copy = file.try_clone().map_err(|error| not_yet(Error::Open(error)))?;
        let options = latest.narrow(filter.push_down(Options::new()));
        let options = options.follow(follow).snapshot(!follow);
        let reader = options.from_file(file).map_err(|error| {
            let is_unwritten = matches!(error, Error::Empty | Error::Incomplete { .. });
            NotYet { is_to_come: is_unwritten && has_writer(&copy), ..not_yet(error) }
        })?;
        Ok(Self {
            name,
            target,
            number,
            reader,
            identity: Identity::of_file(&copy).ok(),
            file: Some(copy),
            state: if follow { SourceState::Following } else { SourceState::Reading(Ended::Read) },
        })
    }

    /// Standard input, which is read to its end.
    fn standard_input(target: usize, number: usize, filter: &Filter) -> Result<Self, Error> {
        let file = standard_input().map_err(Error::Open)?;
        let copy = file.try_clone().map_err(Error::Open)?;
        Ok(Self {
            name: "standard input".to_owned(),
            target,
            number,
            reader: filter.push_down(Options::new()).from_file(copy)?,
            file: Some(file),
            identity: None,
            state: SourceState::Reading(Ended::Read),
        })
    }

    /// Its number among all that were read.
    pub fn number(&self) -> usize {
        self.number
    }

    pub fn reader(&self) -> &Reader<'static> {
        &self.reader
    }

    /// Takes new events, up to a limit; `true` if there are more.
    pub fn read(&mut self, batch: &mut Batch, progress: Option<&Progress>) -> Result<bool, Error> {
        if let SourceState::Ended(_) = self.state {
            return Ok(false);
        }
        for _ in 0..TURN {
            match self.reader.next_event()? {
                Some(event) => batch.push(self.number, &self.name, &event),
                None => return Ok(self.at_end()),
            }
        }
        if let Some(progress) = progress {
            progress.at(self.reader.offset());
        }
        Ok(!interrupt::requested())
    }

    /// Nothing more is there, for now or for good. `true` if there is more nevertheless.
    fn at_end(&mut self) -> bool {
        let is_closed = self.reader.report().ending == Ending::Closed;
        self.state = match self.state {
            SourceState::Following if !is_closed => SourceState::Following,
            SourceState::Reading(ended) => SourceState::Ended(ended),
            _ if is_closed => SourceState::Ended(Ended::Read),
            _ => {
                let is_removed = self.file.as_ref().is_some_and(is_removed);
                let ended = if is_removed { Ended::Removed } else { Ended::WriterGone };
                // What the writer wrote and did not come to commit.
                self.reader.stop_following();
                SourceState::Reading(ended)
            }
        };
        matches!(self.state, SourceState::Reading(_))
    }

    /// Looks whether the writer is still there. To be asked now and then: a writer that starts
    /// within the microsecond in which this holds the lock would be turned away. So it is asked
    /// only where nothing has said that it is gone, and then no more.
    pub fn look_for_writer(&mut self) {
        let (SourceState::Following, Some(file)) = (self.state, &self.file) else { return };
        let now = Identity::of_file(file).ok();
        let is_cut = now.as_ref().is_some_and(Identity::is_cut);
        let is_replaced = self.identity.is_some() && now != self.identity && !is_cut;
        if is_replaced {
            self.state = SourceState::Ended(Ended::Replaced);
        } else if !has_writer(file) {
            // What it wrote at last is still to be read.
            self.state = SourceState::WriterGone;
        }
        // A file that somebody has cut is mended by its writer, and goes on.
    }

    /// Reads no further.
    pub fn give_up(&mut self) {
        self.state = SourceState::Ended(Ended::Failed);
    }

    /// Its identity, if known.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// How it came to its end, if it has.
    pub fn ended(&self) -> Option<Ended> {
        match self.state {
            SourceState::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// The complaints about what is not whole.
    pub fn complaints(&self) -> Vec<String> {
        input::complaints(&self.reader, &self.name, self.reader.report().live)
    }
}

impl Identity {
    /// That of the file which has this name now.
    pub fn of(path: &Path) -> Option<Self> {
        Self::of_file(&open_file(path).ok()?).ok()
    }

    /// Whether the file has no header: somebody has cut it.
    fn is_cut(&self) -> bool {
        self.segment == [0; 16]
    }

    #[cfg(unix)]
    fn of_file(file: &File) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata()?;
        let mut segment = [0; 16];
        match read_at(file, &mut segment, SEGMENT_OFFSET) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            result => result?,
        }
        Ok(Self { device: metadata.dev(), number: metadata.ino(), segment })
    }

    #[cfg(not(unix))]
    fn of_file(_file: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn standard_input() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
fn read_at(_file: &File, _into: &mut [u8], _offset: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether no name leads to it any more.
#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn is_removed(_file: &File) -> bool {
    false
}

/// Whether the file has a writer. If that cannot be known, it has.
fn has_writer(file: &File) -> bool {
    cfg!(not(unix)) || is_locked(file)
}
