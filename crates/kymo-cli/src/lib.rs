//! The `kymo` command: reads the log files that kymo writes.
//!
//! Each command is a file or a folder. They share:
//!
//! - `segment` writes a log file frame by frame;
//! - `input` opens log files and judges them after reading; `walk` reads one frame by frame;
//! - `filter` has the options for which records are wanted, `selection` those for how many;
//! - `format` has the options for how records are printed; `output` is standard output, `machine` JSON for it;
//! - `fresh` is a file that appears when it is complete;
//! - `outcome` is the exit code and the lines on standard error; `interrupt` is Ctrl-C; `progress` is a
//!   progress bar;
//! - `examples` are those of the help.
//!
//! Text from a log file may be hostile and goes to a terminal. It leaves only through the reader's
//! escaping functions.
#![forbid(unsafe_code)]

mod cat;
#[cfg(all(unix, feature = "zstd"))]
mod compress;
#[cfg(target_os = "linux")]
mod ctl;
mod cut;
mod examples;
mod export;
mod fields;
mod filter;
#[doc(hidden)]
pub mod format;
mod fresh;
mod generate;
mod input;
mod interrupt;
mod latest;
mod ls;
mod machine;
mod outcome;
mod output;
mod parallel;
mod progress;
mod prune;
mod recover;
mod repair;
mod segment;
mod selection;
mod stats;
mod tail;
mod verify;
mod walk;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Reads the log files that kymo writes.
#[derive(Parser)]
#[command(name = "kymo", bin_name = "kymo", version, arg_required_else_help = true)]
#[command(after_help = outcome::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Cat(cat::Cat),
    #[cfg(all(unix, feature = "zstd"))]
    Compress(compress::Compress),
    #[cfg(target_os = "linux")]
    Ctl(ctl::Ctl),
    Cut(cut::Cut),
    Export(export::Export),
    Fields(fields::Fields),
    Ls(ls::Ls),
    Prune(prune::Prune),
    Recover(recover::Recover),
    Repair(repair::Repair),
    Stats(stats::Stats),
    Tail(tail::Tail),
    Verify(verify::Verify),
    Completions(generate::Completions),
    #[command(name = "man")]
    Manual(generate::Manual),
}

/// Runs the command with the arguments of this process.
pub fn main() -> ExitCode {
    input::allow_many_files();
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match cli.command {
        Command::Cat(command) => command.run(),
        #[cfg(all(unix, feature = "zstd"))]
        Command::Compress(command) => command.run(),
        #[cfg(target_os = "linux")]
        Command::Ctl(command) => command.run(),
        Command::Cut(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Fields(command) => command.run(),
        Command::Ls(command) => command.run(),
        Command::Prune(command) => command.run().into(),
        Command::Recover(command) => command.run().into(),
        Command::Repair(command) => command.run(),
        Command::Stats(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Completions(completions) => completions.run(&mut command()).into(),
        Command::Manual(manual) => manual.run(command()).into(),
    }
}

/// The command line, with its examples.
fn command() -> clap::Command {
    examples::add_to(Cli::command())
}

/// Parses the arguments, or says why not.
fn parse(args: Vec<OsString>) -> Result<Cli, ExitCode> {
    // A message quotes arguments, which may come from anywhere. If there is something in them to
    // escape, the message has no colors of its own, so that all of it can be escaped.
    let is_plain = args.iter().all(|arg| outcome::is_plain(&arg.to_string_lossy()));
    let command = command().styles(if is_plain { Styles::styled() } else { Styles::plain() });
    let parsed = command.try_get_matches_from(args);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok(cli),
        Err(error) if is_plain || !error.use_stderr() => error.exit(),
        Err(error) => Err(outcome::refuse(&error.render().ansi().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_options_are_in_each_others_way() {
        command().debug_assert();
    }
}
