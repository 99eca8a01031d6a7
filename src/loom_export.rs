//! What the loom models need to see: the parts of the crate in which threads meet.

/// The rings.
pub mod ring {
    pub use crate::ring::*;
}

/// loom, by the names that the crate uses.
pub mod sync {
    pub use crate::sync::*;
}

/// What statements look at before they log.
pub mod filter {
    pub use crate::filter::Filter;
    pub use crate::filter::gate::*;
}

/// How threads find the logger.
pub mod published {
    pub use crate::process::published::*;
}

/// What is found for ever, without a lock.
pub mod table {
    pub use crate::statement::table::*;
}

/// The spans that are open.
pub mod slab {
    pub use crate::bridge::slab::*;
}

/// The places that mutants break.
pub mod mutant {
    pub use crate::mutant::*;
}

/// A logger without what loom cannot follow: the statics and thread-locals by which statements find
/// it, the file, and time.
pub mod rig {
    use std::io;
    use std::time::Duration;

    use crate::Level;
    use crate::argument::Arguments;
    use crate::call::fast::{self, CoarsePath};
    use crate::call::slow;
    use crate::clock::discipline::Discipline;
    use crate::clock::{Clock, Observation, TickSource};
    use crate::consumer::{Consumer, Swept};
    use crate::drop_reason::DropReason;
    use crate::format::FRAME_HEADER_BYTES;
    use crate::format::frame::{FrameHeader, Kind};
    use crate::format::varint;
    use crate::process::thread_info::ThreadInfo;
    use crate::segment::{LogOutput, Output};
    use crate::shared::Shared;
    use crate::shared::mailbox::Request;
    use crate::shared::orphans::Orphan;
    use crate::shared::pending::{Effect, Pending, Post, Posted};
    use crate::shared::policy::{FlightRecorder, Policies, WriteThrough};
    use crate::shared::state::{Drops, RingState};
    use crate::statement::call_site::{AtAny, CallSite, Location};
    use crate::sync::atomic::{AtomicU64, Ordering};
    use crate::sync::{Arc, statics, thread};
    use crate::thread::producer::Producer;

    pub use crate::consumer::Report;
    pub use crate::shared::policy::Overflow;

    /// The words of a record with one number.
    pub const RECORD_WORDS: usize = 3;

    /// The arguments of a statement with one number.
    type Number = (u64, ());

    static SITE: CallSite = CallSite::new(
        Level::Info,
        Location {
            target: "",
            module: "",
            file: "",
            line: 0,
            column: 0,
            format: "{}",
            names: &[""],
        },
        <Number as Arguments>::TYPES,
    );

    /// The number of the signal by which somebody ends the process.
    pub const TERMINATED: u8 = 15;

    /// What comes with it.
    const PAYLOAD: u64 = 7;

    /// A termination signal on its way.
    #[derive(Clone, Default)]
    pub struct Termination(Arc<Pending>);

    impl Termination {
        /// The handler's side: leaves the signal, and returns. Whether it has to act itself.
        pub fn post(&self) -> bool {
            let post = Post { effect: Effect::Kill, waits: false, thread: 1 };
            self.0.post(post, &[PAYLOAD]) == Posted::Gone
        }

        /// The standby's side: waits until a signal was left. Whether all of it came.
        pub fn take(&self) -> bool {
            loop {
                if let Some((_, payload)) = self.0.take() {
                    return payload == [PAYLOAD];
                }
                thread::yield_now();
            }
        }

        /// The standby's side: it ends. Whether it has to act on a signal.
        pub fn close(&self) -> bool {
            self.0.close().is_some()
        }
    }

    /// A logger whose consumer runs in a thread of the model.
    pub struct Rig {
        shared: Arc<Shared>,
        file: Arc<File>,
    }

    impl Rig {
        /// A logger whose consumer does not run yet.
        pub fn new(ring_words: usize, overflow: Overflow) -> Self {
            let policies = Policies::new(overflow);
            let shared = Shared::new(TickSource::new(Clock::Coarse), policies, ring_words);
            Self { shared: Arc::new(shared), file: Arc::default() }
        }

        /// Makes a logger whose records are all critical.
        pub fn write_through(ring_words: usize) -> Self {
            let mut policies = Policies::new(Overflow::DropNewest);
            // Real time passes while a model runs.
            let patience = WriteThrough::at(Level::Info).timeout(Duration::from_secs(3_600));
            policies.set_write_through(patience);
            let shared = Shared::new(TickSource::new(Clock::Coarse), policies, ring_words);
            Self { shared: Arc::new(shared), file: Arc::default() }
        }

        /// Makes a logger whose records all go to a flight recorder.
        pub fn recording(ring_words: usize) -> Self {
            let mut policies = Policies::new(Overflow::DropNewest);
            let words = 4 * RECORD_WORDS;
            policies.flight = Some(FlightRecorder { level: Level::Error, words });
            let shared = Shared::new(TickSource::new(Clock::Coarse), policies, ring_words);
            Self { shared: Arc::new(shared), file: Arc::default() }
        }

        /// Makes a logger whose records all overwrite the oldest.
        pub fn overwriting(ring_words: usize) -> Self {
            Self::new(ring_words, Overflow::OverwriteOldest)
        }

        /// Has the flight recorder dumped, and waits for it; how many records that were.
        pub fn dump(&self) -> u64 {
            self.shared.dump_flight_recorder()
        }

        /// Another handle to it.
        pub fn handle(&self) -> Self {
            Self { shared: self.shared.clone(), file: self.file.clone() }
        }

        /// Starts the consumer. It sleeps when a sweep found nothing, and time does not wake it.
        pub fn start(&self) -> thread::JoinHandle<Ended> {
            // So far in the future that the clocks are not compared again.
            let seen = Observation { monotonic_ns: u64::MAX / 2, ..Observation::default() };
            let clock = self.shared.clock;
            let shared = self.shared.clone();
            let mut consumer = Consumer::new(
                self.shared.clone(),
                Discipline::new(clock, seen, seen),
                Writing { file: self.file.clone(), records: 0 },
                0,
            );
            thread::spawn(move || {
                let (report, orphans) = consumer.run(|swept| {
                    if swept == Swept::Nothing {
                        thread::park();
                    }
                });
                shared.emergency.mailbox.end();
                Ended { report, orphans }
            })
        }

        /// Makes the calling thread's ring; `None` if the logger has ended.
        pub fn thread(&self) -> Option<Thread> {
            let producer = self.shared.make_producer(self.shared.ring_words, ThreadInfo::default());
            producer.map(|mut producer| {
                producer.release_cursor();
                Thread(producer)
            })
        }

        /// Asks for a sweep, and waits for it.
        pub fn request_sweep(&self) -> bool {
            self.shared.control.request_sweep(None)
        }

        /// What a handler does on a thread that crashes: asks for a drain, and waits until that is
        /// done. Whether it was this request that was served.
        pub fn crash(&self) -> bool {
            let (request, own) = self.request_drain();
            while !self.shared.emergency.mailbox.is_served(request) {
                thread::yield_now();
            }
            own
        }

        /// Asks for a drain as a handler does, on a thread that does not wait. loom needs only one
        /// thread that does.
        pub fn crash_elsewhere(&self) -> bool {
            self.request_drain().1
        }

        fn request_drain(&self) -> (Request, bool) {
            let request = Request::drain(11, 1).marked();
            let asked = self.shared.emergency.mailbox.request(request);
            // The handler has a handle of its own; that this waits for a lock changes nothing.
            self.shared.control.wake();
            asked
        }

        /// What the standby does once it has taken a signal that ends the process: has the rings
        /// drained, and the file closed.
        pub fn end_for_signal(&self) {
            let request = Request::drain(TERMINATED, 1).marked().closing();
            self.shared.emergency.mailbox.drain(
                request,
                || self.shared.control.wake(),
                || {
                    thread::yield_now();
                    true
                },
            );
        }

        /// Asks the consumer to drain the rings and end.
        pub fn stop(&self) {
            self.shared.control.stop(None);
        }

        /// How many records the calling thread can be sure to find in the file.
        pub fn in_file(&self) -> u64 {
            // Relaxed: only what the code that is modelled orders is certain.
            self.file.committed.load(Ordering::Relaxed)
        }

        /// What is in the file.
        pub fn contents(&self) -> Contents {
            Contents::of(&self.file.bytes())
        }
    }

    /// What is left of a consumer.
    pub struct Ended {
        /// What it said of its work.
        pub report: Report,
        orphans: Vec<Orphan>,
    }

    impl Ended {
        /// What came too late to be reported. To be called when all threads have ended.
        pub fn late(&mut self) -> u64 {
            let mut late = 0;
            for orphan in &mut self.orphans {
                let (count, ended) = orphan.count();
                assert!(ended, "a thread has not ended");
                late += count;
            }
            late
        }
    }

    /// A thread that logs.
    pub struct Thread(Producer);

    impl Thread {
        /// Logs a number, as the statement of a thread with a ring does; false if the logger has
        /// ended.
        pub fn log(&mut self, number: u64) -> bool {
            let arguments: Number = (number, ());
            // SAFETY: it is this thread's, and its ring lives.
            let logged = unsafe {
                fast::try_log::<CoarsePath, AtAny, _>(&self.0.state.cursor, &SITE, arguments)
            };
            logged
                || self.with_producer(|producer| {
                    let logs = !producer.is_shut_down();
                    if logs {
                        slow::log_with(producer, &SITE, arguments);
                    }
                    logs
                })
        }

        /// Waits until all that was logged is in the file; false if the logger has ended before.
        pub fn flush(&mut self) -> bool {
            self.with_producer(|producer| producer.flush(None))
        }

        /// Whether the consumer has taken all that was logged.
        pub fn is_drained(&mut self) -> bool {
            self.with_producer(|producer| producer.ring.is_drained())
        }

        /// Whether a call that only looks at the cursor can know that the logger has ended.
        pub fn is_closed(&self) -> bool {
            self.0.is_shut_down()
        }

        fn with_producer<R>(&mut self, use_it: impl FnOnce(&mut Producer) -> R) -> R {
            self.0.claim_cursor();
            let result = use_it(&mut self.0);
            self.0.release_cursor();
            result
        }
    }

    /// What a thread dropped, and nothing else of a logger.
    pub struct DropCount(RingState);

    impl DropCount {
        /// Nothing was dropped yet.
        pub fn new() -> Self {
            let rig = Rig::new(1, Overflow::DropNewest);
            Self(RingState::new(&rig.shared, 1, ThreadInfo::default()))
        }

        /// For the thread: drops a record.
        pub fn drop_record(&self) {
            self.drops().count(Level::Info, 1, DropReason::Full);
        }

        /// For the consumer: how many were dropped, as the total says and as the counts say.
        pub fn look(&self) -> (u64, u64) {
            (self.drops().total(), self.drops().counts().total())
        }

        fn drops(&self) -> &Drops {
            &self.0.logs[0].drops
        }
    }

    impl Default for DropCount {
        fn default() -> Self {
            Self::new()
        }
    }

    /// A file.
    #[derive(Default)]
    struct File {
        /// loom does not see this: it would order what the code that is modelled has to order.
        bytes: statics::Mutex<Vec<u8>>,
        /// How many records a reader sees.
        committed: AtomicU64,
    }

    impl File {
        fn bytes(&self) -> statics::MutexGuard<'_, Vec<u8>> {
            self.bytes.lock().unwrap_or_else(statics::PoisonError::into_inner)
        }
    }

    /// The consumer's end of a file.
    struct Writing {
        file: Arc<File>,
        records: u64,
    }

    impl Output for Writing {
        fn append(&mut self, frames: &[u8]) -> io::Result<()> {
            self.file.bytes().extend_from_slice(frames);
            self.records += Contents::of(frames).records.len() as u64;
            Ok(())
        }

        fn commit(&mut self) -> io::Result<()> {
            // Relaxed: see `Rig::in_file`.
            self.file.committed.store(self.records, Ordering::Relaxed);
            Ok(())
        }

        fn len(&self) -> u64 {
            self.file.bytes().len() as u64
        }

        fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LogOutput for Writing {}

    /// What frames say.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Contents {
        /// The threads and numbers of the records.
        pub records: Vec<(u64, u64)>,
        /// How many records the drop marks count.
        pub dropped: u64,
        /// How many records were written and dropped, as the ends of the threads say.
        pub thread_ends: (u64, u64),
        /// The signals.
        pub signals: Vec<u8>,
    }

    impl Contents {
        fn of(frames: &[u8]) -> Self {
            let mut contents = Self::default();
            let mut rest = frames;
            while let Some(header) = rest.first_chunk() {
                let header = FrameHeader::from_bytes(header);
                let payload = &rest[FRAME_HEADER_BYTES..][..header.payload_bytes];
                contents.put(Kind::from_code(header.kind).expect("a kind"), payload);
                rest = &rest[header.frame_bytes()..];
            }
            contents
        }

        fn put(&mut self, kind: Kind, payload: &[u8]) {
            let mut payload = Payload(payload);
            match kind {
                Kind::Records | Kind::LastRecords => {
                    if kind == Kind::LastRecords {
                        payload.0 = &payload.0[..payload.0.len() - 4];
                    }
                    let [thread, _written] = payload.numbers();
                    payload.skip(8);
                    while !payload.0.is_empty() {
                        let [_site, _ticks, number] = payload.numbers();
                        self.records.push((thread, number));
                    }
                }
                Kind::Drops => {
                    payload.numbers::<1>();
                    payload.skip(16);
                    let [counts] = payload.numbers();
                    for _ in 0..counts {
                        payload.skip(2);
                        let [count] = payload.numbers();
                        self.dropped += count;
                    }
                }
                Kind::ThreadEnd => {
                    let [_thread, written, dropped] = payload.numbers();
                    self.thread_ends.0 += written;
                    self.thread_ends.1 += dropped;
                }
                Kind::Signal => {
                    payload.numbers::<1>();
                    self.signals.push(payload.0[0]);
                }
                _ => {}
            }
        }
    }

    /// What is left of a payload.
    struct Payload<'a>(&'a [u8]);

    impl Payload<'_> {
        fn skip(&mut self, bytes: usize) {
            self.0 = &self.0[bytes..];
        }

        fn numbers<const N: usize>(&mut self) -> [u64; N] {
            std::array::from_fn(|_| {
                let (number, bytes) = varint::get(self.0).expect("a number");
                self.skip(bytes);
                number
            })
        }
    }
}

/// The housekeeper of a rotated log, and the consumer's side of it, without files.
pub mod housekeeper {
    use std::io;
    use std::path::Path;

    use crate::rotation::Rotation;
    use crate::rotation::housekeeper::{
        ANSWERS, Answer, Chores, House as Housekeeper, Switched, TASKS,
    };
    use crate::rotation::queue::queue;
    use crate::rotation::rotator::{Current, Ends, Rotator};
    use crate::segment::{LogOutput, Output};
    use crate::segments::LogName;
    use crate::sync::{Arc, Mutex, statics, thread};

    /// How many segments there are that are neither in use, finished nor discarded, and how many were finished.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Ended {
        /// How many were handed over and finished.
        pub finished: u64,
        /// How many were prepared, and are still there.
        pub left: i64,
    }

    type Counts = Arc<statics::Mutex<Ended>>;

    fn count(counts: &Counts, change: impl FnOnce(&mut Ended)) {
        change(&mut counts.lock().unwrap_or_else(statics::PoisonError::into_inner));
    }

    /// A segment without a file.
    struct Segment(Counts);

    impl Output for Segment {
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            Ok(())
        }

        fn commit(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn len(&self) -> u64 {
            0
        }

        fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LogOutput for Segment {
        fn discard(self) {
            count(&self.0, |it| it.left -= 1);
        }
    }

    struct Counting {
        counts: Counts,
        /// How many attempts fail.
        failures: u64,
    }

    impl Chores for Counting {
        type Segment = Segment;

        fn prepare(&mut self) -> io::Result<Segment> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            count(&self.counts, |it| it.left += 1);
            Ok(Segment(self.counts.clone()))
        }

        fn finish(&mut self, _: Switched<Segment>) -> Vec<Answer<Segment>> {
            count(&self.counts, |it| it.finished += 1);
            Vec::new()
        }

        fn look_around(&mut self) -> Vec<Answer<Segment>> {
            Vec::new()
        }

        fn discard(&mut self, next: Segment) {
            next.discard();
        }
    }

    /// A log that is rotated.
    pub struct House {
        rotator: Rotator<Segment>,
        counts: Counts,
        housekeeper: thread::JoinHandle<()>,
        /// The segment that is written.
        current: Option<Segment>,
    }

    impl House {
        /// Starts the housekeeper, which sleeps until it is woken.
        pub fn new() -> Self {
            Self::with_failures(0)
        }

        /// As `new`; the first segment cannot be made at once.
        pub fn failing_first() -> Self {
            Self::with_failures(1)
        }

        fn with_failures(failures: u64) -> Self {
            let counts = Counts::default();
            let (tasks, taken) = queue(TASKS);
            let (answered, answers) = queue(ANSWERS);
            // Modelled: what is waked before it sleeps for the first time sees all that came before.
            let sleeper: Arc<Mutex<Option<thread::Thread>>> = Arc::default();
            let wake = {
                let sleeper = sleeper.clone();
                move || {
                    let sleeper = sleeper.lock().unwrap();
                    sleeper.iter().for_each(thread::Thread::unpark);
                }
            };
            let mut chores = Counting { counts: counts.clone(), failures };
            let housekeeper = thread::spawn(move || {
                *sleeper.lock().unwrap() = Some(thread::current());
                Housekeeper::new(taken, answered).keep(&mut chores, thread::park);
            });
            let ends = Ends { tasks, answers, wake: Box::new(wake), limits: None };
            let names = LogName::new(Path::new("log"));
            let current = Current { log: [1; 16], id: [0; 16], sequence: 1, opened_ns: 0, run: 1 };
            let rotator = Rotator::new(&Rotation::on_request(), names, current, 0, ends);
            Self { rotator, counts, housekeeper, current: None }
        }

        /// Waits until the next segment is ready.
        pub fn wait_for_next(&mut self) {
            loop {
                self.rotator.listen();
                if self.rotator.is_ready(true) {
                    break;
                }
                thread::yield_now();
            }
        }

        /// Goes on in the next segment.
        pub fn rotate(&mut self) {
            let next = self.rotator.begin(0, |_| Ok(())).expect("a name").expect("it is ready");
            count(&self.counts, |it| it.left -= 1);
            let closed = self.current.replace(next);
            let closed = closed.unwrap_or_else(|| Segment(self.counts.clone()));
            self.rotator.hand_over(closed, false);
        }

        /// Ends the log. Returns what has become of the segments.
        pub fn end(self) -> Ended {
            let Self { rotator, counts, housekeeper, .. } = self;
            rotator.end(|| housekeeper.join().unwrap());
            *counts.lock().unwrap_or_else(statics::PoisonError::into_inner)
        }
    }

    impl Default for House {
        fn default() -> Self {
            Self::new()
        }
    }
}

/// A console and the consumer's side of it, without files, reader and terminal.
pub mod console {
    use crate::consumer::feed::{Feed, Next, View, ends, follow};
    use crate::sync::{Arc, Mutex, UnsafeCell, statics, thread};

    /// A segment of one record.
    struct Segment(UnsafeCell<u64>);

    // SAFETY: the consumer writes the record before it commits it; the console reads it when it knows of that.
    unsafe impl Send for Segment {}
    // SAFETY: as above.
    unsafe impl Sync for Segment {}

    /// The sum of the records that were shown, and their number.
    type Shown = Arc<statics::Mutex<(u64, u64)>>;

    struct Screen {
        current: Option<Next<Arc<Segment>>>,
        shown: Shown,
    }

    impl View for Screen {
        type Segment = Arc<Segment>;

        fn begin(&mut self, next: Next<Arc<Segment>>) {
            self.current = Some(next);
        }

        fn show(&mut self, committed: u64) -> Option<bool> {
            if let Some(Next { segment, .. }) =
                self.current.take_if(|current| current.begins_at < committed)
            {
                // SAFETY: the consumer does not write it any more.
                let record = segment.0.with(|record| unsafe { *record });
                let mut shown = self.shown.lock().unwrap_or_else(statics::PoisonError::into_inner);
                *shown = (shown.0 + record, shown.1 + 1);
            }
            Some(false)
        }
    }

    /// A log with a console.
    pub struct Log {
        feed: Feed<Arc<Segment>>,
        current: Arc<Segment>,
        shown: Shown,
        console: thread::JoinHandle<()>,
        /// How many records were skipped.
        skipped: u64,
    }

    impl Log {
        /// Starts the console, which sleeps until it is woken, and begins a segment.
        pub fn new() -> Self {
            let shown = Shown::default();
            let (feed, source) = ends();
            let mut screen = Screen { current: None, shown: shown.clone() };
            let sleeper: Arc<Mutex<Option<thread::Thread>>> = Arc::default();
            let its_sleeper = sleeper.clone();
            let console = thread::spawn(move || {
                *its_sleeper.lock().unwrap() = Some(thread::current());
                follow(&mut screen, source, thread::park);
            });
            let sleeper = loop {
                if let Some(sleeper) = sleeper.lock().unwrap().take() {
                    break sleeper;
                }
                thread::yield_now();
            };
            let current = Arc::new(Segment(UnsafeCell::new(0)));
            let mut this = Self { feed: feed(sleeper), current, shown, console, skipped: 0 };
            this.feed.begin(Some(this.current.clone()));
            this
        }

        /// Goes on in another segment.
        pub fn rotate(&mut self) {
            self.skipped += u64::from(!self.feed.is_followed());
            self.current = Arc::new(Segment(UnsafeCell::new(0)));
            self.feed.begin(Some(self.current.clone()));
        }

        /// Writes the only record of the segment, and commits it.
        pub fn log(&mut self, record: u64) {
            // SAFETY: the console does not read it before it is committed.
            self.current.0.with_mut(|place| unsafe { *place = record });
            self.feed.committed(1);
        }

        /// Waits until the console has caught up. Returns the sum and the number of the records that it has shown.
        pub fn catch_up(&mut self) -> (u64, u64) {
            while !self.feed.has_caught_up() {
                thread::yield_now();
            }
            self.shown()
        }

        /// Ends the log and the console. Returns the sum and the number of the records that were shown, and how many
        /// were skipped.
        pub fn end(mut self) -> (u64, u64, u64) {
            while !self.feed.end() {
                thread::yield_now();
            }
            let (sum, count) = self.shown();
            self.console.join().unwrap();
            (sum, count, self.skipped)
        }

        fn shown(&self) -> (u64, u64) {
            *self.shown.lock().unwrap_or_else(statics::PoisonError::into_inner)
        }
    }

    impl Default for Log {
        fn default() -> Self {
            Self::new()
        }
    }
}
