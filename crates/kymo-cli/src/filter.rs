//! The options that choose records.

use clap::{Args, ValueEnum};
use kymo_query::{Catalog, Criteria, Expression, Filter, Place, Point, Reference, ThreadName};
use kymo_reader::{Level, Reader};
use regex::Regex;

use crate::outcome::complain;

/// The options that choose records.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Filters")]
pub struct FilterArguments {
    /// Records of this level and of more urgent ones; off: only what was dropped, lost or damaged
    #[arg(long, value_enum, value_name = "LEVEL", ignore_case = true)]
    level: Option<LevelChoice>,

    /// Records whose target begins with this; may be given several times
    #[arg(long, value_name = "PREFIX")]
    target: Vec<String>,

    /// Records of the thread with this name or number; may be given several times
    #[arg(long, value_name = "NAME|NUMBER")]
    thread: Vec<ThreadName>,

    /// Records from this time on: RFC 3339, a date, 10:30, today, yesterday, seconds since 1970, or a
    /// time ago (-5m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<Point>,

    /// Records from before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<Point>,

    /// Records whose message matches this regular expression
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    grep: Option<Regex>,

    /// Records of this place: the end of the source file's path, and the line; may be given several
    /// times
    ///
    /// A column may follow the line. The statements in the body of a macro have one line and column:
    /// 'a.rs:10?level=warn', '?target=net' (a prefix), '?message=filled' (a part of the format string)
    /// tell them apart; `&` joins conditions.
    #[arg(long, value_name = "FILE[:LINE]")]
    at: Vec<Place>,

    /// Records for which this is true, such as 'px > 100 and account == "ACME"'
    ///
    /// Operands are arguments (`px`, `arg.px`, or `[0]` by position), `level`, `time`, `target`,
    /// `thread`, `file`, `line`, `message`, and values: 100, 0xff, 99.5, "text", 5ms, true.
    /// `span` is the name of the innermost span, `span.NAME` a field of it or else of one around it:
    /// `span.order == 7`. `spans contains "request"` is true within any span of that name.
    /// Operators are == != < <= > >=, `contains`, `matches` "REGEX", `is none`, `is not none`, `not`,
    /// `and`, `or`, ( ). More urgent levels are greater (`level >= warn`). A time is written as for
    /// --since (`time > "-5m"`).
    ///
    /// As in SQL, a test of an argument that is none, or that a record lacks, is neither true nor
    /// false, and neither is its `not`. So `px != 0` and `not px == 0` choose only records that have
    /// a px. `px is none` chooses records whose px is none.
    #[arg(long = "where", value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: Option<Expression>,

    /// Hide marks of dropped, lost or damaged records
    #[arg(long)]
    no_marks: bool,
}

/// A level as a filter.
#[derive(Clone, Copy, ValueEnum)]
enum LevelChoice {
    Off,
    Error,
    #[value(alias = "warning")]
    Warn,
    Info,
    Debug,
    Trace,
}

impl LevelChoice {
    /// `None`: no level is urgent enough.
    fn level(self) -> Option<Level> {
        Some(match self {
            Self::Off => return None,
            Self::Error => Level::Error,
            Self::Warn => Level::Warn,
            Self::Info => Level::Info,
            Self::Debug => Level::Debug,
            Self::Trace => Level::Trace,
        })
    }
}

impl FilterArguments {
    /// The filter that these options describe.
    pub fn build(self, reference: &Reference) -> Filter {
        self.criteria().build(reference)
    }

    /// The filter of a command that prints records: without those that tell of spans, unless they are asked for.
    pub fn build_shown(self, reference: &Reference, shows_spans: bool) -> Filter {
        Criteria { hides_spans: !shows_spans, ..self.criteria() }.build(reference)
    }

    fn criteria(self) -> Criteria {
        Criteria {
            level: self.level.and_then(LevelChoice::level),
            is_off: self.level.is_some_and(|level| level.level().is_none()),
            targets: self.target,
            threads: self.thread,
            since: self.since,
            until: self.until,
            grep: self.grep,
            places: self.at,
            expression: self.expression,
            no_marks: self.no_marks,
            hides_spans: false,
        }
    }
}

/// Complains about names in `filter`, and those of `others`, that are not in the files.
pub fn complain_about_names<'r>(
    filter: &Filter,
    readers: impl IntoIterator<Item = &'r Reader<'static>> + Clone,
    others: impl Fn(&Catalog) -> Vec<String>,
) {
    filter.hints_about(readers, others).iter().for_each(complain);
}
