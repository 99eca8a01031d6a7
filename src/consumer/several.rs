//! Tests of several logs. One of them fails, or crashes the consumer, at any operation. Each log has what is for it,
//! once and in order, and counts what it has not.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::*;
use crate::argument::Arguments;
use crate::call::slow::log_with;
use crate::clock::{Clock, TickSource};
use crate::consumer::tests::{Fault, LOCATION, Memory};
use crate::level::Level;
use crate::process::thread_info::ThreadInfo;
use crate::shared::RoutedLog;
use crate::shared::disk::Disk;
use crate::shared::mailbox::Request;
use crate::shared::policy::{Overflow, Policies};
use crate::shared::routes::{Condition, RouteRule, Routes};
use crate::statement::call_site::CallSite;
use crate::thread::producer::Producer;
use kymo_reader::{Event, Options, Order};

type Number = (u64, ());

static SITES: [CallSite; 5] = CallSite::at_each_level(LOCATION, <Number as Arguments>::TYPES);

/// How many logs there are.
const LOGS: usize = 3;

/// How many threads log.
const THREADS: usize = 2;

/// Warnings are in log 1, too. Errors are in log 2, and not in the main one.
fn is_for(log: usize, level: Level) -> bool {
    match log {
        0 => level > Level::Error,
        1 => level <= Level::Warn,
        _ => level == Level::Error,
    }
}

/// A consumer of several logs, and threads.
struct Rig {
    consumer: Consumer<Memory>,
    files: Vec<Memory>,
    producers: Vec<Producer>,
    /// What each thread has logged.
    logged: Vec<Vec<(u64, Level)>>,
    random: u64,
}

impl Rig {
    fn new(victim: usize, fault: Fault, faults: Range<u64>) -> Self {
        let clock = TickSource::new(Clock::Counter);
        let rule = |level, log, only| RouteRule {
            condition: Condition { level: Some(level), ..Condition::default() },
            log,
            only,
        };
        let rules = vec![rule(Level::Warn, 1, false), rule(Level::Error, 2, true)];
        let routed = (1..LOGS)
            .map(|log| RoutedLog { path: format!("{log}.kymo").into(), disk: Disk::default() });
        let policies = Policies::new(Overflow::Wait { timeout: Some(Duration::ZERO) });
        let shared = Shared::new(clock, policies, 1);
        let shared = Arc::new(shared.with_routes(Routes::new(rules, LOGS), routed.collect()));
        let discipline = Discipline::new(clock, clock.observe(), clock.observe());
        let files: Vec<_> = (0..LOGS).map(|_| Memory::default()).collect();
        files.iter().for_each(|file| file.0.borrow_mut().begin(0));
        let mut consumer = Consumer::new(shared.clone(), discipline, files[MAIN].clone(), 0);
        files[1..].iter().for_each(|file| consumer.add_log(file.clone(), 0));
        {
            let mut file = files[victim].0.borrow_mut();
            (file.fault, file.faults) = (fault, faults);
        }
        let thread = |number: usize| {
            let info = ThreadInfo { name: format!("{number}"), os_id: number as u64 };
            shared.make_producer(64, info).expect("the registry is open")
        };
        let producers = (0..THREADS).map(thread).collect();
        let logged = vec![Vec::new(); THREADS];
        Self { consumer, files, producers, logged, random: 7 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % limit
    }

    /// Logs some records in each thread: sometimes more than fit into the ring.
    fn log(&mut self) {
        for thread in 0..THREADS {
            for _ in 0..self.below(30) {
                let site = &SITES[self.below(5) as usize];
                let number = self.logged[thread].len() as u64;
                log_with(&mut self.producers[thread], site, (number, ()));
                self.logged[thread].push((number, site.level));
            }
        }
    }

    /// What a log should have of a thread.
    fn wanted(&self, log: usize, thread: usize) -> Vec<u64> {
        let its = self.logged[thread].iter().filter(|(_, level)| is_for(log, *level));
        its.map(|(number, _)| *number).collect()
    }

    /// How many records of its threads a log has, and how many its marks count as dropped.
    fn check(&self, log: usize, what: &str) -> (u64, u64) {
        let file = self.files[log].0.borrow();
        let mut reader = Options::new().order(Order::Written).from_slice(&file.bytes).unwrap();
        let (mut found, mut dropped) = (vec![Vec::new(); THREADS], 0);
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Record(record) => {
                    let mut text = String::new();
                    record.message(&mut text);
                    found[record.thread().name().parse::<usize>().unwrap()]
                        .push(text.parse::<u64>().unwrap());
                }
                Event::Drops(drops) => dropped += drops.total(),
                _ => {}
            }
        }
        assert_eq!(reader.report().damages, 0, "{what}, log {log}");
        for (thread, found) in found.iter().enumerate() {
            assert!(found.is_sorted_by(|one, next| one < next), "{what}, log {log}: {found:?}");
            let wanted = self.wanted(log, thread);
            let is_wanted = |number: &u64| wanted.binary_search(number).is_ok();
            assert!(found.iter().all(is_wanted), "{what}, log {log}: {found:?}");
        }
        (found.iter().map(|found| found.len() as u64).sum(), dropped)
    }

    fn all_wanted(&self, log: usize) -> u64 {
        (0..THREADS).map(|thread| self.wanted(log, thread).len() as u64).sum()
    }
}

/// The disk of one log is full at any of its operations: its account is exact, and the others lose nothing but what
/// their rings could not take.
#[test]
fn a_log_that_fails_disturbs_no_other() {
    for victim in 0..LOGS {
        for (operation, count) in (0..40).flat_map(|operation| [(operation, 1), (operation, 9)]) {
            let what = format!("log {victim}, {count} from operation {operation}");
            let mut rig = Rig::new(victim, Fault::Full, operation..operation + count);
            for _ in 0..8 {
                rig.log();
                rig.consumer.serve();
            }
            let (report, _) = rig.consumer.close();
            let logs =
                report.logs.iter().map(|log| (log.written, log.dropped, log.error.is_some()));
            let main = (report.written, report.dropped, report.error.is_some());
            for (log, (written, dropped, has_failed)) in
                std::iter::once(main).chain(logs).enumerate()
            {
                assert_eq!(written + dropped, rig.all_wanted(log), "{what}, log {log}");
                assert!(!has_failed || log == victim, "{what}, log {log}");
                if count == 1 || log != victim {
                    assert_eq!(rig.check(log, &what), (written, dropped), "{what}, log {log}");
                }
            }
        }
    }
}

/// The consumer crashes at any operation of any log, before or after that had its effect. Another thread takes over:
/// each log has everything, once.
#[test]
fn a_takeover_writes_to_each_log_what_it_lacks() {
    let mut crashes = 0;
    for fault in [Fault::PanicBefore, Fault::PanicAfter] {
        for (victim, operation) in (0..LOGS).flat_map(|log| (0..40).map(move |it| (log, it))) {
            for request in [Some(Request::drain(11, 4_711).marked()), None] {
                let what = format!("{fault:?} {operation} of log {victim}, {request:?}");
                let mut rig = Rig::new(victim, fault, operation..operation + 1);
                for _ in 0..8 {
                    rig.log();
                    if catch_unwind(AssertUnwindSafe(|| rig.consumer.serve())).is_err() {
                        crashes += 1;
                        break;
                    }
                }
                rig.files[victim].0.borrow_mut().fault = Fault::Full;
                rig.files[victim].0.borrow_mut().faults = 0..0;
                rig.consumer.take_over(request, u64::MAX);
                for log in 0..LOGS {
                    let (written, dropped) = rig.check(log, &what);
                    assert_eq!(written + dropped, rig.all_wanted(log), "{what}, log {log}");
                }
            }
        }
    }
    assert!(crashes > 100, "{crashes}");
}

/// The consumer panics at any operation: what a log has is not counted as lost, and no record is in a log twice.
#[test]
fn an_abandoned_consumer_counts_for_each_log() {
    for (victim, operation) in (0..LOGS).flat_map(|log| (0..40).map(move |it| (log, it))) {
        let what = format!("operation {operation} of log {victim}");
        let mut rig = Rig::new(victim, Fault::PanicAfter, operation..operation + 1);
        let run = (0..8).find(|_| {
            rig.log();
            catch_unwind(AssertUnwindSafe(|| rig.consumer.serve())).is_err()
        });
        if run.is_none() {
            continue;
        }
        rig.files[victim].0.borrow_mut().faults = 0..0;
        let (report, _) = rig.consumer.abandon();
        let written =
            std::iter::once(report.written).chain(report.logs.iter().map(|it| it.written));
        for (log, written) in written.enumerate() {
            assert_eq!(rig.check(log, &what).0, written, "{what}, log {log}");
        }
    }
}
