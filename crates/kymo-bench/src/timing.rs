//! Timed calls: loops that are compiled for each message and each logger.

use crate::counter;
use crate::messages::{Message, Producer};
use crate::statistics::Distribution;
use crate::values::BATCH;

/// Calls in a burst.
pub const BURST: usize = 20;

/// A tight loop of as many calls as a batch has, in ticks.
#[inline(never)]
pub fn batch<P: Producer, M: Message>(producer: &mut P, from: u64) -> u64 {
    let start = counter::read_fenced();
    for number in from..from + BATCH {
        M::log(producer, number);
    }
    counter::read_fenced() - start
}

/// Bursts of calls, each call timed, with pauses of 1 to 2 µs between them.
#[inline(never)]
pub fn bursts_of<P: Producer, M: Message>(
    producer: &mut P,
    bursts: usize,
    into: &mut Distribution,
) {
    let mut pauses = Pauses::new();
    let mut ticks = [0; BURST];
    let mut number = 0;
    for _ in 0..bursts {
        for ticks in &mut ticks {
            let start = counter::read_fenced();
            M::log(producer, number);
            *ticks = counter::read_fenced() - start;
            number += 1;
        }
        let burst_end = counter::read();
        ticks.iter().for_each(|&ticks| into.add(ticks));
        let pause = pauses.next_ticks();
        let passed = counter::read().wrapping_sub(burst_end);
        counter::spin_ticks(pause.saturating_sub(passed));
    }
}

/// Pauses of 1 to 2 µs, the same sequence each time.
struct Pauses {
    state: u64,
    microsecond: u64,
}

impl Pauses {
    fn new() -> Self {
        let microsecond = (counter::ticks_per_ns() * 1_000.0) as u64;
        Self { state: 0x9E37_79B9_7F4A_7C15, microsecond: microsecond.max(1) }
    }

    fn next_ticks(&mut self) -> u64 {
        // Xorshift64 (Marsaglia).
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.microsecond + self.state % self.microsecond
    }
}
