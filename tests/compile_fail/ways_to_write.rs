use std::error::Error;
use std::fmt::Display;

struct Orders;

impl Orders {
    const TARGET: &'static str = "orders";

    fn fill(&self) {
        kymo::info!(target: Self::TARGET, "filled");
        // How it is meant.
        kymo::info!(target: Orders::TARGET, "filled");
    }
}

fn generic<T: Display>(value: T) {
    kymo::info!("{value}");
    kymo::info!("{}", kymo::as_display(value));
}

fn not_sized<T: Display + ?Sized>(value: &T) {
    kymo::info!("{}", value);
    kymo::info!("{}", kymo::as_display(value));
}

fn failed(error: &dyn Error, boxed: Box<dyn Error + Send>) {
    kymo::error!("{error}");
    kymo::error!("{boxed}");
    kymo::error!("{} {boxed:>9}", kymo::as_display(error), boxed = kymo::as_display(&boxed));
}

fn part(values: &[f64]) {
    kymo::info!("{:?}", [kymo::as_display(values[0])]);
    kymo::info!("{:?}", kymo::as_debug([kymo::as_display(values[0])]));
}

fn time(now: std::time::SystemTime, start: std::time::Instant) {
    kymo::info!("{now:?}");
    kymo::info!("{start:?}");
    // How it is meant: a span of time has a text.
    kymo::info!("{:?}", start.elapsed());
    kymo::info!("{:?}", now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default());
}

fn inside(id: std::thread::ThreadId) {
    kymo::info!("{:?}", Some(id));
    kymo::info!("{:?}", kymo::as_debug(Some(id)));
}

fn main() {}
