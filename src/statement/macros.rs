//! The macros that log.
//!
//! They only pass on the level and the path of kymo (`$crate`, so that they work under any name and
//! when re-exported). The proc macro `statement!` does the rest.

/// Logs at [`Level::Error`](crate::Level::Error): something failed.
///
/// See [`info!`](crate::info) for the syntax.
///
/// ```
/// let (venue, code) = ("XETRA", 17);
/// kymo::error!("{venue} rejected the order: code {code}");
/// ```
#[macro_export]
#[clippy::format_args]
macro_rules! error {
    ($($statement:tt)*) => { $crate::export::statement!($crate (Error) $($statement)*) };
}

/// Logs at [`Level::Warn`](crate::Level::Warn): something is odd, and the program goes on.
///
/// See [`info!`](crate::info) for the syntax.
///
/// ```
/// let late = std::time::Duration::from_micros(1_250);
/// kymo::warn!("tick late by {late:?}");
/// ```
#[macro_export]
#[clippy::format_args]
macro_rules! warn {
    ($($statement:tt)*) => { $crate::export::statement!($crate (Warn) $($statement)*) };
}

/// Logs at [`Level::Info`](crate::Level::Info): what an operator wants to read.
///
/// The format string and its arguments are those of [`format!`](std::format): placeholders, named
/// arguments, and variables in braces. The compiler checks them as it does for `format!`.
///
/// ```
/// let (id, px) = (7, 101.25);
/// kymo::info!("order {id} filled at {px}");
/// kymo::info!("order {} filled at {px:.2} on {venue:>8}", id, venue = "XETRA");
/// ```
///
/// A leading `target:` replaces the module path as the record's target, by which records are
/// filtered. It has to be a constant, and is written without `Self`: `Order::TARGET`, not
/// `Self::TARGET`.
///
/// ```
/// const FILLS: &str = "fills";
/// let (id, px) = (7, 101.25);
/// kymo::info!(target: "fills", "order {} filled at {px:.2}", id);
/// kymo::info!(target: FILLS, "order {id} filled");
/// ```
///
/// A leading `logger:` names a log, which is a constant ([`NamedLog`](crate::NamedLog)). A
/// [route](crate::Route::logger) says which file that is. `target:` may precede or follow it.
///
/// ```
/// const AUDIT: kymo::NamedLog = kymo::NamedLog::new("audit");
/// kymo::info!(logger: AUDIT, "{} has logged in", "ann");
/// kymo::info!(logger: AUDIT, target: "auth", "{} has logged out", "ann");
/// ```
///
/// # Fields
///
/// Fields precede the message, up to a semicolon, as with the crate `log`; or up to the format string, as with
/// `tracing`. The message ends with ` name=value` for each that the format string does not print, those with a unit
/// first. A value with a space is in quotes. JSON has them in `fields`; `kymo cat --where 'px > 100'` asks for them.
///
/// ```
/// # #[derive(Debug)]
/// # struct Book;
/// # struct Order { id: u64 }
/// # let (id, px, book, order, latency_ns) = (7, 101.25, Book, Order { id: 8 }, 1_250_u64);
/// # let error = std::io::Error::other("closed");
/// kymo::info!(id, px; "filled");                            // filled id=7 px=101.25
/// kymo::info!(order = id, venue = "XETRA"; "at {px:.2}");   // at 101.25 order=7 venue=XETRA
/// kymo::info!(px; "at {px:.2}");                            // at 101.25: captured once
/// kymo::info!(order.id, px);                                // order.id=8 px=101.25
/// kymo::info!(book:?, err:err = error; "rejected");         // rejected book=Book err=closed
/// kymo::info!(px, ?book, "filled {}", id);                  // filled 7 px=101.25 book=Book
/// kymo::info!(latency:ns = latency_ns, flags:hex = 255);     // latency=1250ns flags=0xff
/// ```
///
/// | a field | is |
/// | --- | --- |
/// | `px`, `px = value` | the value itself: its bytes are copied, as those of an argument, at the same cost |
/// | `order.id`, `order.id()` | the same, with this name |
/// | `px:hex`; `px:ns`, `us`, `ms`, `s`, `bytes` | the same; the message has it in hexadecimal, or with a unit |
/// | `px:?`, `?px`, `px = ?value` | the text of `Debug`, which the statement formats |
/// | `px:%`, `%px`, `px = %value` | the text of `Display`, which the statement formats |
/// | `px:err` | the text of an error and its causes ([`as_error`](crate::as_error)), which the statement formats |
///
/// # Rates
///
/// A statement that runs too often can log some of its records only. The rate precedes the fields and the message. A
/// suppressed call evaluates no arguments, and costs a few nanoseconds.
///
/// ```
/// use std::time::Duration;
/// # let (tick, px) = (0, 101.25);
/// kymo::warn!(every_n: 1000; "tick {tick} is late");                       // the first, the 1,001st, …
/// kymo::warn!(at_most: Duration::from_secs(5), px; "price is stale");      // at most one in five seconds
/// kymo::warn!(first: 10; "tick {tick} is odd");                            // the first ten
/// kymo::warn!(once; "no configuration");                                   // the first
/// kymo::warn!(every_pow2; "tick {tick} is lost");                          // the 1st, 2nd, 4th, 8th, …
/// ```
///
/// Nothing is suppressed in silence. The next record of the statement says how many were:
/// `tick 1000 is late (suppressed 999)`, with `suppressed` among its fields. If the statement logs nothing for ten
/// seconds, and when the logger ends, a record of the thread `kymo` says how many are outstanding. It has level, target
/// and place of the statement, and its format string as the text. So the sum over the log is exact.
/// [`Stats::suppressed`](crate::Stats) has it, too.
///
/// - `every_n` and `first` have constants; `at_most` any expression of type `Duration`.
/// - `first`, `once` and `at_most` are exact over all threads. `every_n` and `every_pow2` count each thread by itself,
///   so that no two threads wait for each other; more than 16 threads share 16 counters. So with `every_n`, each of
///   them may log a first record.
/// - The time of `at_most` is that of the logger's clock ([`Builder::clock`](crate::Builder::clock)); with the coarse
///   clock it is the processor's counter.
/// - All instances of a generic function share one state. A disabled statement counts nothing.
/// - To log a variable that is called `once` or `every_pow2`, write `once = once`.
///
/// # What differs from `format!`
///
/// - Nothing is formatted here. The arguments' bytes are copied, and the reader formats them. So an
///   argument must be of a type that the reader knows (see [`Argument`](crate::Argument)). Wrap
///   other values in `kymo::as_display(&value)` or `kymo::as_debug(&value)`: the statement then formats
///   them.
/// - If the level is disabled, the arguments are not evaluated.
/// - There can be at most 64 arguments, 63 with a rate.
/// - An argument that is printed with `{:p}` cannot be printed in another way, too: pass it twice.
/// - The format string is a literal, and not a macro such as `concat!`.
#[macro_export]
#[clippy::format_args]
macro_rules! info {
    ($($statement:tt)*) => { $crate::export::statement!($crate (Info) $($statement)*) };
}

/// Logs at [`Level::Debug`](crate::Level::Debug): what a developer wants to read.
///
/// See [`info!`](crate::info) for the syntax.
///
/// ```
/// let book = [101.25, 101.5, 101.75];
/// kymo::debug!("{} levels: {book:?}", book.len());
/// ```
#[macro_export]
#[clippy::format_args]
macro_rules! debug {
    ($($statement:tt)*) => { $crate::export::statement!($crate (Debug) $($statement)*) };
}

/// Logs at [`Level::Trace`](crate::Level::Trace): every step.
///
/// See [`info!`](crate::info) for the syntax.
///
/// ```
/// let step = 3;
/// kymo::trace!("step {step}");
/// ```
#[macro_export]
#[clippy::format_args]
macro_rules! trace {
    ($($statement:tt)*) => { $crate::export::statement!($crate (Trace) $($statement)*) };
}

/// Returns whether statements of a level are logged, in this module or of a target.
///
/// For what has to be prepared only if it is logged: a statement's own arguments are evaluated only then anyway.
///
/// ```
/// let book = [101.25, 101.5, 101.75];
/// if kymo::enabled!(Debug) {
///     let mean = book.iter().sum::<f64>() / book.len() as f64;
///     kymo::debug!("mean {mean}");
/// }
/// if kymo::enabled!(target: "net", Trace) {
///     kymo::trace!(target: "net", "{}", book.len());
/// }
/// ```
///
/// The level is one of `Error`, `Warn`, `Info`, `Debug` and `Trace`. The target is a constant. Without a logger the
/// answer is yes, because what is logged then is [counted](crate::unlogged).
#[macro_export]
macro_rules! enabled {
    ($level:ident) => { $crate::enabled!(target: ::core::module_path!(), $level) };
    (target: $target:expr, $level:ident) => {{
        static SITE: $crate::export::FilterSite =
            $crate::export::FilterSite::new($crate::Level::$level, $target);
        $crate::export::passes::<{ $crate::Level::$level as u8 }>(&SITE)
    }};
}

/// Logs at a level that is an argument.
///
/// ```
/// use kymo::Level;
///
/// let (attempt, delay_ms) = (3, 250);
/// kymo::log!(Level::Debug, "attempt {attempt}");
///
/// let level = if attempt > 2 { Level::Warn } else { Level::Debug };
/// kymo::log!(level, "attempt {attempt}: next in {delay_ms} ms");
/// kymo::log!(target: "retry", level, "attempt {attempt}");
/// ```
///
/// A level that is spelled out (a path that ends in `Error`, `Warn`, `Info`, `Debug` or `Trace`)
/// costs the same as the macro of its name. Any other expression is evaluated once, whether or not
/// the level is enabled. For the rest see [`info!`](crate::info).
#[macro_export]
#[clippy::format_args]
macro_rules! log {
    ($($statement:tt)*) => { $crate::export::statement!($crate () $($statement)*) };
}
