//! quicklog.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};
use quicklog_flush::Flush;

struct Quicklog {
    stop: Arc<AtomicBool>,
    flusher: JoinHandle<()>,
}

struct Calls;

/// quicklog's own flusher opens the file for each line; this one, which is what its trait is for,
/// keeps it open.
struct Buffered(BufWriter<File>);

impl Flush for Buffered {
    fn flush_one(&mut self, line: String) {
        self.0.write_all(line.as_bytes()).expect("the file can be written");
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.0.flush().expect("the file can be written");
    }
}

impl Peer for Quicklog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        let file = BufWriter::new(File::create(setup.file())?);
        quicklog::init!();
        quicklog::with_flush!(Buffered(file));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        // As in its documentation: "flush on separate thread", in a loop.
        let flusher = std::thread::spawn(move || {
            loop {
                // Acquire: pairs with the release store in `stop`: what was logged is seen.
                let last = stopped.load(Ordering::Acquire);
                while quicklog::try_flush!().is_ok() {}
                if last {
                    break;
                }
            }
            // The flusher that is replaced writes what it has buffered.
            quicklog::with_flush!(quicklog_flush::noop_flusher::NoopFlusher);
        });
        Ok(Self { stop, flusher })
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        self.stop.store(true, Ordering::Release);
        self.flusher.join().map_err(|_| "the flushing thread panicked")?;
        Ok(None)
    }
}

log_with!(Calls: quicklog::info, quicklog::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Quicklog>()
}
