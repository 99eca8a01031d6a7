//! The `kymo` command: reads the log files that kymo writes.
//!
//! One file per command, and what they share beside them: `input` opens log files and judges what
//! was found in them, `filter` says which records are wanted and `selection` how many of them, `format`
//! turns them into lines, `output` is standard output, `outcome` is the exit code and the lines on
//! standard error.
//!
//! Whatever comes out of a log file may be hostile, and goes to a terminal: it leaves only through
//! the reader's escaping functions.
#![forbid(unsafe_code)]

mod argument;
mod caret;
mod cat;
mod expression;
mod filter;
mod format;
#[cfg(test)]
mod hostile;
mod input;
mod outcome;
mod output;
mod point;
mod selection;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Reads the log files that kymo writes.
#[derive(Parser)]
#[command(name = "kymo", version, arg_required_else_help = true, after_help = outcome::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Cat(cat::Cat),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Cat(cat) => cat.run().into(),
    }
}
