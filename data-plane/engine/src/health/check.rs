//! Targets that are asked whether they are healthy: how, and what follows from what they say.

use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, uri::PathAndQuery};
use regex::Regex;

/// How targets are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// Where; none is the target's port.
    pub port: Option<u16>,
    /// Whether in TLS; none is as the upstream's services do.
    pub tls: Option<bool>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often.
    pub pauses: Pauses,
    /// How many in a row mean something.
    pub thresholds: Thresholds,
}

/// What a target is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An HTTP request.
    Http(Box<HttpProbe>),
    /// A connection.
    Tcp {
        /// What to send.
        send: Box<[u8]>,
        /// What must come.
        expect: Box<[u8]>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service to ask for; empty is the server.
        service: Box<str>,
        /// Host to ask for; none is the target's.
        host: Option<HeaderValue>,
    },
}

impl Probe {
    /// Its name in logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp { .. } => "tcp",
            Self::Grpc { .. } => "grpc",
        }
    }
}

/// A request that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: PathAndQuery,
    /// Host; none is the target's.
    pub host: Option<HeaderValue>,
    /// Further fields.
    pub headers: HeaderMap,
    /// Statuses of a healthy target.
    pub expected: Statuses,
    /// Statuses that count as no answer does.
    pub retriable: Statuses,
    /// What the body must have in it.
    pub body: Option<BodyMatch>,
}

/// What a body must have in it.
#[derive(Clone, Debug)]
pub struct BodyMatch {
    /// This text; empty is any.
    pub contains: Box<str>,
    /// Something that this regular expression matches, which is one of the whole.
    pub regex: Option<Regex>,
    /// As much as is looked at, in bytes.
    pub most_bytes: usize,
}

impl BodyMatch {
    /// Whether a body is that of a healthy target.
    pub fn matches(&self, body: &[u8]) -> bool {
        let text = String::from_utf8_lossy(body);
        let regex = self.regex.as_ref();
        text.contains(&*self.contains) && regex.is_none_or(|regex| regex.is_match(&text))
    }
}

impl PartialEq for BodyMatch {
    fn eq(&self, other: &Self) -> bool {
        let text = |it: &Self| it.regex.as_ref().map(|regex| regex.as_str().to_owned());
        self.contains == other.contains
            && self.most_bytes == other.most_bytes
            && text(self) == text(other)
    }
}

impl Eq for BodyMatch {}

/// A set of statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether a status is among them.
    pub fn contain(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// Pauses between two checks of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// While it is healthy.
    pub healthy: Duration,
    /// While it is not.
    pub unhealthy: Duration,
    /// While it is healthy, has passed the last check, and its upstream has had no request.
    pub no_traffic: Duration,
    /// Each is longer by a random share up to this many percent.
    pub jitter_percent: u32,
}

impl Pauses {
    /// The pause after a check, with `random` from 0 up to but not including 1.
    pub fn after(&self, judge: Judge, traffic: bool, random: f64) -> Duration {
        let pause = match judge.verdict {
            // Who begins to fail is asked soon whether it goes on.
            Verdict::Healthy if traffic || judge.against > 0 => self.healthy,
            Verdict::Healthy => self.no_traffic,
            Verdict::Unhealthy | Verdict::Unknown => self.unhealthy,
        };
        let share = f64::from(self.jitter_percent) / 100.0 * random.clamp(0.0, 1.0);
        pause + pause.mul_f64(share)
    }
}

/// How many checks in a row change a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures that make a healthy target unhealthy.
    pub unhealthy: u32,
    /// Passes that make an unhealthy one healthy.
    pub healthy: u32,
}

/// What a check has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The answer of a healthy target.
    Pass,
    /// No answer, or one that may pass by: decides by its number.
    Failure,
    /// An answer that says that the target is not healthy: decides at once.
    Unfit,
}

/// What is known of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It has not been asked yet.
    #[default]
    Unknown,
    /// It is fit for requests.
    Healthy,
    /// It is not.
    Unhealthy,
}

/// Comes to a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judge {
    verdict: Verdict,
    /// Checks in a row that spoke against the verdict.
    against: u32,
}

impl Judge {
    /// One that begins with this verdict.
    pub const fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            against: 0,
        }
    }

    /// What it thinks.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Takes note of a check. The first decides, whatever the thresholds. True where the verdict has changed.
    pub fn see(&mut self, seen: Seen, thresholds: Thresholds) -> bool {
        let (against, enough, other) = match self.verdict {
            Verdict::Unknown if seen == Seen::Pass => (true, 1, Verdict::Healthy),
            Verdict::Unknown => (true, 1, Verdict::Unhealthy),
            Verdict::Healthy if seen == Seen::Unfit => (true, 1, Verdict::Unhealthy),
            Verdict::Healthy => (seen != Seen::Pass, thresholds.unhealthy, Verdict::Unhealthy),
            Verdict::Unhealthy => (seen == Seen::Pass, thresholds.healthy, Verdict::Healthy),
        };
        self.against = if against { self.against + 1 } else { 0 };
        if self.against < enough.max(1) {
            return false;
        }
        *self = Self::new(other);
        true
    }
}
