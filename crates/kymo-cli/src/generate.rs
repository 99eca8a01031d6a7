//! `kymo completions` and `kymo man`, made from the table of commands and options of the help.

mod logs;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::fresh::{self, Fresh};
use crate::outcome::{Outcome, complain};

const AFTER_HELP: &str = "\
Exit codes:
  0  all was written; also where whoever read the output stopped reading
  2  an error: the command was misused, or the output failed";

/// Prints a script that completes kymo's commands and options in a shell.
///
/// In bash, fish and zsh, log files are completed too: files named *.kymo, and directories.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the manual page, or writes those of all commands.
///
/// With a directory, `kymo.1`, `kymo-cat.1` and so on are written there.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Manual {
    /// Where the pages of all commands are written; it must exist
    directory: Option<PathBuf>,
}

impl Completions {
    /// Runs the command, for the command line `kymo`.
    pub fn run(self, kymo: &mut Command) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, kymo, "kymo", &mut script);
        // It is made of the help's text.
        let mut script = String::from_utf8_lossy(&script).into_owned();
        logs::complete(self.shell, kymo, &mut script);
        print(script.as_bytes())
    }
}

impl Manual {
    /// Runs the command, for the command line `kymo`.
    pub fn run(self, kymo: Command) -> Outcome {
        match self.directory {
            None => match page(kymo) {
                Ok(page) => print(&page),
                Err(error) => failed("the manual page", &error),
            },
            Some(directory) => match write_pages(kymo, &directory) {
                Ok(()) => Outcome::Found,
                Err((path, error)) => failed(&path.display().to_string(), &error),
            },
        }
    }
}

/// The manual page of a command. What follows the options in the help is sections of their own.
fn page(mut command: Command) -> io::Result<Vec<u8>> {
    let after = command.get_after_long_help().or(command.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    command.build();
    let has_commands = command.has_subcommands();
    let (man, mut page) = (Man::new(command), Vec::new());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    after_help(&after).to_writer(&mut page)?;
    Ok(page)
}

/// The exit codes and the examples. Their lines stay as they are.
fn after_help(text: &str) -> Roff {
    let mut sections: Vec<(&str, &str)> =
        text.split("\n\n").filter_map(|section| section.split_once(":\n")).collect();
    // The order of manual pages: examples come last.
    sections.sort_by_key(|(title, _)| *title == "Examples");
    let mut roff = Roff::new();
    for (title, lines) in sections {
        let title = title.to_uppercase().replace("EXIT CODES", "EXIT STATUS");
        roff.control("SH", [title.as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

/// Writes the pages of a command and of those below it.
fn write_pages(mut kymo: Command, directory: &Path) -> Result<(), (PathBuf, io::Error)> {
    // Gives the commands below their full names.
    kymo.build();
    let below = kymo.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    let commands: Vec<Command> = below.collect();
    for command in [kymo].into_iter().chain(commands) {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let path = directory.join(format!("{name}.1"));
        let page = page(command).map_err(|error| (path.clone(), error))?;
        write_page(&path, &page).map_err(|error| (path, io::Error::other(error)))?;
    }
    Ok(())
}

/// Writes a page. Its name is known to all: no link is followed.
fn write_page(path: &Path, page: &[u8]) -> Result<(), fresh::FreshFileError> {
    let mut fresh = Fresh::create(path, true, [])?;
    fresh.file().write_all(page).map_err(fresh::FreshFileError::Io)?;
    fresh.complete()
}

fn print(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Outcome::Found,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::Found,
        Err(error) => failed("standard output", &error),
    }
}

fn failed(what: &str, error: &io::Error) -> Outcome {
    complain(format_args!("cannot write {what}: {error}"));
    Outcome::Failed
}
