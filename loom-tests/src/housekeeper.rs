//! The consumer goes on in segments that the housekeeper prepares, and the log ends.

use super::{check, must_fail};
use kymo::loom_export::housekeeper::House;
use kymo::loom_export::mutant::Mutant;

/// Waits for a segment, goes on in it, and waits for the next one: the housekeeper sleeps in between.
fn rotate() {
    let mut house = House::new();
    for _ in 0..2 {
        house.wait_for_next();
        house.rotate();
    }
    let ended = house.end();
    assert_eq!(ended.finished, 2, "not finished");
    assert_eq!(ended.left, 0, "left behind");
}

#[test]
fn the_next_segment_comes() {
    check("the_next_segment_comes", rotate);
}

#[test]
fn the_next_segment_comes_mutants() {
    let mutants = [(Mutant::HousekeeperWokenEarly, "branches")];
    must_fail(the_next_segment_comes_mutants, rotate, &mutants);
}

/// The log ends right after a rotation: what was handed over is finished, and what was prepared is removed.
fn end_after_rotation() {
    let mut house = House::new();
    house.wait_for_next();
    house.rotate();
    let ended = house.end();
    assert_eq!(ended.finished, 1, "not finished");
    assert_eq!(ended.left, 0, "left behind");
}

#[test]
fn the_end_finishes_what_was_handed_over() {
    check("the_end_finishes_what_was_handed_over", end_after_rotation);
}

#[test]
fn the_end_finishes_what_was_handed_over_mutants() {
    let mutants = [(Mutant::HousekeeperEndLate, "not finished")];
    must_fail(the_end_finishes_what_was_handed_over_mutants, end_after_rotation, &mutants);
}

/// The log ends before the first segment is ready, and one that fails is asked for again.
fn end_at_once() {
    let house = House::failing_first();
    let ended = house.end();
    assert_eq!((ended.finished, ended.left), (0, 0), "left behind");

    let mut house = House::failing_first();
    house.wait_for_next();
    house.rotate();
    let ended = house.end();
    assert_eq!((ended.finished, ended.left), (1, 0), "left behind");
}

#[test]
fn a_segment_that_was_not_made_is_asked_for_again() {
    check("a_segment_that_was_not_made_is_asked_for_again", end_at_once);
}
