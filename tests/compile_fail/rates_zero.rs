//! A rate that would log nothing.

fn main() {
    kymo::warn!(every_n: 0; "tick");
}
