//! What the operating system knows of a thread.

/// What is known of a thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadInfo {
    /// Its name, empty where it has none.
    pub(crate) name: String,
    /// The operating system's number of it.
    pub(crate) os_id: u64,
}

impl ThreadInfo {
    /// The calling thread's.
    pub(crate) fn current() -> Self {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        Self { name, os_id: os_thread_id() }
    }
}

/// The operating system's number of the calling thread. Async-signal-safe.
pub(crate) fn os_thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}
