//! Rings that go round: what they held when their process was killed.

use super::*;
use child::{DUMP_AT, ROUND_BYTES};
use kymo::{DropReason, Level, Overflow, debug};
use kymo_reader::DumpReason;

/// Kills a process, and recovers what it left.
fn killed(scene: &str, round: u64, wait: impl FnOnce(&mut Child, &Counters)) -> Dead {
    let dir = scratch();
    let counters = Counters::map(&dir.path().join("counters"));
    let mut child = spawn(scene, dir.path());
    wait(&mut child, &counters);
    std::thread::sleep(Duration::from_micros(mix(round + 1_000) % 3_000));
    kill(child);
    let log = dir.path().join("app.kymo");
    let recovery = recover_whole(&log, scene);
    let threads = read(&log);
    assert_eq!(recover(&log).unwrap().records(), 0, "once");
    Dead { _dir: dir, log, counters, recovery, threads }
}

struct Dead {
    _dir: tempfile::TempDir,
    log: PathBuf,
    counters: Counters,
    recovery: kymo::Recovery,
    threads: Vec<Seen>,
}

/// What is in the file of a thread.
#[derive(Clone, Default)]
struct Seen {
    /// The numbers of its records, in the order of time, and whether they were recorded in flight.
    numbers: Vec<(u64, bool)>,
    overwritten: u64,
}

fn read(log: &Path) -> Vec<Seen> {
    let mut files = Files::open([log], || Options::new().order(Order::Exact)).unwrap();
    let mut threads = vec![Seen::default(); THREADS];
    while let Some((_, event)) = files.next_event().unwrap() {
        match event {
            Event::Record(record) if record.thread().name().starts_with("thread") => {
                let mut message = String::new();
                record.message(&mut message);
                let mut parts = message.splitn(3, ' ');
                let mut next = || parts.next().unwrap();
                let thread: usize = next().parse().unwrap();
                let number = next().parse().unwrap();
                assert_eq!(next(), text(number), "{message}");
                assert_eq!(record.thread().name(), format!("thread {thread}"));
                threads[thread].numbers.push((number, record.level() >= Level::Debug));
            }
            Event::Drops(drops) => {
                let thread: usize = drops.thread.name()["thread ".len()..].parse().unwrap();
                for count in drops.counts {
                    assert_eq!(count.reason, DropReason::Overwritten);
                    threads[thread].overwritten += count.count;
                }
            }
            Event::Gap(gap) => panic!("{} records are missing", gap.records),
            Event::Damage(damage) => panic!("{damage}"),
            _ => {}
        }
    }
    for (thread, seen) in threads.iter().enumerate() {
        let twice = seen.numbers.windows(2).find(|pair| pair[0].0 >= pair[1].0);
        assert_eq!(twice, None, "thread {thread}");
    }
    threads
}

impl Dead {
    fn returned(&self, thread: usize) -> u64 {
        self.counters.of(thread).load(Ordering::Acquire)
    }

    /// The newest records of each thread are there without a gap, up to the one that was being
    /// logged: as many as its recorder has room for.
    fn assert_newest(&self) {
        for (thread, seen) in self.threads.iter().enumerate() {
            let returned = self.returned(thread);
            let last = seen.numbers.last().map_or(0, |(number, _)| *number);
            assert!((returned..=returned + 1).contains(&last), "thread {thread}: {last}");
            let (mut bytes, mut next) = (0, last);
            for (number, is_flight) in seen.numbers.iter().rev() {
                if *number != next {
                    break;
                }
                // Header, ticks, two numbers, text.
                bytes += if *is_flight { (32 + text(next).len()).next_multiple_of(8) } else { 0 };
                next -= 1;
            }
            assert!(next == 0 || bytes > ROUND_BYTES / 8 * 7, "thread {thread}: {bytes} bytes");
        }
    }

    /// What the consumer has taken is all there.
    fn assert_infos(&self) {
        for (thread, seen) in self.threads.iter().enumerate() {
            let found: Vec<_> =
                seen.numbers.iter().map(|it| it.0).filter(|number| number % 100 == 50).collect();
            let expected: Vec<_> = (50..=self.returned(thread)).step_by(100).collect();
            assert!(found.starts_with(&expected), "thread {thread}");
        }
    }

    /// The recovered file brackets what each recorder held by marks; returns how many records that
    /// were.
    fn bracketed(&self) -> u64 {
        let mut path = self.log.clone();
        path.as_mut_os_string().push(".recovered");
        let mut reader = Options::new().open(&path).unwrap();
        let (mut open, mut sum) = (None, 0);
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Dump(dump) => {
                    assert_eq!(dump.reason, DumpReason::Recovery);
                    assert!(dump.first_ns <= dump.last_ns && dump.last_ns <= dump.time_ns);
                    assert_eq!(open, None);
                    open = Some((dump.thread.number(), dump.records, dump.first_ns, dump.last_ns));
                }
                Event::Record(record) => {
                    let is_flight = record.level() >= Level::Debug;
                    assert_eq!(is_flight, open.is_some());
                    if let Some((thread, left, first_ns, last_ns)) = &mut open {
                        assert_eq!(record.thread().number(), *thread);
                        assert!((*first_ns..=*last_ns).contains(&record.time_ns()));
                        *left -= 1;
                        sum += 1;
                    }
                }
                Event::DumpEnd(end) => {
                    let (thread, left, ..) = open.take().unwrap();
                    assert_eq!((thread, left), (end.thread.number(), 0));
                }
                _ => {}
            }
        }
        assert_eq!(open, None);
        assert!(reader.report().is_whole());
        sum
    }

    fn flight_records(&self) -> u64 {
        self.recovery.threads.iter().map(|thread| thread.flight_records).sum()
    }
}

#[test]
fn a_flight_recorder_is_read_after_a_kill() {
    for round in 0..6 {
        let most = if round % 3 == 2 { 20_000 } else { 3_000 };
        let dead = killed("flight", round, |child, counters| {
            wait_for(child, counters, 1 + mix(round) % most);
        });
        dead.assert_infos();
        dead.assert_newest();
        assert!(dead.flight_records() > 0);
        assert_eq!(dead.bracketed(), dead.flight_records());
        // A thread has one place in it, whatever rings it had.
        let mut names: Vec<_> = dead.recovery.threads.iter().map(|it| it.os_id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), dead.recovery.threads.len());
    }
}

/// What a dump has put into the log is not recovered once more.
#[test]
fn a_dump_before_a_kill() {
    for round in 0..6 {
        // Some are killed while it is made.
        let more = [0, 0, 10, 200, 1_000, 10_000][round as usize];
        let dead = killed("dumped", round, |child, counters| {
            wait_for(child, counters, DUMP_AT - 1 + mix(round) % 2 + more);
        });
        dead.assert_infos();
        dead.assert_newest();
        if more > 0 {
            // Those of the thread that was there first, at least.
            let before = |seen: &Seen| seen.numbers.iter().filter(|it| it.0 < DUMP_AT).count();
            let found = dead.threads.iter().map(before).max();
            assert!(found > Some(300), "{found:?} of what the dump wrote are there");
        }
        assert_eq!(dead.bracketed(), dead.flight_records());
    }
}

/// Threads that end leave their recorders for a time, and others get their numbers.
#[test]
fn recorders_of_threads_that_have_ended() {
    let dead = killed("ended", 0, |child, counters| wait_for(child, counters, 300));
    dead.assert_infos();
    assert!(dead.flight_records() > 0);
    assert_eq!(dead.bracketed(), dead.flight_records());
}

/// With what is marked as overwritten, each record is accounted for once.
#[test]
fn overwriting_levels_are_recovered() {
    for round in 0..6 {
        let scene = if round % 2 == 0 { "oldest" } else { "oldest stopped" };
        let dead = killed(scene, round, |child, counters| {
            if round % 2 == 0 {
                wait_for(child, counters, 1 + mix(round) % 20_000);
            } else {
                wait_for_full_rings(child, counters);
            }
        });
        for (thread, seen) in dead.threads.iter().enumerate() {
            let returned = dead.returned(thread);
            let last = seen.numbers.last().map_or(0, |(number, _)| *number);
            assert!((returned..=returned + 1).contains(&last), "{scene}: {last} of {returned}");
            assert_eq!(seen.numbers.len() as u64 + seen.overwritten, last, "{scene}");
        }
    }
}

/// Rings that overwrite are removed with the others.
#[test]
fn overwriting_rings_are_removed_too() {
    let _turn = turn();
    let dir = scratch();
    let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
    let builder = Logger::builder(&log).crash_proof(&rings).flight_recorder(Level::Debug, 32 << 10);
    let builder = builder.overflow_at(Level::Info, Overflow::OverwriteOldest);
    let logger = builder.start().unwrap();
    for thread in 0..20 {
        let run = move || {
            debug!("{thread}");
            info!("{thread}");
            kymo::warn!("{thread}");
        };
        std::thread::spawn(run).join().unwrap();
    }
    debug!("main");
    info!("main");
    assert!(kymo::flush());
    // Three of this thread, one of the call sites, and recorders of threads that have ended.
    assert!(files_in(&rings).len() >= 4 + 10, "{:?}", files_in(&rings));
    assert_eq!(logger.stats().ring_file_errors, 0);
    assert!(logger.dump_flight_recorder() > 10);
    debug!("never seen");
    assert_eq!(logger.shutdown().dropped, 0);
    assert_eq!(files_in(&rings), [] as [PathBuf; 0]);
    assert!(recover(&log).unwrap().file.is_none());
}

/// A fork leaves the rings that overwrite alone.
#[test]
fn a_fork_leaves_overwriting_rings_alone() {
    let dir = scratch();
    let mut child = spawn("forked", dir.path());
    assert!(child.wait().unwrap().success());
    assert_eq!(files_in(&dir.path().join("rings")), [] as [PathBuf; 0]);
}
