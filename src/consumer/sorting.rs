//! Which logs each record goes to, as the consumer sees it: by the call site's address, once for each call site.
//!
//! In: runs of a ring's words. Out: calls of the writers of all logs that the records are for. A logger without routes
//! has none of this.

use std::collections::HashMap;
use std::ptr;

use crate::consumer::account::LogAccount;
use crate::consumer::batch::{Leftover, take_records};
use crate::consumer::log::Log;
use crate::consumer::sweep::Sweep;
use crate::segment::Output;
use crate::shared::routes::{LogSet, Routes};
use crate::statement::call_site::CallSite;
use crate::sync::Arc;

/// How many call sites are found without a look into the table.
const RECENT: usize = 256;

/// What is known of a call site.
#[derive(Clone, Copy)]
struct Sorted {
    address: usize,
    /// The address may mean something else later: see [`CallSite`].
    fingerprint: u64,
    logs: LogSet,
}

/// Finds the logs of a record.
pub(super) struct Sorter {
    routes: Arc<Routes>,
    by_address: HashMap<usize, Sorted>,
    recent: Box<[Sorted; RECENT]>,
}

impl Sorter {
    pub(super) fn new(routes: Arc<Routes>) -> Self {
        let nothing = Sorted { address: 0, fingerprint: 0, logs: LogSet::MAIN };
        Self { routes, by_address: HashMap::new(), recent: Box::new([nothing; RECENT]) }
    }

    #[inline]
    fn logs_of(&mut self, site: &'static CallSite) -> LogSet {
        let address = ptr::from_ref(site).addr();
        let recent = &self.recent[(address >> 4) % RECENT];
        if recent.address == address && recent.fingerprint == site.fingerprint {
            return recent.logs;
        }
        self.find(site, address)
    }

    #[cold]
    fn find(&mut self, site: &'static CallSite, address: usize) -> LogSet {
        let fingerprint = site.fingerprint;
        let decide = || Sorted { address, fingerprint, logs: self.routes.of(site) };
        let sorted = self.by_address.entry(address).or_insert_with(decide);
        if sorted.fingerprint != fingerprint {
            *sorted = Sorted { address, fingerprint, logs: self.routes.of(site) };
        }
        self.recent[(address >> 4) % RECENT] = *sorted;
        sorted.logs
    }
}

/// A batch of one thread's records for several logs.
pub(super) struct SortedBatch<'a, O> {
    pub(super) logs: &'a mut [Log<O>],
    pub(super) accounts: &'a mut [LogAccount],
    pub(super) sorter: &'a mut Sorter,
    pub(super) sweep: &'a mut Sweep,
    /// The ticks of the last record that was taken.
    pub(super) last_ticks: u64,
}

impl<O: Output> SortedBatch<'_, O> {
    /// Takes records until the batch is full. Returns what it left.
    pub(super) fn take_all(&mut self, (first, second): (&[u64], &[u64])) -> Leftover {
        match self.take(first) && self.take(second) {
            true => Leftover::Nothing,
            false => Leftover::NewerThan(self.last_ticks),
        }
    }

    /// Takes records until the batch is full. Returns whether it took all.
    fn take(&mut self, run: &[u64]) -> bool {
        let Self { logs, accounts, sorter, sweep, last_ticks } = self;
        take_records(sweep, run, |sweep, record| {
            *last_ticks = record.ticks;
            sweep.records += 1;
            for log in sorter.logs_of(record.site).iter() {
                let account = &mut accounts[log];
                // After a crash of the consumer, a log may have a part of what is still in the ring.
                if sweep.words >= account.settled_words() {
                    logs[log].writer.put(record, &mut account.in_segment);
                }
            }
        })
    }
}
