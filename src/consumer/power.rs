//! The consumer, and a disk that loses power at any moment: all that was in the log when a sync began is on the disk,
//! and decodes, once. Beside it segments are compressed, and deleted by the limits of the log.

mod kept;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::kept::Keeper;
use super::*;
use crate::argument::Arguments;
use crate::call::slow::log_with;
use crate::clock::{Clock, TickSource};
use crate::consumer::tests::LOCATION;
use crate::process::thread_info::ThreadInfo;
use crate::rotation::Rotation;
use crate::rotation::housekeeper::{ANSWERS, Answer, Switched, TASKS, Task};
use crate::rotation::queue::{Receiver, Sender, queue};
use crate::rotation::rotator::{Current, Ends, Rotator, give_name};
use crate::segment::mapped::{Making, MappedFile};
use crate::segment::tap::Ability;
use crate::segment::tap::disk::{self, Disk, Left, Operation};
use crate::segment::{Output, create_temporary};
use crate::segments::LogName;
use crate::shared::disk::{Durability, Which};
use crate::shared::policy::{Overflow, Policies};
use crate::statement::call_site::{CallSite, Location};
use crate::thread::producer::Producer;
use kymo_reader::{Event, Options, Order};

/// A number, and what has to be beside it.
type Numbers = (u64, (u64, ()));

/// A statement of each level.
static SITES: [CallSite; 5] = CallSite::at_each_level(
    Location { format: "{} {}", names: &["", ""], ..LOCATION },
    <Numbers as Arguments>::TYPES,
);

const THREADS: usize = 3;

/// How the log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another program moves the file.
    OneFile,
    Rotated,
    /// It is rotated, and its segments are compressed and deleted.
    Kept,
}

/// Threads that log, a consumer that writes a mapped file, and now and then a sync.
struct Story {
    shared: Arc<Shared>,
    consumer: Consumer<MappedFile>,
    threads: Vec<Option<Producer>>,
    path: PathBuf,
    random: fastrand::Rng,
    /// How many records there are.
    logged: u64,
    /// How many of them are in the file.
    swept: u64,
    /// After so many operations, so many records are on the disk.
    promised: Vec<(usize, u64)>,
    moved: u32,
    /// How many threads there were.
    made: u32,
    /// `Some` if the log is rotated.
    house: Option<House>,
}

/// The housekeeper, in the thread of the test.
struct House {
    tasks: Receiver<Task<MappedFile>>,
    answers: Sender<Answer<MappedFile>>,
    temporary: PathBuf,
    /// `Some` if segments are compressed and deleted.
    keeper: Option<Keeper>,
}

impl House {
    fn prepare(temporary: &Path) -> MappedFile {
        let (file, name) = create_temporary(temporary, 0o600).unwrap();
        MappedFile::ahead(file, name, Making::of_tests(1)).unwrap()
    }

    fn keep(&mut self) {
        while let Some(task) = self.tasks.pop() {
            if let Task::Switched(Switched { mut closed, sequence, .. }) = task {
                closed.close().unwrap();
                std::fs::remove_file(&self.temporary).unwrap();
                self.keeper.iter_mut().for_each(|keeper| keeper.look(sequence));
            }
            let next = Answer::Next(Self::prepare(&self.temporary));
            assert!(self.answers.push(next).is_ok());
        }
    }
}

impl Story {
    fn new(seed: u64, directory: &Path, kind: Kind) -> Self {
        let is_rotated = kind != Kind::OneFile;
        let path = directory.join("app.kymo");
        let clock = TickSource::new(Clock::Counter);
        let policies = Policies::new(Overflow::Wait { timeout: Some(Duration::ZERO) });
        let shared = Shared::new(clock, policies, 1).with_durability(Durability::AtClose);
        let shared = Arc::new(shared);
        let discipline = Discipline::new(clock, clock.observe(), clock.observe());
        disk::record();
        let names = LogName::new(&path);
        let temporary = directory.join(".app.kymo.1.next");
        let none = Current { log: [9; 16], id: [0; 16], sequence: 0, opened_ns: 0, run: 1 };
        let (output, current) = if is_rotated {
            let mut output = House::prepare(&temporary);
            let current = give_name(&names, &none, &mut output, 1).unwrap();
            std::fs::remove_file(&temporary).unwrap();
            (output, current)
        } else {
            (MappedFile::create(&path, false, Making::of_tests(1)).unwrap(), none)
        };
        let salt = output.salt();
        shared.set_log(MAIN, output.log_file());
        let mut consumer = Consumer::new(shared.clone(), discipline, output, salt);
        let house = is_rotated.then(|| {
            let (tasks, taken) = queue(TASKS);
            let (answered, answers) = queue(ANSWERS);
            let ends = Ends { tasks, answers, wake: Box::new(|| ()), limits: None };
            let rotator = Rotator::new(&Rotation::on_request(), names, current, 1, ends);
            consumer.set_rotator(MAIN, rotator, None, None);
            let keeper = (kind == Kind::Kept).then(|| Keeper::new(seed, &path, none.log));
            House { tasks: taken, answers: answered, temporary, keeper }
        });
        let mut story = Self {
            shared,
            consumer,
            threads: Vec::new(),
            path,
            random: fastrand::Rng::with_seed(seed),
            logged: 0,
            swept: 0,
            promised: Vec::new(),
            moved: 0,
            made: 0,
            house,
        };
        story.threads = (0..THREADS).map(|_| Some(story.thread())).collect();
        story
    }

    fn thread(&mut self) -> Producer {
        self.made += 1;
        let name = format!("thread {}", self.made);
        self.shared.make_producer(1 << 12, ThreadInfo { name, os_id: 1 }).unwrap()
    }

    fn log(&mut self) {
        let index = self.random.usize(0..THREADS);
        let thread = self.threads[index].as_mut().unwrap();
        let site = &SITES[self.random.usize(0..SITES.len())];
        log_with(thread, site, (self.logged, (beside(self.logged), ())));
        self.logged += 1;
    }

    fn sweep(&mut self) {
        while self.consumer.sweep() {}
        self.swept = self.logged;
    }

    fn sync(&mut self) {
        let swept = self.swept;
        self.shared.sync().unwrap();
        self.promised.push((disk::count(), swept));
    }

    fn step(&mut self) {
        // With limits on the log, there are more segments.
        let is_kept = self.house.as_ref().is_some_and(|house| house.keeper.is_some());
        match self.random.u32(0..if is_kept { 28 } else { 20 }) {
            0..10 => (0..self.random.usize(1..40)).for_each(|_| self.log()),
            10..14 => self.sweep(),
            14..16 => self.sync(),
            16 => {
                let index = self.random.usize(0..THREADS);
                let thread = self.thread();
                self.threads[index] = Some(thread);
            }
            17 => self.consumer.compare_clocks(0),
            18 => {
                // More than what is mapped.
                (0..400).for_each(|_| self.log());
                self.sweep();
            }
            _ => self.move_log(),
        }
    }

    /// The log goes on in another file: another program moves it and asks for a new one, or it is rotated.
    fn move_log(&mut self) {
        self.moved += 1;
        if let Some(house) = &mut self.house {
            house.keep();
            self.consumer.logs[MAIN].rotating.as_mut().unwrap().is_wanted = true;
            self.consumer.serve();
            // It takes a batch of each ring at a time.
            self.sweep();
            // It may be late, or come after the next sync.
            if self.random.bool() {
                self.house.as_mut().unwrap().keep();
            }
            return;
        }
        std::fs::rename(&self.path, self.path.with_extension(format!("{}.kymo", self.moved)))
            .unwrap();
        self.shared.reopen_request.ask();
        self.consumer.serve();
        self.sweep();
        if self.random.bool() {
            self.shared.disk.sync(Which::Left, &self.shared.counters.log).unwrap();
        }
    }

    /// Ends the logger. Returns the operations, and what was promised when.
    fn end(mut self) -> (Vec<Operation>, Vec<(usize, u64)>) {
        let left = self.threads.drain(..).flatten().collect::<Vec<_>>();
        drop(left);
        let (report, _) = self.consumer.close();
        assert_eq!((report.written, report.dropped), (self.logged, 0));
        self.swept = self.logged;
        self.sync();
        if let Some(house) = &mut self.house {
            house.keep();
            assert!(self.consumer.end_rotation(MAIN, || ()).is_none());
            let _ = std::fs::remove_file(&house.temporary);
        }
        (disk::recorded(), self.promised)
    }
}

fn beside(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// How often each record is in a file.
fn read(bytes: &[u8], found: &mut HashMap<u64, u32>) {
    let Ok(mut reader) = Options::new().order(Order::Written).from_slice(bytes) else { return };
    let mut last = HashMap::new();
    while let Ok(Some(event)) = reader.next_event() {
        let Event::Record(record) = event else { continue };
        let mut text = String::new();
        record.message(&mut text);
        let (number, rest) = text.split_once(' ').unwrap();
        let (number, rest): (u64, u64) = (number.parse().unwrap(), rest.parse().unwrap());
        assert_eq!(rest, beside(number));
        let before = last.insert(record.thread().number(), number);
        assert!(before < Some(number), "{number} after {before:?}");
        *found.entry(number).or_default() += 1;
    }
}

/// Loses power after each operation, several times, and looks at what the disk has then.
fn lose_power(seed: u64, kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let mut story = Story::new(seed, directory.path(), kind);
    (0..40).for_each(|_| story.step());
    let (operations, promised) = story.end();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::default();
    for (done, operation) in (1..).zip(&operations) {
        disk.apply(operation);
        let promised = promised.iter().rev().find(|(count, _)| *count <= done);
        let promised = promised.map_or(0, |(_, records)| *records);
        for left in [Left::ALL[done % Left::ALL.len()], Left::Random] {
            let (mut found, mut unnamed) = (HashMap::new(), HashMap::new());
            for file in disk.files.values() {
                // The name of another may be gone.
                let found = if file.has_name { &mut found } else { &mut unnamed };
                read(&file.after_power_failure(left, &mut random), found);
            }
            let what = format!("seed {seed}, {left:?} after {done} operations, {kind:?}");
            let missing = (0..promised).find(|number| !found.contains_key(number));
            assert_eq!(missing, None, "{what}: {promised} were promised");
            let is_twice =
                |number: &u64| found.contains_key(number) && unnamed.contains_key(number);
            let twice =
                found.iter().chain(&unnamed).find(|(it, count)| **count > 1 || is_twice(it));
            assert_eq!(twice, None, "{what}");
        }
    }
    // The double has seen all that was written.
    let mut files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|it| std::fs::read(it.unwrap().path()).unwrap())
        .collect();
    // One that was prepared and not needed has no header.
    let mut seen: Vec<_> = disk.files.into_values().map(|file| file.written).collect();
    seen.retain(|bytes| bytes.iter().any(|byte| *byte != 0));
    files.sort_unstable();
    seen.sort_unstable();
    assert!(files == seen, "seed {seed}: a write went past the double");
}

/// `KYMO_POWER=100 cargo test --lib power` tells a hundred stories.
#[test]
fn a_power_failure_takes_nothing_that_was_synced() {
    let stories = std::env::var("KYMO_POWER").map_or(3, |stories| stories.parse().unwrap());
    (0..stories).for_each(|seed| lose_power(seed, Kind::OneFile));
    (0..stories).for_each(|seed| lose_power(seed, Kind::Rotated));
    // On a file system that cannot map files.
    disk::refuse(&[(Ability::Map, libc::ENODEV)]);
    for seed in 0..stories.min(10) {
        lose_power(seed, if seed % 2 == 1 { Kind::Rotated } else { Kind::OneFile });
    }
}
