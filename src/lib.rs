//! A logger whose log line costs nanoseconds, the same every time.
//!
//! Each thread copies its records, binary and unformatted, into a lock-free ring of its own. One
//! consumer thread moves them into a memory-mapped file. A reader turns that file into text or JSON
//! at any later time: the command `kymo`, or the module `reader` (feature `reader`).
//!
//! ```
//! use kymo::{Logger, info, warn};
//!
//! # let path = std::env::temp_dir().join(format!("kymo-front-page-{}.kymo", std::process::id()));
//! let logger = Logger::builder(&path).start()?;
//! kymo::prepare_thread();
//!
//! let (id, px) = (7, 101.25);
//! info!("order {id} filled at {px:.2} for {}", "ACME");
//! warn!(target: "risk", "order {id} below limit: {px}");
//!
//! let report = logger.shutdown();
//! assert_eq!((report.written, report.dropped), (2, 0));
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What do you want to do?
//!
//! | to | take | default |
//! | --- | --- | --- |
//! | start with one line and without options | `kymo::init` (feature `init`) | |
//! | start a logger, end it | [`Logger::builder`], [`Builder::start`], [`Logger::shutdown`] | ends when dropped |
//! | log | [`error!`], [`warn!`], [`info!`], [`debug!`], [`trace!`]; [`log!`] takes the level as a value | target: the module |
//! | log fields beside a message | [`info!`](info#fields)`(order = id, px; "filled")` | |
//! | log a value of your own type | `#[derive(kymo::Value)]` (feature `derive`); [`as_display`], [`as_debug`] (format in the call) | |
//! | log an error and what caused it | [`as_error`] (formats in the call) | |
//! | choose which levels are logged | [`Builder::filter`], [`Builder::filter_env`], [`Logger::set_filter`], [`enabled!`]; when compiling: [features](#features) | all |
//! | spare a thread's first call | [`prepare_thread`] | the first call makes the ring |
//! | hold longer bursts | [`Builder::ring_capacity`] | 1 MiB a thread |
//! | choose what a full ring means | [`Builder::overflow`], [`Builder::overflow_at`], [`Overflow`] | wait, at most 1 s |
//! | know that everything is in the file | [`flush`], [`flush_timeout`] | |
//! | know it of each error, even after a power failure | [`Builder::write_through`], [`WriteThrough`] | |
//! | lose at most a second to a power failure | [`Builder::durability`], [`Durability`], [`Logger::sync`] | the kernel decides |
//! | lose nothing to `kill -9` | [`Builder::crash_proof`], [`Builder::recover`], [`recover`] | off |
//! | lose nothing at SIGTERM or a crash | [`Builder::drain_on_termination`], [`Builder::on_hangup`], [`Builder::drain_on_crash`] | off |
//! | log panics | [`Builder::panic_hook`] | off |
//! | let another program rotate the file | [`Logger::reopen`], [`Builder::on_hangup`] | goes on in the moved file |
//! | limit how long the end may take | [`Logger::shutdown_timeout`], [`Builder::exit_timeout`] | none; 5 s at `exit` |
//! | keep debug records in memory until an error | [`Builder::flight_recorder`], [`Builder::dump_at`], [`Logger::dump_flight_recorder`] | off |
//! | pin the consumer; look more often, or less | [`Builder::consumer_core`], [`Builder::poll_interval`], [`Builder::idle_sleep`] | not pinned; 5 µs; 5 ms |
//! | make a call cheaper than a counter read | [`Builder::clock`] with [`Clock::Coarse`] | [`Clock::Counter`] |
//! | log from several processes | [`Builder::join`], [`Builder::pid_in_name`], `Logger::child_environment` (feature `config`) | a second process fails to start |
//! | log anew | [`Builder::overwrite`] | the old file is renamed |
//! | see what was lost, and how full rings are | [`Report`], [`Logger::stats`], [`Builder::on_notice`], [`unlogged`] | |
//! | let an operator look, change the filter, flush, rotate: `kymo ctl` | `Builder::control` (feature `control`) | off |
//! | have Prometheus scrape that | [`Stats::to_prometheus`] | |
//! | log what libraries log through the crate `log` | `Builder::bridge_log` (feature `log`) | off |
//! | log what is traced through `tracing`, with its spans | `Builder::bridge_tracing` (feature `tracing`) | off |
//! | look in a test at what it logs | `testing::capture` (feature `testing`) | |
//! | let an operator choose, by environment or file | `Config`, `Builder::configure` (feature `config`) | |
//! | see records on the terminal, or as JSON on standard output | `Builder::console` (feature `console`) | off |
//! | do something for each error, such as an alarm | `Builder::on_record` (feature `sinks`) | off |
//! | hand records to something else as well: a queue, a service | `Builder::sink` (feature `sinks`) | off |
//! | send them to journald or syslog | `sink::Journald`, `sink::Syslog` (features `journald`, `syslog`) | off |
//! | read a log | the command `kymo`; the module `reader` | |
//!
//! # Guarantees
//!
//! - While there is room in the thread's ring, a log call does not allocate, lock, call the system
//!   or format. It has no loop except over an argument's own bytes. The first call of a statement
//!   takes the same path as the millionth. A thread's first call makes its ring, unless
//!   [`prepare_thread`] did.
//! - A disabled statement is one relaxed load and one branch; its arguments are not evaluated.
//! - A record is published whole, by one release store, or not at all.
//! - What the reader prints is what [`format!`] prints.
//! - Nothing is lost silently. What becomes of a record for which there is no room is a choice
//!   ([`Overflow`]). Dropped records are counted, and marked in the file. Records that no logger
//!   took are counted by [`unlogged`].
//!
//! # Not guaranteed
//!
//! - Records that are in a ring when the process ends by `_exit`, or by a signal without a handler,
//!   are lost. [`Builder::drain_on_termination`] and [`Builder::drain_on_crash`] are such handlers.
//!   What is in the file stays.
//! - The child of a `fork` has no logger until it starts one.
//! - Code that logged (a dynamic library) must not be unloaded before a [`flush`] in the thread
//!   that logged.
//! - The logger runs on Linux, on little-endian processors of 64 bits.
//!
//! # Features
//!
//! - `derive`: the macro `Value`, which makes structs and enums of the program arguments. It brings `syn`.
//! - `reader`: the module `reader`.
//! - `compress`: `Builder::compress`, which compresses closed segments with zstd.
//! - `journald`: `sink::Journald`, which sends records to journald, with their arguments as fields.
//! - `log`: the module `bridge::log` and `Builder::bridge_log`, which take what libraries log through the crate `log`.
//! - `log_errors`: `log`, and errors among its key-values with their causes. It brings the crate `value-bag`.
//! - `testing`: the module `testing`, for tests that look at what they log. It brings `reader`.
//! - `console`: the module `console` and `Builder::console`, which show records on the terminal.
//! - `sinks`: the module `sink`, `Builder::on_record` and `Builder::sink`, which hand records to code of the program.
//! - `syslog`: `sink::Syslog`, which sends records to the local syslog daemon, by RFC 5424.
//! - `tracing`: the module `bridge::tracing` and `Builder::bridge_tracing`, which take events and spans of `tracing`.
//! - `control`: `Builder::control`, a socket by which `kymo ctl` reaches the running process.
//! - `init`: `kymo::init`, one line for `main`. It brings `console` and `config`.
//! - `config`: `Config` and `Builder::configure`, options from the environment and from files. It brings `serde` and
//!   `toml`.
//! - `zones`: `Zone::local` and `Zone::named`, for rotation at a time of day in any time zone.
//! - `max_level_off`, `max_level_error`, …, `max_level_debug`: less urgent statements are compiled
//!   out. `release_max_level_…`: only in builds without debug assertions.
#![doc(test(attr(warn(unused))))]

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("kymo logs on little-endian processors of 64 bits only");
#[cfg(not(target_os = "linux"))]
compile_error!("kymo logs on Linux only: to read logs elsewhere, use the crate `kymo-reader`");

mod argument;
#[cfg(any(feature = "log", feature = "tracing", kymo_loom))]
pub mod bridge;
mod call;
mod clock;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "console")]
pub mod console;
mod consumer;
mod crash;
mod filter;
#[cfg(feature = "sinks")]
mod following;
#[cfg(feature = "init")]
mod init;
mod logger;
#[cfg_attr(not(kymo_loom), allow(dead_code, reason = "the places in the models of this crate"))]
mod mutant;
mod process;
#[cfg(feature = "control")]
mod remote;
mod ring;
mod rotation;
mod segment;
mod shared;
#[cfg(feature = "sinks")]
pub mod sink;
mod statement;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod thread;

/// Parts that the benches, fuzz targets and tests of kymo's own repository need to see. Not an
/// interface: it changes without notice.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::crash::recover::in_memory as recovery;

    /// The rings.
    pub mod ring {
        pub use crate::ring::*;
    }
}

/// What the loom models need to see. Not part of the public interface.
#[cfg(kymo_loom)]
#[doc(hidden)]
pub mod loom_export;

use kymo_files::{beside, derived, keep, retention, segments};
use kymo_format::{self as format, drop_reason, level};

#[expect(deprecated, reason = "the former name of `as_display`")]
pub use argument::display;
pub use argument::error::{ErrorChain, as_error};
pub use argument::{Argument, Debugged, Displayed, PointerArgument, as_debug, as_display};
#[doc(hidden)]
pub use call::export;
pub use clock::Clock;
#[cfg(feature = "config")]
pub use config::{Config, ConfigError, ConfigErrorKind, Key};
#[cfg(feature = "console")]
pub use console::Console;
pub use consumer::{LogReport, Notice, Report};
#[doc(hidden)]
pub use crash::recover::discard_rings;
pub use crash::recover::{
    RecoverError, Recoverable, RecoveredThread, Recovery, RefusedFile, RingDamage, UnclosedSegment,
    recover, recoverable,
};
pub use filter::{Filter, ParseFilterError};
#[cfg(feature = "init")]
pub use init::{InitError, InitErrorKind, init};
#[cfg(feature = "derive")]
pub use kymo_derive::Value;
pub use kymo_files::derived::Refused;
pub use kymo_files::keep::{Keep, KeepError};
pub use kymo_format::{DropReason, Level, ParseLevelError};
/// Reads the files that kymo writes. A crate of its own, `kymo-reader`, for programs that do not log.
#[cfg(feature = "reader")]
pub use kymo_reader as reader;
pub use logger::Logger;
pub use logger::builder::Builder;
pub use logger::ending::Hangup;
pub use logger::error::{StartError, StartErrorKind};
pub use logger::route::Route;
pub use rotation::zone::{Zone, ZoneError};
pub use rotation::{Rotation, RotationError};
pub use shared::disk::Durability;
pub use shared::policy::{Overflow, WriteThrough};
pub use shared::stats::{Account, LogStats, SinkStats, Stats, ThreadStats};
#[cfg(feature = "sinks")]
pub use sink::Sink;
pub use statement::named_log::NamedLog;
pub use statement::scope::Scope;
pub use thread::{flush, flush_timeout, prepare_thread, unlogged};
