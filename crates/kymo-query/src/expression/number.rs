//! Numbers of all types, compared exactly: no digit is lost to a common type.

use std::cmp::Ordering;

/// Any integer of Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Never for zero.
    pub is_negative: bool,
    pub magnitude: u128,
}

#[derive(Clone, Copy, Debug)]
pub enum Number {
    Integer(Integer),
    Double(f64),
    Single(f32),
    /// A number as a user writes it, `0.1`. Compared with an `f32`, it is the nearest `f32`, as in the
    /// program.
    Decimal(f64),
}

impl Number {
    /// How two numbers compare; not at all if one is not a number.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (Self::Integer(left), right) => compare_with_float(left, right.float()),
            (left, Self::Integer(right)) => {
                compare_with_float(right, left.float()).map(Ordering::reverse)
            }
            (Self::Single(left), Self::Decimal(right)) => {
                f64::from(left).partial_cmp(&as_single(right))
            }
            (Self::Decimal(left), Self::Single(right)) => {
                as_single(left).partial_cmp(&right.into())
            }
            (left, right) => left.float().partial_cmp(&right.float()),
        }
    }

    /// A float as a double, which has all of its digits.
    fn float(self) -> f64 {
        match self {
            Self::Double(value) | Self::Decimal(value) => value,
            Self::Single(value) => value.into(),
            Self::Integer(_) => f64::NAN,
        }
    }
}

/// The value of the nearest single, if it is within their range.
fn as_single(value: f64) -> f64 {
    let single = value as f32;
    if single.is_finite() { single.into() } else { value }
}

fn compare_with_float(integer: Integer, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // 2^128, beyond every integer; the conversion below is exact for all that is less.
    const BEYOND: f64 = 2.0 * (1_u128 << 127) as f64;
    if float.abs() >= BEYOND {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = Integer::new(float < 0.0, float.abs().trunc() as u128);
    Some(integer.cmp(&whole).then(0.0.partial_cmp(&float.fract())?))
}

impl Integer {
    pub fn new(is_negative: bool, magnitude: u128) -> Self {
        Self { is_negative: is_negative && magnitude > 0, magnitude }
    }
}

impl From<u128> for Integer {
    fn from(magnitude: u128) -> Self {
        Self { is_negative: false, magnitude }
    }
}

impl From<i128> for Integer {
    fn from(value: i128) -> Self {
        Self { is_negative: value < 0, magnitude: value.unsigned_abs() }
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    fn integers() -> impl Strategy<Value = Integer> {
        let edges = prop_oneof![Just(0), Just(1_u128 << 53), Just(1 << 127), Just(u128::MAX)];
        let near = (edges, -3_i128..3).prop_map(|(edge, by)| edge.wrapping_add_signed(by));
        (any::<bool>(), prop_oneof![any::<u128>(), near, 0..9_u128])
            .prop_map(|(is_negative, magnitude)| Integer::new(is_negative, magnitude))
    }

    fn exact(integer: Integer) -> BigRational {
        let value = BigRational::from_integer(integer.magnitude.into());
        if integer.is_negative { -value } else { value }
    }

    proptest! {
        /// Integers and floats compare as the rational numbers that they are.
        #[test]
        fn numbers_compare_as_rationals(
            integer in integers(),
            other in integers(),
            any in any::<f64>(),
            near in -3.0..3.0_f64,
        ) {
            prop_assert_eq!(integer.cmp(&other), exact(integer).cmp(&exact(other)));
            // An integer's own nearest float, too, and floats beside small integers.
            let sign = if integer.is_negative { -1.0 } else { 1.0 };
            for float in [any, near, near.trunc(), sign * integer.magnitude as f64] {
                let expected = BigRational::from_float(float).map(|float| exact(integer).cmp(&float));
                let expected = match float {
                    f64::INFINITY => Some(Ordering::Less),
                    f64::NEG_INFINITY => Some(Ordering::Greater),
                    _ => expected,
                };
                let (integer, float) = (Number::Integer(integer), Number::Double(float));
                prop_assert_eq!(integer.compare(float), expected);
                prop_assert_eq!(float.compare(integer), expected.map(Ordering::reverse));
            }
        }
    }

    /// A decimal equals the float that the program would have made of it.
    #[test]
    fn decimals_match_the_program() {
        let equal = Some(Ordering::Equal);
        assert_eq!(Number::Single(0.1).compare(Number::Decimal(0.1)), equal);
        assert_eq!(Number::Decimal(0.1).compare(Number::Single(0.1)), equal);
        assert_eq!(Number::Double(0.1).compare(Number::Decimal(0.1)), equal);
        assert_eq!(Number::Single(0.1).compare(Number::Double(0.1)), Some(Ordering::Greater));
        let (beyond, infinite) = (Number::Decimal(1e300), Number::Single(f32::INFINITY));
        assert_eq!(infinite.compare(beyond), Some(Ordering::Greater));
    }
}
