//! `rate-limit`: at most so many requests in so much time, counted by who sends them.
//!
//! What is counted ([`store`]) outlives configurations; how ([`gcra`]) and by what ([`key`]) belongs to
//! the instance.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, header, response};
use smallvec::SmallVec;

use self::{
    adaptive::{Adaptive, WHOLE},
    gcra::Quota,
    key::Part,
    settings::Settings,
    store::{KeyBytes, Store, Verdict},
};
use super::{Build, Configure, EFFECTIVE_RATE, Flow, Gauge, InvalidSetting, Plugin};
use crate::{Action, Code, Note, Rejection, RequestContext};

mod adaptive;
mod follow;
mod gcra;
mod key;
mod settings;
mod store;
#[cfg(test)]
mod tests;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NANOSECONDS: u64 = 1_000_000_000;

/// When time began for all limits of the process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct RateLimit {
    name: Arc<str>,
    /// From short to long.
    windows: Vec<Window>,
    quotas: Vec<Quota>,
    key: Vec<Part>,
    ipv6_prefix: u8,
    max_keys: usize,
    /// How the limits follow the health of services; none where they do not.
    adaptive: Option<Adaptive>,
    /// `RateLimit-Policy`; none where clients are not told.
    policy: Option<HeaderValue>,
    store: Arc<Store>,
}

/// One limit, for people.
#[derive(Debug)]
struct Window {
    /// Name of the policy in the fields of the answer.
    name: String,
    requests: u32,
    /// As it was written: `1m`.
    per: String,
    seconds: u64,
}

impl Window {
    /// What is in force of it.
    fn in_force(&self, share: u32) -> u64 {
        (u64::from(self.requests) * u64::from(share) / u64::from(WHOLE)).max(1)
    }
}

impl Configure for RateLimit {
    const NAME: &'static str = "rate-limit";
    const SUMMARY: &'static str = "Lets at most so many requests through in so much time.";
    const DOCS: &'static str = "\
Counts requests by `key` and refuses those over any of `limits` with 429, code `rate_limited`, and
`Retry-After`. All limits are checked before any is charged: a refused request costs nothing.

Each limit is a bucket (GCRA): it holds `burst` requests, starts full and is refilled evenly, `requests`
in `per`. So 60 in `1m` lets 60 through at once and then one each second, which makes up to 119 in the
first minute; a smaller `burst` makes it stricter. What belongs to one key is shared by all routes that
the plugin applies to, and by all cores of a node; every node counts for itself. Counts survive configuration changes, changed limits included: what was used up of a window
stays used up for the same time.

`key` says whose requests count together: `consumer`, `credential`, `client_address`, `route`, `service`,
`header:NAME`, or a list of these, whose combinations count. What a request lacks, such as a consumer
before anyone is known, is replaced by the client's address. A header is whatever the client says:
combine it with something else where clients are not trusted. IPv6 addresses count together by their
first 64 bits (`ipv6_prefix`), since a client usually has all of these.

At most `max_keys` keys are remembered. Beyond that, those that have used least of their limits are
forgotten first, as if they had not sent anything.

With `adaptive`, the limits fall with the health of the service that a request goes to, and recover. Once a second, where
any of the `signals` is over its threshold, the limits in force shrink by a fifth (by half where it is twice over it), down
to `floor_percent` of what is written; where none is, they grow by 5 percent of it. Shares are kept for each service;
their present value is in `gatewright_rate_limit_effective_ratio`, and in what answers tell clients.

Answers tell clients where they stand, in `RateLimit` and `RateLimit-Policy`
(draft-ietf-httpapi-ratelimit-headers): `r` requests are left, and after `t` seconds all are.";
    const EXAMPLE: &'static str = "\
limits:
- {requests: 10, per: 1s}
- {requests: 300, per: 1m, burst: 100}
key: consumer";
    const ORDER: i32 = 3000;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        settings.compile(build)
    }
}

impl Plugin for RateLimit {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let mut key = KeyBytes::default();
        for part in &self.key {
            part.feed(request, self.ipv6_prefix, &mut key);
        }
        let key = self.store.hash(&key);
        // 584 years.
        let now = START.elapsed().as_nanos() as u64;
        let share = self.share(request, now);
        let verdict = match share {
            WHOLE => self.store.charge(key, &self.quotas, self.max_keys, now),
            _ => {
                let quotas: SmallVec<[Quota; 2]> =
                    self.quotas.iter().map(|it| it.scaled(share)).collect();
                self.store.charge(key, &quotas, self.max_keys, now)
            }
        };
        if self.policy.is_some() {
            let standing = Note::Field(self.standing(&verdict));
            request.notes.leave(&self.name, standing);
        }
        match verdict.refused {
            None => Flow::Continue,
            Some((window, wait)) => Flow::Reject(self.refuse(window, wait, share)),
        }
    }

    fn on_response(&self, request: &RequestContext, response: &mut response::Parts) {
        let Some(policy) = &self.policy else {
            return;
        };
        if let Some(Note::Field(standing)) = request.notes.of(&self.name) {
            response.headers.append(RATE_LIMIT, standing.clone());
            let policy = match self.share(request, START.elapsed().as_nanos() as u64) {
                WHOLE => policy.clone(),
                share => self.policy_in_force(share),
            };
            response.headers.append(RATE_LIMIT_POLICY, policy);
        }
    }

    fn gauges(&self, tell: &mut dyn FnMut(Gauge<'_>)) {
        if let Some(adaptive) = &self.adaptive {
            adaptive.each(|service, value| {
                tell(Gauge {
                    name: EFFECTIVE_RATE,
                    help: "The share of an adaptive rate limit that is in force",
                    service,
                    value,
                });
            });
        }
    }
}

impl RateLimit {
    /// The share of the limits that is in force, in thousandths.
    fn share(&self, request: &RequestContext, now: u64) -> u32 {
        match (&self.adaptive, &request.route.action) {
            (Some(adaptive), Action::Forward(service)) => {
                adaptive.share(&service.name, service.guard.signal.read(), now)
            }
            _ => WHOLE,
        }
    }

    fn refuse(&self, window: usize, wait_ns: u64, share: u32) -> Rejection {
        let detail = self.windows.get(window).map_or_else(String::new, |it| {
            let requests = it.in_force(share);
            format!("over the limit of {requests} requests in {}", it.per)
        });
        let seconds = wait_ns.div_ceil(NANOSECONDS).max(1);
        Rejection::new(Code::RateLimited, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// As `"orders";q=50;w=60`: what is written, or what is in force of it.
    fn policy_in_force(&self, share: u32) -> HeaderValue {
        let mut text = BytesMut::new();
        for window in &self.windows {
            let comma = if text.is_empty() { "" } else { ", " };
            let (name, requests, seconds) = (&window.name, window.in_force(share), window.seconds);
            let _ = write!(text, "{comma}\"{name}\";q={requests};w={seconds}");
        }
        field(text.freeze())
    }

    /// As `"orders";r=9;t=1`. The one allocation that telling clients costs.
    fn standing(&self, verdict: &Verdict) -> HeaderValue {
        let mut text = BytesMut::with_capacity(self.windows.len() * 48);
        for (window, standing) in self.windows.iter().zip(&verdict.standings) {
            if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            let seconds = standing.full_after_ns.div_ceil(NANOSECONDS);
            let mut digits = itoa::Buffer::new();
            text.extend_from_slice(b"\"");
            text.extend_from_slice(window.name.as_bytes());
            text.extend_from_slice(b"\";r=");
            text.extend_from_slice(digits.format(standing.remaining).as_bytes());
            text.extend_from_slice(b";t=");
            text.extend_from_slice(digits.format(seconds).as_bytes());
        }
        field(text.freeze())
    }
}

/// Names of resources, numbers and punctuation.
fn field(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
