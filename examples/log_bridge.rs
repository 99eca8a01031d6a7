//! A program with a library that logs through the crate `log`: one line takes all of it.
//!
//! `cargo run --example log_bridge`

use std::error::Error;

use kymo::Logger;
use kymo_reader::Reader;

/// A library. It knows nothing of kymo.
mod payment {
    pub fn pay(order: u64, amount: f64) {
        log::info!(target: "shop::payment", order, amount, currency = "EUR"; "paid");
        log::debug!(target: "shop::payment", "the filter leaves this out");
        let bank = "bank";
        log::warn!(target: "shop::payment", waited_ms = 250, attempt = 2; "slow answer of {bank:?}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("log-bridge-{}.kymo", std::process::id()));
    let logger = Logger::builder(&path).filter("info").bridge_log(true).start()?;

    // The program's own hot statements are kymo's.
    let (order, px) = (7, 101.25);
    kymo::info!(target: "shop", "order {order} filled at {px}");
    payment::pay(order, 2.0 * px);
    logger.shutdown();

    let mut reader = Reader::open(&path)?;
    let mut text = String::new();
    while let Some(record) = reader.next_record()? {
        text.clear();
        record.message(&mut text);
        println!("{:5} {}: {text}", record.level().name(), record.target());
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
