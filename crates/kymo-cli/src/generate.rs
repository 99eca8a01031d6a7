//! `kymo completions` and `kymo man`, made from the table of commands and options of the help.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::fresh::{self, Fresh};
use crate::outcome::{Outcome, complain};

/// Prints a script that completes kymo's commands and options in a shell.
///
/// For example, `kymo completions bash > ~/.local/share/bash-completion/completions/kymo`, or
/// `kymo completions fish > ~/.config/fish/completions/kymo.fish`.
#[derive(Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the manual page, or writes those of all commands.
///
/// `kymo man | man -l -` shows it. With a directory, `kymo.1`, `kymo-cat.1` and so on are written
/// there.
#[derive(Args)]
pub struct Manual {
    /// Where the pages of all commands are written; it must exist
    directory: Option<PathBuf>,
}

impl Completions {
    /// Runs the command, for the command line `kymo`.
    pub fn run(self, kymo: &mut Command) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, kymo, "kymo", &mut script);
        print(&script)
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

/// The manual page of a command.
fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
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
