//! ftlog.

use ftlog::appender::FileAppender;
use ftlog::{LevelFilter, LoggerGuard};

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};

struct Ftlog(LoggerGuard);

struct Calls;

impl Peer for Ftlog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // Its README: a bounded channel of 100,000, "set `true` to block"; UTC, "recommended"; the
        // feature `tsc`, "for higher performance without accuracy loss".
        let guard = ftlog::builder()
            .max_log_level(LevelFilter::Info)
            .bounded(100_000, true)
            .root(FileAppender::builder().path(setup.file()).build())
            .utc()
            .try_init()?;
        Ok(Self(guard))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }
}

log_with!(Calls: log::info, log::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Ftlog>()
}
