//! The state and the tools of the process, at the bottom of the crate: statics, forks, signal
//! actions, locks on files.
//!
//! All that kymo keeps per process or per thread is in [`statics`]. The folder knows no logger;
//! only `statics` names types of the folders above it.

pub(crate) mod allocate;
pub(crate) mod fork;
pub(crate) mod inside;
pub(crate) mod lock;
pub(crate) mod published;
pub(crate) mod signal_action;
pub(crate) mod statics;
pub(crate) mod stay_loaded;
pub(crate) mod thread_info;

/// Gives the calling thread the usual scheduling policy and all cores of the process's cpuset, for
/// the consumer.
///
/// A thread inherits both from the thread that made it. If the consumer shared a core with a thread
/// of real-time policy, or had that policy itself, one would keep the other from running.
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
