//! The field `traceparent` (W3C Trace Context).

use http::HeaderValue;

/// Bytes of version 00.
const LENGTH: usize = 55;

/// Which trace and span a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    /// Not zero.
    pub(crate) trace_id: u128,
    /// The sender's span; not zero.
    pub(crate) span_id: u64,
    /// Whether the sender records it.
    pub(crate) sampled: bool,
}

impl TraceParent {
    /// Reads it; none where it is not valid. Later versions are read as far as they are like this one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let version = hexadecimal(text.get(..2)?)?;
        let fits = match version {
            0xff => false,
            0 => text.len() == LENGTH,
            _ => text.len() == LENGTH || text.get(LENGTH) == Some(&b'-'),
        };
        let dashed = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if !fits || !dashed {
            return None;
        }
        let trace_id = hexadecimal(text.get(3..35)?)?;
        let span_id = u64::try_from(hexadecimal(text.get(36..52)?)?).ok()?;
        let flags = hexadecimal(text.get(53..LENGTH)?)?;
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// The field's value.
    pub(crate) fn value(&self) -> HeaderValue {
        let text = format!(
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        );
        HeaderValue::try_from(text).expect("digits and dashes are visible ASCII")
    }
}

/// Digits of lower case, as the specification wants them.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_parent_is_read_and_written_alike() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent::parse(text.as_bytes()).unwrap();
        assert!(parent.sampled);
        assert_eq!(parent.value(), text);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-else";
        assert!(TraceParent::parse(later.as_bytes()).is_some());
    }

    #[test]
    fn what_the_specification_calls_invalid_is_no_parent() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
        }
    }
}
