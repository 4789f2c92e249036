//! How nodes count latencies for control planes: in ranges of an eighth of their power of two, so that those of all nodes
//! can be added up, and a quantile of the sum is at most an eighth too large.

/// How many ranges there are.
pub const RANGES: usize = 1 + (LAST_EXPONENT - FIRST_EXPONENT + 1) * PARTS;

/// Ranges in a power of two, as a power of two and as a number.
const PART_BITS: usize = 3;
const PARTS: usize = 1 << PART_BITS;

/// Everything below 2^6 us is one range.
const FIRST_EXPONENT: usize = 6;
/// What takes longer than 2^27 us, two minutes, is in the last one.
const LAST_EXPONENT: usize = 26;

/// The range that a latency is in, in microseconds.
pub const fn range_of(us: u64) -> usize {
    if us < 1 << FIRST_EXPONENT {
        return 0;
    }
    let exponent = us.ilog2() as usize;
    if exponent > LAST_EXPONENT {
        return RANGES - 1;
    }
    let part = (us >> (exponent - PART_BITS)) as usize % PARTS;
    1 + (exponent - FIRST_EXPONENT) * PARTS + part
}

/// What all latencies of a range are below, in microseconds.
pub const fn end_of(range: usize) -> u64 {
    let Some(place) = range.checked_sub(1) else {
        return 1 << FIRST_EXPONENT;
    };
    let place = if place < RANGES - 1 {
        place
    } else {
        RANGES - 2
    };
    let exponent = FIRST_EXPONENT + place / PARTS;
    let part = (place % PARTS) as u64 + 1;
    (1 << exponent) + (part << (exponent - PART_BITS))
}

#[cfg(test)]
mod tests {
    use super::{RANGES, end_of, range_of};

    #[test]
    fn ranges_follow_each_other_and_are_an_eighth_wide() {
        assert_eq!((range_of(0), range_of(63), range_of(64)), (0, 0, 1));
        for range in 0..RANGES - 1 {
            let end = end_of(range);
            assert_eq!((range_of(end - 1), range_of(end)), (range, range + 1));
            assert!(end_of(range + 1) - end <= end / 8, "{range}");
        }
        assert_eq!(range_of(u64::MAX), RANGES - 1);
    }
}
