//! Metrics: the values that a statement may log as one.

use std::time::Duration;

/// The value of a metric: an integer, a float, or a duration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a metric",
    label = "neither a number nor a `Duration`",
    note = "a metric has an integer of up to 64 bits, a float, or a `std::time::Duration`"
)]
pub trait MetricValue: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! metric_values {
    ($($ty:ty),*) => {$(
        impl sealed::Sealed for $ty {}
        impl MetricValue for $ty {}
    )*};
}

metric_values!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, Duration);

impl<T: MetricValue + ?Sized> sealed::Sealed for &T {}
impl<T: MetricValue + ?Sized> MetricValue for &T {}

/// Returns the value of a metric.
#[inline(always)]
pub fn metric_value<T: MetricValue>(value: T) -> T {
    value
}
