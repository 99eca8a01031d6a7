//! From single figures to those that are shown.

use hdrhistogram::Histogram;

use crate::counter;

/// The median; not a number where there is nothing.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures = figures.into_iter().collect::<Vec<_>>();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        len if len.is_multiple_of(2) => (figures[len / 2 - 1] + figures[len / 2]) / 2.0,
        len => figures[len / 2],
    }
}

/// The names of the figures of a [`Distribution`].
pub const COLUMNS: [&str; 7] = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"];

/// How long single calls took, in ticks.
pub struct Distribution(Histogram<u64>);

impl Default for Distribution {
    fn default() -> Self {
        /// Two minutes at 8 GHz: longer calls count as so long.
        const LONGEST_TICKS: u64 = 1_000_000_000_000;
        Self(Histogram::new_with_max(LONGEST_TICKS, 3).expect("the bounds are valid"))
    }
}

impl Distribution {
    pub fn add(&mut self, ticks: u64) {
        self.0.saturating_record(ticks);
    }

    /// The figures of [`COLUMNS`], in nanoseconds.
    pub fn figures_ns(&self) -> Vec<f64> {
        let quantile = |q| counter::ns(self.0.value_at_quantile(q) as f64);
        let mut figures = [0.5, 0.9, 0.99, 0.999, 0.9999].map(quantile).to_vec();
        figures.push(counter::ns(self.0.max() as f64));
        figures.push(counter::ns(self.0.mean()));
        figures
    }
}

/// The median over the rounds of each figure; of the maxima, the largest.
pub fn summarise(rounds: &[Vec<f64>]) -> Vec<f64> {
    COLUMNS
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let figures = rounds.iter().map(|round| round[column]);
            if *name == "max" { figures.fold(0.0, f64::max) } else { median(figures) }
        })
        .collect()
}
