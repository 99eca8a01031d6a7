//! Several files as one, by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::event::Event;
use super::open::{Directory, OpenError};
use super::{Options, Reader};

/// Reads several files at once and hands out their events by time.
///
/// The readers should each read in the order of time. What an event without a time of its own
/// stands behind in its file, it stands behind here. While files are followed, the order between
/// them is that in which they grow.
///
/// ```no_run
/// use kymo::reader::{Event, Files, Options, Order};
///
/// let open = |path| Options::new().order(Order::Time).open(path);
/// let mut files = Files::new([open("server.kymo")?, open("client.kymo")?]);
/// let mut message = String::new();
/// while let Some((file, event)) = files.next_event()? {
///     if let Event::Record(record) = event {
///         message.clear();
///         record.message(&mut message);
///         println!("{file}: {message}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Files<'a> {
    readers: Vec<Reader<'a>>,
    /// The time of the event that each reader has at hand, and the reader.
    heap: BinaryHeap<Reverse<(i64, usize)>>,
    /// Readers that have none.
    idle: Vec<usize>,
    /// The reader on top of the heap has handed its event out.
    handed_out: bool,
    /// Every reader was asked.
    primed: bool,
}

/// Reading one of several files failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileError {
    /// Which of them, from 0.
    pub file: usize,
    /// Its path, if it was opened by one.
    pub path: Option<PathBuf>,
    /// Why.
    pub error: Error,
}

impl<'a> Files<'a> {
    /// Reads what `readers` read.
    pub fn new(readers: impl IntoIterator<Item = Reader<'a>>) -> Self {
        let readers: Vec<_> = readers.into_iter().collect();
        let idle = (0..readers.len()).rev().collect();
        Self { readers, heap: BinaryHeap::new(), idle, handed_out: false, primed: false }
    }

    /// Opens all logs in a directory, as [`Directory`] finds them, sorted by name. Which file an
    /// event is from is then [`Reader::path`] of [`Files::readers`].
    ///
    /// ```
    /// use kymo::reader::{Event, Files, Options, Order};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path();
    /// let mut files = Files::open_dir(path, || Options::new().order(Order::Time))?;
    /// while let Some((_, event)) = files.next_event()? {
    ///     if let Event::Damage(damage) = event {
    ///         eprintln!("{damage}");
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the directory or one of the logs cannot be read, or if something is named like a log and
    /// is no regular file.
    pub fn open_dir(
        path: impl AsRef<Path>,
        options: impl Fn() -> Options<'a>,
    ) -> Result<Self, OpenError> {
        let directory = Directory::read(path)?;
        if let Some(error) = directory.refused.into_iter().next() {
            return Err(error);
        }
        let open = |path: PathBuf| options().open(&path).map_err(|error| OpenError { path, error });
        let readers = directory.logs.into_iter().map(open);
        Ok(Self::new(readers.collect::<Result<Vec<_>, _>>()?))
    }

    /// Goes on to the next event; returns it and which file it comes from. `None` where there are
    /// no more, or, while following, none yet.
    ///
    /// # Errors
    /// If reading one of them fails. That one is given up; the next call goes on with the others.
    pub fn next_event(&mut self) -> Result<Option<(usize, Event<'_>)>, FileError> {
        self.leave_current()?;
        if self.heap.is_empty() || !self.primed {
            self.ask_idle()?;
            self.primed = true;
        }
        let Some(&Reverse((_, file))) = self.heap.peek() else { return Ok(None) };
        self.handed_out = true;
        Ok(self.readers[file].event().map(|event| (file, event)))
    }

    /// The readers, for their reports and headers.
    pub fn readers(&self) -> &[Reader<'a>] {
        &self.readers
    }

    fn error(&self, file: usize, error: Error) -> FileError {
        FileError { file, path: self.readers[file].path.clone(), error }
    }

    fn leave_current(&mut self) -> Result<(), FileError> {
        if !std::mem::take(&mut self.handed_out) {
            return Ok(());
        }
        let Some(mut top) = self.heap.peek_mut() else { return Ok(()) };
        let file = top.0.1;
        match self.readers[file].advance() {
            Ok(true) => top.0.0 = self.readers[file].time_ns(),
            Ok(false) => {
                PeekMut::pop(top);
                self.idle.push(file);
            }
            Err(error) => {
                PeekMut::pop(top);
                return Err(self.error(file, error));
            }
        }
        Ok(())
    }

    fn ask_idle(&mut self) -> Result<(), FileError> {
        let mut still_idle = Vec::new();
        let mut result = Ok(());
        while let (Ok(()), Some(file)) = (&result, self.idle.pop()) {
            match self.readers[file].advance() {
                Ok(true) => self.heap.push(Reverse((self.readers[file].time_ns(), file))),
                Ok(false) => still_idle.push(file),
                Err(error) => result = Err(self.error(file, error)),
            }
        }
        still_idle.append(&mut self.idle);
        self.idle = still_idle;
        result
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.error),
            None => write!(f, "file {}: {}", self.file, self.error),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
