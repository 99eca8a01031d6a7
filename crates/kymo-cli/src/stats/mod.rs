//! `kymo stats`: what logs most, and what it costs.
//!
//! The files are read once. Memory is that of their call sites and threads, of the histogram and of the
//! open pairs. The last two are bounded.

mod between;
mod histogram;
mod metrics;
mod scopes;
mod spans;
mod summary;
mod tables;
mod tally;

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo_reader::{Event, Options, Order};
use terminal_size::{Width, terminal_size_of};

use crate::filter;
use crate::input::Inputs;
use crate::interrupt;
use crate::machine::write_json;
use crate::outcome::{self, Outcome, complain};
use crate::output::{Closed, Output};
use between::{Between, Places};
use kymo_query::Reference;
use kymo_query::time;
use metrics::Metrics;
use scopes::Scopes;
use spans::Spans;
use tables::Extent;
use tally::Tally;

/// Shows what logs most and what it costs.
///
/// For each call site, target, level and thread: the records, in total and per second, their bytes in
/// the file, and their share of all. Then the records that were dropped or are missing, and a
/// histogram of records over time.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Stats {
    /// The log files, rotated logs (their link, or its name), or directories of files named *.kymo; `-` is
    /// standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    filter: filter::FilterArguments,

    /// The time from a record of one call site to the next of another in the same thread, as
    /// percentiles: two places as in --at, with a comma between them
    #[arg(long, value_name = "FROM,TO")]
    between: Option<Places>,

    /// For --between: the next record, of whatever thread, in which the argument with this name, or
    /// at this position, has the same value
    #[arg(long, value_name = "FIELD", requires = "between")]
    by: Option<String>,

    /// How long spans were busy and idle, by name, as percentiles
    #[arg(long)]
    spans: bool,

    /// How long scopes took (kymo::scope!), by name, as percentiles
    #[arg(long)]
    scopes: bool,

    /// What metrics say (kymo::count!, gauge!, histogram!), by name and labels: sums, last values,
    /// percentiles
    #[arg(long)]
    metrics: bool,

    /// By what the tables are sorted
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,

    /// How many rows a table has, at most; 0 is all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// Print a JSON object, with all rows
    #[arg(long)]
    json: bool,

    /// The time zone: the name of a zone (Europe/Berlin), an offset (+02:00), or `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,
}

/// By what tables are sorted, the largest first.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    #[default]
    Records,
    Bytes,
}

/// The width of the terminal that standard output is; `None` where it is none.
fn terminal_width() -> Option<usize> {
    terminal_size_of(std::io::stdout()).map(|(Width(width), _)| width.into())
}

impl Stats {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut outcome = Outcome::Nothing;
        // Records are compared only where it is asked for. A thread's are in order as written too, but
        // for those of a dump, which are older than the records before them.
        let in_order = self.between.is_some() || self.spans;
        let order = if in_order { Order::Time } else { Order::Written };
        let mut filter = self.filter.build(&Reference::now(self.tz.clone()));
        let options = || filter.push_down(Options::new().order(order));
        let mut inputs = Inputs::open(&self.files, options, &mut outcome);
        if inputs.names.is_empty() {
            return outcome.into();
        }
        let between = self.between.map(|places| Between::new(places, self.by));
        let mut tally = Tally::new(inputs.names.iter().cloned(), between);
        let mut spans = self.spans.then(Spans::default);
        let mut scopes = self.scopes.then(Scopes::default);
        let mut metrics = self.metrics.then(Metrics::default);
        let Ok(is_whole) = inputs.each_event("stats", &mut outcome, |file, _, event| {
            match event {
                Event::Record(record) if filter.admits(file, record) => {
                    tally.record(file, record);
                    if let Some(spans) = &mut spans {
                        spans.record(file, record);
                    }
                    if let Some(scopes) = &mut scopes {
                        scopes.record(file, record);
                    }
                    if let Some(metrics) = &mut metrics {
                        metrics.record(record);
                    }
                }
                Event::Record(_) => {}
                mark if filter.admits_mark(mark) => tally.mark(file, mark, &filter),
                _ => {}
            }
            Ok::<(), Infallible>(())
        });
        if !is_whole {
            return interrupt::exit_code();
        }
        let is_all = filter.admits_all_marks();
        for reader in inputs.files.readers() {
            tally.file(&reader.sums(), is_all);
        }
        filter::complain_about_names(&filter, inputs.files.readers(), |_| Vec::new());
        inputs.complain(&mut outcome);
        let mut summary = tally.summary(self.sort);
        summary.spans = spans.map(Spans::times);
        summary.scopes = scopes.map(Scopes::times);
        summary.metrics = metrics.map(Metrics::sums);
        for place in summary.unmet_places() {
            complain(format_args!("no record was logged at {place}"));
            outcome.add(Outcome::Failed);
        }
        if summary.records > 0 {
            outcome.add(Outcome::Found);
        }
        let mut output = Output::new();
        if self.json {
            write_json(&summary, output.buffer());
            output.buffer().push('\n');
        } else {
            let extent = Extent { top: self.top, width: terminal_width() };
            tables::write(&summary, extent, self.tz, output.buffer());
        }
        if let Err(Closed(closed)) = output.finish() {
            outcome.add(closed);
        }
        outcome.into()
    }
}
