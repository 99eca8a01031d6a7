//! Logs panics: see [`Builder::panic_hook`](crate::Builder::panic_hook).
//!
//! The hook is set once in a process. A panic comes in; out goes a record for the logger that runs then, if that one
//! wants it. The hook that was there before is called in any case.
//!
//! - INV-1: nothing here may panic, because a panic in a hook ends the process. So nothing is logged if the panic comes
//!   from inside the logger ([`Inside`]): a custom clock, for instance, would be asked for the time and panic again.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, Location, PanicHookInfo};
use std::sync::Once;
use std::time::Duration;

use crate::argument::{Arguments, Capture, as_display};
use crate::call::log_many;
use crate::format::types::code;
use crate::level::Level;
use crate::process::inside::Inside;
use crate::process::statics::GATE;
use crate::shared::running;
use crate::statement::call_site::{CallSite, Location as SiteLocation};
use crate::statement::made::{self, SiteKey};
use crate::thread;

/// The target of the records.
const TARGET: &str = "panic";

/// How long a thread that panics waits until its record is in the file.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the field with the backtrace.
const BACKTRACE: &str = "backtrace";

static INSTALLED: Once = Once::new();

/// Sets the hook, unless that was done before. To be called only if [`can_install`] says so.
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            log(info);
            previous(info);
        }));
    });
}

/// Returns whether the hook is there, or this thread may set it: one that unwinds may not.
pub(crate) fn can_install() -> bool {
    INSTALLED.is_completed() || !std::thread::panicking()
}

/// Logs a panic and waits, for a limited time, until it is in the file.
fn log(info: &PanicHookInfo<'_>) {
    match running::current() {
        Some(shared) if !shared.logs_panics => return,
        Some(_) if !Inside::is_here() => {}
        _ => return running::count_unlogged(1),
    }
    if !GATE.allows(Level::Error, TARGET) {
        return;
    }
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    // As the standard library says it.
    let text = text.unwrap_or("Box<dyn Any>");
    let place = info.location().unwrap_or(Location::caller());
    let message = format_args!("panicked at {place}: {text}");
    // It obeys RUST_LIB_BACKTRACE and RUST_BACKTRACE.
    let backtrace = Backtrace::capture();
    let message = as_display(message).capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let backtrace = as_display(backtrace).capture();
        log_at(place, &["", BACKTRACE], &[code::TEXT; 2], (message, (backtrace, ())));
    } else {
        log_at(place, &[""], &[code::TEXT], (message, ()));
    }
    thread::flush_timeout(FLUSH_TIMEOUT);
}

/// Logs a record whose place is that of the panic. `codes` are those of the arguments' types.
fn log_at<L: Arguments>(
    place: &Location<'_>,
    names: &'static [&'static str],
    codes: &[u8],
    arguments: L,
) {
    let key = SiteKey {
        level: Level::Error,
        line: place.line(),
        target: TARGET,
        module: "",
        file: place.file(),
        message: None,
        names,
        codes,
        mixed_codes: codes.iter().fold(0, |mixed, code| made::mix(mixed, *code)),
    };
    let site = made::find(&key);
    log_many::log_to(site.unwrap_or_else(|| crowded_site(names, arguments)), arguments);
}

/// The call site of panics for which there is no room for another one. Their text has the place.
fn crowded_site<L: Arguments>(names: &[&str], _: L) -> &'static CallSite {
    struct Site<L>(L);

    impl<L: Arguments> Site<L> {
        const PLAIN: &'static CallSite = &site::<L>(&[""]);
        const TRACED: &'static CallSite = &site::<L>(&["", BACKTRACE]);
    }

    const fn site<L: Arguments>(names: &'static [&'static str]) -> CallSite {
        let location = SiteLocation {
            target: TARGET,
            module: module_path!(),
            file: file!(),
            line: line!(),
            column: 0,
            format: "{}",
            names,
        };
        CallSite::new(Level::Error, location, L::TYPES)
    }

    if names.len() == 1 { Site::<L>::PLAIN } else { Site::<L>::TRACED }
}
