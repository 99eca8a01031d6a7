//! Scopes: how long a stretch of a program's work took.
//!
//! A scope is a guard. In comes what a statement captured when it was reached; when the guard is dropped, out goes one
//! record with that and the duration. The clock is the [`stopwatch`]: that of the logger.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::clock::stopwatch::{self, Moment};
use crate::sync::statics::{AtomicU64, Ordering};

/// How many numbers of scopes a thread takes at a time.
const NUMBERS: u64 = 1 << 20;

/// The first number that no thread has taken.
static NEXT: AtomicU64 = AtomicU64::new(NUMBERS);

thread_local! {
    /// The next number of this thread; a multiple of [`NUMBERS`] if it has none left.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// A stretch of work that is measured, from where [`scope!`](crate::scope) made this to where it is dropped.
///
/// ```
/// fn match_orders(book: u32) {
///     let scope = kymo::scope!("match", book);
///     // …
///     let took = scope.end();
///     assert_eq!(took.is_some(), kymo::enabled!(Info));
/// }
/// # match_orders(1);
/// ```
#[must_use = "a scope ends when it is dropped: bind it to a variable, `let _scope = …`"]
pub struct Scope<F: FnOnce(Duration)>(Option<(Moment, F)>);

impl<F: FnOnce(Duration)> Scope<F> {
    /// Ends the scope here. Returns its duration; `None` if it is not logged, because its level was disabled when it
    /// began.
    pub fn end(mut self) -> Option<Duration> {
        self.finish()
    }

    fn finish(&mut self) -> Option<Duration> {
        let (begun, log) = self.0.take()?;
        let took = Duration::from_nanos(begun.elapsed_ns());
        log(took);
        Some(took)
    }
}

impl<F: FnOnce(Duration)> Drop for Scope<F> {
    #[inline]
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl<F: FnOnce(Duration)> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("is_logged", &self.0.is_some()).finish()
    }
}

/// Begins a scope, whose end `log` logs.
#[inline]
pub fn begin<F: FnOnce(Duration)>(log: F) -> Scope<F> {
    Scope(Some((stopwatch::now(), log)))
}

/// A scope that is not logged.
#[inline]
pub fn disabled<F: FnOnce(Duration)>() -> Scope<F> {
    Scope(None)
}

/// Returns a number that no other scope of this process has.
#[inline]
pub fn number() -> u64 {
    let mut number = NUMBER.get();
    if number.is_multiple_of(NUMBERS) {
        // Relaxed: each value is returned once.
        number = NEXT.fetch_add(NUMBERS, Ordering::Relaxed) + 1;
    }
    NUMBER.set(number + 1);
    number
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_two_scopes_have_one_number() {
        let threads = [(); 3].map(|()| {
            std::thread::spawn(|| (0..3 * NUMBERS / 2).map(|_| number()).collect::<Vec<_>>())
        });
        let mut all: Vec<_> = threads.into_iter().flat_map(|it| it.join().unwrap()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_ne!(all[0], 0);
    }
}
