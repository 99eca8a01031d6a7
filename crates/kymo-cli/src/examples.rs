//! Examples of the commands, shown by `--help` and in the manual pages.

use std::fmt::Write;

use clap::Command;

/// Examples: what is done, and the line that does it.
type Examples = &'static [(&'static str, &'static str)];

const KYMO: Examples = &[
    ("Print a log", "kymo cat app.kymo"),
    ("Follow it while it is written", "kymo tail -f app.kymo"),
    ("See what logs most", "kymo stats app.kymo"),
];

/// By command.
const COMMANDS: &[(&str, Examples)] = &[
    (
        "cat",
        &[
            (
                "Warnings and errors of the last five minutes",
                "kymo cat --level warn --since -5m app.kymo",
            ),
            (
                "Records by their values",
                "kymo cat --where 'px > 100 and account == \"ACME\"' app.kymo",
            ),
            ("All logs of a directory, merged by time, as JSON", "kymo cat --format json logs/"),
            (
                "The last error, and ten records before it",
                "kymo cat --level error --last 1 -B 10 app.kymo",
            ),
        ],
    ),
    #[cfg(all(unix, feature = "zstd"))]
    (
        "compress",
        &[
            ("The closed segments of a rotated log", "kymo compress app.kymo"),
            ("An old log, as small as can be", "kymo compress --level 19 app.1.kymo"),
        ],
    ),
    #[cfg(target_os = "linux")]
    (
        "ctl",
        &[
            ("What a running process has written and dropped", "kymo ctl app.kymo status"),
            (
                "More of one target, for five minutes",
                "kymo ctl app.kymo filter +net=trace --for 5m",
            ),
            ("In a script: all that was logged is in the file", "kymo ctl app.kymo flush --json"),
        ],
    ),
    (
        "cut",
        &[(
            "Five minutes of a rotated log, for a bug report",
            "kymo cut app.kymo --since 10:30 --until 10:35 -o part.kymo",
        )],
    ),
    (
        "export",
        &[
            ("A trace for ui.perfetto.dev", "kymo export --to perfetto trace.json app.kymo"),
            (
                "A table, without what was dropped",
                "kymo export --to csv --no-marks out.csv app.kymo",
            ),
        ],
    ),
    ("fields", &[("What --where and patterns can ask for", "kymo fields app.kymo")]),
    (
        "ls",
        &[
            ("The segments of a rotated log", "kymo ls app.kymo"),
            ("All logs of a directory, for a script", "kymo ls --json logs/"),
        ],
    ),
    (
        "prune",
        &[
            (
                "Keep a gigabyte, and nothing older than a month",
                "kymo prune --keep bytes=1G,age=30d app.kymo",
            ),
            ("See what would go", "kymo prune --dry-run --keep files=10 app.kymo"),
        ],
    ),
    ("recover", &[("After a process was killed", "kymo recover app.kymo")]),
    ("repair", &[("A whole copy of a damaged log", "kymo repair app.kymo whole.kymo")]),
    (
        "stats",
        &[
            ("What takes most of the file", "kymo stats --sort bytes --top 5 app.kymo"),
            (
                "The time from an order to its fill",
                "kymo stats --between 'order.rs:10,fill.rs:20' --by id app.kymo",
            ),
        ],
    ),
    (
        "tail",
        &[
            ("The last 100 records, and what follows", "kymo tail -n 100 -f app.kymo"),
            ("All logs of a directory, those to come included", "kymo tail -F logs/"),
        ],
    ),
    (
        "verify",
        &[
            ("Whether logs are whole", "kymo verify app.kymo other.kymo"),
            ("In a script", "kymo verify --quiet app.kymo"),
        ],
    ),
    (
        "completions",
        &[
            ("For bash", "kymo completions bash > ~/.local/share/bash-completion/completions/kymo"),
            ("For fish", "kymo completions fish > ~/.config/fish/completions/kymo.fish"),
        ],
    ),
    (
        "man",
        &[
            ("Read the page", "kymo man | man -l -"),
            ("Write all pages", "kymo man ~/.local/share/man/man1"),
        ],
    ),
];

/// Adds examples to the help of all commands.
pub fn add_to(kymo: Command) -> Command {
    COMMANDS.iter().fold(add(KYMO, kymo), |kymo, (name, examples)| {
        kymo.mut_subcommand(name, |command| add(examples, command))
    })
}

/// Adds examples before what follows the options in the long help.
fn add(examples: Examples, command: Command) -> Command {
    let mut text = String::from("Examples:\n");
    for (what, line) in examples {
        let _ = writeln!(text, "  {what}:\n    {line}");
    }
    if let Some(codes) = command.get_after_help() {
        let _ = write!(text, "\n{codes}");
    }
    command.after_long_help(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a line as a shell does, up to a redirection.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (Vec::new(), false);
        let mut word = String::new();
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                c => word.push(c),
            }
        }
        words.push(word);
        let end = words.iter().position(|word| word == ">" || word == "|");
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let kymo = crate::command();
        for command in kymo.get_subcommands() {
            assert!(COMMANDS.iter().any(|(name, _)| *name == command.get_name()), "{command}");
        }
        for (_, line) in COMMANDS.iter().flat_map(|(_, examples)| *examples).chain(KYMO) {
            let parsed = kymo.clone().try_get_matches_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
