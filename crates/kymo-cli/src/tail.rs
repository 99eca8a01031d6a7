//! `kymo tail`: prints the last records of log files, and follows them.
//!
//! While a file is followed, its records are read in the order of the file. Those that arrive together
//! are sorted by time before they are printed. So no record waits for a watermark, which comes once a
//! second with a coarse clock. A sweep is committed in one piece, so that this is the order of time,
//! except for records that reached the file late.

mod batch;
mod rotated;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use kymo_reader::Directory;

use crate::filter;
use crate::format;
use crate::interrupt;
use crate::latest::Latest;
use crate::outcome::{Outcome, complain};
use crate::output::{Closed, Output};
use crate::progress::Progress;
use batch::Batch;
use kymo_query::Reference;
use rotated::Followed;
use source::{Ended, Identity, NotYet, Source};

/// How long the command sleeps when there is nothing new. A writer that has nothing to do sleeps
/// for up to 5 ms by itself.
const POLL: Duration = Duration::from_millis(5);

/// How often the command checks whether a writer has died, and whether there are new files.
const LOOK: Duration = Duration::from_millis(100);

/// How often the command checks the files of a directory in which none was made or renamed lately.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Exit codes:
  0    a record was printed; also where whoever read the output stopped reading
  1    none was
  2    an error: the command was misused, a file is missing or none of kymo's, the output failed,
       or something in a file is damaged or lost
  130  interrupted by Ctrl-C";

/// Prints the last records of log files, and follows those that are being written.
///
/// With -f, records are printed as they arrive, until the writer closes the file. If the writer dies,
/// all that it had written is printed. Drops are shown in their places. With -F, the command waits
/// for the next file of that name. In a directory, all files named *.kymo are followed, including
/// those that are made later. A rotated log is followed as one file: where a segment ends, the next one
/// begins.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Tail {
    /// The log files, rotated logs, or directories of files named *.kymo; `-` is standard input, to its end
    #[arg(required = true, value_name = "FILE|LOG|DIR")]
    paths: Vec<PathBuf>,

    /// Follow: print what is logged from now on
    #[arg(short, long)]
    follow: bool,

    /// As -f, and wait for files that do not exist yet, and for the next file of that name
    #[arg(short = 'F', long)]
    follow_name: bool,

    /// How many of the existing records or marks to print
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,

    #[command(flatten)]
    filter: filter::FilterArguments,

    #[command(flatten)]
    format: format::FormatArguments,
}

/// The work of the command.
struct Work {
    targets: Vec<Target>,
    sources: Vec<Source>,
    batch: Batch,
    output: Output,
    outcome: Outcome,
    follow: bool,
    /// Go on with other files when one has ended.
    follow_name: bool,
    /// The number of the next file.
    next_number: usize,
    /// Older records need not be read at first.
    latest: Latest,
}

/// A path that the user named.
struct Target {
    path: PathBuf,
    is_directory: bool,
    /// The files that were followed. Of a file's own name, only the last.
    known: Vec<Identity>,
    /// The rotated logs that are followed, by their paths.
    logs: BTreeMap<PathBuf, Followed>,
    /// It is being made.
    is_awaited: bool,
    /// When the files of a directory were last looked at.
    looked: Option<Instant>,
}

impl Target {
    /// Whether it is a directory that is not to be looked into just yet. Files come and go with its
    /// time of change, but for those that are written over.
    fn is_settled(&self) -> bool {
        let is_older = |time: SystemTime| time.elapsed().is_ok_and(|ago| ago > LOOK_AGAIN);
        let modified = self.path.metadata().and_then(|metadata| metadata.modified());
        !self.is_awaited
            && self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN)
            && modified.is_ok_and(is_older)
    }
}

impl Tail {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut filter = self
            .filter
            .build_shown(&Reference::now(self.format.zone().clone()), self.format.shows_spans());
        let follow = self.follow || self.follow_name;
        let latest = Latest::of(&self.paths, &mut filter, self.lines as u64);
        let lines = match self.format.build(0) {
            Ok(lines) => lines,
            Err(contradiction) => {
                complain(contradiction);
                return Outcome::Failed.into();
            }
        };
        let mut output = Output::new();
        lines.begin(output.buffer());
        let target = |path: PathBuf| Target {
            is_directory: path.is_dir(),
            path,
            known: Vec::new(),
            logs: BTreeMap::new(),
            is_awaited: false,
            looked: None,
        };
        let mut work = Work {
            targets: self.paths.into_iter().map(target).collect(),
            sources: Vec::new(),
            batch: Batch::new(filter, lines, self.lines),
            output,
            outcome: Outcome::Nothing,
            follow,
            follow_name: self.follow_name,
            next_number: 0,
            latest,
        };
        if let Err(Closed(closed)) = work.run() {
            work.outcome.add(closed);
        }
        if interrupt::requested() { interrupt::exit_code() } else { work.outcome.into() }
    }
}

impl Work {
    fn run(&mut self) -> Result<(), Closed> {
        self.look_for_files(true);
        self.read_what_is_there();
        let readers = self.sources.iter().map(Source::reader);
        self.batch.complain_about_names(readers);
        self.batch.print(&mut self.output)?;
        self.batch.want_all();
        let mut looked = Instant::now();
        while !interrupt::requested() {
            self.retire();
            self.go_on_with_logs();
            let is_awaited = self.follow_name || self.targets.iter().any(|it| it.is_awaited);
            if self.sources.is_empty() && !is_awaited {
                break;
            }
            let is_more = self.read(None);
            self.batch.print(&mut self.output)?;
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if is_abandoned() {
                    break;
                }
                self.sources.iter_mut().for_each(Source::look_for_writer);
                self.look_for_files(false);
            }
            if !is_more {
                thread::sleep(POLL);
            }
        }
        if self.batch.printed() > 0 {
            self.outcome.add(Outcome::Found);
        }
        Ok(())
    }

    /// Reads all that exists already.
    fn read_what_is_there(&mut self) {
        let lengths = self.targets.iter().filter_map(|target| target.path.metadata().ok());
        let progress = Progress::new("read", lengths.map(|it| it.len()).max().unwrap_or(0));
        while self.read(Some(&progress)) {}
    }

    /// Reads new events, a part of each file at a time; `true` if there are more.
    fn read(&mut self, progress: Option<&Progress>) -> bool {
        let mut is_more = false;
        for source in &mut self.sources {
            match source.read(&mut self.batch, progress) {
                Ok(more) => is_more |= more,
                Err(error) => {
                    complain(format_args!("{}: {error}", source.name));
                    self.outcome.add(Outcome::Failed);
                    source.give_up();
                }
            }
        }
        is_more
    }

    /// Lets go of the files that have ended.
    fn retire(&mut self) {
        let outcome = &mut self.outcome;
        self.sources.retain_mut(|source| {
            let Some(ended) = source.ended() else { return true };
            let said = match ended {
                Ended::WriterGone => Some("the writer has gone"),
                Ended::Removed => Some("the file was removed"),
                Ended::Replaced => Some("the file was written over"),
                Ended::Read | Ended::Failed => None,
            };
            if let Some(said) = said {
                complain(format_args!("{}: {said}", source.name));
            }
            for complaint in source.complaints() {
                complain(complaint);
                outcome.add(Outcome::Failed);
            }
            false
        });
    }

    /// The number of a file that is read from now on.
    fn take_number(&mut self) -> usize {
        self.batch.add_file();
        self.next_number += 1;
        self.next_number - 1
    }

    /// Opens files that are not followed yet.
    fn look_for_files(&mut self, at_first: bool) {
        for index in 0..self.targets.len() {
            let target = &mut self.targets[index];
            if target.is_directory {
                self.look_into_directory(index, at_first);
            } else if at_first || self.follow_name || target.is_awaited {
                let path = target.path.clone();
                self.look_at_file(index, &path, at_first);
            }
        }
    }

    fn look_into_directory(&mut self, index: usize, at_first: bool) {
        let target = &mut self.targets[index];
        if target.is_settled() {
            return;
        }
        target.looked = Some(Instant::now());
        target.is_awaited = false;
        match Directory::read(&target.path) {
            Ok(mut directory) => {
                if !at_first {
                    // A log that is compressed meanwhile brings nothing new.
                    let is_compressed = |it: &Path| it.extension().is_some_and(|it| it == "zst");
                    directory
                        .logs
                        .retain(|log| !is_compressed(log) || target.logs.contains_key(log));
                }
                if at_first {
                    for refused in &directory.refused {
                        complain(refused);
                        self.outcome.add(Outcome::Failed);
                    }
                }
                // A number that was freed may be given to another file.
                let there: Vec<_> =
                    directory.logs.iter().filter_map(|log| Identity::of(log)).collect();
                target.known.retain(|identity| there.contains(identity));
                target.logs.retain(|path, _| directory.logs.contains(path));
                if directory.logs.is_empty() && at_first {
                    let waiting = if self.follow { "; waiting for one" } else { "" };
                    complain(format_args!(
                        "{}: is a directory without any file named *.kymo{waiting}",
                        target.path.display()
                    ));
                    if !self.follow {
                        self.outcome.add(Outcome::Failed);
                    }
                }
                // Until the first one comes.
                target.is_awaited =
                    self.follow && target.known.is_empty() && target.logs.is_empty();
                if at_first || self.follow {
                    for log in &directory.logs {
                        self.look_at_file(index, log, at_first);
                    }
                }
            }
            Err(error) if at_first => {
                complain(error);
                self.outcome.add(Outcome::Failed);
            }
            // It may come back.
            Err(_) => {}
        }
    }

    fn look_at_file(&mut self, index: usize, path: &Path, at_first: bool) {
        if self.look_at_log(index, path, at_first) {
            return;
        }
        let target = &mut self.targets[index];
        // The next file of a name waits until the last one was read to its end.
        let is_busy = self.sources.iter().any(|source| source.target == index);
        let identity = Identity::of(path);
        let is_known = identity.as_ref().is_some_and(|it| target.known.contains(it));
        if is_known || is_busy && !target.is_directory {
            return;
        }
        // Two things that the user named may lead to the same file.
        let is_this = |source: &Source| source.identity() == identity.as_ref();
        if identity.is_some() && self.sources.iter().any(is_this) {
            target.known.extend(identity);
            return;
        }
        if path.as_os_str() == "-" && !at_first {
            return;
        }
        let number = self.next_number;
        let latest = if at_first { self.latest.clone() } else { Latest::default() };
        match Source::open(path, index, number, (self.follow, latest), self.batch.filter()) {
            Ok(source) => {
                self.take_number();
                let target = &mut self.targets[index];
                if !target.is_directory {
                    target.known.clear();
                }
                target.known.extend(source.identity().cloned());
                if !target.is_directory {
                    target.is_awaited = false;
                }
                self.sources.push(source);
            }
            // It is being made.
            Err(NotYet { is_to_come: true, .. }) if self.follow => target.is_awaited = true,
            Err(NotYet { error, is_missing: true, .. }) if self.follow_name => {
                if at_first {
                    complain(format_args!("{}: {error}; waiting for it", path.display()));
                }
            }
            Err(NotYet { error, .. }) => {
                complain(format_args!("{}: {error}", path.display()));
                self.outcome.add(Outcome::Failed);
                // What is no log becomes none, unless it is made anew.
                target.known.extend(identity);
                if !target.is_directory {
                    target.is_awaited = false;
                }
            }
        }
    }
}

/// Whether nobody reads standard output any more: a pipe whose other end was closed.
#[cfg(unix)]
fn is_abandoned() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::ERR)
}

#[cfg(not(unix))]
fn is_abandoned() -> bool {
    false
}
