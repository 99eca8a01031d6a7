//! The processor's own count of the instructions that it executes, where the system gives access.

use std::io;

use perf_event::Builder;
use perf_event::events::Hardware;

/// How many instructions of this thread `work` takes, outside of the kernel; `None` if nothing
/// counts them.
pub fn count<T>(work: impl FnOnce() -> T) -> Option<u64> {
    Counter::new().ok()?.count(work)
}

pub struct Counter(perf_event::Counter);

impl Counter {
    /// Fails, with what can be done about it, on most virtual machines and where
    /// `perf_event_paranoid` forbids it.
    pub fn new() -> io::Result<Self> {
        match Builder::new(Hardware::INSTRUCTIONS).build() {
            Ok(counter) => Ok(Self(counter)),
            Err(error) => Err(io::Error::new(error.kind(), why(&error))),
        }
    }

    pub fn count<T>(&mut self, work: impl FnOnce() -> T) -> Option<u64> {
        self.0.enable().ok()?;
        let result = std::hint::black_box(work());
        self.0.disable().ok()?;
        drop(result);
        self.0.read().ok()
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "this machine has no such counter (a virtual one?)".into(),
        io::ErrorKind::PermissionDenied => {
            "the system forbids it (see /proc/sys/kernel/perf_event_paranoid)".into()
        }
        _ => error.to_string(),
    }
}
