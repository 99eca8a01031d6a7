//! A game loop: what led to a slow frame is in the log, and nothing of the frames that were fine.
//!
//! Debug records stay in memory. A warning brings the last ones into the log, in their place in time.
//!
//! `cargo run -p kymo-frameworks --bin game -- game.kymo`

use std::hint::black_box;
use std::time::{Duration, Instant};

use kymo::{Level, Logger, debug, info, warn};

const BUDGET: Duration = Duration::from_millis(16);

fn update(frame: u64) -> usize {
    // A level is loaded in frame 300: that takes longer than a frame may.
    let until = if frame == 300 { BUDGET * 2 } else { Duration::ZERO };
    let began = Instant::now();
    while began.elapsed() < until {
        black_box(frame);
    }
    let entities = 100 + (frame % 7) as usize;
    debug!("frame {frame} updates {entities} entities");
    entities
}

fn render(frame: u64, entities: usize) {
    debug!("frame {frame} draws {} triangles", entities * 12);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "game.kymo".to_owned());
    let logger = Logger::builder(path)
        .flight_recorder(Level::Debug, 64 << 10)
        .dump_at(Level::Warn, Duration::ZERO)
        .start()?;
    kymo::prepare_thread();
    info!("the game begins");
    for frame in 0..310 {
        let began = Instant::now();
        let entities = update(frame);
        render(frame, entities);
        let took = began.elapsed();
        if took > BUDGET {
            warn!("frame {frame} took {took:?}");
        }
        // A game would wait for the display here.
    }
    info!("the game ends");
    println!("{} records", logger.shutdown().written);
    Ok(())
}
