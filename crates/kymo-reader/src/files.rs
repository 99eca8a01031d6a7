//! Reads several files as one, by time.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::{self, Write};
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use kymo_format::escaped::Escaped;

use super::chain::Went;
use super::error::Error;
use super::event::Event;
use super::log::Log;
use super::open::{Directory, OpenError};
use super::rescued::{AtHand, Rescued};
use super::side::{self, Copies};
use super::{Options, Reader};
use kymo_files::beside::{Kind, directory_of};

/// How far the times of a side file may differ from those of its log, in nanoseconds: a minute.
const MARGIN_NS: i64 = 60_000_000_000;

/// Reads several files at once and hands out their events by time.
///
/// Each reader should read in the order of time. An event without a time keeps its place after the
/// event before it in its file. While files are followed, the order between them is the order in
/// which they grow.
///
/// ```no_run
/// use kymo_reader::{Event, Files, Options, Order};
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
    /// Readers that have no event at hand.
    idle: Vec<usize>,
    /// Readers that have one at hand and are not in the heap yet.
    asked: Vec<usize>,
    /// The reader on top of the heap has handed its event out.
    handed_out: bool,
    /// Every reader was asked.
    primed: bool,
    /// For each log, the records in its side files, so that each record is handed out once.
    copies: Vec<Option<Copies>>,
    /// The records of side files that are not in their logs.
    rescued: Option<Box<Rescued>>,
    /// For each reader, the log that it belongs to: itself, or the log that it was recovered for.
    log_of: Vec<usize>,
    left_out: u64,
    /// Side files that could not be read, by their log.
    failed: Vec<(usize, OpenError)>,
    refused: Vec<OpenError>,
    /// The side files of segments that are still to come, or were read.
    sides: Vec<SegmentSide>,
    directories: side::Directories,
}

/// A file beside a segment of a rotated log. It is open while the segment is read.
struct SegmentSide {
    /// Its number in its own header.
    id: [u8; 16],
    /// Its reader, which has nothing as long as it is not open.
    reader: usize,
    log: usize,
    is_open: bool,
}

/// Reading one of several files failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileError {
    /// The number of the file, from 0.
    pub file: usize,
    /// Its path, if it was opened by one.
    pub path: Option<PathBuf>,
    /// The reason.
    pub error: Error,
}

impl<'a> Files<'a> {
    /// Merges the events of `readers`.
    pub fn new(readers: impl IntoIterator<Item = Reader<'a>>) -> Self {
        let readers: Vec<_> = readers.into_iter().collect();
        let idle = (0..readers.len()).rev().collect();
        Self {
            readers,
            heap: BinaryHeap::new(),
            idle,
            asked: Vec::new(),
            handed_out: false,
            primed: false,
            copies: Vec::new(),
            rescued: None,
            log_of: Vec::new(),
            left_out: 0,
            failed: Vec::new(),
            refused: Vec::new(),
            sides: Vec::new(),
            directories: side::Directories::default(),
        }
    }

    /// Opens logs together with their side files.
    ///
    /// A log `app.kymo` may have a side file `app.kymo.rescue`: records that their threads wrote
    /// themselves because the consumer did not answer. Each record is handed out once, even if it is
    /// in both files. It may have `app.kymo.recovered`: records of the ring files of its dead process
    /// (`kymo::recover`).
    ///
    /// The header of such a file says to which log it belongs. So it is found in the log's
    /// directory after the log was renamed. Its own name must end in `.rescue` or `.recovered`, or
    /// in one of these and a number. In other directories it is found if it is among `paths`.
    ///
    /// Each of these files has a reader of its own, after those of the logs. They are looked for once,
    /// and not again while the log is followed.
    ///
    /// A path may be that of a rotated log, which is read as one file: see [`Log::find`]. Its segments are
    /// opened one after the other, and the files beside each of them with it. If a segment cannot be read,
    /// [`Files::next_event`] fails when it comes to it, and goes on with the next one.
    ///
    /// ```no_run
    /// use kymo_reader::{Event, Files, Options, Order};
    ///
    /// let mut files = Files::open(["app.kymo"], || Options::new().order(Order::Time))?;
    /// while let Some((_, event)) = files.next_event()? {
    ///     if let Event::Record(record) = event {
    ///         println!("{record:?}");
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a log cannot be read. If a side file cannot be read, the first call of
    /// [`Files::next_event`] fails.
    pub fn open(
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        options: impl Fn() -> Options<'a>,
    ) -> Result<Self, OpenError> {
        let mut logs = Vec::new();
        for path in paths {
            logs.push(Log::find(path)?.open(options())?);
        }
        Ok(Self::with_side_files(logs, options))
    }

    /// Merges the events of `readers`, and of the side files of those that were opened by path. Pass
    /// the `options` with which they were opened. See [`Files::open`].
    pub fn with_side_files(
        logs: impl IntoIterator<Item = Reader<'a>>,
        options: impl Fn() -> Options<'a>,
    ) -> Self {
        let mut readers: Vec<_> = logs.into_iter().collect();
        let mut log_of: Vec<_> = (0..readers.len()).collect();
        let (mut copies, mut sides, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rescues, mut side_of) = (Vec::new(), Vec::new());
        let mut refused = Vec::new();
        let given: Vec<_> = readers.iter().map(|reader| reader.header().segment).collect();
        let mut directories = side::Directories::default();
        let logs = readers.len();
        for log in 0..logs {
            let mut found = side::open(&readers[log], &given, &mut directories, None, &options);
            // A recovered file is the rest of the log, so its records may be in side files, too.
            sides.extend(found.recovered.drain(..).map(|reader| (reader, log)));
            rescues.extend(found.rescues.drain(..).map(|reader| (reader, log)));
            for side in given_side_files(&readers, log) {
                if readers[side].path().and_then(Path::file_name).and_then(Kind::of)
                    == Some(Kind::Recovered)
                {
                    log_of[side] = log;
                    continue;
                }
                let Some(path) = readers[side].path().map(Path::to_owned) else { continue };
                // It was named by the user.
                let file = super::open::open(&path);
                match file.and_then(|file| found.add_rescue(file, &path, &options)) {
                    // What it has was read once, with what is remembered of it.
                    Ok(()) => readers[side] = found.rescues.remove(0),
                    Err(error) => found.failed.push(OpenError { path, error }),
                }
                log_of[side] = usize::MAX;
                side_of.push((side, log));
            }
            copies.push(found.copies);
            refused.append(&mut found.refused);
            failed.extend(found.failed.into_iter().map(|error| (log, error)));
        }
        for (reader, log) in sides {
            readers.push(reader);
            log_of.push(log);
        }
        for (reader, log) in rescues {
            side_of.push((readers.len(), log));
            readers.push(reader);
            log_of.push(usize::MAX);
        }
        let mut files = Self { copies, log_of, failed, refused, directories, ..Self::new(readers) };
        if !side_of.is_empty() {
            files.place_rescued(&side_of, 0..logs, options);
        }
        for log in 0..logs {
            let of_log = side_of.iter().filter(|&&(_, of)| of == log).map(|&(side, _)| side);
            files.note_sides_to_come(log, of_log);
        }
        files
    }

    /// Looks for the files beside the segments of a log that are still to come. Each gets a reader, which
    /// has nothing until then.
    /// `rescues` are the readers of the side files of the first one.
    fn note_sides_to_come(&mut self, log: usize, rescues: impl Iterator<Item = usize>) {
        let Some(owner) = self.readers[log].manage_segments() else { return };
        let is_recovered = |&reader: &usize| reader != log && self.log_of[reader] == log;
        let recovered = (0..self.readers.len()).filter(is_recovered);
        for reader in recovered.chain(rescues).collect::<Vec<_>>() {
            let id = self.readers[reader].header().segment;
            self.sides.push(SegmentSide { id, reader, log, is_open: true });
        }
        let to_come: Vec<_> = self.readers[log].segments_to_come().collect();
        for (id, path) in to_come {
            let files = match self.directories.of_log(&path, owner, id) {
                Ok(files) => files,
                Err(error) => {
                    let path = directory_of(&path).to_owned();
                    self.failed.push((log, OpenError::new(path, Error::Open(error))));
                    return;
                }
            };
            for file in files {
                let is_recovered = file.kind == Kind::Recovered;
                let (id, reader) = (file.header.segment, self.readers.len());
                let empty = Options::new().from_read(Cursor::new(file.header.to_page()));
                let Ok(mut empty) = empty else { continue };
                empty.path = Some(file.path);
                self.readers.push(empty);
                self.log_of.push(if is_recovered { log } else { usize::MAX });
                self.sides.push(SegmentSide { id, reader, log, is_open: false });
            }
        }
    }

    /// A log has gone on to another segment: lets go of files beside those before it, and opens those
    /// beside it.
    fn change_sides(&mut self, log: usize) {
        for side in self.sides.iter_mut().filter(|side| side.log == log && side.is_open) {
            let rescued = self.rescued.as_ref();
            if rescued.is_none_or(|rescued| !rescued.has_items_of(side.reader))
                && !self.asked.contains(&side.reader)
                && !self.heap.iter().any(|&Reverse((_, reader))| reader == side.reader)
            {
                self.readers[side.reader].close();
                side.is_open = false;
            }
        }
        let Some(template) = self.readers[log].log_options() else { return };
        let options = || template.options();
        let (log_reader, directories) = (&self.readers[log], &mut self.directories);
        let known = self.copies.get_mut(log).and_then(Option::take);
        let found = side::open(log_reader, &[], directories, known, &options);
        let process = log_reader.process();
        let mut side_of = Vec::new();
        let recovered = found.recovered.into_iter().map(|reader| (reader, false));
        for (mut reader, is_rescue) in
            recovered.chain(found.rescues.into_iter().map(|reader| (reader, true)))
        {
            let id = reader.header().segment;
            let Some(side) = self.sides.iter_mut().find(|side| side.log == log && side.id == id)
            else {
                // It was not there when the log was opened.
                continue;
            };
            side.is_open = true;
            reader.process = process;
            self.readers[side.reader] = reader;
            if is_rescue {
                side_of.push((side.reader, log));
            } else if !self.idle.contains(&side.reader) {
                self.idle.push(side.reader);
            }
            self.primed = false;
        }
        self.refused.extend(found.refused);
        self.failed.extend(found.failed.into_iter().map(|error| (log, error)));
        if self.copies.len() <= log {
            self.copies.resize_with(log + 1, || None);
        }
        self.copies[log] = found.copies;
        if !side_of.is_empty() {
            self.place_rescued(&side_of, log..log + 1, options);
        }
    }

    /// Lists paths with the name of a side file that were not read: a link, a pipe, a file of another
    /// owner. This is no error, because others may write to a log's directory, too.
    pub fn refused(&self) -> &[OpenError] {
        &self.refused
    }

    /// Finds the records of side files that are in their logs, too, and the place of the others. For
    /// each side file, `side_of` has its reader and the log to which it belongs.
    fn place_rescued(
        &mut self,
        side_of: &[(usize, usize)],
        logs: Range<usize>,
        options: impl Fn() -> Options<'a>,
    ) {
        let mut rescued = self.rescued.take().map(|rescued| *rescued).unwrap_or_default();
        let mut spans: HashMap<usize, (i64, i64)> = HashMap::new();
        for &(side, log) in side_of {
            let Some((first, last)) = rescued.add(log, side, &mut self.readers[side]) else {
                continue;
            };
            let span = spans.entry(log).or_insert((first, last));
            *span = (span.0.min(first), span.1.max(last));
        }
        for (index, &log) in self.log_of.iter().enumerate() {
            let is_beside = |other: usize| {
                index == other || self.readers[index].is_beside(&self.readers[other])
            };
            if !logs.contains(&log) || !is_beside(log) {
                continue;
            }
            let (Some(&(first, last)), Some(Some(copies))) =
                (spans.get(&log), self.copies.get_mut(log))
            else {
                continue;
            };
            let span = (first.saturating_sub(MARGIN_NS), last.saturating_add(MARGIN_NS));
            // An error here shows again when the log is read.
            if let Some(mut survey) = self.readers[index].survey(span, &options) {
                let place = self.readers[index].segment_and_process();
                let _ = rescued.anchor(log, index, place, &mut survey, copies);
            }
        }
        self.left_out += rescued.begin(&mut self.readers, &mut self.copies);
        self.idle.retain(|&reader| !side_of.iter().any(|&(side, _)| side == reader));
        self.rescued = Some(Box::new(rescued));
    }

    /// How many records were left out because they are in two files. The log's record is handed out,
    /// or the side file's, if the log has grown since it was opened.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Opens all logs in a directory, as [`Directory`] lists them, with their side files. The path of
    /// an event's file is [`Reader::path`] of [`Files::readers`].
    ///
    /// ```
    /// use kymo_reader::{Event, Files, Options, Order};
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
    /// If the directory or one of the logs cannot be read, or if a path is named like a log and is no
    /// regular file.
    pub fn open_dir(
        path: impl AsRef<Path>,
        options: impl Fn() -> Options<'a>,
    ) -> Result<Self, OpenError> {
        let directory = Directory::read(path)?;
        if let Some(error) = directory.refused.into_iter().next() {
            return Err(error);
        }
        Self::open(directory.logs, options)
    }

    /// Returns the next event and the number of its file; `None` if there are no more, or, while
    /// following, none yet.
    ///
    /// # Errors
    /// If reading one of the files fails. That file is given up; the next call continues with the
    /// others.
    pub fn next_event(&mut self) -> Result<Option<(usize, Event<'_>)>, FileError> {
        let Some(file) = self.go_on()? else { return Ok(None) };
        Ok(self.readers[file].event().map(|event| (file, event)))
    }

    /// Goes on to the next event, and returns the reader that has it at hand.
    #[inline]
    pub(super) fn go_on(&mut self) -> Result<Option<usize>, FileError> {
        if self.readers.len() == 1 && self.failed.is_empty() {
            return self.go_on_with_one();
        }
        self.go_on_by_time()
    }

    fn go_on_by_time(&mut self) -> Result<Option<usize>, FileError> {
        self.tell_failure()?;
        self.leave_current()?;
        if self.heap.is_empty() || !self.primed {
            self.primed = true;
            self.ask_idle()?;
        }
        if self.heap.is_empty() {
            // Nothing more comes that they could be told before.
            self.tell_failure()?;
        }
        let top = self.heap.peek().map(|&Reverse((time_ns, reader))| AtHand { time_ns, reader });
        if let Some(rescued) = &mut self.rescued {
            let log_of = |file: usize| self.log_of.get(file).copied().unwrap_or(file);
            let log = top.as_ref().map_or(0, |top| log_of(top.reader));
            if let Some((file, item)) = rescued.next(log, top.as_ref(), &self.readers) {
                self.readers[file].hold_item(item);
                return Ok(Some(file));
            }
            if let Some(AtHand { reader, .. }) = top {
                rescued.hand_out(log, reader, &self.readers[reader]);
            }
        }
        self.handed_out = top.is_some();
        Ok(top.map(|top| top.reader))
    }

    /// Fails if a side file, or a segment of a log, could not be opened.
    fn tell_failure(&mut self) -> Result<(), FileError> {
        match self.failed.pop() {
            Some((file, OpenError { path, error })) => {
                Err(FileError { file, path: Some(path), error })
            }
            None => Ok(()),
        }
    }

    /// The readers, for their reports and headers.
    pub fn readers(&self) -> &[Reader<'a>] {
        &self.readers
    }

    /// Goes on to the next event of a single file, which needs no ordering.
    #[inline]
    fn go_on_with_one(&mut self) -> Result<Option<usize>, FileError> {
        // It is idle until it fails.
        if self.idle.is_empty() {
            return Ok(None);
        }
        match self.advance(0) {
            Ok(false) if !self.failed.is_empty() => self.go_on_by_time(),
            Ok(more) => Ok(more.then_some(0)),
            Err(error) => {
                self.idle.clear();
                Err(self.error(0, error))
            }
        }
    }

    /// Goes on to the next event of a reader that its side file does not hand out.
    #[inline]
    fn advance(&mut self, file: usize) -> Result<bool, Error> {
        let more = self.advance_past_copies(file);
        if let (Some(rescued), false) = (&mut self.rescued, matches!(more, Ok(true))) {
            rescued.release(file);
        }
        more
    }

    #[inline]
    fn advance_past_copies(&mut self, file: usize) -> Result<bool, Error> {
        loop {
            if self.advance_in_segment(file)? {
                return Ok(true);
            }
            if !self.readers[file].is_log() {
                return Ok(false);
            }
            self.ask_sides(file);
            match self.next_segment(file) {
                Went::Nowhere => return Ok(false),
                Went::ToMark => return Ok(true),
                Went::On { .. } | Went::HandOut => {}
            }
        }
    }

    /// The segment of a log has no more events: asks the files beside it, before the log goes on and lets go of
    /// them. One that has an event enters the heap later: the caller relies on the top of that.
    #[cold]
    fn ask_sides(&mut self, log: usize) {
        let open = self.sides.iter().filter(|side| side.log == log && side.is_open);
        for reader in open.map(|side| side.reader).collect::<Vec<_>>() {
            let Some(place) = self.idle.iter().position(|&idle| idle == reader) else { continue };
            self.idle.remove(place);
            match self.advance_in_segment(reader) {
                Ok(true) => {
                    self.asked.push(reader);
                    self.primed = false;
                }
                Ok(false) => self.idle.push(reader),
                Err(error) => {
                    let path = self.readers[reader].path.clone().unwrap_or_default();
                    self.failed.push((reader, OpenError { path, error }));
                }
            }
        }
    }

    /// Goes on to the next segment of a log. One that cannot be read is told, and left out.
    #[cold]
    fn next_segment(&mut self, log: usize) -> Went {
        let went = match self.readers[log].next_segment() {
            Ok(went) => went,
            Err(error) => {
                self.failed.push((log, error));
                // What is held back does not wait for it.
                return Went::HandOut;
            }
        };
        if matches!(went, Went::On { goes_on: false } | Went::ToMark)
            && let Some(rescued) = &mut self.rescued
        {
            rescued.begin_segment(log, self.readers[log].segment.number);
        }
        if matches!(went, Went::On { .. } | Went::ToMark) {
            self.change_sides(log);
        }
        went
    }

    #[inline]
    fn advance_in_segment(&mut self, file: usize) -> Result<bool, Error> {
        let reader = &mut self.readers[file];
        let log = self.log_of.get(file).copied().unwrap_or(file);
        let mut copies = self.copies.get_mut(log).and_then(Option::as_mut);
        while reader.advance()? {
            let (Some(copies), true) = (&mut copies, reader.is_record()) else { return Ok(true) };
            if !reader.record().is_some_and(|record| copies.take(&record)) {
                return Ok(true);
            }
            self.left_out += 1;
        }
        Ok(false)
    }

    fn error(&self, file: usize, error: Error) -> FileError {
        FileError { file, path: self.readers[file].path.clone(), error }
    }

    fn leave_current(&mut self) -> Result<(), FileError> {
        if !std::mem::take(&mut self.handed_out) {
            return Ok(());
        }
        let Some(&Reverse((_, file))) = self.heap.peek() else { return Ok(()) };
        let more = self.advance(file);
        let Some(mut top) = self.heap.peek_mut() else { return Ok(()) };
        match more {
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
            match self.advance(file) {
                Ok(true) => self.heap.push(Reverse((self.readers[file].time_ns(), file))),
                Ok(false) => still_idle.push(file),
                Err(error) => result = Err(self.error(file, error)),
            }
        }
        still_idle.append(&mut self.idle);
        self.idle = still_idle;
        for reader in self.asked.drain(..) {
            self.heap.push(Reverse((self.readers[reader].time_ns(), reader)));
        }
        result
    }
}

/// The readers of side files and recovered files of the log that `log` reads.
fn given_side_files(readers: &[Reader<'_>], log: usize) -> Vec<usize> {
    let id = readers[log].header().segment;
    let belongs = |reader: &Reader<'_>| id != [0; 16] && reader.header().side_of == id;
    (0..readers.len()).filter(|&side| side != log && belongs(&readers[side])).collect()
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
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
