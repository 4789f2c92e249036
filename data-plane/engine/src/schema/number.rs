//! Numbers, compared by value.

use std::cmp::Ordering;

use serde_json::Number;

/// Beyond this, neighbouring doubles are over 1 apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number as an integer, where it is one that fits.
fn integer(number: &Number) -> Option<i128> {
    let whole = number.as_i64().map(i128::from);
    whole.or_else(|| number.as_u64().map(i128::from))
}

fn double(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

pub(super) fn is_integer(number: &Number) -> bool {
    integer(number).is_some() || double(number).fract() == 0.0
}

/// Which of two is greater: exact for integers.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => double(one).total_cmp(&double(other)),
    }
}

/// The same for numbers that are equal: an integer, or the bits of a double.
pub(super) fn canonical(number: &Number) -> (Option<i128>, u64) {
    if let Some(whole) = integer(number) {
        return (Some(whole), 0);
    }
    let value = double(number);
    match value.fract() == 0.0 && value.abs() < EXACT {
        // Exact: it is whole, and small enough.
        #[allow(clippy::cast_possible_truncation)]
        true => (Some(value as i128), 0),
        false => (None, value.to_bits()),
    }
}

/// Whether one is a multiple of another; of fractions as near as doubles are, so that 0.3 is one of 0.1.
pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    if let (Some(number), Some(of)) = (integer(number), integer(of)) {
        return number % of == 0;
    }
    let quotient = double(number) / double(of);
    let off = (quotient - quotient.round()).abs();
    quotient.is_finite() && off <= 1e-9 * quotient.abs().max(1.0)
}

/// Whether it is greater than zero.
pub(super) fn is_positive(number: &Number) -> bool {
    double(number) > 0.0
}
