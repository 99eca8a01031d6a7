//! Filters records.
//!
//! Conditions on the call site (level, target, place, and parts of an expression) are decided once for
//! each call site, by the reader: records of others are not even decoded. The rest is tested for each
//! record, the cheapest condition first.

mod place;
mod site;
mod thread;

use std::cell::Cell;
use std::sync::Arc;

use kymo_reader::Level;
use kymo_reader::{Event, Options, Reader, Record};
use regex::Regex;

use crate::catalog::Catalog;
use crate::expression::{Expression, Scratch};
use crate::point::{Point, Reference};
pub use place::{Place, Statement};
use site::Sites;
pub use thread::ThreadName;

/// The conditions of a filter. Each one that is set narrows the choice; without any, all records pass.
///
/// ```
/// use kymo_query::{Criteria, Reference};
/// use kymo_reader::Level;
///
/// let reference = Reference::now(jiff::tz::TimeZone::UTC);
/// let filter = Criteria {
///     level: Some(Level::Warn),
///     targets: vec!["net".to_owned()],
///     expression: Some("px > 100".parse()?),
///     ..Criteria::default()
/// }
/// .build(&reference);
/// # Ok::<(), kymo_query::CaretError>(())
/// ```
#[derive(Debug, Default)]
pub struct Criteria {
    /// This level and more urgent ones.
    pub level: Option<Level>,
    /// No records at all, only marks: the level is `off`.
    pub is_off: bool,
    /// Prefixes of targets: any of them.
    pub targets: Vec<String>,
    /// Threads: any of them.
    pub threads: Vec<ThreadName>,
    /// From this time on.
    pub since: Option<Point>,
    /// Before this time.
    pub until: Option<Point>,
    /// Records whose message matches.
    pub grep: Option<Regex>,
    /// Places in the source: any of them.
    pub places: Vec<Place>,
    /// An expression that must be true of a record.
    pub expression: Option<Expression>,
    /// Leaves out marks of drops, gaps and damage.
    pub no_marks: bool,
    /// Leaves out records that say where spans begin, change and end.
    pub hides_spans: bool,
}

/// Decides which records and marks are wanted.
pub struct Filter {
    sites: Arc<Sites>,
    /// The verdicts by file, then by the index of the call site.
    verdicts: Vec<Vec<Option<Verdict>>>,
    /// The reader tests the call sites, so that the remaining ones need no verdict.
    is_pushed_down: Cell<bool>,
    threads: Vec<ThreadName>,
    /// The first nanosecond that is wanted, and the first that no longer is.
    since_ns: Option<i64>,
    until_ns: Option<i64>,
    /// The range of time that the expression admits.
    window: (i128, i128),
    grep: Option<Regex>,
    no_marks: bool,
    message: String,
    scratch: Scratch,
}

/// The decision about the records of a call site.
enum Verdict {
    Unwanted,
    /// The records for which this expression is true.
    If(Expression),
}

impl Criteria {
    /// Builds the filter. Points in time are resolved by `reference`.
    pub fn build(self, reference: &Reference) -> Filter {
        let resolve = |point: Point| point.resolve(reference);
        let mut expression = self.expression;
        if let Some(expression) = &mut expression {
            expression.resolve(reference);
        }
        if self.is_off {
            expression = Some(Expression::Constant(Some(false)));
        }
        let all = (i128::MIN, i128::MAX);
        Filter {
            window: expression.as_ref().map_or(all, Expression::window),
            sites: Arc::new(Sites::new(
                self.level,
                self.targets,
                self.places,
                expression,
                self.hides_spans,
            )),
            verdicts: Vec::new(),
            is_pushed_down: Cell::new(false),
            threads: self.threads,
            since_ns: self.since.map(resolve),
            until_ns: self.until.map(resolve),
            grep: self.grep,
            no_marks: self.no_marks,
            message: String::new(),
            scratch: Scratch::default(),
        }
    }
}

impl Filter {
    /// Lets the reader of each file leave out records outside the range of time. Required, because the
    /// filter itself does not test times.
    pub fn narrow<'a>(&self, options: Options<'a>) -> Options<'a> {
        within(options, self.since_ns, self.until_ns)
    }

    /// Also leaves out records older than this.
    pub fn narrow_since(&mut self, time_ns: i64) {
        self.since_ns = Some(self.since_ns.map_or(time_ns, |since| since.max(time_ns)));
    }

    /// The first nanosecond that is wanted, and the first that no longer is, by all criteria.
    pub fn range(&self) -> (Option<i64>, Option<i64>) {
        let limit = |time: i128| time.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let (from, to) = self.window;
        let since = (from > i64::MIN.into()).then(|| limit(from));
        let until = (to <= i64::MAX.into()).then(|| limit(to));
        (since.max(self.since_ns), [until, self.until_ns].into_iter().flatten().min())
    }

    /// A second filter with these conditions, for use by another thread.
    pub fn fork(&self) -> Self {
        Self {
            sites: Arc::clone(&self.sites),
            verdicts: Vec::new(),
            is_pushed_down: self.is_pushed_down.clone(),
            threads: self.threads.clone(),
            since_ns: self.since_ns,
            until_ns: self.until_ns,
            window: self.window,
            grep: self.grep.clone(),
            no_marks: self.no_marks,
            message: String::new(),
            scratch: Scratch::default(),
        }
    }

    /// Forgets the verdicts about call sites, so that the filter can be used for other files.
    pub fn forget_files(&mut self) {
        self.verdicts.clear();
    }

    /// Narrows as [`Filter::narrow`] does, and lets the reader decide about call sites. Records of
    /// unwanted call sites are then not seen at all, not even as context.
    pub fn push_down(&self, options: Options<'static>) -> Options<'static> {
        self.is_pushed_down.set(true);
        let (since, until) = self.range();
        let options = within(options, since, until);
        if self.sites.is_everything() {
            return options;
        }
        let sites = Arc::clone(&self.sites);
        options.filter(move |site| sites.admits(site))
    }

    /// Whether a record of file number `file` is wanted.
    #[inline]
    pub fn admits(&mut self, file: usize, record: &Record<'_>) -> bool {
        self.admits_thread(Some(record.thread()))
            && (self.is_settled() || self.admits_by_site(file, record))
            && (self.grep.is_none() || self.admits_message(record))
    }

    /// Whether a mark is wanted. It is left out only if its thread, time or level are known and
    /// excluded.
    pub fn admits_mark(&self, event: &Event<'_>) -> bool {
        if self.no_marks {
            return false;
        }
        match event {
            Event::Drops(drops) => {
                self.admits_thread(Some(drops.thread))
                    && (drops.counts.is_empty()
                        || drops.counts.iter().any(|count| self.sites.admits_level(count.level)))
            }
            Event::Gap(gap) => self.admits_thread(gap.thread),
            Event::Signal(signal) => self.admits_thread(signal.thread),
            Event::Dump(dump) => self.admits_thread(Some(dump.thread)),
            Event::DumpEnd(end) => self.admits_thread(Some(end.thread)),
            _ => true,
        }
    }

    /// Whether no mark is left out.
    pub fn admits_all_marks(&self) -> bool {
        !self.no_marks
            && self.threads.is_empty()
            && self.range() == (None, None)
            && self.sites.admits_level(Some(Level::Trace))
    }

    /// Whether records of a level are wanted; `None` is one that is not known.
    pub fn admits_level(&self, level: Option<Level>) -> bool {
        self.sites.admits_level(level)
    }

    fn admits_thread(&self, thread: Option<&kymo_reader::Thread>) -> bool {
        self.threads.is_empty()
            || thread.is_none_or(|thread| self.threads.iter().any(|name| name.is(thread)))
    }

    /// Whether the reader has decided all conditions on call sites.
    fn is_settled(&self) -> bool {
        self.is_pushed_down.get() && self.sites.expression().is_none()
    }

    fn admits_by_site(&mut self, file: usize, record: &Record<'_>) -> bool {
        if self.verdicts.len() <= file {
            self.verdicts.resize_with(file + 1, Vec::new);
        }
        let (verdicts, index) = (&mut self.verdicts[file], record.call_site().index());
        if verdicts.len() <= index {
            verdicts.resize_with(index + 1, || None);
        }
        let verdict = verdicts[index].get_or_insert_with(|| self.sites.verdict(record.call_site()));
        match verdict {
            Verdict::Unwanted => false,
            Verdict::If(expression) => expression.is_true(record, &mut self.scratch),
        }
    }

    fn admits_message(&mut self, record: &Record<'_>) -> bool {
        self.message.clear();
        record.message(&mut self.message);
        self.grep.as_ref().is_none_or(|grep| grep.is_match(&self.message))
    }

    /// The hints about threads, targets, places and arguments in the filter that do not exist: they are
    /// likely misspelt.
    pub fn hints(&self, catalog: &Catalog) -> Vec<String> {
        let mut hints = Vec::new();
        for thread in &self.threads {
            let hint = catalog.hint_of_thread(thread.as_str());
            hints.extend(hint.map(|hint| format!("--thread: {hint}")));
        }
        self.sites.hints(catalog, &mut hints);
        hints
    }

    /// The hints about what was met in the files; where that is not all of them, about all that there
    /// is. `others` are hints that do not come from the filter.
    pub fn hints_about<'r>(
        &self,
        readers: impl IntoIterator<Item = &'r Reader<'static>> + Clone,
        others: impl Fn(&Catalog) -> Vec<String>,
    ) -> Vec<String> {
        let hints = |catalog: &Catalog| {
            // Where nothing was logged, or not yet, every name is as good as another.
            if catalog.places.is_empty() {
                return Vec::new();
            }
            let mut hints = self.hints(catalog);
            hints.extend(others(catalog));
            hints
        };
        let met = hints(&Catalog::met(readers.clone()));
        if met.is_empty() { met } else { hints(&Catalog::of(readers)) }
    }
}

/// Lets the reader leave out records outside this range of time.
fn within<'a>(options: Options<'a>, since: Option<i64>, until: Option<i64>) -> Options<'a> {
    let options = match since {
        Some(since) => options.since(since),
        None => options,
    };
    match until {
        Some(until) => options.until(until),
        None => options,
    }
}
