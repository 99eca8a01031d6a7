//! The name and the number of a thread, as the operating system knows them.

/// The name and the number of a thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadInfo {
    /// The name, empty if it has none.
    pub(crate) name: String,
    /// The operating system's number.
    pub(crate) os_id: u64,
}

impl ThreadInfo {
    /// Returns those of the calling thread.
    pub(crate) fn current() -> Self {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        Self { name, os_id: os_thread_id() }
    }
}

/// Returns the operating system's number of the calling thread. Async-signal-safe.
pub(crate) fn os_thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}
