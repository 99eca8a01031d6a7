//! The state and the tools of the process, at the bottom of the crate: statics, forks, signal
//! actions, locks on files.
//!
//! All that kymo keeps per process or per thread is in [`statics`]. The folder knows no logger;
//! only `statics` names types of the folders above it.

pub(crate) mod allocate;
pub(crate) mod fork;
pub(crate) mod inside;
pub(crate) mod own_thread;
pub(crate) mod published;
pub(crate) mod signal_action;
pub(crate) mod statics;
pub(crate) mod stay_loaded;
pub(crate) mod thread_info;

pub(crate) use kymo_files::lock;
