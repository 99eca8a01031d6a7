//! What is true of the process.

pub(crate) mod allocate;
pub(crate) mod fork;
pub(crate) mod inside;
pub(crate) mod lock;
pub(crate) mod published;
pub(crate) mod signal_action;
pub(crate) mod thread_info;
