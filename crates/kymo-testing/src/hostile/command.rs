//! What the command does with hostile bytes: a file goes through all formats, an expression through
//! the parser, and is asked about records.

use clap::Parser;
use kymo_reader::{Options, Order, Reader};

use kymo_cli::format;
use kymo_query::{CaretError, Expression, Reference, Scratch};

/// Once so much text came of one file, the rest of it is not printed.
const ENOUGH_TEXT: usize = 1 << 18;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    format: format::FormatArguments,
}

/// Prints a file in all formats.
pub fn print(file: &[u8]) {
    let pattern =
        "--format={time:%Y-%m-%d} {level:<7} {target} {thread:.3} {message:>9} {arg.a} {arg0}";
    for options in [
        &["--format=text"][..],
        &["--format=text", "--tz=Europe/Berlin", "--delta"],
        &["--format=json"],
        &["--format=json", "--relative"],
        &["--format=logfmt"],
        &["--format=csv", "--delta"],
        &[pattern, "--tz=+14:00"],
    ] {
        let arguments = ["kymo", "--color=never"].iter().chain(options);
        let command = Command::try_parse_from(arguments).expect("these options");
        let is_json = options[0].ends_with("json");
        let Ok(mut reader) = Options::new().order(Order::Time).from_slice(file) else { return };
        let mut lines = command.format.build(1).expect("these options");
        let (mut out, mut printed) = (String::new(), 0);
        while let Some(event) = reader.next_event().expect("memory can be read") {
            out.clear();
            lines.write(0, "a\u{1b}\n.kymo", &event, &mut out);
            assert!(out.is_empty() || out.ends_with('\n'), "no line: {out:?}");
            let line = out.strip_suffix('\n').unwrap_or(&out);
            assert!(!line.contains(is_hostile), "{line:?}");
            if is_json && !line.is_empty() {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON: {line}");
            }
            printed += out.len();
            if printed > ENOUGH_TEXT {
                break;
            }
        }
    }
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Parses an expression, writes it, and asks it about the records of `file`.
pub fn ask(expression: &str, file: &[u8]) {
    let mut expression: Expression = match expression.parse() {
        Ok(expression) => expression,
        Err(error) => {
            let error: CaretError = error;
            assert_eq!(error.to_string().lines().count(), 3, "{error}");
            return;
        }
    };
    expression
        .resolve(&Reference { zone: jiff::tz::TimeZone::UTC, now: jiff::Timestamp::UNIX_EPOCH });
    let Ok(mut reader) = Reader::from_slice(file) else { return };
    let mut scratch = Scratch::default();
    for _ in 0..100 {
        let Some(record) = reader.next_record().expect("memory can be read") else { break };
        let special = expression.specialize(record.call_site());
        let answer = special.is_true(&record, &mut scratch);
        if let Expression::Constant(constant) = special {
            assert_eq!(answer, constant == Some(true));
        }
    }
}
