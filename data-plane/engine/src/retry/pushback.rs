//! How long a response asks to wait before another request.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

/// What a longer wait is taken for: nothing that a request could wait for.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(300);

const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What a response asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushback {
    /// Nothing.
    Silent,
    /// This wait.
    Wait(Duration),
    /// Not to come back (gRFC A6: a pushback that is negative, or not a number; or beyond [`MAX_PAUSE`]).
    Never,
}

/// Reads it: `grpc-retry-pushback-ms`, then `Retry-After` in seconds, then `X-RateLimit-Reset` as seconds since
/// 1970, of which `unix_now` is the present. Of the latter two, what does not parse, or is beyond [`MAX_PAUSE`], is
/// not there.
pub(super) fn read(headers: &HeaderMap, unix_now: u64) -> Pushback {
    if let Some(value) = headers.get(GRPC_PUSHBACK) {
        let wait = value
            .to_str()
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        let wait = wait.map(Duration::from_millis);
        let wait = wait.filter(|wait| *wait <= MAX_PAUSE);
        return wait.map_or(Pushback::Never, Pushback::Wait);
    }
    let number =
        |name: &HeaderName| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let after = number(&header::RETRY_AFTER).map(Duration::from_secs);
    let until = || {
        let seconds = number(&RATE_LIMIT_RESET)?.checked_sub(unix_now)?;
        Some(Duration::from_secs(seconds))
    };
    let fits = |wait: &Duration| *wait <= MAX_PAUSE;
    let wait = after.filter(fits).or_else(|| until().filter(fits));
    wait.map_or(Pushback::Silent, Pushback::Wait)
}
