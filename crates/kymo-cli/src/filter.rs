//! The options that say which records are wanted.

use clap::Args;
use kymo_query::{Catalog, Criteria, Expression, Filter, Place, Point, Reference, ThreadName};
use kymo_reader::{Level, Reader};
use regex::Regex;

use crate::outcome::complain;

/// The options that say which records are wanted.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Filters")]
pub struct FilterArguments {
    /// Records of this level and of more urgent ones: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,

    /// Records whose target begins with this; may be given several times
    #[arg(long, value_name = "PREFIX")]
    target: Vec<String>,

    /// Records of the thread with this name or number; may be given several times
    #[arg(long, value_name = "NAME|NUMBER")]
    thread: Vec<ThreadName>,

    /// Records from this time on: RFC 3339, a date, 10:30, today, yesterday, seconds since 1970, or how long
    /// ago (-5m)
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

impl FilterArguments {
    /// The filter that these options describe.
    pub fn build(self, reference: &Reference) -> Filter {
        Criteria {
            level: self.level,
            targets: self.target,
            threads: self.thread,
            since: self.since,
            until: self.until,
            grep: self.grep,
            places: self.at,
            expression: self.expression,
            no_marks: self.no_marks,
        }
        .build(reference)
    }
}

/// Says what is asked for in `filter`, and by `others`, that is nowhere in the files.
pub fn complain_about_names<'r>(
    filter: &Filter,
    readers: impl IntoIterator<Item = &'r Reader<'static>> + Clone,
    others: impl Fn(&Catalog) -> Vec<String>,
) {
    filter.hints_about(readers, others).iter().for_each(complain);
}
