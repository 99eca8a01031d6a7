//! `kymo prune`: deletes the oldest segments of a rotated log, as its logger does.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use kymo::{Keep, KeepError};
use kymo_files::derived::Owner;
use kymo_files::keep::Space;
use kymo_files::retention::{Inventory, Situation, Stored, StoredFile, enforce, plan};
use kymo_files::segments::LogName;
use kymo_reader::write_escaped;

use crate::outcome::{Outcome, complain};
use crate::output::{Closed, Output};

const AFTER_HELP: &str = "\
Exit codes:
  0  something was deleted, or would be
  1  there was nothing to delete
  2  an error: something could not be deleted, or the current segment alone exceeds a limit";

/// Deletes the oldest segments of a rotated log until limits hold, as its logger does.
///
/// Segments go with all that is beside them, and with what the rings of their killed processes hold: recover that
/// before (`kymo recover`). A file goes only if its header names the log, and if it belongs to the
/// owner of the log, or to root. The newest segment stays, and the log may be written meanwhile.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Prune {
    /// The log: the link to its current segment, or a segment of it
    #[arg(value_name = "LOG")]
    log: PathBuf,

    /// What to keep, between commas: bytes=8G (all files together), files=100, age=30d, free=5% (of the file system)
    #[arg(long, value_name = "LIMITS")]
    keep: Keep,

    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

/// A log on the disk.
struct Log {
    name: LogName,
    id: [u8; 16],
    owner: Owner,
    inventory: Inventory,
    now: Situation,
}

impl Prune {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        match self.prune() {
            Ok(outcome) => outcome,
            Err(error) => {
                complain(format_args!("{}: {error}", self.log.display()));
                Outcome::Failed
            }
        }
    }

    fn prune(&self) -> Result<Outcome, String> {
        let log = Log::open(&self.log)?;
        let mut outcome = Outcome::Nothing;
        for other in &log.inventory.others {
            let other = log.name.directory().join(other);
            complain(format_args!("{}: not a segment of this log: left alone", other.display()));
        }
        let mut lines = String::new();
        let put = |name: &std::ffi::OsStr, lines: &mut String| {
            let verb = if self.dry_run { "would delete" } else { "deleted" };
            let _ = write!(lines, "{verb} ");
            write_escaped(&log.name.directory().join(name).to_string_lossy(), lines);
            lines.push('\n');
        };
        let discarded: u64;
        let (segments, files, bytes) = if self.dry_run {
            let all = &log.inventory.segments;
            let planned = plan(all, &self.keep, &log.now);
            let gone = || planned.iter().map(|index| &all[*index]);
            gone().flat_map(|it| &it.files).for_each(|file| put(&file.name, &mut lines));
            let own = gone().flat_map(|it| &it.files).filter(|file| !file.is_beside);
            let left = |file: &StoredFile| kymo::recoverable(log.name.directory().join(&file.name));
            discarded = own.map(|file| left(file).records).sum();
            let files = gone().map(|stored| stored.files.len()).sum();
            (planned.len() as u64, files, gone().map(Stored::bytes).sum())
        } else {
            let deleted =
                enforce(&log.name, log.id, log.owner, &self.keep, &log.now, &kymo::discard_rings)
                    .map_err(|error| error.to_string())?;
            discarded = deleted.discarded;
            deleted.names.iter().for_each(|name| put(name, &mut lines));
            for (path, error) in &deleted.errors {
                complain(format_args!("{}: {error}", path.display()));
                outcome.add(Outcome::Failed);
            }
            (deleted.segments, deleted.names.len(), deleted.bytes)
        };
        if files > 0 {
            outcome.add(Outcome::Found);
            let _ = writeln!(lines, "{segments} segments, {files} files, {bytes} bytes");
        }
        if discarded > 0 {
            let (verb, hint) = match self.dry_run {
                true => ("would go", ": `kymo recover` saves them"),
                false => ("have gone", ""),
            };
            let path = log.name.path();
            complain(format_args!(
                "{}: {discarded} records in rings of killed processes {verb} with their segments{hint}",
                path.display()
            ));
        }
        outcome.add(self.check_rest(&log));
        let mut output = Output::new();
        output.buffer().push_str(&lines);
        if let Err(Closed(closed)) = output.finish() {
            outcome.add(closed);
        }
        Ok(outcome)
    }

    /// Complains if what has to stay exceeds the limit.
    fn check_rest(&self, log: &Log) -> Outcome {
        let stays = |stored: &&Stored| stored.sequence >= log.now.first_kept;
        let kept: u64 = log.inventory.segments.iter().filter(stays).map(Stored::bytes).sum();
        match self.keep.check_room(kept + log.now.other_bytes, log.now.space) {
            Err(KeepError::Bytes { limit, needed }) => {
                let path = log.name.path();
                complain(format_args!(
                    "{}: the current segment, which stays, takes {needed} bytes, more than {limit}",
                    path.display()
                ));
                Outcome::Failed
            }
            _ => Outcome::Nothing,
        }
    }
}

impl Log {
    /// The log that a link leads to, or of which a file is a segment.
    fn open(path: &Path) -> Result<Self, String> {
        // Whose link it is, and not whose file: a link that others made leads to nothing of theirs that is trusted.
        let found = std::fs::symlink_metadata(path).map_err(|error| error.to_string())?;
        let owner = Owner::of(&found);
        let is_no_log = || "this is no rotated log: name its link, or a segment of it".to_owned();
        let (name, of) = match found.is_symlink() {
            true => {
                let target = std::fs::read_link(path).map_err(|error| error.to_string())?;
                let name = LogName::new(path);
                (name.clone(), name.directory().join(target.file_name().ok_or_else(is_no_log)?))
            }
            false => (LogName::of_segment(path).ok_or_else(is_no_log)?, path.to_owned()),
        };
        let segments = name.list(owner).map_err(|error| error.to_string())?;
        let named = segments.iter().find(|file| file.path.file_name() == of.file_name());
        let id = named.and_then(|file| file.header.as_ref()).map(|header| header.log);
        let id = id.filter(|id| *id != [0; 16]).ok_or_else(is_no_log)?;
        let inventory = Inventory::read(&name, id, owner).map_err(|error| error.to_string())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Situation {
            now_ns: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
            first_kept: inventory.segments.last().map_or(0, |newest| newest.sequence),
            kept_bytes: 0,
            other_bytes: inventory.temporary_bytes,
            other_files: 0,
            space: Space::of(name.directory()).map_err(|error| error.to_string())?,
        };
        Ok(Self { name, id, owner, inventory, now })
    }
}
