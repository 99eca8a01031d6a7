//! A thread that logs, and keeps account of it.

use std::cell::RefCell;
use std::time::Duration;

use fastrand::Rng;
use kymo::{Level, as_display};

use crate::child::Stage;
use crate::configuration::{Tempo, index};
use crate::payload::{Payload, massive};
use crate::table::{HOOK, Row};

/// Logs at a level that is known only now, by the macro of that level.
macro_rules! at_level {
    ($level:expr, $($statement:tt)*) => {
        match $level {
            Level::Error => kymo::error!($($statement)*),
            Level::Warn => kymo::warn!($($statement)*),
            Level::Info => kymo::info!($($statement)*),
            Level::Debug => kymo::debug!($($statement)*),
            _ => kymo::log!($level, $($statement)*),
        }
    };
}

pub struct Worker {
    stage: &'static Stage,
    thread: u64,
    row: &'static Row,
    rng: Rng,
    /// How many records it logged, and by level.
    total: u64,
    logged: [u64; 5],
    /// How many of them can be lost by nothing but an end of the logger.
    sure: u64,
    /// How many of those were critical.
    critical: u64,
}

impl Worker {
    /// The worker that has this row of the table.
    pub fn new(stage: &'static Stage, thread: u64) -> Self {
        let seed = stage.configuration.seed.wrapping_add(thread);
        let row = &stage.table.threads[thread as usize];
        let rng = Rng::with_seed(seed);
        Self { stage, thread, row, rng, total: 0, logged: [0; 5], sure: 0, critical: 0 }
    }

    /// Logs until it is time to stop, or so many records.
    pub fn work(&mut self, records: u64) {
        if self.rng.bool() {
            kymo::prepare_thread();
        }
        let tempo = match self.stage.configuration.tempo {
            Tempo::Mixed if self.rng.bool() => Tempo::Flood,
            Tempo::Mixed => {
                Tempo::Bursts { records: self.rng.u64(1..200), pause_us: self.rng.u64(1..20_000) }
            }
            tempo => tempo,
        };
        for attempt in 1..=records {
            if self.stage.is_over() {
                break;
            }
            let level = Level::ALL[self.rng.usize(..5)];
            self.log(level);
            if self.rng.u32(..4_000) == 0 {
                self.look();
            }
            if let Tempo::Bursts { records, pause_us } = tempo
                && attempt % records == 0
            {
                std::thread::sleep(Duration::from_micros(pause_us));
            }
        }
    }

    /// Logs a record, if its level is enabled.
    pub fn log(&mut self, level: Level) {
        let (thread, number, sure) = (self.thread, self.logged[index(level)], self.sure);
        let payload = Payload::new(self.stage.configuration.seed, thread, level, number);
        let is_sure = self.is_sure(level, &payload);
        // Evaluated only where the statement is enabled, and before the record is published.
        let mut take = || {
            let total = self.total;
            self.total += 1;
            self.logged[index(level)] += 1;
            self.sure += u64::from(is_sure);
            self.row.logged[index(level)].set(number + 1);
            self.row.sure.set(self.sure);
            total
        };
        match payload {
            Payload::Nothing => at_level!(level, "{} {thread} {number} {sure}", take()),
            Payload::Values { px, text, option, list } => at_level!(
                level,
                "{} {thread} {number} {sure}: {px:.3} {text:?} {option:?} {list:?}",
                take()
            ),
            Payload::Eager { px } => {
                at_level!(
                    level,
                    "{} {thread} {number} {sure}: {}",
                    take(),
                    as_display(format_args!("at {px:8.2}!"))
                );
            }
            Payload::Long { text } | Payload::Huge { text } => {
                at_level!(level, "{} {thread} {number} {sure}: {text}", take());
            }
            Payload::Massive { seed } => {
                let massive = massive(seed);
                at_level!(level, "{} {thread} {number} {sure}: {massive:?}", take());
            }
        }
        if self.stage.configuration.is_critical(level) {
            self.row.kept.set(self.sure);
            let logged_it = self.logged[index(level)] > number;
            self.critical += u64::from(logged_it && is_sure);
            self.row.critical.set(self.critical);
        }
    }

    /// Whether the record is lost by nothing but an end of the logger. The consumer's hook cannot
    /// wait for the consumer.
    fn is_sure(&self, level: Level, payload: &Payload) -> bool {
        let configuration = &self.stage.configuration;
        self.thread != HOOK
            && configuration.is_sure(level)
            && !payload.is_too_large(configuration.ring_bytes)
    }

    /// Flushes, or looks at the statistics, or both.
    fn look(&mut self) {
        let flushed = match self.rng.u8(..4) {
            0 => kymo::flush_timeout(Duration::from_micros(self.rng.u64(..2_000))),
            1 => false,
            _ => kymo::flush(),
        };
        if flushed {
            self.row.kept.set(self.sure);
        }
        if self.rng.bool() {
            self.stage.check_statistics(flushed.then_some(self.total));
        }
    }
}

/// Logs a few records while the thread ends, and then makes no more.
pub struct Last(RefCell<Option<Worker>>);

thread_local! {
    static LAST: Last = const { Last(RefCell::new(None)) };
}

impl Last {
    /// Has the worker log when its thread ends.
    pub fn set(worker: Worker) {
        LAST.with(|last| *last.0.borrow_mut() = Some(worker));
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(worker) = self.0.get_mut() {
            (0..3).for_each(|_| worker.log(Level::Warn));
        }
    }
}
