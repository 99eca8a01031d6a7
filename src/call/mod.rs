//! A log call: the paths that a record can take from a statement to its thread's ring.
//!
//! In come a call site and captured arguments (`export`, which the macros call). Out goes a record in a ring
//! of the thread, or a count of one more drop. Nothing here knows of the consumer or of the log file.
//!
//! Three facts decide, and none changes while a thread has its ring: the *clock* and the *place* of its rings
//! (heap or file), which are the thread's, and the *ring*, which is the level's. Each path is a function of its
//! own, for each list of argument types and each level. A path that does not take a record passes it on:
//!
//! ```text
//!  enabled? ── no ──> nothing                  (in the statement itself)
//!     │ yes
//!   fast ── taken                              fast_long: likewise, with a long string
//!     │ └── re-entrant ──────────────────────────────────────────────┐
//!   coarse ── taken                                                   │
//!     │                                                               │
//!   further ── file ── taken                                          │
//!     │          └── no words, or a new call site ──> refill          │
//!     ├──────── overwriting ── taken                                  │
//!     │          └── a new call site, a long record ─────────────> slow
//!     └──────── refill ── words again ──> fast                        │
//!                └── no ──────────────────────────────────────────────┘
//! ```
//!
//! | path | takes a record if | instructions, `mixed` | if not |
//! | --- | --- | --- | --- |
//! | `fast` | counter, heap, bounded ring, reserved words | 42 | `coarse`; `slow` if re-entrant |
//! | `coarse` | coarse clock, heap, bounded ring, reserved words | 56 | `further` |
//! | `file` | either fast clock, file, bounded ring, reserved words, known call site | | `refill` |
//! | `overwriting` | a ring that overwrites, at most 256 bytes, known call site if in a file | 180 | `slow` |
//! | `refill` | nothing; it reserves what has become free, once for each time around the ring | | `fast`, `slow` |
//! | `slow` | always: logs, waits, cuts, drops, or counts | | |
//!
//! The instructions are those of `benches/instructions.sh` without fat LTO; `tests/instructions.rs` holds the
//! first two. A record that no path takes does not exist: `slow` counts it.
//!
//! Not taken: `coarse` and `file` as one path. Whether the call site is known, which clock to read and the
//! position in a file would be asked in vain on the heap.

pub mod export;
pub(crate) mod fast;
#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) mod gathered;
pub(crate) mod overwriting;
pub(crate) mod slow;

use crate::argument::{Arguments, Encode};
use crate::call::fast::{CoarsePath, FilePath, PathRefused};
use crate::level::Level;
use crate::ring::cursor::Claim;
use crate::statement::call_site::{AtAny, AtLevel, CallSite, Statement};

/// The call sites of a statement `S` with arguments `L`.
struct SiteOf<S, L>(S, L);

impl<S: Statement, L: Arguments> SiteOf<S, L> {
    const SITE: &'static CallSite =
        &CallSite::new(S::LEVEL, S::LOCATION, L::TYPES).with_purpose(S::PURPOSE).in_log(S::LOG);

    /// For statements whose level is known when they run.
    const BY_LEVEL: &'static [CallSite; 5] = &CallSite::each_in_log(
        CallSite::at_each_level_for(S::LOCATION, L::TYPES, S::PURPOSE),
        S::LOG,
    );
}

/// The call site of a statement of kymo's own.
pub(crate) fn site<S: Statement, L: Arguments>(_: S, _: L) -> &'static CallSite {
    SiteOf::<S, L>::SITE
}

/// Makes the module for statements with so many arguments.
///
/// The functions get the arguments one by one, so that these travel in registers. All statements with the same
/// argument types and level share them, so that a statement is little code. The call site comes last: the
/// arguments are in their registers already. Each path is outlined from the one before, which so saves no
/// registers.
macro_rules! arity {
    ($module:ident: $list:ty, $($name:ident: $ty:ident),* => $value:expr) => {
        #[allow(missing_docs, reason = "the module's name is the number of arguments")]
        #[allow(clippy::type_complexity, reason = "a list of types is a nest of types")]
        #[allow(clippy::too_many_arguments, reason = "one for each argument of the statement")]
        pub mod $module {
            use super::*;

            /// Logs a record with these arguments.
            #[inline(always)]
            pub fn log<S: Statement, $($ty: Encode),*>(_statement: S, $($name: $ty),*) {
                fast::<S::At, $($ty),*>($($name,)* SiteOf::<S, $list>::SITE);
                $( $name.release(); )*
            }

            /// Logs a record with these arguments, at a level that is known only now.
            #[inline(always)]
            pub fn log_at<S: Statement, $($ty: Encode),*>(_statement: S, level: Level, $($name: $ty),*) {
                fast::<AtAny, $($ty),*>($($name,)* &SiteOf::<S, $list>::BY_LEVEL[level.index()]);
                $( $name.release(); )*
            }

            /// Logs a record of a call site that was made at run time.
            #[cfg(feature = "tracing")]
            #[allow(dead_code, reason = "not for each number of arguments")]
            #[inline(always)]
            pub(crate) fn log_to<$($ty: Encode),*>(site: &'static CallSite, $($name: $ty),*) {
                fast::<AtAny, $($ty),*>($($name,)* site);
                $( $name.release(); )*
            }

            #[inline(never)]
            fn fast<V: AtLevel, $($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
                let arguments: $list = $value;
                if !arguments.are_short() {
                    return fast_long::<V, $($ty),*>($($name,)* site);
                }
                match super::fast::log::<V, _>(site, arguments) {
                    Ok(()) => {}
                    Err(PathRefused::NotThisPath(claim)) => coarse::<V, $($ty),*>($($name,)* site, claim),
                    Err(PathRefused::Reentrant) => slow($($name,)* site),
                }
            }

            /// `fast` for long strings, which a loop copies.
            #[inline(never)]
            fn fast_long<V: AtLevel, $($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
                let arguments: $list = $value;
                match super::fast::log::<V, _>(site, arguments) {
                    Ok(()) => {}
                    Err(PathRefused::NotThisPath(claim)) => coarse::<V, $($ty),*>($($name,)* site, claim),
                    Err(PathRefused::Reentrant) => slow($($name,)* site),
                }
            }

            #[inline(never)]
            fn coarse<V: AtLevel, $($ty: Encode),*>(
                $($name: $ty,)* site: &'static CallSite, claim: Claim<'static>,
            ) {
                let arguments: $list = $value;
                if let Err(claim) = super::fast::log_on::<CoarsePath, V, _>(claim, site, arguments) {
                    further::<V, $($ty),*>($($name,)* site, claim);
                }
            }

            /// `file`, or a jump to the path that may take the record.
            #[inline(never)]
            fn further<V: AtLevel, $($ty: Encode),*>(
                $($name: $ty,)* site: &'static CallSite, claim: Claim<'static>,
            ) {
                let arguments: $list = $value;
                if claim.cursor().ring(V::index(site)).overwrites() {
                    return overwriting::<V, $($ty),*>($($name,)* site, claim);
                }
                if let Err(claim) = super::fast::log_on::<FilePath, V, _>(claim, site, arguments) {
                    refill::<V, $($ty),*>($($name,)* site, claim);
                }
            }

            #[inline(never)]
            fn overwriting<V: AtLevel, $($ty: Encode),*>(
                $($name: $ty,)* site: &'static CallSite, claim: Claim<'static>,
            ) {
                let arguments: $list = $value;
                if !super::overwriting::log::<V, _>(claim, site, arguments) {
                    slow($($name,)* site);
                }
            }

            #[inline(never)]
            fn refill<V: AtLevel, $($ty: Encode),*>(
                $($name: $ty,)* site: &'static CallSite, claim: Claim<'static>,
            ) {
                let arguments: $list = $value;
                if super::slow::refill::<V, _>(claim, site, arguments) {
                    fast::<V, $($ty),*>($($name,)* site);
                } else {
                    slow($($name,)* site);
                }
            }

            #[cold]
            #[inline(never)]
            fn slow<$($ty: Encode),*>($($name: $ty,)* site: &'static CallSite) {
                let arguments: $list = $value;
                super::slow::log(site, arguments);
            }
        }
    };
}

arity!(log0: (), => ());
arity!(log1: (A, ()), a: A => (a, ()));
arity!(log2: (A, (B, ())), a: A, b: B => (a, (b, ())));
arity!(log3: (A, (B, (C, ()))), a: A, b: B, c: C => (a, (b, (c, ()))));
arity!(log4: (A, (B, (C, (D, ())))), a: A, b: B, c: C, d: D => (a, (b, (c, (d, ())))));
arity!(log5: (A, (B, (C, (D, (E, ()))))), a: A, b: B, c: C, d: D, e: E =>
    (a, (b, (c, (d, (e, ()))))));
arity!(log6: (A, (B, (C, (D, (E, (F, ())))))), a: A, b: B, c: C, d: D, e: E, f: F =>
    (a, (b, (c, (d, (e, (f, ())))))));

/// Statements with more arguments than fit into registers: `(a, (b, (c, …)))`. One function has all paths.
pub mod log_many {
    use super::*;

    /// Logs a record with these arguments.
    #[inline(always)]
    pub fn log<S: Statement, L: Arguments>(_statement: S, arguments: L) {
        fast::<S::At, L>(SiteOf::<S, L>::SITE, arguments);
        arguments.release();
    }

    /// Logs a record with these arguments, at a level that is known only now.
    #[inline(always)]
    pub fn log_at<S: Statement, L: Arguments>(_statement: S, level: Level, arguments: L) {
        fast::<AtAny, L>(&SiteOf::<S, L>::BY_LEVEL[level.index()], arguments);
        arguments.release();
    }

    /// Logs a record of a call site that was made at run time.
    pub(crate) fn log_to<L: Arguments>(site: &'static CallSite, arguments: L) {
        fast::<AtAny, L>(site, arguments);
        arguments.release();
    }

    #[inline(never)]
    fn fast<V: AtLevel, L: Arguments>(site: &'static CallSite, arguments: L) {
        let logged = loop {
            let claim = match super::fast::log::<V, L>(site, arguments) {
                Ok(()) => break true,
                Err(PathRefused::Reentrant) => break false,
                Err(PathRefused::NotThisPath(claim)) => claim,
            };
            if claim.cursor().ring(V::index(site)).overwrites() {
                break overwriting::log::<V, L>(claim, site, arguments);
            }
            let taken = super::fast::log_on::<CoarsePath, V, L>(claim, site, arguments)
                .or_else(|claim| super::fast::log_on::<FilePath, V, L>(claim, site, arguments));
            let Err(claim) = taken else { break true };
            if !slow::refill::<V, L>(claim, site, arguments) {
                break false;
            }
        };
        if !logged {
            slow::log(site, arguments);
        }
    }
}
