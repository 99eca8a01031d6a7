//! The macros that measure: [`scope!`](crate::scope), [`count!`](crate::count), [`gauge!`](crate::gauge) and
//! [`histogram!`](crate::histogram).
//!
//! As those that log, they only pass on the path of kymo. The proc macro `measure!` does the rest.

/// Measures how long a stretch of code takes: from here to where the value of the macro is dropped.
///
/// The record is logged at the end of the scope: its name, its fields and the duration, `match took 1.25µs book=7`.
///
/// ```
/// use kymo::Level;
///
/// fn match_orders(book: u32, orders: &[u64]) {
///     let _scope = kymo::scope!("match", book, orders = orders.len());
///     for id in orders {
///         let _scope = kymo::scope!(Level::Debug, "match one", id);
///         // …
///     }
/// }
/// # match_orders(1, &[1, 2]);
/// ```
///
/// `kymo stats --scopes` has percentiles by name, `kymo export --to perfetto` slices, and `kymo export --to folded`
/// what makes a flame graph. `--where 'duration > 1ms'` finds the slow ones.
///
/// The macro takes, in this order:
///
/// - `target: CONSTANT,`, as [`info!`](crate::info);
/// - a level: a path that ends in the name of one. `Info` if there is none. If it is disabled where the scope begins,
///   nothing is logged, and nothing is measured;
/// - `begin_end:` for two records, one at the beginning and one at the end. So a crash leaves in the log what had
///   begun;
/// - the name, a string literal;
/// - fields, as [`info!`](crate::info) has them. Their values are those at the beginning. A scope keeps them: a string is
///   borrowed until the scope ends, and what the statement would have to format (`book:?`) has to be a `String` before.
///
/// ```
/// # struct Order { id: u64 }
/// # let order = Order { id: 7 };
/// let scope = kymo::scope!(target: "engine", begin_end: "settle", order.id);
/// // …
/// scope.end();
/// ```
///
/// # The duration
///
/// It is measured by the clock of the logger ([`Builder::clock`](crate::Builder::clock)), in nanoseconds. With the
/// processor's counter, and with the coarse clock, it is the counter, at the mean rate since the logger was started. So
/// a wall clock that is set or slewed changes no duration. Without a logger it is the monotonic clock.
///
/// A scope may end in another thread than it began in, and may be held across an `await`. Its record is of the thread
/// in which it ends.
#[macro_export]
macro_rules! scope {
    ($($scope:tt)*) => { $crate::export::measure!($crate (scope) $($scope)*) };
}

/// Logs that something happened so many times: a counter, whose values are summed.
///
/// ```
/// # let venue = "XETRA";
/// kymo::count!("orders", 1, venue);
/// kymo::count!(target: "md", kymo::Level::Debug, "bytes", 1_500);
/// ```
///
/// A metric is a record: `orders venue=XETRA value=1`. It has a level (`Info` if none precedes the name), a target, and
/// labels, which are written as the fields of [`info!`](crate::info). The value is an integer of up to 64 bits, a float,
/// or a [`Duration`](std::time::Duration); its bytes are copied into the thread's ring. Nothing is summed in the
/// program, and no two threads meet at a counter.
///
/// `kymo stats --metrics` sums the values, by name and labels. JSON has a key `metric` with the kind and the name; the
/// export for Perfetto has a counter.
#[macro_export]
macro_rules! count {
    ($($metric:tt)*) => { $crate::export::measure!($crate (Counter) $($metric)*) };
}

/// Logs the value that something has now. It is a gauge: the last value counts.
///
/// See [`count!`](crate::count) for the syntax.
///
/// ```
/// # let (depth, book) = (17, "ACME");
/// kymo::gauge!("depth", depth, book);
/// ```
///
/// `kymo stats --metrics` has the last, the least and the greatest value, by name and labels.
#[macro_export]
macro_rules! gauge {
    ($($metric:tt)*) => { $crate::export::measure!($crate (Gauge) $($metric)*) };
}

/// Logs a value of a distribution: a histogram, whose percentiles are asked for.
///
/// See [`count!`](crate::count) for the syntax.
///
/// ```
/// # let start = std::time::Instant::now();
/// kymo::histogram!("round trip", start.elapsed(), venue = "XETRA");
/// ```
///
/// `kymo stats --metrics` has percentiles, by name and labels.
#[macro_export]
macro_rules! histogram {
    ($($metric:tt)*) => { $crate::export::measure!($crate (Histogram) $($metric)*) };
}
