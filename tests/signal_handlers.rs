//! A signal handler that logs, wherever it interrupts a log call of its own thread: no record is
//! torn, lost or written twice.
//!
//! The processor's trap flag stops a program after each instruction with a signal. So a handler can
//! log at each of these places, one after the other, instead of by chance.
#![cfg(target_arch = "x86_64")]

use kymo_testing::logged;

use std::sync::atomic::{AtomicU64, Ordering};

use kymo::{Builder, Clock, Level, Overflow, info};
use logged::Turn;

/// How many instructions were stepped over since the flag was set.
static STEPS: AtomicU64 = AtomicU64::new(0);
/// The number of the instruction after which the handler logs.
static PLACE: AtomicU64 = AtomicU64::new(0);
/// The number of the call that is interrupted.
static CALL: AtomicU64 = AtomicU64::new(0);
/// How often the handler has logged.
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_step(_: libc::c_int) {
    if STEPS.fetch_add(1, Ordering::Relaxed) == PLACE.load(Ordering::Relaxed) {
        info!("handler {}", CALL.load(Ordering::Relaxed));
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
}

fn install() {
    // SAFETY: zero is a valid value of all its fields.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_step as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does what a handler may: see docs/operating.md.
    let result = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Interrupts `call` after its instruction number `place`. Returns how many instructions it has.
fn interrupted(place: u64, call: impl FnOnce()) -> u64 {
    STEPS.store(0, Ordering::Relaxed);
    PLACE.store(place, Ordering::Relaxed);
    // SAFETY: sets the trap flag: a signal, which has a handler, follows each instruction.
    unsafe { std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    call();
    // SAFETY: clears it again.
    unsafe { std::arch::asm!("pushfq", "and qword ptr [rsp], -257", "popfq") };
    STEPS.load(Ordering::Relaxed)
}

/// Logs `calls` records, each interrupted at another place, and `padding` bytes longer than it need
/// be. Each is in the file, once, and next to it what the handler logged, or a drop.
fn interrupted_at_each_instruction(choose: impl FnOnce(Builder) -> Builder, padding: usize) {
    let turn = Turn::take();
    let builder = turn.builder().overflow(Overflow::DropNewest).max_level(Level::Info);
    let logger = choose(builder).start().unwrap();
    install();
    kymo::prepare_thread();
    HANDLED.store(0, Ordering::Relaxed);
    let padding = "x".repeat(padding);
    let mut number = 0;
    let mut call = |place| {
        // So that there is room for both.
        assert!(kymo::flush());
        number += 1;
        CALL.store(number, Ordering::Relaxed);
        interrupted(place, || info!("call {} {}", number, padding.as_str()))
    };
    // The longest of a few: not every call looks for room.
    let most = (0..8).map(|_| call(u64::MAX)).max().unwrap();
    // All places, where the compiler has optimised, and a choice of them where it has not.
    for place in (0..most).step_by((most / 150 + 1) as usize) {
        call(place);
    }
    let report = logger.shutdown();

    let handled = HANDLED.load(Ordering::Relaxed);
    assert_eq!(report.written + report.dropped, number + handled);
    let log = turn.read();
    assert_eq!(log.marked_drops, report.dropped);
    let (mut calls, mut handlers) = (Vec::new(), Vec::new());
    for message in log.messages() {
        let mut words = message.split(' ');
        let kind = words.next();
        let number: u64 = words.next().unwrap().parse().unwrap();
        if kind == Some("handler") {
            assert!(number.abs_diff(calls.last().copied().unwrap_or(0)) <= 1, "out of order");
            handlers.push(number);
        } else {
            assert_eq!((kind, words.next()), (Some("call"), Some(padding.as_str())));
            calls.push(number);
        }
    }
    assert!(calls.iter().copied().eq(1..=number), "lost, or written twice");
    assert!(handlers.is_sorted_by(|one, next| one < next));
    assert_eq!(handlers.len() as u64 + report.dropped, handled);
    assert!(!handlers.is_empty() && report.dropped > 0, "interrupted between calls, and in one");
}

#[test]
fn a_call_that_finds_room() {
    interrupted_at_each_instruction(|builder| builder, 0);
}

#[test]
fn a_call_with_the_coarse_clock() {
    interrupted_at_each_instruction(|builder| builder.clock(Clock::Coarse), 0);
}

#[test]
fn a_call_that_looks_for_room() {
    // Half of the ring, or nearly.
    interrupted_at_each_instruction(|builder| builder.ring_capacity(4096), 1_000);
}

#[test]
fn a_call_with_a_clock_that_takes_longer() {
    interrupted_at_each_instruction(|builder| builder.clock(Clock::Monotonic), 0);
}

/// A call whose record overwrites the oldest.
#[test]
fn an_overwriting_call() {
    interrupted_at_each_instruction(|builder| builder.overflow(Overflow::OverwriteOldest), 0);
}

#[test]
fn a_call_whose_ring_is_in_a_file() {
    let rings = tempfile::tempdir().unwrap();
    interrupted_at_each_instruction(|builder| builder.crash_proof(rings.path()), 0);
}

#[test]
fn a_call_that_looks_for_room_in_a_file() {
    let rings = tempfile::tempdir().unwrap();
    let choose = |builder: Builder| builder.crash_proof(rings.path()).ring_capacity(4096);
    interrupted_at_each_instruction(choose, 1_000);
}
