//! `kymo compress`: compresses closed logs and segments, as a logger does with `compress(true)`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use kymo_files::derived::Owner;
use kymo_files::segments::LogName;
use kymo_reader::Log;
use kymo_zstd::{
    CompressError, Compressed, Compression, DEFAULT_LEVEL, Problem, compress_segment, sweep,
};

use crate::interrupt;
use crate::outcome::complain;
use crate::progress::Progress;

const AFTER_HELP: &str = "\
Exit codes:
  0  everything that was named is compressed
  2  something is not: it is as it was before";

/// Compresses closed logs and segments.
///
/// `app.kymo` becomes `app.kymo.zst`, which all commands read, and seek in, as they do in the original.
/// `zstd -d` gives the original back. It is removed when the compressed file is on the disk and was read
/// back. Owner, permissions and time are kept.
///
/// Of a rotated log, all segments but the last are compressed. A file that is being written is left
/// alone, and so is one whose writer died, unless --unclosed is given.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Compress {
    /// Rotated logs, or files
    #[arg(required = true, value_name = "LOG|FILE")]
    paths: Vec<PathBuf>,

    /// How hard to try: from 1, the fastest, to 22
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LEVEL,
        value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,

    /// Also files whose writer died. Those with records in rings are refused: run `kymo recover` first
    #[arg(long)]
    unclosed: bool,
}

impl Compress {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut failed = false;
        for path in &self.paths {
            let segments = segments(path).unwrap_or_else(|error| {
                complain(format_args!("{}: {error}", path.display()));
                failed = true;
                Vec::new()
            });
            for segment in segments {
                if interrupt::requested() {
                    return interrupt::exit_code();
                }
                let left = if self.unclosed { kymo::recoverable(&segment).records } else { 0 };
                if left > 0 {
                    complain(format_args!(
                        "{}: its process has left {left} records in rings, which nothing could recover \
                         afterwards: run `kymo recover` first",
                        segment.display()
                    ));
                    failed = true;
                    continue;
                }
                match self.compress(&segment) {
                    Ok(Compressed { path, bytes_before, bytes_after, .. }) => {
                        let ratio = bytes_before as f64 / bytes_after.max(1) as f64;
                        complain(format_args!(
                            "{}: {bytes_before} bytes to {bytes_after}, {ratio:.1} to 1",
                            path.display()
                        ));
                    }
                    Err(_) if interrupt::requested() => return interrupt::exit_code(),
                    Err(error) => {
                        let is_unclosed = matches!(error.problem, Problem::NotClosed);
                        let hint =
                            if is_unclosed { ". --unclosed compresses it as it is" } else { "" };
                        complain(format_args!("{error}{hint}"));
                        failed = true;
                    }
                }
            }
        }
        ExitCode::from(if failed { 2 } else { 0 })
    }

    fn compress(&self, path: &Path) -> Result<Compressed, CompressError> {
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        let progress = Progress::new("compress", 2 * bytes);
        let compression = Compression::default().level(self.level).unclosed(self.unclosed);
        compress_segment(
            path,
            compression.go_on(|done, _| {
                progress.at(done);
                !interrupt::requested()
            }),
        )
    }
}

/// The files to compress: of a rotated log all but the last segment, which may be written, or have to be recovered.
fn segments(path: &Path) -> Result<Vec<PathBuf>, String> {
    let log = Log::find(path).map_err(|error| error.error.to_string())?;
    if !log.is_rotated() {
        return Ok(vec![path.to_owned()]);
    }
    let Some((last, closed)) = log.segments().split_last() else { return Ok(Vec::new()) };
    if let (Ok(metadata), Some(name)) = (last.path.metadata(), LogName::of_segment(&last.path)) {
        // If it cannot be read, that is told below.
        let _ = sweep(&name, Owner::of(&metadata));
    }
    Ok(closed.iter().filter(|it| !it.is_compressed).map(|it| it.path.clone()).collect())
}
