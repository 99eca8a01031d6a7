//! What one child does, chosen at random by a seed.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use kymo::{Builder, Clock, Level, Logger, Overflow, WriteThrough};

use crate::table::MAX_SESSIONS;

/// What the logger may take to end with its process: longer than it ever needs.
const LIMIT: Duration = Duration::from_secs(30);

/// What a child does.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub seed: u64,
    /// Threads that log as long as they may.
    pub threads: u64,
    /// How many threads at a time that log a few records and end; one such crowd after another.
    pub short_lived: u64,
    pub tempo: Tempo,
    pub ring_bytes: usize,
    pub clock: Clock,
    pub poll_us: u64,
    pub idle_us: u64,
    pub window_bytes: u64,
    pub policies: [Overflow; 5],
    pub write_through: Option<(Level, WriteThrough)>,
    pub high_water: f64,
    pub hook_logs: bool,
    /// Whether the level in force is changed now and then.
    pub gates: bool,
    /// How many loggers, one after the other.
    pub sessions: usize,
    /// How long each of them runs.
    pub session_ms: u64,
    /// Whether all threads end before the last logger does.
    pub quiet_end: bool,
    pub ending: Ending,
    /// Whether the logger handles signals.
    pub drains: bool,
    pub fault: Option<Fault>,
}

/// How fast threads log.
#[derive(Clone, Copy, Debug)]
pub enum Tempo {
    Flood,
    Bursts { records: u64, pause_us: u64 },
    Mixed,
}

/// How a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    GuardDropped,
    Shutdown,
    ShutdownTimeout {
        ms: u64,
    },
    LeakedGuard,
    Exit,
    PanicInMain,
    PanicInWorker,
    Abort,
    /// Reads where nothing is.
    Crash,
    /// The parent sends the signal when the child has run for so long.
    Signal {
        number: i32,
        after_ms: u64,
    },
}

/// What happens to the file of the first logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The child lowers its limit on the size of files, and lifts it again.
    Limit { bytes: u64, after_ms: u64, for_ms: u64 },
    /// The parent cuts the file to a share of its length.
    Cut { percent: u64, after_ms: u64 },
    /// The parent removes the file.
    Remove { after_ms: u64 },
}

impl Configuration {
    pub fn new(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let write_through = (rng.u8(..3) == 0).then(|| {
            let level = any(rng, &[Level::Error, Level::Error, Level::Warn, Level::Info]);
            let policy = WriteThrough::at(level);
            let policy = if rng.u8(..4) == 0 { policy.synced() } else { policy };
            (level, policy.timeout(Duration::from_millis(any(rng, &[1, 10, 100, 10_000]))))
        });
        let fault = (rng.u8(..5) == 0).then(|| {
            let after_ms = rng.u64(..300);
            match rng.u8(..3) {
                0 => Fault::Limit { bytes: rng.u64(..16 << 20), after_ms, for_ms: rng.u64(1..200) },
                1 => Fault::Cut { percent: rng.u64(..100), after_ms },
                _ => Fault::Remove { after_ms },
            }
        });
        let most = any(rng, &[1, 4, 16, 64]);
        Self {
            seed,
            threads: 1 + rng.u64(..most),
            short_lived: any(rng, &[0, 0, 1, 8, 64]),
            tempo: match rng.u8(..3) {
                0 => Tempo::Flood,
                1 => Tempo::Bursts { records: rng.u64(1..2_000), pause_us: rng.u64(1..5_000) },
                _ => Tempo::Mixed,
            },
            ring_bytes: 4 << 10 << rng.u32(..9),
            clock: match rng.u8(..6) {
                0 => Clock::Monotonic,
                1 => Clock::Coarse,
                2 => Clock::Custom(crate::child::clock),
                _ => Clock::Counter,
            },
            poll_us: any(rng, &[0, 5, 5, 100, 3_000]),
            idle_us: any(rng, &[0, 50, 5_000, 5_000, 50_000]),
            window_bytes: any(rng, &[4, 4, 8, 64]) << 20,
            policies: policies(rng),
            write_through,
            high_water: any(rng, &[0.05, 0.8, 0.8, 2.0]),
            hook_logs: rng.bool(),
            gates: rng.u8(..3) == 0,
            sessions: any(rng, &[1, 1, 1, 2, MAX_SESSIONS]),
            session_ms: rng.u64(5..500),
            quiet_end: rng.bool(),
            ending: ending(rng),
            drains: rng.bool(),
            fault,
        }
    }

    /// The options of a logger that writes to `path`.
    pub fn builder(&self, path: &Path) -> Builder {
        let mut builder = Logger::builder(path)
            .ring_capacity(self.ring_bytes)
            .clock(self.clock)
            .poll_interval(Duration::from_micros(self.poll_us))
            .idle_sleep(Duration::from_micros(self.idle_us))
            .map_window(self.window_bytes)
            .high_water(self.high_water)
            .exit_timeout(LIMIT);
        for (level, policy) in Level::ALL.into_iter().zip(self.policies) {
            builder = builder.overflow_at(level, policy);
        }
        if self.drains {
            builder = builder.drain_on_termination(LIMIT).drain_on_crash(LIMIT);
        }
        match self.write_through {
            Some((_, policy)) => builder.write_through(policy),
            None => builder,
        }
    }

    /// Whether records of this level are lost by nothing but an end of the logger.
    pub fn is_sure(&self, level: Level) -> bool {
        let waits = self.policies[index(level)] == Overflow::Wait { timeout: None };
        self.is_critical(level) || waits
    }

    pub fn is_critical(&self, level: Level) -> bool {
        self.write_through.is_some_and(|(from, _)| level <= from)
    }
}

/// The place of a level in arrays by level.
pub fn index(level: Level) -> usize {
    Level::ALL.iter().position(|at| *at == level).expect("one of them all")
}

fn policies(rng: &mut Rng) -> [Overflow; 5] {
    let mut one = |kinds: u8| match rng.u8(..kinds) {
        0 => Overflow::Wait { timeout: None },
        1 => Overflow::DropNewest,
        _ => Overflow::Wait { timeout: Some(Duration::from_micros(rng.u64(..20_000))) },
    };
    match one(3) {
        // One value for all, and often the strictest.
        Overflow::Wait { timeout: None } => [Overflow::Wait { timeout: None }; 5],
        _ => std::array::from_fn(|_| one(3)),
    }
}

fn ending(rng: &mut Rng) -> Ending {
    let after_ms = rng.u64(..600);
    match rng.u8(..12) {
        0 => Ending::GuardDropped,
        1 | 2 => Ending::Shutdown,
        3 => Ending::ShutdownTimeout { ms: any(rng, &[0, 1, 20, 1_000]) },
        4 => Ending::LeakedGuard,
        5 => Ending::Exit,
        6 => Ending::PanicInMain,
        7 => Ending::PanicInWorker,
        8 => Ending::Abort,
        9 => Ending::Crash,
        10 => Ending::Signal { number: libc::SIGTERM, after_ms },
        _ => Ending::Signal { number: libc::SIGKILL, after_ms },
    }
}

fn any<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}
