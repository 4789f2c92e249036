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
