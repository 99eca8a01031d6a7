//! What the threads that log and the consumer of one logger share.

pub(crate) mod control;
pub(crate) mod core;
pub(crate) mod dump_request;
pub(crate) mod emergency;
pub(crate) mod mailbox;
pub(crate) mod orphans;
pub(crate) mod pending;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod reopen_request;
pub(crate) mod running;
pub(crate) mod state;
pub(crate) mod stats;
