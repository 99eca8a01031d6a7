//! A point in time as a user writes it: with an offset from UTC, without one, or relative to now.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A point in time, as it was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// With an offset from UTC: `2026-11-21T05:30:00Z`.
    Absolute(Timestamp),
    /// Without an offset: `2026-11-21T05:30:00` or `2026-11-21`, by the clocks of a time zone.
    Local(DateTime),
    /// A span from now: `-5m`, `-1h30m`.
    Relative(SignedDuration),
    /// The last time that the clocks of a time zone showed this: `10:30`.
    Clock(Time),
    /// The beginning of a day, so many days before this one: `today` is 0, `yesterday` 1.
    Day(u8),
}

/// The time and time zone to which a [`Point`] refers.
#[derive(Clone)]
pub struct Reference {
    /// The zone of points without an offset.
    pub zone: TimeZone,
    /// The present, from which relative points count.
    pub now: Timestamp,
}

/// A text that names no point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPoint;

impl Reference {
    /// The present, by the clocks of `zone`.
    pub fn now(zone: TimeZone) -> Self {
        Self { zone, now: Timestamp::now() }
    }
}

impl Point {
    /// The nanoseconds since the epoch, limited to the range of times that a record can have.
    pub fn resolve(self, reference: &Reference) -> i64 {
        let time = match self {
            Self::Absolute(time) => time,
            // If a clock shows a time twice, the first is taken.
            Self::Local(local) => match reference.zone.to_timestamp(local) {
                Ok(time) => time,
                Err(_) => return if local.year() < 0 { i64::MIN } else { i64::MAX },
            },
            Self::Clock(clock) => {
                let now = reference.now.to_zoned_datetime(reference.zone.clone());
                let today = reference.zone.to_timestamp(now.date().to_datetime(clock));
                match today {
                    Ok(time) if time <= reference.now => time,
                    _ => match now.date().yesterday().map(|date| date.to_datetime(clock)) {
                        Ok(local) => reference.zone.to_timestamp(local).unwrap_or(Timestamp::MIN),
                        Err(_) => Timestamp::MIN,
                    },
                }
            }
            Self::Day(ago) => {
                let today = reference.now.to_zoned_datetime(reference.zone.clone()).date();
                let date = (0..ago).try_fold(today, |date, _| date.yesterday());
                let start = date.map(|date| date.to_datetime(Time::midnight()));
                start.and_then(|local| reference.zone.to_timestamp(local)).unwrap_or(Timestamp::MIN)
            }
            Self::Relative(span) => {
                let end = if span.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
                reference.now.checked_add(span).unwrap_or(end)
            }
        };
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        time.as_nanosecond().clamp(least, most) as i64
    }
}

impl FromStr for Point {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        // A year may have a sign; a span without any would be a point in the future by mistake.
        if text.starts_with(['-', '+'])
            && let Ok(span) = text.parse()
        {
            return Ok(Self::Relative(span));
        }
        match text {
            "today" => return Ok(Self::Day(0)),
            "yesterday" => return Ok(Self::Day(1)),
            _ => {}
        }
        if let Some(time) = epoch_seconds(text) {
            return Ok(Self::Absolute(time));
        }
        if text.len() <= "10:30:00.123456789".len()
            && text.as_bytes().get(2) == Some(&b':')
            && let Ok(clock) = text.parse()
        {
            return Ok(Self::Clock(clock));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Absolute(time));
        }
        text.parse().map(Self::Local).map_err(|_| NoPoint)
    }
}

/// Parses nine to eleven digits, and perhaps a fraction, as seconds since 1970: the output of
/// `date +%s`. A shorter number may be a date.
fn epoch_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(9..=11).contains(&whole.len()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanoseconds = format!("{:0<9}", fraction.get(..fraction.len().min(9))?);
    Timestamp::new(whole.parse().ok()?, nanoseconds.parse().ok()?).ok()
}

/// Writes text that parses to an equal point.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(time) => time.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Clock(clock) => clock.fmt(f),
            Self::Day(0) => f.write_str("today"),
            Self::Day(_) => f.write_str("yesterday"),
            Self::Relative(span) if span.is_negative() => span.fmt(f),
            Self::Relative(span) => write!(f, "+{span}"),
        }
    }
}

impl fmt::Display for NoPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a point in time: give one as in RFC 3339 (2026-11-21T05:30:00Z; without an offset, \
             it is in the zone of --tz), a date (2026-11-21), a time of day (10:30, the last one), today, yesterday, seconds \
             since 1970 (1795239000), or how long ago it was (-5m, -1h30m)",
        )
    }
}

impl std::error::Error for NoPoint {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> i64 {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        text.parse::<Point>().unwrap().resolve(&Reference { zone, now })
    }

    /// A point has an offset, or that of the zone, or counts from now.
    #[test]
    fn points_resolve_by_zone_and_now() {
        let noon = resolved("2026-06-01T12:00:00Z");
        assert_eq!(noon, 1_780_315_200_000_000_000);
        for text in ["2026-06-01T14:00:00+02:00", "2026-06-01 14:00", "2026-06-01T12:00:00.0z"] {
            assert_eq!(resolved(text), noon, "{text}");
        }
        assert_eq!(resolved("2026-06-01"), noon - 14 * 3_600_000_000_000);
        assert_eq!(resolved("-5m"), noon - 300_000_000_000);
        assert_eq!(resolved("-1h30m"), noon - 5_400_000_000_000);
        assert_eq!(resolved("+1.5s"), noon + 1_500_000_000);
    }

    /// Seconds since 1970, a time of day, today and yesterday were no points in time.
    #[test]
    fn times_of_day_days_and_seconds() {
        let noon = resolved("2026-06-01T12:00:00Z");
        let (hour, day) = (3_600_000_000_000, 86_400_000_000_000);
        assert_eq!(resolved("1780315200"), noon);
        assert_eq!(resolved("1780315200.000000001"), noon + 1);
        // It is 14:00 in Berlin.
        assert_eq!(resolved("10:30"), noon - 7 * hour / 2);
        assert_eq!(resolved("14:00:00"), noon);
        assert_eq!(resolved("14:01"), noon + hour / 60 - day);
        assert_eq!(resolved("today"), noon - 14 * hour);
        assert_eq!(resolved("yesterday"), noon - 14 * hour - day);
    }

    /// Points that no record can reach become the first or last time.
    #[test]
    fn unreachable_points_saturate() {
        assert_eq!(resolved("9999-01-01T00:00:00Z"), i64::MAX);
        assert_eq!(resolved("-009000-01-01T00:00:00Z"), i64::MIN);
        assert_eq!(resolved("9999-12-31T23:59:59"), i64::MAX);
        assert_eq!(resolved("-100000000h"), i64::MIN);
    }

    #[test]
    fn what_is_no_point_in_time_is_an_error() {
        for text in ["", "5m", "tomorrow", "-", "-5", "2026-13-01", "25:00", "12345678.", "--until"]
        {
            assert_eq!(text.parse::<Point>(), Err(NoPoint), "{text:?}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in [
            "2026-06-01T12:00:00.5Z",
            "2026-06-01T12:00:00",
            "-5m",
            "+1h2m",
            "-0.5s",
            "10:30",
            "10:30:05.25",
            "today",
            "yesterday",
            "1780315200.5",
        ] {
            let point: Point = text.parse().unwrap();
            assert_eq!(point.to_string().parse(), Ok(point), "{text}");
        }
    }
}
