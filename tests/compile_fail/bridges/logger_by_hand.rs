//! `log` has its logger from `init`, which also makes `log::max_level` follow the filter.
fn main() {
    let _ = log::set_logger(&kymo::bridge::log::BRIDGE);
}
