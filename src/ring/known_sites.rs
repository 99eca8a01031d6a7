//! Which call sites a thread knows to be in the file.

use std::cell::Cell;
use std::ptr;

use crate::statement::call_site::CallSite;

/// How many a thread remembers. Two that share a place cost a lock each time that they alternate.
const PLACES: usize = 512;

/// The call sites that a thread has seen to be in the file, each in the one place that it can have.
pub(crate) struct KnownSites(Box<[Cell<u64>; PLACES]>);

impl KnownSites {
    pub(crate) fn new() -> Self {
        Self(Box::new([const { Cell::new(0) }; PLACES]))
    }

    /// Whether it is known to be there.
    #[inline(always)]
    pub(crate) fn has(&self, site: &'static CallSite) -> bool {
        self.0[place(site)].get() == key(site)
    }

    /// Notes that it is.
    pub(crate) fn add(&self, site: &'static CallSite) {
        self.0[place(site)].set(key(site));
    }
}

#[inline(always)]
fn place(site: &'static CallSite) -> usize {
    // Call sites are some 130 bytes long.
    let address = ptr::from_ref(site).addr();
    (address >> 3 ^ address >> 12) % PLACES
}

/// The word of a call site at its address. If a library was unloaded and another one loaded there,
/// the call site at that address has another fingerprint.
#[inline(always)]
pub(crate) fn key(site: &'static CallSite) -> u64 {
    // Zero means none.
    (site.fingerprint ^ ptr::from_ref(site).addr() as u64) | 1 << 63
}
