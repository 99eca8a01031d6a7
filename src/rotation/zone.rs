//! Time zones: UTC and fixed offsets; with the feature `zones`, also those of the time zone database.
//!
//! In: a day and a time of day. Out: when that is. One rule holds for all zones: a time of day on a
//! day begins at the first moment at which the zone's clocks show it, or a later time. So a time
//! that the clocks leave out is the moment at which they are set forward. Of a time that they show
//! twice, the first counts. The result is never earlier for a later time.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "zones")]
use jiff::tz::{AmbiguousOffset, TimeZone};

/// How many seconds a day has, without leap seconds and changes of the clocks.
const DAY_S: i64 = 86_400;

/// How many nanoseconds a second has.
const SECOND_NS: i64 = 1_000_000_000;

/// A time zone, of [`Rotation::daily_at`](crate::Rotation::daily_at) and of the console's times.
///
/// UTC and fixed offsets are always there. `Zone::local` and `Zone::named` need the feature `zones`, which brings the
/// time zone database with it, for containers that have none.
///
/// ```
/// use kymo::Zone;
///
/// let zone = Zone::offset("-03:30")?;
/// assert_eq!(zone, "-03:30".parse()?);
/// assert_eq!(Zone::UTC, "UTC".parse()?);
/// # Ok::<(), kymo::ZoneError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Seconds east of UTC.
    Fixed(i64),
    #[cfg(feature = "zones")]
    Database(TimeZone),
}

/// The error of a [`Zone`] that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZoneError {
    /// This is no offset from UTC.
    Offset(String),
    /// There is no zone of this name.
    Unknown(String),
    /// The system does not say which zone is its own.
    NoLocal,
    /// This zone needs the feature `zones` of the crate.
    NeedsFeature(String),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Kind::Fixed(0));

    /// Returns a zone that is always as far from UTC: `"+05:30"`, `"-08:00"`.
    ///
    /// # Errors
    /// If the text has another form, or is a day or more.
    pub fn offset(text: &str) -> Result<Self, ZoneError> {
        let seconds = parse_offset(text).ok_or_else(|| ZoneError::Offset(text.to_owned()))?;
        Ok(Self(Kind::Fixed(seconds)))
    }

    /// Returns the zone of the machine, as `TZ` or `/etc/localtime` say now. Later changes of these do not count.
    ///
    /// # Errors
    /// If the system does not say which it is.
    #[cfg(feature = "zones")]
    pub fn local() -> Result<Self, ZoneError> {
        TimeZone::try_system()
            .map(|zone| Self(Kind::Database(zone)))
            .map_err(|_| ZoneError::NoLocal)
    }

    /// Returns a zone of the time zone database: `"Europe/Vienna"`.
    ///
    /// ```
    /// use kymo::{Rotation, Zone};
    ///
    /// let rotation = Rotation::daily_at("00:00", Zone::named("Europe/Vienna")?);
    /// # Ok::<(), kymo::ZoneError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such zone.
    #[cfg(feature = "zones")]
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let zone = TimeZone::get(name).map_err(|_| ZoneError::Unknown(name.to_owned()))?;
        Ok(Self(Kind::Database(zone)))
    }

    /// Returns it as lines of output take it.
    #[cfg(feature = "console")]
    pub(crate) fn of_lines(&self) -> kymo_lines::tz::TimeZone {
        use kymo_lines::tz::{Offset, TimeZone};
        match &self.0 {
            Kind::Fixed(seconds) => {
                let seconds = i32::try_from(*seconds).expect("less than a day");
                TimeZone::fixed(Offset::from_seconds(seconds).expect("less than 26 hours"))
            }
            #[cfg(feature = "zones")]
            Kind::Database(zone) => zone.clone(),
        }
    }

    /// Returns the day, counted from 1970-01-01, that the zone's clocks show at a time.
    pub(super) fn day(&self, at_ns: i64) -> i64 {
        match &self.0 {
            Kind::Fixed(seconds) => (at_ns.div_euclid(SECOND_NS) + seconds).div_euclid(DAY_S),
            #[cfg(feature = "zones")]
            Kind::Database(zone) => database::day(zone, at_ns),
        }
    }

    /// Returns when a second of a day begins: see the module. `None` if that is out of range.
    pub(super) fn time(&self, day: i64, second: i64) -> Option<i64> {
        match &self.0 {
            Kind::Fixed(offset) => (day * DAY_S + second - offset).checked_mul(SECOND_NS),
            #[cfg(feature = "zones")]
            Kind::Database(zone) => database::time(zone, day, second),
        }
    }
}

/// Returns `+HH:MM` in seconds.
fn parse_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let time = super::schedule::TimeOfDay::parse(rest)?;
    Some(sign * time.seconds())
}

impl FromStr for Zone {
    type Err = ZoneError;

    /// Reads `UTC`, an offset (`+05:30`), `local`, or the name of a zone. The last two need the feature `zones`.
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        match text {
            "UTC" | "Z" => Ok(Self::UTC),
            _ if text.starts_with(['+', '-']) => Self::offset(text),
            #[cfg(feature = "zones")]
            "local" => Self::local(),
            #[cfg(feature = "zones")]
            _ => Self::named(text),
            #[cfg(not(feature = "zones"))]
            _ => Err(ZoneError::NeedsFeature(text.to_owned())),
        }
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(text) => {
                write!(
                    f,
                    "{text:?} is no offset from UTC: choose +HH:MM or -HH:MM, less than 24 hours"
                )
            }
            Self::Unknown(name) => {
                write!(
                    f,
                    "there is no time zone {name:?}: choose a name such as Europe/Vienna, or an offset such as +01:00"
                )
            }
            Self::NoLocal => f.write_str(
                "the system does not say which time zone is its own: name one, or set TZ",
            ),
            Self::NeedsFeature(name) => {
                write!(
                    f,
                    "the time zone {name:?} needs the feature `zones` of the crate kymo: choose UTC or an offset, or switch it on"
                )
            }
        }
    }
}

impl std::error::Error for ZoneError {}

/// Zones of the time zone database.
#[cfg(feature = "zones")]
mod database {
    use super::{AmbiguousOffset, SECOND_NS, TimeZone};
    use jiff::civil::{DateTime, date};
    use jiff::{SignedDuration, Timestamp};

    pub(super) fn day(zone: &TimeZone, at_ns: i64) -> i64 {
        let at = Timestamp::from_nanosecond(at_ns.into()).unwrap_or_default();
        let local = zone.to_datetime(at);
        epoch().duration_until(local.date().to_datetime(jiff::civil::Time::midnight())).as_secs()
            / super::DAY_S
    }

    pub(super) fn time(zone: &TimeZone, day: i64, second: i64) -> Option<i64> {
        let shown = SignedDuration::from_secs(day.checked_mul(super::DAY_S)?.checked_add(second)?);
        let local = epoch().checked_add(shown).ok()?;
        let at = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local),
            AmbiguousOffset::Gap { after, .. } => {
                // The moment at which the clocks are set forward.
                let earlier = after.to_timestamp(local).ok()?;
                Ok(zone.following(earlier).next()?.timestamp())
            }
        };
        let at = i64::try_from(at.ok()?.as_nanosecond()).ok()?;
        debug_assert_eq!(at % SECOND_NS, 0, "zones change at full seconds");
        Some(at)
    }

    fn epoch() -> DateTime {
        date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight())
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        for (text, seconds) in [
            ("+00:00", 0),
            ("-00:00", 0),
            ("+05:30", 19_800),
            ("-08:00", -28_800),
            ("+23:59:59", 86_399),
        ] {
            assert_eq!(Zone::offset(text), Ok(Zone(Kind::Fixed(seconds))), "{text}");
            assert_eq!(text.parse(), Ok(Zone(Kind::Fixed(seconds))), "{text}");
        }
        for text in ["", "+", "05:30", "+5:30", "+24:00", "+05:60", "--05:30", "+０5:30", "−05:00"]
        {
            assert_eq!(Zone::offset(text), Err(ZoneError::Offset(text.to_owned())), "{text}");
        }
        assert_eq!("UTC".parse(), Ok(Zone::UTC));
        assert_eq!("Z".parse(), Ok(Zone::UTC));
    }

    #[test]
    #[cfg(feature = "zones")]
    fn zones_are_found_by_name() {
        assert_eq!("Europe/Vienna".parse::<Zone>(), Zone::named("Europe/Vienna"));
        for name in ["Europe/Nowhere", "", "../../etc/passwd"] {
            assert_eq!(Zone::named(name), Err(ZoneError::Unknown(name.to_owned())));
        }
    }
}
