//! From what came out to tables.

use std::fmt::Write;

use kymo_bench::statistics::COLUMNS;
use kymo_bench::table::{Table, readable};
use kymo_peers::catalogue::Entry;

use crate::options::Options;
use crate::program::Logger;
use crate::rounds::{PRODUCERS, Rounds};

/// The tables of figures, each with the measure that it belongs to.
pub fn tables(options: &Options, rounds: &Rounds) -> Vec<(&'static str, Table)> {
    let tables = [
        ("hot", hot(rounds)),
        ("latency", latency(rounds)),
        ("end-to-end", end_to_end(options, rounds)),
    ];
    tables.into_iter().filter(|(measure, _)| rounds.rows(measure).next().is_some()).collect()
}

fn hot(rounds: &Rounds) -> Table {
    let mut table = Table::new(
        "A call in a tight loop",
        &["ns/call", "± %", "bare read", "x bare", "x floor", "lost %"],
        "ns/call: median over batches of 4,096 calls, then over rounds; ±: half of the difference \
         between the largest and the smallest round. The queue is drained between batches. bare \
         read: a loop of counter reads beside each batch. x floor: a multiple of the floor program \
         with the same message.",
    );
    for row in rounds.rows("hot") {
        let (message, _) = row.split_once(' ').unwrap_or((row, ""));
        let (ns, bare) = (rounds.median("hot", row, "/ns"), rounds.median("hot", row, "/bare ns"));
        let floor = rounds.median("hot", &format!("{message:9} floor"), "/ns");
        let spread = rounds.spread("hot", row, "/ns");
        let lost = rounds.largest("hot", row, "/lost %");
        table.row(row, vec![ns, spread, bare, ns / bare, ns / floor, lost]);
    }
    table
}

fn latency(rounds: &Rounds) -> Table {
    let columns = COLUMNS.into_iter().chain(["empty p50", "lost %"]).collect::<Vec<_>>();
    let mut table = Table::new(
        "Single calls in bursts of 20, ns",
        &columns,
        "Pauses of 1 to 2 µs between the bursts; the queue is drained after each 4,080 calls. Each \
         call stands between two fenced counter reads; what these cost (empty) is not subtracted. \
         Medians over rounds; max is that of all rounds.",
    );
    for row in rounds.rows("latency") {
        let figure = |name: &str| {
            let pointer = format!("/ns/{name}");
            let of = if name == "max" { Rounds::largest } else { Rounds::median };
            of(rounds, "latency", row, &pointer)
        };
        let mut figures = COLUMNS.into_iter().map(figure).collect::<Vec<_>>();
        figures.push(rounds.median("latency", row, "/empty pair ns/p50"));
        figures.push(rounds.largest("latency", row, "/lost %"));
        table.row(row, figures);
    }
    table
}

fn end_to_end(options: &Options, rounds: &Rounds) -> Table {
    let mut table = Table::new(
        format!("End to end: {} messages and more until all is in the file", options.count),
        &["messages/s", "± %", "bytes in file", "CPU ns", "messages", "lost %"],
        "mixed, from the first call until the logger has ended. messages/s: those that are in the \
         file, which is read to count them; bytes and CPU (of all threads) for each. One producer \
         is pinned, several run where the system puts them, on the logger's core too.",
    );
    for row in rounds.rows("end-to-end") {
        let median = |pointer| rounds.median("end-to-end", row, pointer);
        let figures = vec![
            median("/messages~1s"),
            rounds.spread("end-to-end", row, "/messages~1s"),
            median("/bytes"),
            median("/cpu ns"),
            median("/logged"),
            rounds.largest("end-to-end", row, "/lost %"),
        ];
        table.row(row, figures);
    }
    table
}

/// One table in Markdown, for a README: a logger a row.
pub fn summary(loggers: &[Logger], rounds: &Rounds) -> String {
    let mut text = String::from(
        "| | a call in a tight loop, ns: mixed / ints / static | a single call, ns: p50 / p99 / \
         p99.9 / p99.99 | million messages/s until in the file: 1 / 2 / 4 producers | bytes a \
         message in the file | lost |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Logger { entry, .. } in loggers {
        let name = entry.name;
        let hot = ["mixed", "ints", "static"]
            .map(|message| rounds.median("hot", &format!("{message:9} {name}"), "/ns"));
        let row = format!("{:9} {name}", "mixed");
        let single = ["p50", "p99", "p99.9", "p99.99"]
            .map(|column| rounds.median("latency", &row, &format!("/ns/{column}")));
        let end = |producers: u64, pointer| {
            rounds.median("end-to-end", &format!("{producers} producers, {name}"), pointer)
        };
        let rates = PRODUCERS.map(|producers| end(producers, "/messages~1s") / 1e6);
        let bytes = end(1, "/bytes");
        let lost = lost(rounds, name);
        let cells = [join(&hot), join(&single), join(&rates), readable(bytes), lost];
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// What a logger lost, at worst, in each measure.
fn lost(rounds: &Rounds, name: &str) -> String {
    let measures = [("hot", "in the loop"), ("latency", "single"), ("end-to-end", "end to end")];
    let worst = |measure| {
        let rows = rounds.rows(measure).filter(|row| {
            let (_, rest) = row.split_once(' ').unwrap_or_default();
            rest.trim_start().trim_start_matches("producers, ") == name
        });
        rows.map(|row| rounds.largest(measure, row, "/lost %")).fold(0.0, f64::max)
    };
    let parts = measures.into_iter().map(|(measure, words)| (worst(measure), words));
    let parts = parts.filter(|(percent, _)| *percent > 0.0);
    let parts = parts.map(|(percent, words)| format!("{} % {words}", readable(percent)));
    parts.collect::<Vec<_>>().join(", ")
}

fn join(figures: &[f64]) -> String {
    figures.iter().map(|&figure| readable(figure)).collect::<Vec<_>>().join(" / ")
}

/// What is not a figure, in Markdown: what the loggers do not do, how they are set up, and what
/// could not be measured.
pub fn words(loggers: &[Logger], failed: &[(&'static Entry, String)], rounds: &Rounds) -> String {
    let mut text = String::from(
        "\n## What each does not do\n\n| logger | what | where that is written |\n| --- | --- | --- \
         |\n",
    );
    for Logger { entry, .. } in loggers {
        for lack in entry.lacks {
            let _ = writeln!(text, "| {} | {} | {} |", entry.name, lack.claim, lack.source);
        }
    }
    text.push_str(
        "\n## How each is set up\n\n| logger | configuration | recommended in |\n| --- | --- | --- \
         |\n",
    );
    for Logger { entry, .. } in loggers {
        let (name, how) = (entry.name, entry.configuration);
        let _ = writeln!(text, "| {name} | {how} | {} |", entry.recommended);
    }
    if !failed.is_empty() || !rounds.failures.is_empty() {
        text.push_str("\n## What could not be measured\n\n");
        for (entry, reason) in failed {
            let _ = writeln!(text, "- {}: does not build: {reason}", entry.name);
        }
        for (measure, row, reason) in &rounds.failures {
            let _ = writeln!(text, "- {measure}, {row}: {reason}");
        }
    }
    text
}
