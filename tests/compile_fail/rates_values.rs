//! Rates whose values are of another type, or no constants.

fn main() {
    let (n, px) = (10, 101.25);
    kymo::warn!(every_n: n; "tick {px}");
    kymo::warn!(first: 1.5; "tick {px}");
    kymo::warn!(at_most: 5; "tick {px}");
}
