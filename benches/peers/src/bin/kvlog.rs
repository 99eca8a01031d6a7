//! kvlog: binary, key and value.

use std::path::Path;

use kvlog::collector::LoggerGuard;
use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};

struct Kvlog(LoggerGuard);

struct Calls;

impl Peer for Kvlog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // "SingleFile" of its README: binary, which is what makes it fast.
        Ok(Self(kvlog::collector::init_file_logger(&setup.file().to_string_lossy())))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }

    fn messages_in(file: &Path, _marker: &str) -> Result<u64> {
        let bytes = std::fs::read(file)?;
        let mut messages = 0;
        for message in kvlog::encoding::decode(&bytes) {
            message.map_err(|error| format!("kvlog cannot read its file: {error:?}"))?;
            messages += 1;
        }
        Ok(messages)
    }
}

impl Producer for Calls {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        kvlog::info!("order filled", id, px, who);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        kvlog::info!("tick", a, b, c);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        kvlog::info!("heartbeat");
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        kvlog::info!("text", text);
    }

    /// Its only level below the others, `debug`, is chosen when it is compiled.
    #[inline(always)]
    fn disabled(&mut self, _id: u64, _px: f64, _who: &str) {}
}

fn main() -> std::process::ExitCode {
    driver::main::<Kvlog>()
}
