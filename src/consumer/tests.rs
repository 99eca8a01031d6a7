//! The consumer against rings that the test fills, without threads.

use std::io;
use std::time::Duration;

use super::*;
use crate::argument::Arguments;
use crate::call_site::{CallSite, Location};
use crate::clock::Clock;
use crate::format::header::{ClockSource, Header};
use crate::hot::try_log;
use crate::level::Level;
use crate::producer::{Overflow, Producer};
use crate::reader::{DropReason, Event, Options, Order, Reader};
use crate::ring::ring;
use crate::state::{RingState, ThreadInfo};

/// A file in memory, whose `append` fails as often as it is told to.
struct Memory {
    bytes: Vec<u8>,
    failures: u32,
}

impl Output for Memory {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.append(frames)
    }

    fn commit(&mut self) {}

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A consumer, and what makes producers for it.
struct Rig {
    consumer: Consumer<Memory>,
    registry: Arc<Registry>,
    control: Arc<Control>,
    clock: TickSource,
}

const LOCATION: Location = Location {
    target: "t",
    module: "m",
    file: "f.rs",
    line: 1,
    column: 1,
    format: "{}",
    names: &[""],
};

fn site<L: Arguments>() -> &'static CallSite {
    const { &CallSite::new(Level::Info, LOCATION, L::TYPES) }
}

impl Rig {
    fn new() -> Self {
        let (registry, control) = (Arc::new(Registry::new()), Arc::new(Control::new()));
        let clock = TickSource::new(Clock::Counter);
        let discipline = Discipline::new(clock, clock.observe(), clock.observe());
        let output = Memory { bytes: Header::new(ClockSource::Counter).to_page(), failures: 0 };
        let consumer = Consumer::new(registry.clone(), control.clone(), clock, discipline, output, 0);
        Self { consumer, registry, control, clock }
    }

    fn producer(&self, words: usize) -> Producer {
        let (producer, consumer) = ring(words);
        let state = Arc::new(RingState::new(Mode::of(self.clock), ThreadInfo::default()));
        assert!(self.registry.add(NewRing { ring: consumer, state: state.clone() }));
        let overflow = Overflow::Wait { timeout: Some(Duration::ZERO) };
        Producer::new(producer, state, self.control.clone(), self.clock, overflow)
    }

    /// Closes the segment; its report and its bytes.
    fn close(self) -> (Report, Vec<u8>) {
        let (report, _, output) = self.consumer.close();
        (report, output.bytes)
    }
}

/// Logs numbers, as many as fit into the ring.
fn fill(producer: &mut Producer) -> u64 {
    // The first record of all looks how much room there is.
    producer.wait_for_room(Level::Info, 0, 3);
    (0_u64..).take_while(|number| log_number(producer, *number)).count() as u64
}

fn log_number(producer: &mut Producer, number: u64) -> bool {
    try_log(producer, site::<(u64, ())>(), (number, ())) || {
        let mut slot = match producer.ring.reserve(3) {
            Ok(slot) => slot,
            Err(_) => return false,
        };
        // Room was found, but not used: the next try does.
        let _ = slot.as_mut_ptr();
        drop(slot);
        false
    }
}

#[test]
fn a_thread_that_floods_its_ring_does_not_keep_a_quiet_one_waiting() {
    let mut rig = Rig::new();
    let (mut flooding, mut quiet) = (rig.producer(1 << 20), rig.producer(64));
    let flood = fill(&mut flooding);
    producer_logs_one(&mut quiet);
    assert!(rig.consumer.sweep());
    assert!(quiet.flush(None), "one sweep is enough for the quiet one");
    let taken = rig.consumer.lanes[0].written;
    assert!(taken > 0 && taken < flood / 10, "{taken} of {flood}: a sweep takes a bounded batch");
    assert_eq!(rig.consumer.lanes[1].written, 1);
}

fn producer_logs_one(producer: &mut Producer) {
    assert!(producer.wait_for_room(Level::Info, 0, 3));
    let site = site::<(u64, ())>();
    crate::hot::log_with(producer, site, (7, ()));
}

#[test]
fn records_whose_output_failed_are_counted_and_marked_once_it_works_again() {
    let mut rig = Rig::new();
    let mut producer = rig.producer(64);
    producer_logs_one(&mut producer);
    rig.consumer.sweep();
    rig.consumer.output.failures = 2;
    for _ in 0..2 {
        producer_logs_one(&mut producer);
        rig.consumer.sweep();
    }
    producer_logs_one(&mut producer);
    drop(producer);
    let (report, bytes) = rig.close();
    assert_eq!((report.written, report.dropped), (2, 2));
    assert_eq!(report.error.unwrap().kind(), io::ErrorKind::StorageFull);

    let mut reader = Reader::from_slice(&bytes).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                seen.push(message);
            }
            Event::Drops(drops) => {
                assert_eq!(drops.counts[0].reason, DropReason::OutputFailed);
                seen.push(format!("{} dropped", drops.total()));
            }
            _ => {}
        }
    }
    // The gap is between them; its mark stands where the output worked again, behind that sweep's records.
    assert_eq!(seen, ["7", "7", "2 dropped"]);
    assert!(reader.report().is_whole());
}

#[test]
fn many_rings_are_written_in_parts_and_merge_in_order() {
    let mut rig = Rig::new();
    let mut producers: Vec<Producer> = (0..64).map(|_| rig.producer(16 << 10)).collect();
    let logged: u64 = producers.iter_mut().map(fill).sum();
    producers.clear();
    while rig.consumer.sweep() {}
    assert!(rig.consumer.lanes.is_empty(), "all threads have ended");
    let (report, bytes) = rig.close();
    assert_eq!((report.written, report.dropped), (logged, 0));

    let mut reader = Options::new().order(Order::Time).from_slice(&bytes).unwrap();
    let (mut records, mut previous) = (0, i64::MIN);
    while let Some(record) = reader.next_record().unwrap() {
        assert!(record.time_ns() >= previous);
        previous = record.time_ns();
        records += 1;
    }
    assert_eq!(records, logged);
    assert!(reader.report().is_whole());
    assert_eq!(reader.report().late, 0);
}
