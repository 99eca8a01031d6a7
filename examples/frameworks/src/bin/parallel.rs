//! Rayon: each worker has a ring of its own, so a loop over all cores logs without a lock.
//!
//! `cargo run -p kymo-frameworks --bin parallel -- parallel.kymo`, then `kymo stats parallel.kymo`

use kymo::{Logger, debug, info};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "parallel.kymo".to_owned());
    let logger = Logger::builder(path).start()?;
    let pool = ThreadPoolBuilder::new()
        .num_threads(4)
        .thread_name(|number| format!("rayon-{number}"))
        .start_handler(|_| _ = kymo::prepare_thread())
        .build()?;
    let sum = pool.install(|| {
        let squared = (0..1_000_u64).into_par_iter().map(|number| {
            let square = number * number;
            debug!("{number} squared is {square}");
            square
        });
        squared.sum::<u64>()
    });
    info!("the sum is {sum}");
    println!("{} records", logger.shutdown().written);
    Ok(())
}
