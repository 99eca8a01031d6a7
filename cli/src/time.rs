//! Points in time as text, RFC 3339 with nine fractional digits.
//!
//! Only the fraction is formatted for each record: the rest is kept until the second changes, so
//! that the calendar costs next to nothing. No zone changes its offset within a second.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

const NANOSECONDS: i64 = 1_000_000_000;

/// Writes points in time, of one time zone.
pub struct Times {
    zone: TimeZone,
    /// The second that `date` and `offset` belong to.
    second: Option<i64>,
    /// Date and time of day, with the point behind it.
    date: String,
    offset: String,
}

impl Times {
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, second: None, date: String::new(), offset: String::new() }
    }

    /// Appends the time that is so many nanoseconds after 1970-01-01T00:00:00Z.
    #[inline]
    pub fn write(&mut self, time_ns: i64, out: &mut String) {
        let second = time_ns.div_euclid(NANOSECONDS);
        if self.second != Some(second) {
            self.turn(second);
        }
        out.push_str(&self.date);
        let fraction = time_ns.rem_euclid(NANOSECONDS);
        let mut unit = NANOSECONDS / 10;
        while unit > 0 {
            out.push(char::from(b'0' + (fraction / unit % 10) as u8));
            unit /= 10;
        }
        out.push_str(&self.offset);
    }

    #[cold]
    fn turn(&mut self, second: i64) {
        // 64 bits of nanoseconds reach from 1677 to 2262, which is far within the calendar.
        let time = Timestamp::from_second(second).unwrap_or_default();
        let zoned = time.to_zoned(self.zone.clone());
        self.second = Some(second);
        self.date = zoned.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
        self.offset = match self.zone == TimeZone::UTC {
            true => "Z".to_owned(),
            false => zoned.strftime("%:z").to_string(),
        };
    }
}

/// Parses what `--tz` takes.
pub fn parse_zone(text: &str) -> Result<TimeZone, jiff::Error> {
    match text {
        "local" => TimeZone::try_system(),
        "Z" | "z" => Ok(TimeZone::UTC),
        _ => DateTimeParser::new().parse_time_zone(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(zone: &str, time_ns: i64) -> String {
        let mut out = String::new();
        Times::new(parse_zone(zone).unwrap()).write(time_ns, &mut out);
        out
    }

    #[test]
    fn every_time_that_a_record_can_have_has_a_text() {
        assert_eq!(text("UTC", 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text("UTC", -1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text("UTC", i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(text("UTC", i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn an_offset_changes_within_a_run() {
        // On 2025-03-30 at 01:00 UTC, summer time begins.
        let before = 1_743_296_399_123_456_789;
        let mut times = Times::new(parse_zone("Europe/Berlin").unwrap());
        let mut out = String::new();
        times.write(before, &mut out);
        assert_eq!(out, "2025-03-30T01:59:59.123456789+01:00");
        out.clear();
        times.write(before + NANOSECONDS, &mut out);
        assert_eq!(out, "2025-03-30T03:00:00.123456789+02:00");
        assert_eq!(text("-03:30", 0), "1969-12-31T20:30:00.000000000-03:30");
    }

    #[test]
    fn a_zone_that_does_not_exist_is_an_error() {
        assert!(parse_zone("Mars/Olympus_Mons").is_err());
        assert!(parse_zone("").is_err());
    }
}
