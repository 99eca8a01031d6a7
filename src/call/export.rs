//! The functions that the expansion of a log macro calls: capture the arguments, then log.
//!
//! Not part of the public interface: it changes with the macros.

pub use kymo_macros::{measure, statement};

use std::fmt;

pub use crate::argument::error::as_error;
pub use crate::argument::own;
use crate::argument::{Argument, Capture, Pointer, PointerArgument, Shown};
pub use crate::argument::{as_debug, as_display};
pub use crate::call::{log_many, log0, log1, log2, log3, log4, log5, log6};
pub use crate::filter::gate::{FilterSite, FilterSites, filter_sites, passes, passes_at};
pub use crate::format::Purpose;
pub use crate::statement::call_site::{At, Location, Statement};
pub use crate::statement::metric::metric_value;
pub use crate::statement::rate::{RateSite, at_least_one, at_most, every_n, every_pow2, first};
pub use crate::statement::scope::{
    begin as begin_scope, disabled as disabled_scope, number as scope_number,
};

/// Captures an argument of `{}` and `{:?}`.
#[inline(always)]
pub fn capture<T: Capture + ?Sized>(value: &T) -> T::Captured<'_> {
    value.capture()
}

/// Captures an argument of other placeholders: `format` writes it as the placeholder of this number
/// asks.
#[inline(always)]
pub fn capture_formatted<T: Capture + ?Sized, const N: usize>(
    value: &T,
    _: [(); N],
    format: impl Fn(usize, Shown<'_>, &mut dyn fmt::Write) -> fmt::Result,
) -> T::Formatted<'_, N> {
    value.capture_formatted::<N>(format)
}

/// Captures a field of a scope, which keeps it until it ends.
#[inline(always)]
pub fn capture_kept<T: Kept + ?Sized>(value: &T) -> T::Captured<'_> {
    Argument::capture(value)
}

/// A value that a scope can keep: one that no text is made of when the scope begins.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a scope, which keeps it until it ends",
    label = "make a `String` of it before",
    note = "a field of a scope is a number, a string or another type that implements `kymo::Argument`"
)]
pub trait Kept: Argument {}

impl<T: Argument + ?Sized> Kept for T {}

/// Captures an argument of a `{:p}`.
#[inline(always)]
pub fn capture_pointer<T: PointerArgument + ?Sized>(value: &T) -> Pointer {
    value.address()
}
