//! What the threads that log and the consumer of one logger share.

use crate::call::recorded::{self, Followers, Recorders};
use crate::clock::lines::Lines;
use crate::clock::{Observation, TickSource};
use crate::consumer::dump::DumpRequest;
use crate::crash::signals::Emergency;
use crate::ring::files::CrashProof;
use crate::ring::ring;
use crate::segment::LogFile;
use crate::segment::side::SideFile;
use crate::shared::control::Control;
use crate::shared::policy::Policies;
use crate::shared::registry::{NewRing, Registry};
use crate::shared::state::{RingState, ThreadInfo};
use crate::shared::stats::Counters;
use crate::statement::call_site::CallSite;
use crate::sync::Arc;
use crate::sync::statics::{Mutex, MutexGuard, PoisonError};
use crate::thread::producer::Producer;

/// A logger, without its thread and its file.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) control: Control,
    pub(crate) counters: Counters,
    pub(crate) clock: TickSource,
    pub(crate) policies: Policies,
    pub(crate) ring_words: usize,
    /// What the clocks showed when the logger was made.
    pub(crate) started: Observation,
    pub(crate) side: SideFile,
    /// How ticks become time in the log.
    pub(crate) lines: Lines,
    pub(crate) emergency: Arc<Emergency>,
    pub(crate) dump_request: DumpRequest,
    /// Where rings are in files.
    crash_proof: Option<CrashProof>,
    log: Mutex<Option<Arc<LogFile>>>,
}

impl Core {
    pub(crate) fn new(clock: TickSource, policies: Policies, ring_words: usize) -> Self {
        Self {
            registry: Registry::new(),
            control: Control::new(),
            counters: Counters::default(),
            clock,
            policies,
            ring_words,
            started: clock.observe(),
            side: SideFile::default(),
            lines: Lines::default(),
            emergency: Arc::default(),
            dump_request: DumpRequest::default(),
            crash_proof: None,
            log: Mutex::default(),
        }
    }

    /// With rings in files.
    pub(crate) fn with_crash_proof(self, crash_proof: Option<CrashProof>) -> Self {
        Self { crash_proof, ..self }
    }

    /// What is kept in files, if rings are.
    pub(crate) fn crash_proof(&self) -> Option<&CrashProof> {
        self.crash_proof.as_ref()
    }

    /// Makes a ring in a file, where rings are; counts where that is not possible.
    pub(crate) fn in_file<T>(&self, make: impl FnOnce(&CrashProof) -> Option<T>) -> Option<T> {
        let ring = make(self.crash_proof.as_ref()?);
        if ring.is_none() {
            self.counters.ring_file_errors.increment();
        }
        ring
    }

    /// Sees to it that a call site can be recovered, or counts that it cannot.
    pub(crate) fn register(&self, site: &'static CallSite) {
        if !self.crash_proof.as_ref().is_some_and(|crash_proof| crash_proof.register(site)) {
            self.counters.ring_file_errors.increment();
        }
    }

    /// This is the file now.
    pub(crate) fn set_log(&self, log: Option<LogFile>) {
        let log = log.map(Arc::new);
        self.log().clone_from(&log);
        if let Some(log) = log {
            self.side.belong_to(&log);
        }
    }

    /// The logger has ended: nothing more is written. (The file stays locked as long as it is open.)
    pub(crate) fn end_files(&self) {
        self.set_log(None);
        self.side.close();
    }

    /// Has the system bring the file to the disk.
    pub(crate) fn sync(&self) {
        let Some(log) = self.log().clone() else { return };
        if log.file.sync_data().is_err() {
            self.counters.sync_errors.increment();
        }
    }

    /// Writes a record into the side file; false if that is impossible.
    pub(crate) fn rescue(&self, record: &[u64], thread: &ThreadInfo, synced: bool) -> bool {
        let Some(log) = self.log().clone() else { return false };
        self.side.write(record, thread, &log, self, synced)
    }

    fn log(&self) -> MutexGuard<'_, Option<Arc<LogFile>>> {
        // Nothing under this lock panics.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the flight recorder dumped, and waits for it; how many records that were.
    pub(crate) fn dump_flight_recorder(&self) -> u64 {
        // Nothing under this lock leaves anything half done.
        let _turn = self.dump_request.turn.lock().unwrap_or_else(|it| it.into_inner());
        self.dump_request.ask();
        if self.control.request_sweep(None) { self.dump_request.records() } else { 0 }
    }

    /// A producer for kymo's own records; `None` if the logger has just ended.
    pub(crate) fn make_own_producer(self: &Arc<Self>, ring_words: usize) -> Option<Producer> {
        let thread = ThreadInfo { name: "kymo".to_owned(), os_id: 0 };
        let state = RingState { is_own: true, ..RingState::new(self, ring_words, thread) };
        self.make(state, Default::default())
    }

    /// A producer for the calling thread, with rings for its recorded levels; `None` if the logger
    /// has just ended.
    pub(crate) fn make_producer(
        self: &Arc<Self>,
        ring_words: usize,
        thread: ThreadInfo,
    ) -> Option<Producer> {
        // Each call of a thread comes here when the consumer has died: no ring is made for it.
        if self.registry.is_closed() {
            return None;
        }
        match recorded::rings(self, ring_words, &thread) {
            Some(rings) => {
                let state = RingState::new(self, ring_words, thread).with_recorders(self);
                self.make(state, rings)
            }
            None => self.make_plain_producer(ring_words, thread),
        }
    }

    /// A producer without those: what it logs goes to its one ring.
    pub(crate) fn make_plain_producer(
        self: &Arc<Self>,
        ring_words: usize,
        thread: ThreadInfo,
    ) -> Option<Producer> {
        self.make(RingState::new(self, ring_words, thread), Default::default())
    }

    fn make(
        self: &Arc<Self>,
        state: RingState,
        (recorders, followers): (Option<Box<Recorders>>, Followers),
    ) -> Option<Producer> {
        // As in `make_producer`.
        if self.registry.is_closed() {
            return None;
        }
        let in_file = if state.is_own {
            None
        } else {
            self.in_file(|files| files.ring(state.ring_words, &state.thread, self.clock))
        };
        let any_in_file = in_file.is_some() || followers.any_in_file();
        let state = if any_in_file { state.in_file() } else { state };
        let (producer, consumer) = in_file
            .or_else(|| self.registry.spare(state.ring_words))
            .unwrap_or_else(|| ring(state.ring_words));
        let state = Arc::new(state);
        if !self.registry.add(NewRing { ring: consumer, followers, state: state.clone() }) {
            return None;
        }
        // Behind that, so that only what the consumer knows of is in the list. The thread has its
        // end of the ring still, so it is not dismissed before.
        self.counters.enlist(&state);
        Some(Producer::new(producer, recorders, state, self.clone()))
    }
}
