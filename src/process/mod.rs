//! What is true of the process.

pub(crate) mod allocate;
pub(crate) mod fork;
pub(crate) mod inside;
pub(crate) mod lock;
pub(crate) mod published;
pub(crate) mod signal_action;
pub(crate) mod statics;
pub(crate) mod stay_loaded;
pub(crate) mod thread_info;

/// Gives the calling thread the usual scheduling policy, and all cores of the process's cpuset. It would
/// have those of the thread that made it: a consumer that shares the core of a thread with a real-time
/// policy, or has that policy itself, keeps that thread from running, or is kept by it.
pub(crate) fn be_ordinary() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: an all-zero value is one of this type: no priority.
        let none: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: valid for a read. Where the system refuses it, the thread stays as it is.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const none) };
        let mut all = rustix::thread::CpuSet::new();
        (0..rustix::thread::CpuSet::MAX_CPU).for_each(|core| all.set(core));
        // The system leaves out those that are not the process's.
        let _ = rustix::thread::sched_setaffinity(None, &all);
    }
}
