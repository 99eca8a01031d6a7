//! Takes what is logged through the crate [`log`](https://docs.rs/log).
//!
//! [`Builder::bridge_log`](crate::Builder::bridge_log) does it when a logger starts, [`init`] without a builder. From
//! then on each record of `log` that the logger's filter lets through is in its file:
//!
//! - Level, target, module, file and line are those of the statement.
//! - Key-values are arguments with names: integers, floats, `bool`, `char`, strings and `None` with their types.
//!   An error (`err:err = e`) is formatted; with the feature `log_errors` it has its causes: `a: b: c`. Others are
//!   formatted, as the statement asks (`key:?`, `key:%`).
//! - The message is formatted in the calling thread, before anything is reserved in the ring. A message without
//!   arguments is not copied: it is part of the call site, as in a statement of kymo's own.
//! - Text is the message and then ` name=value` for each key-value; JSON has them in `fields`.
//! - If `tracing` is bridged, too, a record is in the spans that its thread has entered.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! let logger = kymo::Logger::builder(&path).filter("info,noisy=off").bridge_log(true).start()?;
//!
//! log::info!(target: "shop", order = 7, px = 101.25; "filled for {}", "ACME");
//! log::error!(target: "noisy", "left out");
//!
//! logger.shutdown();
//! let mut reader = kymo_reader::Reader::open(&path)?;
//! let record = reader.next_record()?.expect("a record");
//! let mut text = String::new();
//! record.message(&mut text);
//! assert_eq!(text, "filled for ACME order=7 px=101.25");
//! assert_eq!((record.target(), record.get::<f64>("px")?), ("shop", 101.25));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to know
//!
//! - `log::max_level` follows the logger's filter: a statement that no target lets through costs what `log` takes for
//!   it. With directives by target, each other record is compared with them.
//! - Without a logger, records are counted by [`unlogged`](crate::unlogged).
//! - `log::logger().flush()` is [`flush`](crate::flush): it waits for what the calling thread has logged.
//! - A record that is too long for the ring is cut and marked. Its message is cut before its values are.
//! - Nothing is allocated for a record. The first record of a statement makes its call site, some hundred bytes. There
//!   are at most 4,096 of them, so that targets that a program makes up do not use up its memory. A record beyond that
//!   has the target `log`, and its own target, place and key-values as arguments; [`crowded`] counts them.
//! - If the types of a statement's key-values alternate, it has up to 16 of these call sites. Its further records state
//!   the types themselves, a byte for each value, and cost more: their values are copied twice.
//! - A record has at most 61 key-values with their types; those after them are in one text, `more`.
//! - `tracing` can send its events to `log`, too. With its feature `log` it does so until a subscriber is set for the
//!   first time, the bridge of `tracing` for instance: nothing is in the log twice. Its feature `log-always` does it
//!   always. With both bridges each event is then in the log twice: turn that feature off, or leave out the bridge of
//!   `tracing`.

use std::error::Error;
use std::fmt::{self, Write};
use std::ptr;

use ::log::kv::{self, Key, VisitSource, VisitValue};
use ::log::{LevelFilter, Log, Metadata, Record};

#[cfg(feature = "log_errors")]
use crate::argument::error::ErrorChain;
use crate::argument::gathered::Gathered;
use crate::argument::{Arguments, Capture, as_display};
#[cfg(feature = "tracing")]
use crate::bridge::tracing::InSpan;
use crate::call::{gathered, log_many};
use crate::filter::compiled::COMPILED;
use crate::format::MAX_ARGUMENTS;
#[cfg(feature = "tracing")]
use crate::format::types::SpanRole;
use crate::level::Level;
use crate::process::inside::Inside;
use crate::process::statics::{FILTERS, GATE};
use crate::shared::running;
use crate::statement::call_site::{CallSite, Location};
use crate::statement::made::{self, SiteKey};
use crate::sync::statics::{AtomicU64, Ordering, PoisonError};
use crate::thread;

/// The longest message that is part of a call site, in bytes.
const MAX_CONSTANT_BYTES: usize = 1 << 10;

/// How many key-values keep their types: there is room for the message, for one text of all others, and for a span.
const MAX_PAIRS: usize = MAX_ARGUMENTS - 3;

static BRIDGE: Bridge = Bridge { _address: 0 };

/// How many records had no call site of their own.
static CROWDED: AtomicU64 = AtomicU64::new(0);

/// Sends the records of the crate `log` to the logger that runs, now and later. More calls do nothing.
///
/// [`Builder::bridge_log`](crate::Builder::bridge_log) calls it. It also sets `log::max_level`, which from then on
/// follows the filter of the logger that runs.
///
/// ```
/// kymo::bridge::log::init()?;
/// let before = kymo::unlogged();
/// log::info!("nobody listens yet");
/// assert_eq!(kymo::unlogged(), before + 1);
/// # Ok::<(), kymo::bridge::log::InitError>(())
/// ```
///
/// # Errors
/// If `log` already has another logger (of env_logger, for instance). A process has one for ever.
pub fn init() -> Result<(), InitError> {
    let is_taken = ::log::set_logger(&BRIDGE).is_err()
        && !ptr::addr_eq(::log::logger(), ptr::from_ref(&BRIDGE));
    if is_taken {
        return Err(InitError(()));
    }
    FILTERS.lock().unwrap_or_else(PoisonError::into_inner).follow(set_max_level);
    Ok(())
}

/// Returns how many records had no call site of their own, because there are 4,096 already, or because their texts are
/// too long. They are in the log, with the target `log`.
pub fn crowded() -> u64 {
    // Relaxed: a number to look at; nothing is read on its account.
    CROWDED.load(Ordering::Relaxed)
}

/// The error of [`init`]: another logger already takes the records of the crate `log`.
#[derive(Debug)]
pub struct InitError(());

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the crate log already has a logger: leave out its `init` (env_logger::init, for instance), or the bridge",
        )
    }
}

impl Error for InitError {}

fn set_max_level(max: Option<Level>) {
    let max = max.filter(|_| COMPILED > 0).map_or(0, |level| (level as u8).min(COMPILED));
    ::log::set_max_level(match max {
        0 => LevelFilter::Off,
        1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    });
}

const fn level_of(level: ::log::Level) -> Level {
    match level {
        ::log::Level::Error => Level::Error,
        ::log::Level::Warn => Level::Warn,
        ::log::Level::Info => Level::Info,
        ::log::Level::Debug => Level::Debug,
        ::log::Level::Trace => Level::Trace,
    }
}

fn is_logged(metadata: &Metadata<'_>) -> bool {
    GATE.allows(level_of(metadata.level()), metadata.target())
}

/// The logger of the crate `log`. Not of size 0, so that its address is its own.
struct Bridge {
    _address: u8,
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_logged(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !is_logged(record.metadata()) {
            return;
        }
        let mut gathered = Gathered::new();
        let arguments = record.args();
        let message = arguments.as_str().filter(|text| text.len() <= MAX_CONSTANT_BYTES);
        if message.is_none() {
            gathered.push_text("", |out| out.write_fmt(*arguments));
        }
        let mut pairs = Pairs { gathered: &mut gathered, met: 0 };
        // What a source refuses to show is not there.
        let _ = record.key_values().visit(&mut pairs);
        if pairs.met > MAX_PAIRS {
            gathered.push_text("more", |out| write_pairs(record, MAX_PAIRS, out));
        }
        #[cfg(feature = "tracing")]
        if let Some(InSpan(id)) = InSpan::current() {
            gathered.push_span(SpanRole::In, id);
        }
        let key = SiteKey {
            level: level_of(record.level()),
            line: record.line().unwrap_or(0),
            target: record.target(),
            module: record.module_path().unwrap_or_default(),
            file: record.file().unwrap_or_default(),
            message,
            names: gathered.names(),
            codes: gathered.codes(),
            mixed_codes: gathered.mixed_codes(),
        };
        if let Some(site) = made::find(&key) {
            return gathered::log_to(site, &gathered);
        }
        let stating = gathered.stating_types();
        let (codes, mixed_codes) = (stating.codes(), stating.mixed_codes());
        match made::find(&SiteKey { codes, mixed_codes, ..key }) {
            Some(site) => gathered::log_to(site, &stating),
            None => {
                // Its texts are made anew.
                gathered.values().release();
                if Inside::is_here() {
                    // An allocator that logs, for instance: see `process::inside`.
                    running::count_unlogged(1);
                } else {
                    log_crowded(record);
                }
            }
        }
    }

    fn flush(&self) {
        thread::flush();
    }
}

/// Gathers key-values.
struct Pairs<'g, 'a> {
    gathered: &'g mut Gathered<&'a str>,
    /// How many there were.
    met: usize,
}

impl<'a> VisitSource<'a> for Pairs<'_, 'a> {
    #[inline]
    fn visit_pair(&mut self, key: Key<'a>, value: kv::Value<'a>) -> Result<(), kv::Error> {
        self.met += 1;
        if self.met > MAX_PAIRS {
            return Ok(());
        }
        // `log` has no keys that it cannot show.
        let name = key.to_borrowed_str().unwrap_or("?");
        value.visit(Pair { gathered: self.gathered, name })
    }
}

/// Gathers one value.
struct Pair<'g, 'a> {
    gathered: &'g mut Gathered<&'a str>,
    name: &'a str,
}

macro_rules! visit {
    ($($visit:ident: $ty:ty => $push:ident;)*) => {$(
        #[inline]
        fn $visit(&mut self, value: $ty) -> Result<(), kv::Error> {
            self.gathered.$push(self.name, value);
            Ok(())
        }
    )*};
}

impl<'a> VisitValue<'a> for Pair<'_, 'a> {
    visit! {
        visit_bool: bool => push_bool;
        visit_char: char => push_char;
        visit_u64: u64 => push_u64;
        visit_i64: i64 => push_i64;
        visit_f64: f64 => push_f64;
        visit_u128: u128 => push_u128;
        visit_i128: i128 => push_i128;
        visit_str: &str => push_str;
    }

    #[inline]
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.gathered.push_text(self.name, |out| write!(out, "{value}"));
        Ok(())
    }

    #[cfg(feature = "log_errors")]
    fn visit_error(&mut self, error: &(dyn Error + 'static)) -> Result<(), kv::Error> {
        self.gathered.push_text(self.name, |out| write!(out, "{}", ErrorChain(error)));
        Ok(())
    }

    #[cfg(feature = "log_errors")]
    fn visit_borrowed_error(&mut self, error: &'a (dyn Error + 'static)) -> Result<(), kv::Error> {
        self.visit_error(error)
    }

    #[inline]
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.gathered.push_none(self.name);
        Ok(())
    }
}

/// Writes key-values as text, without those that come first.
fn write_pairs(record: &Record<'_>, skipped: usize, out: &mut dyn Write) -> fmt::Result {
    struct Writer<'o> {
        out: &'o mut dyn Write,
        skipped: usize,
        separator: &'static str,
    }

    impl<'a> VisitSource<'a> for Writer<'_> {
        fn visit_pair(&mut self, key: Key<'a>, value: kv::Value<'a>) -> Result<(), kv::Error> {
            if self.skipped > 0 {
                self.skipped -= 1;
                return Ok(());
            }
            let separator = std::mem::replace(&mut self.separator, " ");
            #[cfg(feature = "log_errors")]
            if let Some(error) = value.to_borrowed_error() {
                write!(self.out, "{separator}{key}={}", ErrorChain(error))?;
                return Ok(());
            }
            match value.to_borrowed_str() {
                Some(text) => write!(self.out, "{separator}{key}={text:?}")?,
                None => write!(self.out, "{separator}{key}={value}")?,
            }
            Ok(())
        }
    }

    let mut writer = Writer { out, skipped, separator: "" };
    record.key_values().visit(&mut writer).map_err(|_| fmt::Error)
}

/// The key-values of a record as text.
struct Fields<'r>(&'r Record<'r>);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_pairs(self.0, 0, f)
    }
}

/// Logs a record that has no call site of its own, with all that it says as arguments.
#[cold]
fn log_crowded(record: &Record<'_>) {
    // Relaxed: a number to look at; nothing is read on its account.
    CROWDED.fetch_add(1, Ordering::Relaxed);
    let file = record.file().unwrap_or_default();
    let (target, module) = (record.target(), record.module_path().unwrap_or_default());
    let line = u64::from(record.line().unwrap_or(0));
    let message = as_display(record.args()).capture();
    let fields = as_display(Fields(record)).capture();
    let level = level_of(record.level()).index();
    #[cfg(feature = "tracing")]
    if let Some(within) = InSpan::current() {
        let arguments = (message, (target, (module, (file, (line, (fields, (within, ())))))));
        return log_many::log_to(&crowded_sites::<_, true>(arguments)[level], arguments);
    }
    let arguments = (message, (target, (module, (file, (line, (fields, ()))))));
    log_many::log_to(&crowded_sites::<_, false>(arguments)[level], arguments);
}

/// The call sites of such records, by level. `SPANNED`: the last argument is a span.
fn crowded_sites<L: Arguments, const SPANNED: bool>(_: L) -> &'static [CallSite; 5] {
    struct Sites<L, const SPANNED: bool>(L);

    impl<L: Arguments, const SPANNED: bool> Sites<L, SPANNED> {
        const LOCATION: Location = match SPANNED {
            true => Location {
                names: &["", "target", "module", "file", "line", "fields", ""],
                ..CROWDED_LOCATION
            },
            false => CROWDED_LOCATION,
        };
        const SITES: &'static [CallSite; 5] = &CallSite::at_each_level(Self::LOCATION, L::TYPES);
    }

    Sites::<L, SPANNED>::SITES
}

const CROWDED_LOCATION: Location = Location {
    target: "log",
    module: module_path!(),
    file: file!(),
    line: line!(),
    column: 0,
    format: "{}",
    names: &["", "target", "module", "file", "line", "fields"],
};
