//! Which records are printed.
//!
//! What depends only on the call site (level, target, place, and an expression's share of it) is
//! decided once for each call site, by the reader itself: the records of others are not even
//! decoded. What is left is asked for each record, the cheapest question first.

mod place;
mod site;
mod thread;

use std::cell::Cell;
use std::sync::Arc;

use clap::Args;
use kymo_reader::Level;
use kymo_reader::{Event, Options, Record};
use regex::Regex;

use crate::argument::Argument;
use crate::expression::{Expression, Scratch};
use crate::point::{Point, Reference};
pub use place::Place;
use site::Sites;
use thread::ThreadName;

/// The options that say which records are wanted.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Filters")]
pub struct Arguments {
    /// Records of this level and of more urgent ones: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,

    /// Records whose target begins with this; may be given several times
    #[arg(long, value_name = "PREFIX")]
    target: Vec<String>,

    /// Records of the thread with this name or number; may be given several times
    #[arg(long, value_name = "NAME|NUMBER")]
    thread: Vec<ThreadName>,

    /// Records from this time on: RFC 3339, a date, or how long ago (-5m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<Point>,

    /// Records from before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<Point>,

    /// Records whose message matches this regular expression
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    grep: Option<Regex>,

    /// Records logged there: the end of the source file's path, and the line; may be given several
    /// times
    #[arg(long, value_name = "FILE[:LINE]")]
    at: Vec<Place>,

    /// Records of which this is true, such as 'px > 100 and account == "ACME"'
    ///
    /// Operands are arguments (`px`, `arg.px`, or `[0]` by position), `level`, `time`, `target`,
    /// `thread`, `file`, `line`, `message`, and values: 100, 0xff, 99.5, "text", 5ms, true.
    /// Operators are == != < <= > >=, `contains`, `matches` "REGEX", `is none`, `is not none`, `not`,
    /// `and`, `or`, ( ). A level is the greater the more urgent it is (`level >= warn`), a time is as
    /// for --since (`time > "-5m"`).
    ///
    /// As in SQL, a test of an argument that is none, or that a record does not have, is neither true
    /// nor false, and neither is its `not`: both `px != 0` and `not px == 0` choose records that have
    /// a px, and `px is none` those that have none there. So no record is shown for a value that it
    /// does not have.
    #[arg(long = "where", value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: Option<Expression>,

    /// Hide what was dropped, lost or damaged
    #[arg(long)]
    no_marks: bool,
}

/// Decides which records and marks are wanted.
pub struct Filter {
    sites: Arc<Sites>,
    /// By file, then by the index of the call site: what was decided about it.
    verdicts: Vec<Vec<Option<Verdict>>>,
    /// The reader asks about the call sites, so that those that are left need no verdict.
    is_pushed_down: Cell<bool>,
    threads: Vec<ThreadName>,
    /// The first nanosecond that is wanted, and the first that no longer is.
    since_ns: Option<i64>,
    until_ns: Option<i64>,
    grep: Option<Regex>,
    no_marks: bool,
    message: String,
    scratch: Scratch,
}

/// What a call site decides about its records.
enum Verdict {
    Unwanted,
    /// Those of which this is true.
    If(Expression),
}

impl Arguments {
    /// The filter that these options describe.
    pub fn build(self, reference: &Reference) -> Filter {
        let resolve = |point: Point| point.resolve(reference);
        let mut expression = self.expression;
        if let Some(expression) = &mut expression {
            expression.resolve(reference);
        }
        Filter {
            sites: Arc::new(Sites::new(self.level, self.target, self.at, expression)),
            verdicts: Vec::new(),
            is_pushed_down: Cell::new(false),
            threads: self.thread,
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
    /// Lets the reader of each file leave out what is not within the range of times. Needed: the
    /// filter itself does not look at times.
    pub fn narrow<'a>(&self, options: Options<'a>) -> Options<'a> {
        let options = match self.since_ns {
            Some(since) => options.since(since),
            None => options,
        };
        match self.until_ns {
            Some(until) => options.until(until),
            None => options,
        }
    }

    /// As [`Filter::narrow`]; and lets it decide about call sites, so that records of those that
    /// are not wanted are not seen at all, not even as context.
    pub fn push_down(&self, options: Options<'static>) -> Options<'static> {
        self.is_pushed_down.set(true);
        let options = self.narrow(options);
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

    /// Whether an event that is no record is wanted. A mark is left out only where it is known to
    /// have nothing to do with what is asked for: one without a thread, a time or a level always
    /// may have.
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
            && (self.since_ns, self.until_ns) == (None, None)
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

    /// Whether the reader has decided everything that has to do with call sites.
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

    /// The arguments that the expression is about.
    pub fn arguments(&self) -> Vec<&Argument> {
        let mut arguments = Vec::new();
        if let Some(expression) = self.sites.expression() {
            expression.arguments(&mut |argument| arguments.push(argument));
        }
        arguments
    }
}
