//! Logs records of statements that are not kymo's own, whose arguments were gathered at run time.
//!
//! The paths are those of other records. The fastest one is a function of its own, which has no long texts to write. It
//! leaves all that is rare to others, in its last call: so it saves no registers.

use crate::argument::gathered::{Gathered, Name};
use crate::call::fast::{CoarsePath, FilePath, PathRefused};
use crate::call::{fast, log_many, overwriting, slow};
use crate::ring::cursor::Claim;
use crate::statement::call_site::{AtAny, AtLevel, CallSite};

/// Logs a record of a call site that was made at run time.
#[inline(always)]
pub(crate) fn log_to<N: Name>(site: &'static CallSite, gathered: &Gathered<N>) {
    if gathered.is_whole() {
        fast(site, gathered);
    } else {
        log_many::log_to(site, gathered.values());
    }
}

/// The fastest path.
#[inline(never)]
fn fast<N: Name>(site: &'static CallSite, gathered: &Gathered<N>) {
    match fast::log::<AtAny, _>(site, gathered.whole_values()) {
        Ok(()) => {}
        Err(PathRefused::NotThisPath(claim)) => further(site, gathered, claim),
        Err(PathRefused::Reentrant) => slow(site, gathered),
    }
}

/// `coarse`, `file`, `overwriting`, or a jump to the path that may take the record.
#[inline(never)]
fn further<N: Name>(site: &'static CallSite, gathered: &Gathered<N>, claim: Claim<'static>) {
    let values = gathered.whole_values();
    if claim.cursor().ring(<AtAny as AtLevel>::index(site)).overwrites() {
        if !overwriting::log::<AtAny, _>(claim, site, values) {
            slow(site, gathered);
        }
        return;
    }
    let taken = fast::log_on::<CoarsePath, AtAny, _>(claim, site, values)
        .or_else(|claim| fast::log_on::<FilePath, AtAny, _>(claim, site, values));
    let Err(claim) = taken else { return };
    if slow::refill::<AtAny, _>(claim, site, values) {
        fast(site, gathered);
    } else {
        slow(site, gathered);
    }
}

#[cold]
#[inline(never)]
fn slow<N: Name>(site: &'static CallSite, gathered: &Gathered<N>) {
    slow::log(site, gathered.whole_values());
}
