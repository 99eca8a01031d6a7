//! A control loop with a flight recorder: each step is traced, at a cost of nanoseconds and of no byte
//! in the file, until the loop crashes. Then the last steps are there.
//!
//! `cargo run --release --example black_box [LOG]`; without LOG, into the temporary directory. It
//! aborts, as it should, and says which command shows its last 100 ms.

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kymo::{Level, Logger, debug, error, info, trace};

const PERIOD: Duration = Duration::from_millis(1);
const STEPS: u32 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let default = || std::env::temp_dir().join("black_box.kymo");
    let path = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let _logger = Logger::builder(&path)
        .overwrite(true)
        // Some 1,500 steps.
        .flight_recorder(Level::Debug, 64 << 10)
        .drain_on_crash(Duration::from_secs(1))
        .start()?;
    kymo::prepare_thread();
    info!("{STEPS} steps of {PERIOD:?}");

    let (mut height, mut speed) = (100.0_f64, 0.0);
    let mut next = Instant::now();
    for step in 0.. {
        // The sensor fails near the end.
        let measured = if step < STEPS - 20 { height } else { f64::NAN };
        let thrust = (9.81 + 0.8 * (50.0 - measured) - 1.2 * speed).clamp(0.0, 20.0);
        trace!("step {step}: {measured:.2} m, {speed:.2} m/s, thrust {thrust:.2}");
        if step % 100 == 0 {
            debug!("fuel {:.1} %", 100.0 - f64::from(step) / 50.0);
        }
        speed += (thrust - 9.81) * PERIOD.as_secs_f64();
        height += speed * PERIOD.as_secs_f64();
        if step == STEPS {
            error!("no height for 20 steps");
            let from = SystemTime::now() - Duration::from_millis(100);
            println!("kymo cat {} --since {}", path.display(), utc(from));
            std::process::abort();
        }
        next += PERIOD;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// `2026-11-21T05:57:00.442Z`. (Days to dates after Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms".)
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400 + 719_468, since.as_secs() % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let ms = since.subsec_millis();
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}
