//! Which records are printed.
//!
//! What depends only on the call site (level, target, place, and an expression's share of it) is
//! decided once for each call site, by the reader itself: the records of others are not even
//! decoded. What is left is asked for each record, the cheapest question first.

mod place;
mod site;
mod thread;

use std::sync::Arc;

use clap::Args;
use kymo::Level;
use kymo::reader::{CallSite, Event, Options, Record};
use regex::Regex;

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

    /// Hide what was dropped, lost or damaged
    #[arg(long)]
    no_marks: bool,
}

/// Decides which records and marks are wanted.
pub struct Filter {
    sites: Arc<Sites>,
    /// By file, then by [`CallSite::index`]: what was decided about a call site.
    verdicts: Vec<Vec<Option<bool>>>,
    /// The reader asks about the call sites.
    pushed_down: bool,
    threads: Vec<ThreadName>,
    /// The first nanosecond that is wanted, and the first that no longer is.
    since_ns: Option<i64>,
    until_ns: Option<i64>,
    grep: Option<Regex>,
    no_marks: bool,
    message: String,
}

impl Arguments {
    /// The filter that these options describe.
    pub fn build(self, reference: &Reference) -> Filter {
        let resolve = |point: Point| point.resolve(reference);
        Filter {
            sites: Arc::new(Sites::new(self.level, self.target, self.at)),
            verdicts: Vec::new(),
            pushed_down: false,
            threads: self.thread,
            since_ns: self.since.map(resolve),
            until_ns: self.until.map(resolve),
            grep: self.grep,
            no_marks: self.no_marks,
            message: String::new(),
        }
    }
}

impl Filter {
    /// Lets the reader of each file decide about call sites: records of those that are not wanted
    /// are not seen at all, not even as context.
    pub fn push_down(&mut self, options: Options<'static>) -> Options<'static> {
        self.pushed_down = true;
        if self.sites.is_everything() {
            return options;
        }
        let sites = Arc::clone(&self.sites);
        options.filter(move |site| sites.admits(site))
    }

    /// Whether a record of file number `file` is wanted.
    #[inline]
    pub fn admits(&mut self, file: usize, record: &Record<'_>) -> bool {
        (self.since_ns.is_none() && self.until_ns.is_none() || self.admits_time(record.time_ns()))
            && (self.pushed_down || self.admits_site(file, record.call_site()))
            && (self.threads.is_empty() || self.threads.iter().any(|t| t.is(record.thread())))
            && (self.grep.is_none() || self.admits_message(record))
    }

    /// Whether a record, or a mark, of this time is within the range of times.
    pub fn admits_time(&self, time_ns: i64) -> bool {
        self.since_ns.is_none_or(|since| since <= time_ns)
            && self.until_ns.is_none_or(|until| time_ns < until)
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
                self.since_ns.is_none_or(|since| since <= drops.last_ns)
                    && self.until_ns.is_none_or(|until| drops.first_ns < until)
                    && self.admits_thread(Some(drops.thread))
                    && (drops.counts.is_empty()
                        || drops.counts.iter().any(|count| self.sites.admits_level(count.level)))
            }
            Event::Gap(gap) => self.admits_thread(gap.thread),
            _ => true,
        }
    }

    fn admits_thread(&self, thread: Option<&kymo::reader::Thread>) -> bool {
        self.threads.is_empty()
            || thread.is_none_or(|thread| self.threads.iter().any(|name| name.is(thread)))
    }

    fn admits_site(&mut self, file: usize, site: &CallSite) -> bool {
        if self.verdicts.len() <= file {
            self.verdicts.resize_with(file + 1, Vec::new);
        }
        let verdicts = &mut self.verdicts[file];
        if verdicts.len() <= site.index() {
            verdicts.resize(site.index() + 1, None);
        }
        *verdicts[site.index()].get_or_insert_with(|| self.sites.admits(site))
    }

    fn admits_message(&mut self, record: &Record<'_>) -> bool {
        self.message.clear();
        record.message(&mut self.message);
        self.grep.as_ref().is_none_or(|grep| grep.is_match(&self.message))
    }
}
