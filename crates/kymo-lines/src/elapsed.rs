//! Spans of time between lines: how long after the first one, or after the one before.
//!
//! Which line is the first, and which the previous, is known only at printing: context and the last
//! lines are held back, and most of them are never printed. So a line is formatted with a blank in
//! place of the span, and the blank is filled when the line is printed. The alternative, to keep the
//! record and format it later, would copy the record instead of the line.

use std::fmt::Write;

use super::layout::Layout;

/// The line at which a span begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The first line that was printed.
    First,
    /// The line that was printed before.
    Previous,
}

/// How a span is written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// In seconds with nine decimals, fitted into a column.
    Seconds(Layout),
    /// The number of nanoseconds.
    Nanoseconds,
}

/// Where in a line a span is missing.
#[derive(Clone, Copy, Debug)]
pub struct Blank {
    pub at: usize,
    pub since: Since,
    pub form: Form,
}

/// The times from which spans are counted.
#[derive(Default)]
pub struct Elapsed {
    first_ns: Option<i64>,
    previous_ns: Option<i64>,
    span: String,
}

impl Since {
    /// The name of the column.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "relative",
            Self::Previous => "delta",
        }
    }
}

impl Elapsed {
    /// Appends a line to `out`, its blanks filled. `time_ns` is the line's time, if it has one.
    pub fn write(&mut self, line: &str, time_ns: Option<i64>, blanks: &[Blank], out: &mut String) {
        let mut copied = 0;
        for blank in blanks {
            out.push_str(&line[copied..blank.at]);
            copied = blank.at;
            self.span.clear();
            if let Some(time_ns) = time_ns {
                let start = match blank.since {
                    Since::First => self.first_ns,
                    Since::Previous => self.previous_ns,
                };
                let span = i128::from(time_ns) - i128::from(start.unwrap_or(time_ns));
                let _ = match blank.form {
                    Form::Nanoseconds => write!(self.span, "{span}"),
                    Form::Seconds(_) => {
                        let (sign, span) = (if span < 0 { "-" } else { "" }, span.unsigned_abs());
                        let (seconds, rest) = (span / 1_000_000_000, span % 1_000_000_000);
                        write!(self.span, "{sign}{seconds}.{rest:09}")
                    }
                };
            }
            match blank.form {
                Form::Nanoseconds => out.push_str(&self.span),
                Form::Seconds(layout) => layout.write(&self.span, out),
            }
        }
        out.push_str(&line[copied..]);
        if let Some(time_ns) = time_ns {
            self.first_ns.get_or_insert(time_ns);
            self.previous_ns = Some(time_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans count from the first line and from the one before.
    #[test]
    fn spans_count_from_first_and_previous_line() {
        let mut elapsed = Elapsed::default();
        let mut out = String::new();
        let form = Form::Seconds(Layout::right(12));
        let blanks = [
            Blank { at: 1, since: Since::First, form },
            Blank { at: 2, since: Since::Previous, form: Form::Nanoseconds },
        ];
        for time in [Some(5), Some(1_000_000_007), None, Some(2)] {
            elapsed.write("<|>\n", time, &blanks, &mut out);
        }
        let expected = "< 0.000000000|0>\n< 1.000000002|1000000002>\n<            |>\n\
                        <-0.000000003|-1000000005>\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_span_may_be_longer_than_all_of_time() {
        let mut elapsed = Elapsed::default();
        let mut out = String::new();
        let blanks = [Blank { at: 0, since: Since::First, form: Form::Nanoseconds }];
        elapsed.write("", Some(i64::MIN), &[], &mut out);
        elapsed.write("", Some(i64::MAX), &blanks, &mut out);
        assert_eq!(out, u64::MAX.to_string());
    }
}
