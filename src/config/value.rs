//! Values as text: sizes, times, and the like.

use std::time::Duration;

/// The units of sizes, and how many bytes they are.
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// The units of times, and how many nanoseconds they are.
const TIMES: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A number and its unit, one of these.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<u64>().ok()?, text[end..].trim_start());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// A size in bytes: `64MiB`, `1 GB`, `4096`.
pub(super) fn size(text: &str) -> Option<u64> {
    with_unit(text, &SIZES)
}

/// A time: `5ms`, `1 h`, `30d`.
pub(super) fn time(text: &str) -> Option<Duration> {
    with_unit(text, &TIMES).map(Duration::from_nanos)
}

/// Yes or no, in any case.
pub(super) fn yes(text: &str) -> Option<bool> {
    match &*text.trim().to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Permissions: `0640` or `640`, as of `chmod`.
pub(super) fn mode(text: &str) -> Option<u32> {
    let digits = text.trim();
    let is_octal = !digits.is_empty() && digits.chars().all(|c| c.is_digit(8));
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| is_octal)?;
    (mode <= 0o777).then_some(mode)
}

/// A share of something: `5%`, `0.05`.
pub(super) fn share(text: &str) -> Option<f64> {
    let text = text.trim();
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..1.0).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let good = ["0", "4096", "64KiB", "1 GiB", " 3MB ", "2TiB"].map(size);
        assert_eq!(good, [0, 4096, 65_536, 1 << 30, 3_000_000, 2 << 40].map(Some));
        for bad in
            ["", "MiB", "1kib", "-1", "1.5MiB", "99999999999999999999", "18446744073709551615KiB"]
        {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        let good = ["5ms", "1 h", "30d", "7us", "7µs"].map(time);
        let ns = [5_000_000, 3_600_000_000_000, 30 * 86_400_000_000_000, 7_000, 7_000];
        assert_eq!(good, ns.map(|ns| Some(Duration::from_nanos(ns))));
        for bad in ["", "5", "ms", "5 weeks", "-1s", "213504d"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn other_values() {
        assert_eq!(
            ["true", "TRUE", "off", "1", "No", "2", ""].map(yes),
            [Some(true), Some(true), Some(false), Some(true), Some(false), None, None]
        );
        assert_eq!(
            ["0640", "640", "8", "1777", "+7", ""].map(mode),
            [Some(0o640), Some(0o640), None, None, None, None]
        );
        assert_eq!(
            ["5%", "0.05", "0", "1", "NaN", "x"].map(share),
            [Some(0.05), Some(0.05), Some(0.0), None, None, None]
        );
    }
}
