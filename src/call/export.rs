//! What the expansion of a log macro calls. Not part of the public interface: it changes with the
//! macros.
#![allow(clippy::type_complexity, reason = "a list of types is a nest of types")]

pub use kymo_macros::statement;

use std::fmt;

use crate::argument::{Arguments, Capture, Encode, Pointer, PointerArgument, Shown};
use crate::call::hot;
pub use crate::call::hot::enabled;
use crate::call::hot::{Coarse, InFile, Other};
use crate::call::recorded;
use crate::level::Level;
use crate::ring::cursor::{Path, Taken};
pub use crate::statement::call_site::{At, Location, Statement};
use crate::statement::call_site::{AtAny, AtLevel, CallSite};

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

/// Captures an argument of a `{:p}`.
#[inline(always)]
pub fn capture_pointer<T: PointerArgument + ?Sized>(value: &T) -> Pointer {
    value.address()
}

/// The call sites of a statement `S` with arguments `L`.
struct SiteOf<S, L>(S, L);

impl<S: Statement, L: Arguments> SiteOf<S, L> {
    const SITE: &'static CallSite = &CallSite::new(S::LEVEL, S::LOCATION, L::TYPES);

    /// For statements whose level is known when they run.
    const BY_LEVEL: &'static [CallSite; 5] = &[
        CallSite::new(Level::Error, S::LOCATION, L::TYPES),
        CallSite::new(Level::Warn, S::LOCATION, L::TYPES),
        CallSite::new(Level::Info, S::LOCATION, L::TYPES),
        CallSite::new(Level::Debug, S::LOCATION, L::TYPES),
        CallSite::new(Level::Trace, S::LOCATION, L::TYPES),
    ];
}

/// The call site of a statement of kymo's own.
pub(crate) fn site<S: Statement, L: Arguments>(_: S, _: L) -> &'static CallSite {
    SiteOf::<S, L>::SITE
}

/// Makes the functions for statements with a few arguments. The arguments are passed one by one so
/// that they travel in registers, to functions that all statements with these types and of
/// this level share, so that a statement is little code. In the order in which they follow on each other: `$shared` for
/// the usual case, which calls nothing and so saves no register, or `$long` where a string has to be copied by a loop;
/// `$coarse` for the coarse clock; `$other` for rings in files; `$recorded` for levels whose records go round in a ring of
/// their own; `$again` where the ring has gone round, or is full; `$outlined` where anything else is out of the ordinary. The
/// call site comes last, so that the arguments are in their registers already.
macro_rules! log {
    ($log:ident $log_at:ident $shared:ident $long:ident $coarse:ident $other:ident $again:ident $recorded:ident $outlined:ident: $list:ty,
        $($name:ident: $ty:ident),* => $value:expr) => {
        /// Logs a record with these arguments.
        #[inline(always)]
        pub fn $log<S: Statement, $($ty: Encode),*>(_statement: S, $($name: $ty),*) {
            $shared::<S::At, $($ty),*>($($name,)* SiteOf::<S, $list>::SITE);
            $( $name.release(); )*
        }

        /// Logs a record with these arguments, at a level that is known only now.
        #[inline(always)]
        #[allow(clippy::too_many_arguments, reason = "one for each argument of the statement")]
        pub fn $log_at<S: Statement, $($ty: Encode),*>(_statement: S, level: Level, $($name: $ty),*) {
            $shared::<AtAny, $($ty),*>($($name,)* &SiteOf::<S, $list>::BY_LEVEL[level.index()]);
            $( $name.release(); )*
        }

        #[inline(never)]
        fn $shared<V: AtLevel, $($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
            let arguments: $list = $value;
            if !arguments.are_short() {
                return $long::<V, $($ty),*>($($name,)* site);
            }
            match hot::counter::<V, _>(site, arguments) {
                Ok(()) => {}
                Err(Other::Way(taken)) => $coarse::<V, $($ty),*>($($name,)* site, taken),
                Err(Other::Nested) => $outlined($($name,)* site),
            }
        }

        #[inline(never)]
        fn $long<V: AtLevel, $($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
            let arguments: $list = $value;
            match hot::counter::<V, _>(site, arguments) {
                Ok(()) => {}
                Err(Other::Way(taken)) => $coarse::<V, $($ty),*>($($name,)* site, taken),
                Err(Other::Nested) => $outlined($($name,)* site),
            }
        }

        #[inline(never)]
        #[allow(clippy::too_many_arguments, reason = "one for each argument of the statement")]
        fn $coarse<V: AtLevel, $($ty: Encode),*>(
            $($name: $ty,)* site: &'static CallSite, taken: Taken<'static>,
        ) {
            let arguments: $list = $value;
            if let Err(taken) = hot::lent::<Coarse, V, _>(taken, site, arguments) {
                $other::<V, $($ty),*>($($name,)* site, taken);
            }
        }

        #[inline(never)]
        #[allow(clippy::too_many_arguments, reason = "one for each argument of the statement")]
        fn $other<V: AtLevel, $($ty: Encode),*>(
            $($name: $ty,)* site: &'static CallSite, taken: Taken<'static>,
        ) {
            let arguments: $list = $value;
            let path = hot::path::<V>(&taken, site);
            if path == Path::InFile {
                if let Err(taken) = hot::lent::<InFile, V, _>(taken, site, arguments) {
                    $again::<V, $($ty),*>($($name,)* site, taken);
                }
            } else if path.records() {
                taken.put_back();
                $recorded::<V, $($ty),*>($($name,)* site);
            } else {
                $again::<V, $($ty),*>($($name,)* site, taken);
            }
        }

        #[inline(never)]
        #[allow(clippy::too_many_arguments, reason = "one for each argument of the statement")]
        fn $again<V: AtLevel, $($ty: Encode),*>(
            $($name: $ty,)* site: &'static CallSite, taken: Taken<'static>,
        ) {
            let arguments: $list = $value;
            if hot::refill::<V, _>(taken, site, arguments) {
                $shared::<V, $($ty),*>($($name,)* site);
            } else {
                $outlined($($name,)* site);
            }
        }

        #[inline(never)]
        fn $recorded<V: AtLevel, $($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
            let arguments: $list = $value;
            if !recorded::log::<V, _>(site, arguments) {
                $outlined($($name,)* site);
            }
        }

        #[cold]
        #[inline(never)]
        fn $outlined<$($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
            let arguments: $list = $value;
            hot::log_slow(site, arguments);
        }
    };
}

log!(log0 log0_at shared0 long0 coarse0 other0 again0 recorded0 outlined0: (), => ());
log!(log1 log1_at shared1 long1 coarse1 other1 again1 recorded1 outlined1: (A, ()), a: A => (a, ()));
log!(log2 log2_at shared2 long2 coarse2 other2 again2 recorded2 outlined2: (A, (B, ())), a: A, b: B => (a, (b, ())));
log!(log3 log3_at shared3 long3 coarse3 other3 again3 recorded3 outlined3: (A, (B, (C, ()))), a: A, b: B, c: C => (a, (b, (c, ()))));
log!(log4 log4_at shared4 long4 coarse4 other4 again4 recorded4 outlined4: (A, (B, (C, (D, ())))), a: A, b: B, c: C, d: D => (a, (b, (c, (d, ())))));
log!(log5 log5_at shared5 long5 coarse5 other5 again5 recorded5 outlined5: (A, (B, (C, (D, (E, ()))))), a: A, b: B, c: C, d: D, e: E =>
    (a, (b, (c, (d, (e, ()))))));
log!(log6 log6_at shared6 long6 coarse6 other6 again6 recorded6 outlined6: (A, (B, (C, (D, (E, (F, ())))))), a: A, b: B, c: C, d: D, e: E, f: F =>
    (a, (b, (c, (d, (e, (f, ())))))));

/// A statement with more arguments than fit into registers: `(a, (b, (c, …)))`.
#[inline(always)]
pub fn log_many<S: Statement, L: Arguments>(_statement: S, arguments: L) {
    shared_many::<S::At, L>(SiteOf::<S, L>::SITE, arguments);
    arguments.release();
}

/// The same for statements whose level is known when they run.
#[inline(always)]
pub fn log_many_at<S: Statement, L: Arguments>(_statement: S, level: Level, arguments: L) {
    shared_many::<AtAny, L>(&SiteOf::<S, L>::BY_LEVEL[level.index()], arguments);
    arguments.release();
}

#[inline(never)]
fn shared_many<V: AtLevel, L: Arguments>(site: &'static CallSite, arguments: L) {
    let logged = loop {
        let taken = match hot::counter::<V, L>(site, arguments) {
            Ok(()) => break true,
            Err(Other::Nested) => break false,
            Err(Other::Way(taken)) => taken,
        };
        let path = hot::path::<V>(&taken, site);
        if path.records() {
            taken.put_back();
            break recorded::log::<V, L>(site, arguments);
        }
        let lent = hot::lent::<Coarse, V, L>(taken, site, arguments)
            .or_else(|taken| hot::lent::<InFile, V, L>(taken, site, arguments));
        let Err(taken) = lent else { break true };
        if !hot::refill::<V, L>(taken, site, arguments) {
            break false;
        }
    };
    if !logged {
        hot::log_slow(site, arguments);
    }
}
