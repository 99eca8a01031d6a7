//! Floats, faster than `core::fmt` writes them and to the same bytes.
//!
//! The shortest digits come from zmij for an `f64` and from ryu for an `f32`. (For an `f64` zmij
//! takes 12 ns where ryu takes 23 to 36; for an `f32` there is less between them.) Both differ from
//! `core::fmt` in two ways. They print small and large numbers with an exponent, where Rust's `{}`
//! never does, and `{:?}` from other thresholds on: so the digits are laid out anew where that
//! matters. And of two shortest numbers that are equally near (404.70312 and 404.70313 for the
//! `f32` 404.703125) they take the even one: such ties are recognised, and left to `core::fmt`.
//!
//! A fixed number of decimals is computed exactly in 128 bits, or left to `core::fmt` where they do
//! not suffice.

use std::fmt::Write;

/// Appends what `{}` prints.
#[inline]
pub(super) fn write_f64(value: f64, out: &mut String) {
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format(value);
    if !value.is_finite() || (digits.len() >= MIN_TIE_BYTES && is_tie(value, digits)) {
        let _ = write!(out, "{value}");
    } else {
        write_digits(digits, out);
    }
}

/// Appends what `{}` prints.
#[inline]
pub(super) fn write_f32(value: f32, out: &mut String) {
    let mut buffer = ryu::Buffer::new();
    let digits = buffer.format(value);
    if !value.is_finite() || is_tie(value.into(), digits) {
        let _ = write!(out, "{value}");
    } else {
        write_digits(digits, out);
    }
}

/// Appends what `{:?}` prints.
#[inline]
pub(super) fn write_f64_debug(value: f64, out: &mut String) {
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format(value);
    let without_exponent = value == 0.0 || (1e-4..1e16).contains(&value.abs());
    if without_exponent && !(digits.len() >= MIN_TIE_BYTES && is_tie(value, digits)) {
        out.push_str(digits);
    } else {
        let _ = write!(out, "{value:?}");
    }
}

/// The fewest bytes in which an `f64` is written that lies midway between two shortest numbers:
/// 2^-k times an integer below 2^53 is that only where its neighbours are further away than 5 *
/// 10^-k, so it has 17 digits or more, and the shortest numbers one less.
const MIN_TIE_BYTES: usize = 16;

/// Whether `digits`, which are the shortest for `value`, are no nearer to it than the other ones of
/// that length.
///
/// A number with *f* bits after the binary point has exactly *f* decimals, and the last of them is
/// a 5. It lies midway between two numbers with *f* - 1 decimals; so where the shortest has that
/// many, there are two.
#[inline]
fn is_tie(value: f64, digits: &str) -> bool {
    let (mantissa, exponent) = decompose(value);
    let fraction_bits = -(exponent + mantissa.trailing_zeros() as i32);
    fraction_bits > 0 && decimals_of(digits) + 1 == fraction_bits
}

/// How many decimals the number in ryu's or zmij's notation has.
fn decimals_of(digits: &str) -> i32 {
    let (mantissa, exponent) = match digits.find('e') {
        Some(at) => (&digits[..at], digits[at + 1..].parse().unwrap_or(0)),
        None => (digits.strip_suffix(".0").unwrap_or(digits), 0),
    };
    let decimals = mantissa.find('.').map_or(0, |point| mantissa.len() - point - 1);
    decimals as i32 - exponent
}

/// The magnitude of a finite number as an integer and the power of two by which to multiply it.
#[inline]
fn decompose(value: f64) -> (u64, i32) {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.abs().to_bits();
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    match (bits >> MANTISSA_BITS) as i32 {
        0 => (fraction, -1074),
        biased => (fraction | 1 << MANTISSA_BITS, biased - 1075),
    }
}

/// Appends ryu's or zmij's digits without `.0` and without an exponent.
#[inline]
fn write_digits(digits: &str, out: &mut String) {
    // The longest exponent is `e-324`.
    let tail = digits.len().saturating_sub(5);
    match digits.as_bytes()[tail..].iter().position(|&byte| byte == b'e') {
        None => out.push_str(digits.strip_suffix(".0").unwrap_or(digits)),
        Some(at) => write_without_exponent(&digits[..tail + at], &digits[tail + at + 1..], out),
    }
}

#[cold]
fn write_without_exponent(mantissa: &str, exponent: &str, out: &mut String) {
    let magnitude = mantissa.trim_start_matches('-');
    out.push_str(&mantissa[..mantissa.len() - magnitude.len()]);
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    // Where the point goes, counted from the first digit: there is an exponent only where that is
    // before the first or after the last.
    let point = whole.len() as i32 + exponent.parse::<i32>().unwrap_or(0);
    if point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
    }
    out.push_str(whole);
    out.push_str(fraction);
    let zeros = (point.max(0) as usize).saturating_sub(whole.len() + fraction.len());
    out.extend(std::iter::repeat_n('0', zeros));
}

/// The most decimals that [`write_fixed`] computes itself: 2^63 * 10^15 has 113 bits.
const MAX_DECIMALS: u16 = 15;

/// Appends `value` with so many decimals, rounded as `{:.N}` rounds: to the nearest, by the exact
/// binary value, and half to even. Returns `false`, having written nothing, where that takes more
/// than 128 bits.
pub(super) fn write_fixed(value: f64, decimals: u16, out: &mut String) -> bool {
    if decimals > MAX_DECIMALS || !value.is_finite() || value.abs() >= (1u64 << 63) as f64 {
        return false;
    }
    let scale = 10u64.pow(decimals.into());
    let scaled = scale_exactly(value.abs(), scale);
    out.push_str(if value.is_sign_negative() { "-" } else { "" });
    let (whole, fraction) = match u64::try_from(scaled) {
        Ok(scaled) => (scaled / scale, scaled % scale),
        Err(_) => ((scaled / u128::from(scale)) as u64, (scaled % u128::from(scale)) as u64),
    };
    out.push_str(itoa::Buffer::new().format(whole));
    if decimals > 0 {
        out.push('.');
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(fraction);
        out.push_str(&"000000000000000"[..usize::from(decimals) - digits.len()]);
        out.push_str(digits);
    }
    true
}

/// `magnitude * scale`, rounded to an integer. `magnitude` is less than 2^63, and `scale` at most
/// 10^15.
fn scale_exactly(magnitude: f64, scale: u64) -> u128 {
    let (mantissa, exponent) = decompose(magnitude);
    let product = u128::from(mantissa) * u128::from(scale);
    if exponent >= 0 {
        return product << exponent;
    }
    let shift = exponent.unsigned_abs();
    if shift > 127 {
        // The product has at most 103 bits: less than half of one.
        return 0;
    }
    let (integer, rest, half) = (product >> shift, product & ((1 << shift) - 1), 1 << (shift - 1));
    integer + u128::from(rest > half || (rest == half && integer & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: &[f64] = &[
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        1e15,
        1e16,
        1.5e16,
        1e17,
        1e21,
        1.234e-5,
        1e-5,
        9.99e-6,
        1e-7,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.5,
        2.5,
        1e-4,
        9.9999e-5,
        1e-6,
        0.125,
        0.375,
        9.995,
        0.999_999,
        9_007_199_254_740_993.0,
        9.3e18,
        9.2e18,
        123_456.789,
    ];

    #[test]
    fn edges_are_written_as_format_writes_them() {
        for &value in EDGES {
            let mut out = String::new();
            write_f64(value, &mut out);
            assert_eq!(out, format!("{value}"));
            out.clear();
            write_f64_debug(value, &mut out);
            assert_eq!(out, format!("{value:?}"));
            out.clear();
            write_f32(value as f32, &mut out);
            assert_eq!(out, format!("{}", value as f32));
        }
    }

    /// Of two shortest numbers that are equally near, the one of `format!` is written.
    #[test]
    fn ties_match_format() {
        let mut ties = 0;
        for (numerator, shift) in (0..52).flat_map(|k| (0..64).map(move |j| (2 * j + 1, k))) {
            for base in (0..40).map(|p| (1u64 << p) as f64) {
                let value = base + f64::from(numerator) / (1u64 << shift) as f64;
                let digits = zmij::Buffer::new().format(value).to_owned();
                ties += usize::from(is_tie(value, &digits));
                assert!(!is_tie(value, &digits) || digits.len() >= MIN_TIE_BYTES, "{digits}");
                for value in [value, value / 1e3, value * 2f64.powi(-30)] {
                    let (mut out, mut debug, mut short) = Default::default();
                    write_f64(value, &mut out);
                    write_f64_debug(value, &mut debug);
                    write_f32(value as f32, &mut short);
                    assert_eq!((out, debug), (format!("{value}"), format!("{value:?}")));
                    assert_eq!(short, format!("{}", value as f32));
                }
            }
        }
        assert!(ties > 100, "{ties}");
    }

    /// Halves round to even, all else to the nearest.
    #[test]
    fn halves_round_to_even() {
        for &value in EDGES {
            for decimals in 0..=17 {
                let mut out = String::new();
                if write_fixed(value, decimals, &mut out) {
                    assert_eq!(out, format!("{value:.*}", usize::from(decimals)));
                }
            }
        }
    }
}
