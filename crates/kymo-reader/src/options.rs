//! How a file is to be read.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::dictionary::CallSite;
use super::error::Error;
use super::frames::{Extent, Frames};
use super::merge::Merger;
use super::report::Report;
use super::seek::Window;
use super::segment::{Filter, Segment};
use super::source::{Forward, Input, Source};
use super::{Mode, Reader, head, open};

/// The order in which records are handed out. Within a thread, it is always that in which they were
/// logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// As they stand in the file: thread by thread within each sweep of the writer. The fastest.
    #[default]
    Written,
    /// By time, holding back what was logged since the last sweep of the writer. A record that
    /// reached the file late, because its thread was suspended while it logged, is handed out when
    /// it is met, and counted.
    Time,
    /// By time, late records included. Holds an index of the whole file, 24 bytes a record, and
    /// where the file is not in memory already, the records too.
    Exact,
}

/// How a file is to be read.
///
/// ```no_run
/// use kymo_reader::Level;
/// use kymo_reader::{Options, Order};
///
/// let mut reader = Options::new()
///     .order(Order::Time)
///     .filter(|site| site.level() <= Level::Warn)
///     .open("app.kymo")?;
/// # Ok::<(), kymo_reader::Error>(())
/// ```
#[must_use]
pub struct Options<'a> {
    order: Order,
    follow: bool,
    snapshot: bool,
    limit_bytes: usize,
    window: Window,
    /// Nothing is read from beyond this offset.
    end: Option<u64>,
    filter: Filter<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Options<'a> {
    /// Reads everything, as written, to the last valid frame.
    pub fn new() -> Self {
        Self {
            order: Order::Written,
            follow: false,
            snapshot: false,
            limit_bytes: 64 << 20,
            window: Window::ALL,
            end: None,
            filter: Box::new(|_| true),
        }
    }

    /// The order of the records. Default: [`Order::Written`].
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Reads the records of those call sites only for which `filter` returns true. It is asked once
    /// for each call site, and a record of another costs a few nanoseconds. Default: all.
    pub fn filter(mut self, filter: impl FnMut(&CallSite) -> bool + Send + 'a) -> Self {
        self.filter = Box::new(filter);
        self
    }

    /// Follows a file that is being written: reads no further than the writer has committed, and
    /// where that ends, returns `None` for the time being; asked again, it looks whether there is
    /// more. [`Report::ending`] tells when there will be none. Default: no; then reading goes on
    /// behind the committed length, to the last valid frame, and `None` is final.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Reads a file that somebody is writing as it was when it was opened: as far as the writer had
    /// committed. What the writer is at behind that would look like damage. A file that nobody
    /// writes is read to the last valid frame all the same, for its writer may have died. The two
    /// are told apart by the lock that a writer holds on its file, so this makes a difference only
    /// for [`Options::open`] and [`Options::from_file`]; [`Report::live`] says which it was.
    /// Default: no.
    ///
    /// ```
    /// use kymo_reader::Options;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::info!("the program that logs goes on");
    /// kymo::flush();
    /// let mut reader = Options::new().snapshot(true).open(&path)?;
    /// assert!(reader.next_record()?.is_some());
    /// assert!(reader.next_record()?.is_none());
    /// assert!(reader.report().live);
    /// # drop(logger);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(mut self, snapshot: bool) -> Self {
        self.snapshot = snapshot;
        self
    }

    /// How much memory the records that [`Order::Time`] holds back may take, in bytes. Where that
    /// does not suffice, the oldest are handed out although older ones may follow. Default: 64 MiB.
    /// Costs nothing unless it is used.
    pub fn held_bytes(mut self, limit: usize) -> Self {
        self.limit_bytes = limit;
        self
    }

    /// Reads nothing older than this, in nanoseconds since 1970-01-01T00:00:00Z. Default: no bound.
    ///
    /// What is older is skipped by the file's index where it has one and the bytes are in memory or
    /// in a file; else it is read and left out, which takes a few nanoseconds a record. The records
    /// are the same. An event with a time of its own is treated as a record is, one with a range of
    /// times is handed out if part of it is wanted; others are handed out where they are met.
    ///
    /// ```no_run
    /// use std::time::{Duration, SystemTime, UNIX_EPOCH};
    /// use kymo_reader::Options;
    ///
    /// let ago = SystemTime::now() - Duration::from_secs(300);
    /// let ago_ns = ago.duration_since(UNIX_EPOCH)?.as_nanos() as i64;
    /// let mut reader = Options::new().since(ago_ns).open("app.kymo")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn since(mut self, time_ns: i64) -> Self {
        self.window.first_ns = time_ns;
        self
    }

    /// Reads only what is older than this, in nanoseconds since 1970-01-01T00:00:00Z. Default: no
    /// bound. See [`Options::since`].
    pub fn until(mut self, time_ns: i64) -> Self {
        match time_ns.checked_sub(1) {
            Some(last_ns) => self.window.last_ns = last_ns,
            // Nothing is older.
            None => self.window = Window { first_ns: i64::MAX, last_ns: i64::MIN },
        }
        self
    }

    /// Reads nothing but what is also between these times, both included, in the order of the file,
    /// and up to this offset.
    pub(super) fn survey(mut self, (first_ns, last_ns): (i64, i64), end: u64) -> Self {
        let Window { first_ns: since, last_ns: until } = self.window;
        self.window = Window { first_ns: first_ns.max(since), last_ns: last_ns.min(until) };
        self.end = Some(end).filter(|&end| end < u64::MAX);
        self.order(Order::Written).follow(false)
    }

    /// Opens the file at `path`. A symbolic link is followed.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, or is not one that this version can read.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Reader<'a>, Error> {
        let path = path.as_ref();
        let mut reader = self.from_file(open::open(path)?)?;
        reader.path = Some(path.to_owned());
        Ok(reader)
    }

    /// Reads an open file, from its beginning, wherever it stands. What is no regular file (a pipe
    /// that standard input is, say) is read as [`Options::from_read`] reads it.
    ///
    /// ```
    /// use std::fs::File;
    /// use kymo_reader::{Ending, Options};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// let mut reader = Options::new().follow(true).from_file(File::open(&path)?)?;
    /// kymo::info!("while it is being written");
    /// kymo::flush();
    /// assert!(reader.next_record()?.is_some());
    /// logger.shutdown();
    /// assert!(reader.next_record()?.is_none());
    /// assert_eq!(reader.report().ending, Ending::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it cannot be read, or is not a file that this version can read.
    pub fn from_file(self, mut file: File) -> Result<Reader<'a>, Error> {
        let metadata = file.metadata().map_err(Error::Open)?;
        if !metadata.is_file() {
            return self.from_read(file);
        }
        file.rewind().map_err(|error| Error::Io { offset: 0, error })?;
        let live = if self.snapshot && !self.follow {
            let committed = file.committed().unwrap_or_default();
            committed.is_some_and(|committed| committed < metadata.len()) && open::is_locked(&file)
        } else {
            false
        };
        self.source(Source::stream(Box::new(file)), live)
    }

    /// Reads a file that is in memory, or mapped into it. Nothing of it is copied.
    ///
    /// # Errors
    /// If it is not a file that this version can read.
    pub fn from_slice(self, bytes: &'a [u8]) -> Result<Reader<'a>, Error> {
        self.source(Source::slice(bytes), false)
    }

    /// Reads a file from anything that can be read. It holds one frame of it at a time, and what
    /// the order holds back.
    ///
    /// # Errors
    /// If `read` fails, or is not a file that this version can read.
    pub fn from_read(self, read: impl Read + Send + 'a) -> Result<Reader<'a>, Error> {
        self.source(Source::stream(Box::new(Forward(read))), false)
    }

    fn source(self, mut source: Source<'a>, live: bool) -> Result<Reader<'a>, Error> {
        let extent = match (self.follow, live || self.end.is_some()) {
            (true, _) => Extent::Follow,
            (false, true) => Extent::Snapshot,
            (false, false) => Extent::All,
        };
        let head = head::read(&mut source, extent != Extent::All)?;
        let report = Report {
            header: head.state,
            committed_bytes: head.committed,
            live,
            ..Report::default()
        };
        let end = self.end.unwrap_or(head.committed);
        let frames = Frames::new(source, head.header.salt, end, extent);
        let mut segment = Segment::new(frames, head.header, report, self.filter, self.window);
        if !self.follow {
            segment.last_dumps = head.last_dumps;
        }
        if !self.window.is_all() && !self.follow {
            segment.seek()?;
        }
        let mode = match self.order {
            Order::Written => Mode::Written(Box::default()),
            Order::Time => Mode::Merged(Box::new(Merger::new(self.limit_bytes, false))),
            Order::Exact => Mode::Merged(Box::new(Merger::new(usize::MAX, true))),
        };
        Ok(Reader::new(segment, mode))
    }
}
