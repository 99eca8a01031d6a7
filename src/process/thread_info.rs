//! Threads as the operating system knows them: name, number, scheduling.

use std::cell::Cell;

/// How many bytes of its name a thread keeps for its end.
const KEPT_BYTES: usize = 64;

thread_local! {
    /// The name, and its length, which is larger than the array as long as there is none. Without a destructor, so that
    /// it is there until the thread is gone.
    static KEPT_NAME: Cell<([u8; KEPT_BYTES], usize)> =
        const { Cell::new(([0; KEPT_BYTES], usize::MAX)) };
}

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
        let mut kept = [0; KEPT_BYTES];
        let length = (0..=name.len().min(KEPT_BYTES)).rfind(|at| name.is_char_boundary(*at));
        let length = length.unwrap_or(0);
        kept[..length].copy_from_slice(&name.as_bytes()[..length]);
        KEPT_NAME.set((kept, length));
        Self { name, os_id: os_thread_id() }
    }

    /// Returns those of the calling thread, whose thread-locals are being destroyed, or have been.
    ///
    /// The standard library may not know it any more: asked for the name, it would end the process. So this is the name
    /// that was known at the thread's first log call, or else the system's, of 15 bytes.
    pub(crate) fn of_ending_thread() -> Self {
        let (kept, length) = KEPT_NAME.get();
        let name = match kept.get(..length) {
            Some(name) => String::from_utf8_lossy(name).into_owned(),
            None => rustix::thread::name()
                .map_or(String::new(), |name| name.to_string_lossy().into_owned()),
        };
        Self { name, os_id: os_thread_id() }
    }
}

/// Returns the operating system's number of the calling thread. Async-signal-safe.
pub(crate) fn os_thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}

/// Gives the calling thread the usual scheduling policy and all cores of the process's cpuset, for
/// the consumer.
///
/// A thread inherits both from the thread that made it. If the consumer shared a core with a thread
/// of real-time policy, or had that policy itself, one would keep the other from running.
pub(crate) fn be_ordinary() {
    // SAFETY: an all-zero value is one of this type: no priority.
    let none: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: valid for a read. If the system refuses it, the thread stays as it is.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const none) };
    let mut all = rustix::thread::CpuSet::new();
    (0..rustix::thread::CpuSet::MAX_CPU).for_each(|core| all.set(core));
    // The system leaves out those that are not the process's.
    let _ = rustix::thread::sched_setaffinity(None, &all);
}

/// Makes the calling thread the least important one, for the processor and for the disk. Each step that the system
/// refuses changes nothing.
///
/// Not by `SCHED_IDLE`: on a busy machine a thread with that policy may not run for minutes, and others may wait for a
/// lock that it holds.
pub(crate) fn be_idle() {
    /// `IOPRIO_WHO_PROCESS`: here a thread, the calling one.
    const WHO: libc::c_int = 1;
    /// `IOPRIO_CLASS_IDLE`: only if nobody else reads or writes.
    const IDLE: libc::c_int = 3 << 13;
    let _ = rustix::process::setpriority_process(None, 19);
    // SAFETY: a call without pointers.
    unsafe { libc::syscall(libc::SYS_ioprio_set, WHO, 0, IDLE) };
}
