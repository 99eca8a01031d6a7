//! Options for reading a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::dictionary::CallSite;
use super::error::Error;
use super::frames::{Extent, Frames};
use super::merge::Merger;
use super::report::Report;
use super::seek::{Stretches, Window};
use super::segment::{Filter, Segment};
use super::source::{Forward, Input, Source};
use super::{Mode, Reader, head, open, source};

/// The order in which records are handed out. Records of one thread always come in the order in which
/// it logged them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The order of the file: thread by thread within each sweep of the consumer. The fastest.
    #[default]
    Written,
    /// By time. Holds back the records since the last sweep of the consumer. A record may reach the
    /// file late, because its thread was suspended while it logged; it is handed out when it is met,
    /// and counted.
    Time,
    /// By time, late records included. Holds an index of the whole file, 24 bytes a record; and the
    /// records too, if the file is not in memory already.
    Exact,
}

/// Options for reading a file: order, filters, range of time, following.
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
    /// What is older need not be read, where the stretches say where it ends.
    skipped_until_ns: i64,
    stretches: Arc<[Stretches]>,
    /// Nothing past this offset is read.
    end: Option<u64>,
    /// Nothing is decompressed.
    is_plain: bool,
    /// The filter may leave something out.
    is_filtered: bool,
    filter: Filter<'a>,
}

/// Options by which several files of a log are opened. Their readers share the filter.
pub(super) struct Template<'a> {
    pub(super) options: Options<'a>,
    /// It is asked once for each call site.
    filter: Arc<Mutex<Filter<'a>>>,
}

impl<'a> Template<'a> {
    pub(super) fn new(options: Options<'a>) -> Self {
        let (filter, options) = options.split();
        Self { options, filter: Arc::new(Mutex::new(filter)) }
    }

    /// The options, for one file.
    pub(super) fn options(&self) -> Options<'a> {
        let stretches = Arc::clone(&self.options.stretches);
        Options { stretches, filter: self.filter(), ..self.options }
    }

    /// Files that are opened later are not followed.
    pub(super) fn stop_following(&mut self) {
        self.options.follow = false;
    }

    /// A second template, with this filter.
    pub(super) fn share(&self) -> Self {
        let options = Options { filter: Box::new(|_| true), ..self.options() };
        Self { options, filter: Arc::clone(&self.filter) }
    }

    pub(super) fn filter(&self) -> Filter<'a> {
        let filter = Arc::clone(&self.filter);
        Box::new(move |site| {
            let mut filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
            filter(site)
        })
    }
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
            skipped_until_ns: i64::MIN,
            stretches: Arc::default(),
            end: None,
            is_plain: false,
            is_filtered: false,
            filter: Box::new(|_| true),
        }
    }

    /// The order of the records. Default: [`Order::Written`].
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Reads only records of call sites for which `filter` returns true. It is called once for each
    /// call site. A record that it excludes costs a few nanoseconds. Default: all.
    pub fn filter(mut self, filter: impl FnMut(&CallSite) -> bool + Send + 'a) -> Self {
        (self.is_filtered, self.filter) = (true, Box::new(filter));
        self
    }

    /// Follows a file that is being written, up to the committed length. `None` then means that there
    /// is nothing more yet; ask again later. [`Report::ending`] is [`Closed`](crate::Ending::Closed)
    /// when the file is complete.
    ///
    /// Default: no. Then reading continues past the committed length, to the last valid frame, and
    /// `None` is final.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Reads a file that is being written as it is when it is opened: up to its committed length. An
    /// unfinished write past that would look like damage.
    ///
    /// A file that has no writer is read to the last valid frame, because its writer may have died. A
    /// writer holds a lock on its file, which tells the two cases apart. So this applies only to
    /// [`Options::open`] and [`Options::from_file`]; [`Report::live`] says which case it was.
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

    /// Limits the memory, in bytes, of records that [`Order::Time`] holds back. If it does not
    /// suffice, the oldest of them are handed out, although older ones may follow. Default: 64 MiB,
    /// which is taken only as it is needed.
    pub fn held_bytes(mut self, limit: usize) -> Self {
        self.limit_bytes = limit;
        self
    }

    /// Reads nothing older than this, in nanoseconds since 1970-01-01T00:00:00Z. Default: no bound.
    ///
    /// If the file has an index, and its bytes are in memory or in a file, older records are skipped
    /// by it. A file that is being written, or whose process was killed, has parts of an index: they
    /// do for it. Otherwise older records are read and left out, at a few nanoseconds a record. The
    /// records handed out do not differ.
    ///
    /// Events with a time are treated like records. An event with a range of times is handed out if
    /// the ranges overlap. Events without a time are handed out where they are met.
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

    /// Reads nothing from this time on, in nanoseconds since 1970-01-01T00:00:00Z. Default: no
    /// bound. See [`Options::since`].
    pub fn until(mut self, time_ns: i64) -> Self {
        match time_ns.checked_sub(1) {
            Some(last_ns) => self.window.last_ns = last_ns,
            // Nothing is older.
            None => self.window = Window { first_ns: i64::MAX, last_ns: i64::MIN },
        }
        self
    }

    /// Begins as late in the file as possible so that nothing that is left out is as young as this, in
    /// nanoseconds since 1970-01-01T00:00:00Z. Only whole [stretches](Options::stretches) are left
    /// out, so older records may come. Works while [following](Options::follow), too. Default: nothing
    /// is left out.
    pub fn skip_older(mut self, time_ns: i64) -> Self {
        self.skipped_until_ns = time_ns;
        self
    }

    /// Takes what [`Reader::stretches`] of this file, among others, has found, for
    /// [`Options::skip_older`] and [`Options::since`]. Stretches of other files change nothing.
    ///
    /// ```
    /// use kymo_reader::{Options, Reader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// # kymo::info!("hello");
    /// # kymo::flush();
    /// // The end of a log that is being written, 256 KiB or more of it.
    /// let stretches = [Reader::open(&path)?.stretches()?];
    /// let last = stretches[0].iter().last().map_or(i64::MIN, |stretch| stretch.oldest_ns);
    /// let options = Options::new().snapshot(true).skip_older(last);
    /// let mut reader = options.stretches(stretches.into()).open(&path)?;
    /// # assert!(reader.next_record()?.is_some());
    /// # drop(logger);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stretches(mut self, stretches: Arc<[Stretches]>) -> Self {
        self.stretches = stretches;
        self
    }

    /// Reads, in the order of the file, only records that are also between these times, both included,
    /// and only up to this offset.
    pub(super) fn survey(mut self, (first_ns, last_ns): (i64, i64), end: u64) -> Self {
        let Window { first_ns: since, last_ns: until } = self.window;
        self.window = Window { first_ns: first_ns.max(since), last_ns: last_ns.min(until) };
        self.end = Some(end).filter(|&end| end < u64::MAX);
        self.order(Order::Written).follow(false)
    }

    /// Decompresses nothing: a side file may not be longer than it is.
    pub(super) fn plain(mut self) -> Self {
        self.is_plain = true;
        self
    }

    /// Opens the file at `path`. A symbolic link is followed.
    ///
    /// # Errors
    /// If the file cannot be read, is not a regular file, or this version does not support it.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Reader<'a>, Error> {
        let path = path.as_ref();
        let mut reader = self.from_file(open::open(path)?)?;
        reader.path = Some(path.to_owned());
        Ok(reader)
    }

    /// Reads an open file from its beginning. A file that is not regular, such as a pipe at standard
    /// input, is read as by [`Options::from_read`].
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
    /// If the file cannot be read, or this version does not support it.
    pub fn from_file(self, file: File) -> Result<Reader<'a>, Error> {
        let (source, live) = self.source_of(file)?;
        self.source(source, live)
    }

    /// The bytes of an open file, and whether somebody is writing them.
    pub(super) fn source_of(&self, file: File) -> Result<(Source<'a>, bool), Error> {
        let metadata = file.metadata().map_err(Error::Open)?;
        if !metadata.is_file() {
            return Ok((Source::stream(self.input_of_read(file)?), false));
        }
        let live = self.snapshot && !self.follow && {
            let committed = (&file).committed().unwrap_or_default();
            committed.is_some_and(|committed| committed < metadata.len()) && open::is_locked(&file)
        };
        let input = if self.is_plain { Box::new(file) } else { source::input_of(file)? };
        Ok((Source::stream(input), live))
    }

    fn input_of_read(&self, read: impl Read + Send + 'a) -> Result<Box<dyn Input + 'a>, Error> {
        if self.is_plain { Ok(Box::new(Forward(read))) } else { source::input_of_read(read) }
    }

    /// Reads a file from memory, which may be mapped. Nothing is copied, unless it is compressed.
    ///
    /// # Errors
    /// If this version does not support the file.
    pub fn from_slice(self, bytes: &'a [u8]) -> Result<Reader<'a>, Error> {
        let source = source::source_of_slice(bytes)?;
        self.source(source, false)
    }

    /// Reads a file from a stream. Holds one frame at a time, and the records that the order holds
    /// back.
    ///
    /// # Errors
    /// If `read` fails, or this version does not support the file.
    pub fn from_read(self, read: impl Read + Send + 'a) -> Result<Reader<'a>, Error> {
        let input = self.input_of_read(read)?;
        self.source(Source::stream(input), false)
    }

    fn source(self, source: Source<'a>, live: bool) -> Result<Reader<'a>, Error> {
        let (filter, options) = self.split();
        let mut segment = options.segment(source, live, filter)?;
        options.seek(&mut segment)?;
        Ok(Reader::new(segment, options.mode()))
    }

    pub(super) fn mode(&self) -> Mode<'a> {
        match self.order {
            Order::Written => Mode::Written(Box::default()),
            Order::Time => Mode::Merged(Box::new(Merger::new(self.limit_bytes, false))),
            Order::Exact => Mode::Merged(Box::new(Merger::new(usize::MAX, true))),
        }
    }

    /// The segment in these bytes, from its beginning.
    pub(super) fn segment(
        &self,
        mut source: Source<'a>,
        live: bool,
        filter: Filter<'a>,
    ) -> Result<Segment<'a>, Error> {
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
        let mut segment = Segment::new(frames, head.header, report, filter, self.window);
        if !self.follow {
            segment.last_dumps = head.last_dumps;
        }
        segment.last_index = head.last_index;
        Ok(segment)
    }

    /// Goes to where the range of time begins in a segment.
    pub(super) fn seek(&self, segment: &mut Segment<'a>) -> Result<(), Error> {
        let (id, committed) = (segment.header.segment, segment.report.committed_bytes);
        let known = self.stretches.iter().filter_map(|known| known.places_of(id, committed));
        let places = known.max_by_key(|places| places.end).cloned();
        let asked = if self.follow { Window::ALL } else { self.window };
        match places {
            Some(places) => {
                let first_ns = asked.first_ns.max(self.skipped_until_ns);
                segment.seek_to(&places, Window { first_ns, ..asked })
            }
            None if !asked.is_all() => segment.seek(),
            None => Ok(()),
        }
    }

    /// The filter, and the options without it.
    fn split(self) -> (Filter<'a>, Self) {
        let filter: Filter<'a> = Box::new(|_| true);
        let mut options = self;
        (std::mem::replace(&mut options.filter, filter), options)
    }

    /// Whether nothing between these times, both included, is wanted.
    pub(super) fn leaves_out(&self, (oldest_ns, newest_ns): (i64, i64)) -> bool {
        let window = if self.follow { Window::ALL } else { self.window };
        !window.overlaps(oldest_ns, newest_ns) || newest_ns < self.skipped_until_ns
    }

    /// Whether any time is left out, so that segments may be. (Who wants nothing in time wants the
    /// dictionary.)
    pub(super) fn is_limited(&self) -> bool {
        let is_time_wanted = self.window.first_ns < i64::MAX;
        is_time_wanted && (!self.window.is_all() || self.skipped_until_ns > i64::MIN)
    }

    /// Whether records of some call sites may be left out.
    pub(super) fn is_filtered(&self) -> bool {
        self.is_filtered
    }
}
