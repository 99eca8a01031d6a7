//! The measures. Each runs its subjects in turn, round by round, and makes tables.

mod cold;
mod end_to_end;
pub mod first;
mod hot;
mod idle;
mod latency;
mod low_rate;
pub mod memory;
mod rotation;
mod saturation;

use crate::Result;
use crate::options::Options;
use crate::subject::Outcome;
use kymo_bench::table::Table;

/// A measure.
pub struct Measure {
    pub name: &'static str,
    pub run: fn(&Options) -> Result<Vec<Table>>,
}

/// All measures, in the order in which they run.
pub const ALL: [Measure; 10] = [
    Measure { name: "hot", run: hot::run },
    Measure { name: "latency", run: latency::run },
    Measure { name: "rotation", run: rotation::run },
    Measure { name: "first", run: first::run },
    Measure { name: "cold", run: cold::run },
    Measure { name: "saturation", run: saturation::run },
    Measure { name: "end-to-end", run: end_to_end::run },
    Measure { name: "idle", run: idle::run },
    Measure { name: "low-rate", run: low_rate::run },
    Measure { name: "memory", run: memory::run },
];

/// Fails if something was lost where nothing may be: figures of a logger that drops are not
/// comparable.
fn nothing_lost(subject: &str, outcome: Outcome) -> Result<()> {
    if outcome.dropped == 0 {
        Ok(())
    } else {
        Err(format!("{subject} dropped {} records", outcome.dropped).into())
    }
}
