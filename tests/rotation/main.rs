//! Rotated logs: each record is in one segment, once and in order, whatever rotates the log and whatever fails.
#![cfg(target_os = "linux")]

mod basics;
mod beside;
mod compressed;
mod failures;
mod full_rate;
mod fuse;
mod killed;
mod log;
mod predecessors;
mod write_through;
