//! The options that say how a record is printed: `--format`, `--tz`, `--color` and spans of time.
//!
//! The formats themselves are in the crate `kymo-lines`.

mod parser;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo_lines::{Lines, Named, Options, Pattern, Since};

use kymo_query::time;
use kymo_query::{Argument, Catalog};
use parser::FormatParser;

/// The options that say how a record is printed.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Output")]
pub struct FormatArguments {
    /// What is printed for a record, or a pattern: '{time:%H:%M:%S%.6f} {level:5} {message}'
    ///
    /// A pattern has the fields time, relative, delta, level, thread, target, module, file, line,
    /// message, fields, log, arg.NAME or arg0, span (the innermost), spans (all of them), and span.NAME
    /// (a field of a span). After a colon follows, as in Rust,
    /// `[[fill]align][sign][#][0][width][.precision][type]` ({arg.px:.2}, {arg.id:08x}), and for the
    /// time strftime's notation. `{{` and `}}` are braces.
    #[arg(long, default_value = "text", value_parser = FormatParser)]
    format: FormatChoice,

    /// The time zone of text: the name of a zone (Europe/Berlin), an offset (+02:00), or `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,

    /// The time since the first line that is printed: text shows it in place of the time
    #[arg(long, conflicts_with = "delta")]
    relative: bool,

    /// The time since the line that was printed before
    #[arg(long)]
    delta: bool,

    /// Also print the records that say where spans begin, change and end
    #[arg(long)]
    spans: bool,

    /// When to use colours; NO_COLOR is heeded
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
}

/// The value of `--format`.
#[derive(Clone, Debug)]
pub enum FormatChoice {
    Named(&'static Named),
    Pattern(Pattern),
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Color {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

impl FormatArguments {
    /// Whether records that tell of spans are printed.
    pub fn shows_spans(&self) -> bool {
        self.spans
    }

    /// The time zone of what is printed, and of what the user writes without an offset.
    pub fn zone(&self) -> &TimeZone {
        &self.tz
    }

    /// Makes the printer of events from so many files.
    ///
    /// # Errors
    /// If options contradict each other, in words.
    pub fn build(&self, files: usize) -> Result<Lines, &'static str> {
        let since = match (self.relative, self.delta) {
            (true, _) => Some(Since::First),
            (_, true) => Some(Since::Previous),
            _ => None,
        };
        let options = Options::new().files(files).zone(self.tz.clone()).since(since);
        let options = options.coloured(self.color.wanted());
        match &self.format {
            FormatChoice::Named(named) => Ok(named.lines(&options)),
            FormatChoice::Pattern(_) if since.is_some() => {
                Err("a pattern has {relative} and {delta} for --relative and --delta")
            }
            FormatChoice::Pattern(pattern) => Ok(Lines::pattern(pattern, &options)),
        }
    }
}

/// Hints about arguments of a pattern that no statement has.
pub fn hints(shown: &[Argument], catalog: &Catalog) -> Vec<String> {
    let mut hints = Vec::new();
    for argument in shown {
        let hint = catalog.hint_of_argument(argument).map(|hint| format!("--format: {hint}"));
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
    }
    hints
}

impl Color {
    /// Whether standard output is to be coloured.
    fn wanted(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => AutoStream::choice(&std::io::stdout()) != ColorChoice::Never,
        }
    }
}
