//! Tests of boundaries, against jiff and against minutes counted one by one.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use proptest::sample::select;

use crate::rotation::boundaries::Boundaries;
use crate::rotation::schedule::{Schedule, TimeOfDay};
use crate::rotation::zone::Zone;
use crate::rotation::{Rotation, RotationError};

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const DAY_NS: i64 = 24 * HOUR_NS;

fn every(interval_ns: i64) -> Schedule {
    let mut schedule = Schedule::default();
    schedule.add_interval(interval_ns);
    schedule
}

fn hourly() -> Rotation {
    Rotation::on_request().every(Duration::from_secs(3600))
}

fn daily(time: &str, zone: Zone) -> Schedule {
    let mut schedule = Schedule::default();
    schedule.add_daily(TimeOfDay::parse(time).unwrap(), zone);
    schedule
}

fn ns(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
}

fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The boundaries from one time to another.
fn boundaries(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let mut now_ns = ns(from);
    let mut found = Vec::new();
    while let Some(next_ns) = schedule.next_after(now_ns).filter(|next_ns| *next_ns <= ns(to)) {
        found.push(Timestamp::from_nanosecond(next_ns.into()).unwrap().to_string());
        now_ns = next_ns;
    }
    found
}

proptest! {
    /// The next multiple, however late the question comes.
    #[test]
    fn intervals_are_aligned(
        interval_ns in prop_oneof![1_000_000..DAY_NS, Just(HOUR_NS), 1_000_000..i64::MAX],
        now_ns in any::<i64>(),
    ) {
        match every(interval_ns).next_after(now_ns) {
            Some(next_ns) => {
                prop_assert_eq!(next_ns % interval_ns, 0);
                prop_assert!(next_ns > now_ns);
                prop_assert!(next_ns as i128 - now_ns as i128 <= interval_ns as i128);
            }
            None => {
                let at_ends = [i64::MIN, i64::MAX].map(|end| now_ns as i128 - end as i128);
                prop_assert!(at_ends.iter().any(|far| far.abs() <= interval_ns as i128));
            }
        }
    }

    /// A zone with a fixed offset shows the same days as jiff's.
    #[test]
    fn fixed_offsets_are_those_of_jiff(
        now_ns in ns("1970-01-03T00:00:00Z")..ns("2200-01-01T00:00:00Z"),
        offset_minutes in -1_439_i64..1_440,
        minutes in 0_i64..1_440,
    ) {
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let zone = Zone::offset(&format!("{sign}{}", clock(offset_minutes.abs()))).unwrap();
        let next_ns = daily(&clock(minutes), zone).next_after(now_ns).unwrap();
        prop_assert!(next_ns > now_ns && next_ns <= now_ns + DAY_NS);
        let zone = TimeZone::fixed(Offset::from_seconds((offset_minutes * 60) as i32).unwrap());
        let shown = zone.to_datetime(Timestamp::from_nanosecond(next_ns.into()).unwrap());
        let of_day = i64::from(shown.hour()) * 60 + i64::from(shown.minute());
        prop_assert_eq!((of_day, shown.second(), shown.subsec_nanosecond()), (minutes, 0, 0));
    }

    /// Of reasons that are combined, the first counts.
    #[test]
    fn the_first_of_all_reasons_counts(
        now_ns in 0..ns("2200-01-01T00:00:00Z"),
        interval_ns in 1_000_000..3 * DAY_NS,
        minutes in 0_i64..1_440,
    ) {
        let (mut both, other) = (every(interval_ns), daily(&clock(minutes), Zone::UTC));
        let first = both.next_after(now_ns).min(other.next_after(now_ns));
        both.add_all(other);
        prop_assert_eq!(both.next_after(now_ns), first);
    }

    /// Whatever the clock does, a rotation comes if and only if a boundary lies between two looks, or the clock was set
    /// back by little, just after one.
    #[test]
    fn boundaries_are_passed_once(
        start_ns in 0..10 * DAY_NS,
        steps in prop::collection::vec(
            prop_oneof![
                4 => 0..HOUR_NS,
                1 => 0..3 * DAY_NS,
                1 => -HOUR_NS..0,
                1 => -SECOND_NS..0,
                1 => -3 * DAY_NS..0,
            ],
            1..60,
        ),
    ) {
        let schedule = every(HOUR_NS);
        let mut watched = Boundaries::new(&hourly(), start_ns);
        let (mut now_ns, mut last_passed) = (start_ns, None);
        // The clock showed the last boundary, and has been set back by less than a minute since.
        let mut is_forgiven = false;
        for step in steps {
            let before_ns = now_ns;
            now_ns += step;
            let passed = watched.passes(now_ns);
            if step < 0 {
                let next = schedule.next_after(now_ns);
                is_forgiven = next == last_passed && next.unwrap() - now_ns < MINUTE_NS;
                prop_assert!(!passed);
                continue;
            }
            let mut next_ns = schedule.next_after(before_ns).unwrap();
            if is_forgiven && last_passed == Some(next_ns) {
                next_ns = schedule.next_after(next_ns).unwrap();
            }
            prop_assert_eq!(passed, now_ns >= next_ns);
            if passed {
                (last_passed, is_forgiven) = (Some(next_ns), false);
            }
            prop_assert!(watched.next_ns().unwrap() > now_ns);
        }
    }
}

#[test]
fn a_late_rotation_moves_no_boundary() {
    let mut watched = Boundaries::new(&hourly(), ns("2026-11-30T11:59:00Z"));
    assert!(!watched.passes(ns("2026-11-30T11:59:59Z")));
    // An hour and a half late.
    assert!(watched.passes(ns("2026-11-30T13:30:00Z")));
    assert!(!watched.passes(ns("2026-11-30T13:59:59Z")));
    assert!(watched.passes(ns("2026-11-30T14:00:00Z")));
    assert_eq!(watched.next_ns(), Some(ns("2026-11-30T15:00:00Z")));
}

#[test]
fn clocks_are_set_forward_and_back() {
    let mut watched = Boundaries::new(&hourly(), ns("2026-11-30T11:30:00Z"));
    // Forward over many boundaries: one rotation.
    assert!(watched.passes(ns("2027-01-01T00:30:00Z")));
    assert!(!watched.passes(ns("2027-01-01T00:59:59Z")));
    // Back: no rotation, and the log is not one segment until the clock has caught up.
    assert!(!watched.passes(ns("2026-11-30T11:31:00Z")));
    assert!(watched.passes(ns("2026-11-30T12:00:00Z")));
    // By little, just after a boundary: that one does not count twice.
    assert!(!watched.passes(ns("2026-11-30T11:59:59Z")));
    assert!(!watched.passes(ns("2026-11-30T12:00:00Z")));
    assert!(watched.passes(ns("2026-11-30T13:00:00Z")));
    // By more: it does.
    assert!(!watched.passes(ns("2026-11-30T12:30:00Z")));
    assert!(watched.passes(ns("2026-11-30T13:00:00Z")));
}

#[test]
fn without_reasons_there_are_no_boundaries() {
    let mut watched = Boundaries::new(&Rotation::on_request(), 0);
    assert!(!watched.passes(i64::MAX));
    assert_eq!(watched.next_ns(), None);
    assert_eq!(every(HOUR_NS).next_after(i64::MAX - HOUR_NS / 2), None);
}

#[test]
fn wrong_options_are_told() {
    let hour = Duration::from_secs(3600);
    assert_eq!(Rotation::size(1 << 20).every(hour).check(), Ok(()));
    let size = RotationError::Size { bytes: 65_535, least: 65_536 };
    assert_eq!(Rotation::size(65_535).every(Duration::ZERO).check(), Err(size.clone()));
    assert_eq!(Rotation::on_request().or(Rotation::size(65_535)).check(), Err(size));
    for interval in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let rotation = Rotation::size(1 << 20).every(interval);
        assert_eq!(rotation.check(), Err(RotationError::Interval(interval)));
        assert_eq!(rotation.next_after(0), None);
    }
    for text in
        ["", "24:00", "12:60", "1:00", "12:00:60", "12:00:00:00", "12:00 ", "-1:00", "１2:00"]
    {
        let rotation = Rotation::daily_at(text, Zone::UTC);
        assert_eq!(rotation.check(), Err(RotationError::Time(text.to_owned())));
    }
}

#[test]
fn the_lesser_size_counts() {
    let both = Rotation::size(1 << 20).or(Rotation::size(1 << 30));
    assert_eq!(both.size_limit(), Some(1 << 20));
    assert_eq!(Rotation::on_request().or(both).size_limit(), Some(1 << 20));
    assert_eq!(Rotation::on_request().every(Duration::from_secs(1)).size_limit(), None);
}

/// Zones of the time zone database.
#[cfg(feature = "zones")]
mod zones {
    use super::*;

    /// Days of 23 hours and of 25, of which the clocks are set at night, at midnight, by half an hour, by two hours, in
    /// the south; a day that is left out; several changes a year; none.
    const ZONES: &[&str] = &[
        "Europe/Vienna",
        "America/New_York",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "Asia/Gaza",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Asia/Kathmandu",
        "UTC",
    ];

    fn vienna() -> Zone {
        Zone::named("Europe/Vienna").unwrap()
    }

    #[test]
    fn days_have_23_and_25_hours() {
        let midnight = daily("00:00", vienna());
        assert_eq!(
            boundaries(&midnight, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
            ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
        assert_eq!(
            boundaries(&midnight, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"),
            ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"]
        );
    }

    #[test]
    fn a_time_that_does_not_exist_is_the_moment_after() {
        let nightly = daily("02:30", vienna());
        assert_eq!(
            boundaries(&nightly, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_exists_twice_counts_once() {
        let nightly = daily("02:30", vienna());
        assert_eq!(
            boundaries(&nightly, "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Asked between the two.
        assert_eq!(
            nightly.next_after(ns("2026-10-25T01:00:00Z")),
            Some(ns("2026-10-26T01:30:00Z"))
        );
    }

    /// Samoa had no 30 December 2011.
    #[test]
    fn a_day_that_is_left_out_ends_when_it_begins() {
        let noon = daily("12:00", Zone::named("Pacific/Apia").unwrap());
        assert_eq!(
            boundaries(&noon, "2011-12-29T00:00:00Z", "2011-12-31T00:00:00Z"),
            ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]
        );
    }

    #[test]
    fn all_reasons_work_together() {
        let rotation = Rotation::daily_at("00:00", vienna()).every(Duration::from_secs(6 * 3600));
        assert_eq!(
            rotation.next_after(ns("2026-11-30T18:00:00Z")),
            Some(ns("2026-11-30T23:00:00Z"))
        );
        assert_eq!(
            rotation.next_after(ns("2026-11-30T23:00:00Z")),
            Some(ns("2026-12-01T00:00:00Z"))
        );
    }

    /// The next boundary, by looking at the clock each minute: the first time that it shows the time of day, or a later
    /// one, of a day on which it did not before.
    fn by_looking(zone: &TimeZone, minutes: i64, now_ns: i64) -> i64 {
        let shown = |at_ns: i64| {
            let at = Timestamp::from_nanosecond(at_ns.into()).unwrap();
            let local = zone.to_datetime(at).to_zoned_datetime(TimeZone::UTC).unwrap();
            // The number of times of day that the clock has shown by then.
            (local.timestamp().as_second() - minutes * 60).div_euclid(86_400)
        };
        let first_ns = (now_ns - 3 * DAY_NS).div_euclid(MINUTE_NS) * MINUTE_NS;
        let mut most = shown(first_ns);
        for minute in 1..10 * 1_440 {
            let at_ns = first_ns + minute * MINUTE_NS;
            let days = shown(at_ns);
            if days > most && at_ns > now_ns {
                return at_ns;
            }
            most = most.max(days);
        }
        unreachable!("a day has passed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Around the changes of all clocks.
        #[test]
        fn boundaries_are_those_of_looking_each_minute(
            name in select(ZONES),
            near in ns("1980-01-01T00:00:00Z")..ns("2040-01-01T00:00:00Z"),
            after_ns in -2 * DAY_NS..2 * DAY_NS,
            minutes in prop_oneof![Just(0), 0_i64..1_440, 90_i64..200],
        ) {
            let zone = TimeZone::get(name).unwrap();
            let near = Timestamp::from_nanosecond(near.into()).unwrap();
            let change = zone.following(near).next().map_or(near, |it| it.timestamp());
            let now_ns = change.as_nanosecond() as i64 + after_ns;
            let schedule = daily(&clock(minutes), Zone::named(name).unwrap());
            prop_assert_eq!(schedule.next_after(now_ns), Some(by_looking(&zone, minutes, now_ns)));
        }
    }
}
