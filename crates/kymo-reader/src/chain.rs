//! Reads the segments of a rotated log one after the other, as if they were one file.
//!
//! The reader of the log keeps its dictionary, so that call sites and threads keep their indexes, and what
//! its order holds back. The records of a sweep may be in two segments; so what is held back at the end of a
//! segment waits for the next one, if one process wrote both and nothing is missing between them. Otherwise
//! ticks cannot be compared: then all of it is handed out first.
//!
//! INV-1: one segment is open at a time, and the next one is opened when its turn comes. The list of segments
//! is that of the time when the log was opened.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::dictionary::Dictionary;
use super::error::Error;
use super::event::MissingSegments;
use super::log::{Log, LogSegment, missing_between};
use super::mark::Mark;
use super::open::OpenError;
use super::options::Template;
use super::report::Report;
use super::segment::Segment;
use super::source::Source;
use super::{Mode, Options, Reader, State};
use kymo_files::derived::Owner;

/// How many segments that are not whole, and how many that are missing, are listed. All are counted.
const MAX_LISTED: usize = 1_000;

/// What is to come of a log, and what was.
pub(super) struct Chain<'a> {
    template: Template<'a>,
    pub(super) owner: Owner,
    rest: VecDeque<LogSegment>,
    /// The last segment that was taken from the list.
    last: Option<LogSegment>,
    /// Who reads also reads side files, and asks for each segment.
    pub(super) is_managed: bool,
    /// How many processes wrote what was read so far.
    pub(super) process: u32,
    report: LogReport,
}

/// Counts what was read of a rotated log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogReport {
    /// Segments that were read, at least in part.
    pub segments: u64,
    /// Segments of the log when it was opened.
    pub total: u64,
    /// Segments that were not read: by their indexes, none of their records is in the range of time, or of a
    /// call site that the [filter](Options::filter) lets through.
    pub skipped: u64,
    /// The sums of the segments that were read to their ends. The one that is being read is missing:
    /// [`Reader::report`] has it.
    pub sums: Report,
    /// How often segments were missing.
    pub gaps: u64,
    /// The first thousand of those.
    pub missing: Vec<MissingSegments>,
    /// The first thousand segments that are [not whole](Report::is_whole) or have records whose time is a
    /// guess, with their reports.
    pub not_whole: Vec<(PathBuf, Report)>,
}

/// What came of going on to the next segment.
pub(super) enum Went {
    /// It is being read. `goes_on`: what is held back of the one before waits for it.
    On { goes_on: bool },
    /// It is being read, and a mark is at hand.
    ToMark,
    /// What is held back has to be handed out before.
    HandOut,
    /// There is none.
    Nowhere,
}

impl<'a> Chain<'a> {
    /// Opens a log at the first of its segments that is wanted.
    pub(super) fn open(
        log: &Log,
        owner: Owner,
        options: Options<'a>,
    ) -> Result<Reader<'a>, OpenError> {
        let rest = log.segments().iter().map(LogSegment::clone).collect();
        let mut chain = Self {
            template: Template::new(options),
            owner,
            rest,
            last: None,
            is_managed: false,
            process: 0,
            report: LogReport::default(),
        };
        let none = || {
            let error = std::io::Error::new(std::io::ErrorKind::NotFound, "it has no segments");
            OpenError { path: log.path().to_owned(), error: Error::Open(error) }
        };
        chain.report.total = log.segments().len() as u64;
        let mut dictionary = Dictionary::of_log();
        let next = loop {
            let Some(next) = chain.next_wanted(true) else { return Err(none()) };
            if chain.rest.is_empty() || chain.is_wanted(&next, &mut dictionary) {
                break next;
            }
            let header = next.header.as_ref();
            let following = chain.rest.front();
            dictionary
                .begin_segment(following.zip(header).is_some_and(|(it, of)| it.is_of_process(of)));
            chain.leave_out(next);
        };
        let (mut segment, path) = chain.open_segment(&next)?;
        segment.dictionary = dictionary;
        chain.report.segments = 1;
        let sought = chain.template.options.seek(&mut segment);
        sought.map_err(|error| OpenError { path: path.clone(), error })?;
        chain.last = Some(next);
        chain.look_ahead(&mut segment);
        let mut reader = Reader::new(segment, chain.template.options.mode());
        (reader.path, reader.chain) = (Some(path), Some(Box::new(chain)));
        Ok(reader)
    }

    /// Takes the next segment from the list that may have something in the range of time. The last one is
    /// opened in any case if `or_last`.
    fn next_wanted(&mut self, or_last: bool) -> Option<LogSegment> {
        while let Some(next) = self.rest.pop_front() {
            let is_last = or_last && self.rest.is_empty();
            let is_wanted = is_last
                || !self.template.options.is_limited()
                || next.range().is_none_or(|range| !self.template.options.leaves_out(range));
            if is_wanted {
                return Some(next);
            }
            self.leave_out(next);
        }
        None
    }

    fn leave_out(&mut self, next: LogSegment) {
        self.report.skipped += 1;
        self.last = Some(next);
    }

    /// Whether a segment may have something to hand out: a record of a call site that the filter lets
    /// through, or a mark. Takes its call sites into the dictionary.
    fn is_wanted(&self, next: &LogSegment, dictionary: &mut Dictionary) -> bool {
        let has_drops = next.totals().is_none_or(|(_, dropped)| dropped > 0);
        if !self.template.options.is_filtered() || has_drops {
            return true;
        }
        let mut filter = self.template.filter();
        next.selects_any(|entry| dictionary.select(entry, &mut *filter)).unwrap_or(true)
    }

    fn open_segment(&self, next: &LogSegment) -> Result<(Segment<'a>, PathBuf), OpenError> {
        let file = next.open_file()?;
        let fail = |error| OpenError { path: next.path.clone(), error };
        let options = &self.template.options;
        let (source, live) = options.source_of(file).map_err(fail)?;
        let segment = options.segment(source, live, self.template.filter()).map_err(fail)?;
        // Somebody has put another file there.
        let is_this = next.header.as_ref().is_some_and(|it| it.segment == segment.header.segment);
        if is_this { Ok((segment, next.path.clone())) } else { Err(fail(Error::OtherLog)) }
    }

    /// Whether what is held back of `segment`, the last one, waits for the next one.
    fn look_ahead(&self, segment: &mut Segment<'a>) {
        let (last, next) = (self.last.as_ref(), self.rest.front());
        segment.goes_on = last.zip(next).is_some_and(|(last, next)| {
            next.is_of_process(&segment.header) && missing_between(last, next).is_none()
        });
    }
}

impl<'a> Reader<'a> {
    /// Counts what was read of a rotated log that [`Log::open`](crate::Log::open) opened. `None` for one
    /// file.
    pub fn log_report(&self) -> Option<&LogReport> {
        self.chain.as_ref().map(|chain| &chain.report)
    }

    /// Ends [following](Options::follow): reads on past the committed length, to the last valid frame, as a reader
    /// does that never followed. For a file whose writer has died. Nothing is handed out twice, and `None` is final
    /// from now on.
    ///
    /// ```
    /// use std::fs;
    /// use kymo_reader::{Ending, Options};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::info!("before the process dies");
    /// kymo::flush();
    /// let died = path.with_extension("died");
    /// fs::copy(&path, &died)?;
    /// let mut reader = Options::new().follow(true).open(&died)?;
    /// assert!(reader.next_record()?.is_some());
    /// assert!(reader.next_record()?.is_none());
    /// reader.stop_following();
    /// assert!(reader.next_record()?.is_none());
    /// assert_eq!(reader.report().ending, Ending::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_following(&mut self) {
        self.segment.frames.stop_following();
        if let Some(chain) = &mut self.chain {
            chain.template.stop_following();
        }
    }

    /// Counts what was read so far of all segments of a log. The state of the header and of the end are
    /// those of the segment that is being read.
    pub fn sums(&self) -> Report {
        let mut sums = self.report().clone();
        if let Some(chain) = &self.chain
            && chain.report.segments > 1
        {
            sums.add(&chain.report.sums);
        }
        sums
    }

    /// Whether nothing more is to come of the segment that is being read.
    fn is_at_end(&self) -> bool {
        self.segment.has_ended()
    }

    /// Nothing more is to come of a segment: goes on with those that follow it.
    #[cold]
    pub(super) fn advance_in_log(&mut self) -> Result<bool, Error> {
        if self.chain.as_ref().is_none_or(|chain| chain.is_managed) {
            return Ok(false);
        }
        match self.next_segment() {
            Ok(Went::Nowhere) => Ok(false),
            Ok(Went::ToMark) => Ok(true),
            Ok(Went::On { .. } | Went::HandOut) => self.advance(),
            Err(error) => Err(error.error),
        }
    }

    /// Goes on to the next segment of the log, if nothing more is to come of this one. After an error, the
    /// next call tries the one after that.
    pub(super) fn next_segment(&mut self) -> Result<Went, OpenError> {
        if !self.is_at_end() {
            return Ok(Went::Nowhere);
        }
        loop {
            if let Some(went) = self.try_next_segment()? {
                return Ok(went);
            }
        }
    }

    /// As [`Reader::next_segment`]. `None` if the segment was left out.
    fn try_next_segment(&mut self) -> Result<Option<Went>, OpenError> {
        let Some(chain) = &mut self.chain else { return Ok(Some(Went::Nowhere)) };
        let before = chain.last.as_ref().and_then(|last| last.header.clone());
        let goes_on = self.segment.goes_on;
        let Some(next) = chain.next_wanted(false) else {
            // What is held back need not wait any more.
            self.segment.goes_on = false;
            return Ok(Some(if goes_on { Went::HandOut } else { Went::Nowhere }));
        };
        if goes_on && !next.is_of_process(&self.segment.header) {
            chain.rest.push_front(next);
            self.segment.goes_on = false;
            return Ok(Some(Went::HandOut));
        }
        let missing = chain.last.as_ref().and_then(|last| missing_between(last, &next));
        let is_same = before.is_some_and(|before| next.is_of_process(&before));
        let dictionary = &mut self.segment.dictionary;
        dictionary.begin_segment(is_same);
        chain.process += u32::from(!is_same);
        if !is_same {
            self.spans.clear();
        }
        if missing.is_none() && !chain.is_wanted(&next, dictionary) {
            chain.leave_out(next);
            return Ok(None);
        }
        let opened = chain.open_segment(&next);
        chain.last = Some(next);
        let (mut segment, path) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.segment.goes_on = false;
                return Err(error);
            }
        };
        segment.dictionary = std::mem::take(&mut self.segment.dictionary);
        chain.finish(self.path.take(), &self.segment.report);
        segment.number = self.segment.number.wrapping_add(1);
        segment.watermark = if goes_on { self.segment.watermark } else { 0 };
        self.segment = segment;
        self.path = Some(path.clone());
        match &mut self.mode {
            Mode::Merged(merger) => merger.begin_segment(goes_on),
            Mode::Written(written) => **written = Default::default(),
            Mode::Whole(_) => {}
        }
        let sought = chain.template.options.seek(&mut self.segment);
        chain.look_ahead(&mut self.segment);
        sought.map_err(|error| OpenError { path, error })?;
        let Some(missing) = missing else { return Ok(Some(Went::On { goes_on })) };
        chain.report.gaps += 1;
        if chain.report.missing.len() < MAX_LISTED {
            chain.report.missing.push(missing);
        }
        self.hand_out(Mark::Missing(missing));
        Ok(Some(Went::ToMark))
    }

    /// Puts a mark at hand that is in no file.
    fn hand_out(&mut self, mark: Mark) {
        match &mut self.mode {
            Mode::Merged(merger) => merger.hand_out(mark),
            Mode::Written(written) => written.hand_out(mark),
            Mode::Whole(_) => return,
        }
        self.state = State::Event;
    }

    /// From now on, [`Reader::next_segment`] goes on to each segment of a log. Returns the owner of its files.
    /// `None` if it has no segments to come.
    pub(super) fn manage_segments(&mut self) -> Option<Owner> {
        let chain = self.chain.as_mut()?;
        chain.is_managed = true;
        Some(chain.owner)
    }

    /// Whether it reads a rotated log.
    #[inline]
    pub(super) fn is_log(&self) -> bool {
        self.chain.is_some()
    }

    /// The options by which a log was opened.
    pub(super) fn log_options(&self) -> Option<Template<'a>> {
        self.chain.as_ref().map(|chain| chain.template.share())
    }

    /// Which segment of the log is read, counted from 0, and by which of its processes it was written.
    pub(super) fn segment_and_process(&self) -> (u32, u32) {
        (self.segment.number, self.process())
    }

    /// Whether it reads a side file or a recovered file of what `log` reads now.
    pub(super) fn is_beside(&self, log: &Reader<'_>) -> bool {
        let id = log.header().segment;
        id != [0; 16] && self.header().side_of == id
    }

    /// The segments that are still to come: their identifiers and paths.
    pub(super) fn segments_to_come(&self) -> impl Iterator<Item = ([u8; 16], PathBuf)> {
        let rest = self.chain.iter().flat_map(|chain| &chain.rest);
        rest.filter_map(|it| Some((it.header.as_ref()?.segment, it.path.clone())))
    }

    /// Lets go of the file: nothing more is read.
    pub(super) fn close(&mut self) {
        self.segment.frames.close(Source::slice(&[]));
    }

    /// A second reader of the segment that is being read, with options like those of the log.
    pub(super) fn reopen(&self, options: Options<'a>) -> Option<Reader<'a>> {
        let last = self.chain.as_ref()?.last.as_ref()?;
        options.from_file(last.open_file().ok()?).ok()
    }
}

impl Chain<'_> {
    /// Notes what came of a segment that was read to its end.
    fn finish(&mut self, path: Option<PathBuf>, report: &Report) {
        if self.report.segments == 1 {
            self.report.sums = report.clone();
        } else {
            self.report.sums.add(report);
        }
        self.report.segments += 1;
        let is_whole = report.is_whole() && report.untimed == 0;
        if let Some(path) = path.filter(|_| !is_whole)
            && self.report.not_whole.len() < MAX_LISTED
        {
            self.report.not_whole.push((path, report.clone()));
        }
    }
}
