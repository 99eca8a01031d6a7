//! Rates that are none.

fn main() {
    let px = 101.25;
    // Two of them.
    kymo::warn!(first: 10, every_n: 100; "tick {px}");
    // Not at its place, or without a value.
    kymo::warn!(px, every_n: 10; "tick");
    kymo::warn!(every_n: ; "tick");
    kymo::warn!(every_n: 10);
    kymo::warn!(every_n: 10;);
    kymo::warn!(once; "tick", every_n: 10);
    // The argument has the name of what is added.
    kymo::warn!(every_n: 10, suppressed = 1; "tick");
    // The message is still checked.
    kymo::warn!(every_n: 10; "tick {}");
}
