//! How long a client waits, as it says itself, and how a target hears of it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Digits of `grpc-timeout`, at most.
const MAX_DIGITS: usize = 8;

/// A compiled deadline propagation.
#[derive(Debug, PartialEq, Eq)]
pub struct DeadlineRule {
    /// Whether `grpc-timeout` counts.
    pub grpc_timeout: bool,
    /// A field of milliseconds.
    pub header: Option<HeaderName>,
    /// What a client may ask for; zero is anything. None leaves the request's timeout in force beside it.
    pub max: Option<Duration>,
    /// Taken off.
    pub offset: Duration,
    /// Whether targets are told.
    pub forward: bool,
}

impl DeadlineRule {
    /// How long the client waits, as it says; the shorter where it says two things.
    pub fn asked(&self, headers: &HeaderMap) -> Option<Duration> {
        let grpc = self
            .grpc_timeout
            .then(|| parse_grpc_timeout(headers.get(GRPC_TIMEOUT)?.as_bytes()))
            .flatten();
        let own = self.header.as_ref().and_then(|name| {
            let text = headers.get(name)?.to_str().ok()?;
            text.parse().map(Duration::from_millis).ok()
        });
        match (grpc, own) {
            (Some(grpc), Some(own)) => Some(grpc.min(own)),
            (grpc, own) => grpc.or(own),
        }
    }

    /// The time of the request, from its head on, where a client asked for this. It comes in place of the
    /// request's timeout where there is a `max`, and beside it where there is none.
    pub fn bound(&self, asked: Duration) -> Duration {
        let most = self.max.filter(|max| !max.is_zero());
        let time = most.map_or(asked, |most| asked.min(most));
        time.saturating_sub(self.offset)
    }

    /// Tells a target how much time is left. `grpc-timeout` only where the request is gRPC.
    pub fn tell(&self, headers: &mut HeaderMap, left: Duration, is_grpc: bool) {
        if !self.forward {
            return;
        }
        if is_grpc {
            headers.insert(GRPC_TIMEOUT, grpc_timeout(left));
        }
        if let Some(name) = &self.header {
            let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            headers.insert(name, HeaderValue::from(milliseconds));
        }
    }
}

/// Reads `grpc-timeout`: up to eight digits and a unit, of hours to nanoseconds.
pub fn parse_grpc_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Writes `grpc-timeout`, in the finest unit that it fits in, of milliseconds and coarser ones. Never more than
/// there is.
pub fn grpc_timeout(left: Duration) -> HeaderValue {
    let most = 10u128.pow(8);
    let milliseconds = left.as_millis();
    let text = if milliseconds < most {
        format!("{milliseconds}m")
    } else if milliseconds / 1000 < most {
        format!("{}S", milliseconds / 1000)
    } else {
        format!("{}H", (milliseconds / 3_600_000).min(most - 1))
    };
    HeaderValue::try_from(text).expect("digits and a letter are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_timeout_of_grpc_is_read_and_written() {
        for (text, time) in [
            ("1H", Duration::from_hours(1)),
            ("2M", Duration::from_mins(2)),
            ("3S", Duration::from_secs(3)),
            ("99999999m", ms(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), Some(time), "{text}");
        }
        for text in ["", "m", "123456789m", "-1S", "1", "1s", "1 S", "1.5S"] {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), None, "{text}");
        }
        assert_eq!(grpc_timeout(ms(1500)), "1500m");
        assert_eq!(grpc_timeout(Duration::from_micros(900)), "0m");
        assert_eq!(grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(grpc_timeout(Duration::MAX), "99999999H");
    }

    #[test]
    fn a_client_s_deadline_is_bounded_and_less_the_way_back() {
        let mut rule = DeadlineRule {
            grpc_timeout: true,
            header: Some("x-wait-ms".parse().unwrap()),
            max: None,
            offset: ms(10),
            forward: true,
        };
        let mut headers = HeaderMap::new();
        assert_eq!(rule.asked(&headers), None);
        headers.insert("grpc-timeout", HeaderValue::from_static("2S"));
        assert_eq!(rule.asked(&headers), Some(ms(2000)));
        headers.insert("x-wait-ms", HeaderValue::from_static("500"));
        assert_eq!(rule.asked(&headers), Some(ms(500)));
        assert_eq!(rule.bound(ms(500)), ms(490));
        assert_eq!(rule.bound(ms(5)), Duration::ZERO);
        rule.max = Some(ms(60_000));
        assert_eq!(rule.bound(ms(30_000)), ms(29_990));
        assert_eq!(rule.bound(ms(90_000)), ms(59_990));
        rule.max = Some(Duration::ZERO);
        assert_eq!(rule.bound(ms(90_000)), ms(89_990));
        rule.tell(&mut headers, ms(77), false);
        assert_eq!(
            (&headers["grpc-timeout"], &headers["x-wait-ms"]),
            (
                &HeaderValue::from_static("2S"),
                &HeaderValue::from_static("77"),
            )
        );
        rule.tell(&mut headers, ms(76), true);
        assert_eq!(headers["grpc-timeout"], "76m");
    }
}
