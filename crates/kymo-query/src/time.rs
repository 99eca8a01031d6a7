//! Writes points in time as text: RFC 3339 with nine fractional digits, or a notation of the user's.
//!
//! Only the fraction is formatted for each record: the rest is kept until the second changes, so
//! that the calendar costs next to nothing. No zone changes its offset within a second.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

const NANOSECONDS: i64 = 1_000_000_000;
/// How many digits a fraction of a second can have.
const DIGITS: usize = 9;

/// The numbers from 000 to 999, each of three digits.
const GROUPS: &str = match str::from_utf8(&GROUP_DIGITS) {
    Ok(groups) => groups,
    Err(_) => panic!("they are ASCII"),
};

const GROUP_DIGITS: [u8; 3_000] = {
    let mut digits = [b'0'; 3_000];
    let mut number = 0;
    while number < 1_000 {
        digits[3 * number] += (number / 100) as u8;
        digits[3 * number + 1] += (number / 10 % 10) as u8;
        digits[3 * number + 2] += (number % 10) as u8;
        number += 1;
    }
    digits
};

/// How times are written: text in the notation of `strftime` around a fraction of a second.
struct Notation {
    before: String,
    digits: usize,
    after: String,
}

/// Writes points in time, of one time zone.
pub struct Times {
    zone: TimeZone,
    notation: Notation,
    /// Not only the fraction changes within a second: all has to be written anew each time.
    is_irregular: bool,
    /// The second that `before` and `after` belong to.
    second: Option<i64>,
    /// The text before the fraction, and after it.
    before: String,
    after: String,
}

impl Times {
    /// RFC 3339, with nanoseconds.
    pub fn new(zone: TimeZone) -> Self {
        let after = if zone == TimeZone::UTC { "Z" } else { "%:z" };
        let before = "%Y-%m-%dT%H:%M:%S.".to_owned();
        Self::with(zone, Notation { before, digits: DIGITS, after: after.to_owned() })
    }

    /// In the notation of [`jiff::fmt::strtime`].
    ///
    /// # Errors
    /// If `format` is not valid.
    pub fn with_format(zone: TimeZone, format: &str) -> Result<Self, jiff::Error> {
        let sample =
            Timestamp::from_nanosecond(1_234_567_890_987_654_321)?.to_zoned_datetime(zone.clone());
        let expected = jiff::fmt::strtime::format(format, &sample)?;
        if let Some(notation) = Notation::split(format) {
            let mut times = Self::with(zone.clone(), notation);
            let mut found = String::new();
            times.write(1_234_567_890_987_654_321, &mut found);
            if found == expected {
                return Ok(times);
            }
        }
        let notation = Notation { before: format.to_owned(), digits: 0, after: String::new() };
        Ok(Self { is_irregular: true, ..Self::with(zone, notation) })
    }

    fn with(zone: TimeZone, notation: Notation) -> Self {
        let (before, after) = (String::new(), String::new());
        Self { zone, notation, is_irregular: false, second: None, before, after }
    }

    /// Appends the time that is so many nanoseconds after 1970-01-01T00:00:00Z.
    #[inline]
    pub fn write(&mut self, time_ns: i64, out: &mut String) {
        let second = time_ns.div_euclid(NANOSECONDS);
        if self.second != Some(second) || self.is_irregular {
            self.turn(time_ns);
        }
        out.push_str(&self.before);
        // All nine, three at a time.
        let fraction = time_ns.rem_euclid(NANOSECONDS) as usize;
        let end = out.len() + self.notation.digits;
        for group in [fraction / 1_000_000, fraction / 1_000 % 1_000, fraction % 1_000] {
            out.push_str(&GROUPS[3 * group..][..3]);
        }
        out.truncate(end);
        out.push_str(&self.after);
    }

    #[cold]
    fn turn(&mut self, time_ns: i64) {
        let zoned = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
        let zoned = zoned.to_zoned_datetime(self.zone.clone());
        self.second = Some(time_ns.div_euclid(NANOSECONDS));
        // The notation was tried when it was given.
        let format = |format: &str| jiff::fmt::strtime::format(format, &zoned).unwrap_or_default();
        self.before = format(&self.notation.before);
        self.after = format(&self.notation.after);
    }
}

impl Notation {
    /// Splits a format around its only fraction; `None` unless there is exactly one of a fixed
    /// number of digits.
    fn split(format: &str) -> Option<Self> {
        let mut split = None;
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            let start = format.len() - rest.len() + at;
            let flags = rest[at + 1..].trim_start_matches(|c| "_-0^#:.123456789".contains(c));
            let directive = flags.chars().next()?;
            let end = format.len() - flags.len() + directive.len_utf8();
            rest = &format[end..];
            if !matches!(directive, 'f' | 'N') {
                continue;
            }
            let given = &format[start + 1..end - 1];
            let (point, digits) = match given.strip_prefix('.') {
                Some(digits) => (".", digits),
                None => ("", given),
            };
            let digits = match (digits, directive) {
                ("", 'N') => DIGITS,
                _ => digits.parse().ok().filter(|digits| (1..=DIGITS).contains(digits))?,
            };
            let before = format[..start].to_owned() + point;
            if split.replace(Self { before, digits, after: rest.to_owned() }).is_some() {
                return None;
            }
        }
        split.or_else(|| Some(Self { before: format.to_owned(), digits: 0, after: String::new() }))
    }
}

/// Parses the value of `--tz`.
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

    /// Every time that a record can have has a text.
    #[test]
    fn every_time_has_a_text() {
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

    /// Any notation is written as the calendar library writes it.
    #[test]
    fn notations_match_the_calendar() {
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        for format in [
            "%H:%M:%S%.6f",
            "%N",
            "%s.%3f %Z",
            "%.f|",
            "%f",
            "%S.%9N %S",
            "%3f %6f",
            "x",
            "%%f %1f",
            "%Y-%j %a %-d %I%p",
            "%.3f%.3f",
            "%c",
            "%F %T%.1f %:z",
            "%_H %^b %Q %.9f",
        ] {
            let mut times = Times::with_format(zone.clone(), format).unwrap();
            for time in
                [0, 1, -1, 999_999_999, 1_500_000_000_123_456_789, 1_500_000_000_900_000_000]
            {
                let zoned = Timestamp::from_nanosecond(time.into())
                    .unwrap()
                    .to_zoned_datetime(zone.clone());
                let mut out = String::new();
                times.write(time, &mut out);
                assert_eq!(out, zoned.strftime(format).to_string(), "{format} {time}");
            }
        }
        for format in ["%", "%!", "%H:%"] {
            assert!(Times::with_format(zone.clone(), format).is_err(), "{format}");
        }
    }

    #[test]
    fn a_zone_that_does_not_exist_is_an_error() {
        assert!(parse_zone("Mars/Olympus_Mons").is_err());
        assert!(parse_zone("").is_err());
    }
}
