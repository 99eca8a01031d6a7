//! Side files: records that their threads wrote themselves, because the consumer did not answer.
//!
//! Beside a log `app.kymo` there may lie a side file `app.kymo.rescue`, a segment like any other
//! whose header names the log's. Most of its records stand in the log too: the consumer came back,
//! or what it had taken was written after all. Each is to be handed out once. So the side file is
//! read before the log, and all its records are; what the log has of the same is left out.
//!
//! Records are the same if they are of the same thread of the operating system, and have the same
//! ticks, call site and arguments. What is remembered of a record is a hash of that, with keys that
//! nobody knows beforehand and so long that two will not be alike by chance. It is counted, for a
//! program may log the very same twice within a tick.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::open::{self, OpenError};
use super::record::Record;
use super::{Options, Reader};

/// The longest side file, in bytes. It is held in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The most records of a side file that are remembered.
const MAX_RECORDS: u64 = 1 << 20;

/// What stands in a side file, and so need not be handed out again.
#[derive(Default)]
pub(super) struct Copies {
    keys: [RandomState; 2],
    /// How many there are of each that the log has not had yet.
    left: HashMap<[u64; 2], u32>,
    /// The least and the greatest ticks of them.
    ticks: Option<(u64, u64)>,
}

impl Copies {
    fn add(&mut self, record: &Record<'_>) {
        let (oldest, newest) = self.ticks.unwrap_or((record.ticks, record.ticks));
        self.ticks = Some((oldest.min(record.ticks), newest.max(record.ticks)));
        *self.left.entry(self.identity(record)).or_default() += 1;
    }

    /// Whether the record is one of them. Each is found as often as it was added.
    #[inline]
    pub(super) fn take(&mut self, record: &Record<'_>) -> bool {
        match self.ticks {
            Some((oldest, newest)) if (oldest..=newest).contains(&record.ticks) => {
                let identity = self.identity(record);
                let Some(left) = self.left.get_mut(&identity) else { return false };
                *left -= 1;
                if *left == 0 {
                    self.left.remove(&identity);
                }
                true
            }
            _ => false,
        }
    }

    fn identity(&self, record: &Record<'_>) -> [u64; 2] {
        let os_thread = record.thread().os_id();
        let what = (os_thread, record.ticks, record.call_site().identity(), record.arguments);
        [self.keys[0].hash_one(what), self.keys[1].hash_one(what)]
    }
}

/// The path of the file with this ending beside the log at `log`: beside the file behind a link.
fn beside(log: &Path, ending: &str) -> PathBuf {
    let behind = if log.is_symlink() { log.canonicalize().ok() } else { None };
    let mut path = behind.unwrap_or_else(|| log.to_owned()).into_os_string();
    path.push(ending);
    path.into()
}

/// Opens the side file of a log, if it has one: how to read it, and what is in it.
pub(super) fn open<'a>(
    log: &Reader<'a>,
    options: &impl Fn() -> Options<'a>,
) -> Result<Option<(Reader<'a>, Copies)>, OpenError> {
    let Some(path) = log.path().map(|log| beside(log, ".rescue")) else { return Ok(None) };
    let read = || -> Result<_, Error> {
        let file = match open::open(&path) {
            Ok(file) => file,
            Err(Error::Open(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let bytes = Bytes(load(file)?);
        let reader = || options().follow(false).from_read(Cursor::new(bytes.clone()));
        let mut first = reader()?;
        let belongs = first.header().side_of == log.header().segment;
        if !belongs || log.header().segment == [0; 16] {
            // It is that of another log which had this name before.
            return Ok(None);
        }
        let mut copies = Copies::default();
        let mut records = 0;
        while let Some(record) = first.next_record()? {
            copies.add(&record);
            records += 1;
            if records > MAX_RECORDS {
                return Err(Error::SideFileTooLong);
            }
        }
        Ok(Some((reader()?, copies)))
    };
    let opened = read().map_err(|error| OpenError { path: path.clone(), error })?;
    Ok(opened.map(|(mut reader, copies)| {
        reader.path = Some(path);
        (reader, copies)
    }))
}

/// Opens what was recovered of a log from the rings of its dead process, if something was. None of
/// it is in the log.
pub(super) fn open_recovered<'a>(
    log: &Reader<'a>,
    options: &impl Fn() -> Options<'a>,
) -> Result<Option<Reader<'a>>, OpenError> {
    let Some(log_path) = log.path() else { return Ok(None) };
    let path = beside(log_path, ".recovered");
    match options().follow(false).open(&path) {
        Ok(reader) => Ok(Some(reader).filter(|it| it.header().side_of == log.header().segment)),
        Err(Error::Open(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError { path, error }),
    }
}

/// Bytes that several readers read.
#[derive(Clone)]
struct Bytes(Arc<[u8]>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn load(file: File) -> Result<Arc<[u8]>, Error> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::Io { offset: bytes.len() as u64, error })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::SideFileTooLong);
    }
    Ok(bytes.into())
}
