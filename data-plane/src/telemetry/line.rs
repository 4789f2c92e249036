//! The access line: one JSON object a request, always with the same fields.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use gatewright_engine::{ClientTls, Code, Decision};
use http::{HeaderValue, Method};
use serde::{Serialize, Serializer};

use super::{
    Stage,
    attempts::{self, Attempts, Tried},
    timestamp::Timestamp,
};
use crate::exchange::Protocol;

/// What stages note, and only the access line and the span need.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) trace_id: Option<u128>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) method: Method,
    pub(crate) host: Box<str>,
    /// Normalised, and without the query, which often carries secrets.
    pub(crate) path: String,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) consumer: Option<Arc<str>>,
    /// For the certificate that the client has shown.
    pub(crate) tls: Option<Arc<ClientTls>>,
    pub(crate) target: Option<SocketAddr>,
    pub(crate) upstream_status: Option<u16>,
    /// `static` or `service`, where a fallback answered.
    pub(crate) fallback: Option<&'static str>,
    /// `new`, `legacy` or `fell_through`, where a service takes over from a legacy one.
    pub(crate) strangler: Option<&'static str>,
    /// Copies that were sent to mirrors.
    pub(crate) mirrored: usize,
    pub(crate) revision: u64,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) attempts: Attempts,
    /// Why a failed attempt was not the reason for another.
    pub(crate) not_retried: Option<&'static str>,
    /// Why there was no connection to a target, of the last one that there was none to.
    pub(crate) connect_failure: Option<&'static str>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(super) took: Duration,
    pub(super) status: u16,
    pub(super) code: Option<Code>,
    pub(super) stage: Stage,
    /// Time from forwarding to the head of the target's answer.
    pub(super) upstream: Option<Duration>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) error: Option<String>,
}

#[cfg(test)]
impl End {
    /// An end with this status, after this time.
    pub(super) const fn after(took: Duration, status: u16) -> Self {
        Self {
            took,
            status,
            code: None,
            stage: Stage::Respond,
            upstream: None,
            request_bytes: 0,
            response_bytes: 0,
            error: None,
        }
    }
}

/// The line as it is written. What does not apply is left out.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<Hexadecimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    status: u16,
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    /// SHA-256 of the certificate that the client has shown, believed or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strangler: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirrored: Option<usize>,
    attempts: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tried: Vec<Tried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_retried: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_failure: Option<&'static str>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    request_bytes: u64,
    response_bytes: u64,
    revision: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    refusals: Refusals<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Line {
    pub(super) fn written<'a>(&'a self, end: &'a End) -> Written<'a> {
        let shown = self.tls.as_ref().and_then(|it| it.certificate.as_ref());
        Written {
            time: Timestamp(SystemTime::now() - end.took),
            request_id: self.request_id.as_ref().and_then(text),
            trace_id: self.trace_id.map(Hexadecimal),
            client: self.client,
            protocol: self.protocol.map(Protocol::as_str),
            method: self.method.as_str(),
            host: &self.host,
            path: &self.path,
            status: end.status,
            stage: end.stage,
            code: end.code.map(Code::as_str),
            side: end.code.map(|code| code.side().as_str()),
            route: self.route.as_deref(),
            service: self.service.as_deref(),
            consumer: self.consumer.as_deref(),
            client_certificate: shown.map(|it| it.fingerprint()),
            target: self.target,
            upstream_status: self.upstream_status,
            fallback: self.fallback,
            strangler: self.strangler,
            mirrored: (self.mirrored > 0).then_some(self.mirrored),
            attempts: self.attempts.len(),
            tried: attempts::tried(&self.attempts),
            not_retried: self.not_retried,
            connect_failure: self.connect_failure,
            duration_ms: milliseconds(end.took),
            upstream_ms: end.upstream.map(milliseconds),
            request_bytes: end.request_bytes,
            response_bytes: end.response_bytes,
            revision: self.revision,
            refusals: Refusals(&self.decisions),
            user_agent: self.user_agent.as_ref().and_then(text),
            error: end.error.as_deref(),
        }
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// To the microsecond.
pub(super) fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// A trace's id.
struct Hexadecimal(u128);

impl Serialize for Hexadecimal {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{:032x}", self.0))
    }
}

/// What plugins refused.
struct Refusals<'a>(&'a [Decision]);

impl std::ops::Deref for Refusals<'_> {
    type Target = [Decision];

    fn deref(&self) -> &[Decision] {
        self.0
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    plugin: &'a str,
    code: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Serialize for Refusals<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.iter().map(|decision| Refusal {
            plugin: &decision.plugin,
            code: decision.code.as_str(),
            mode: if decision.shadow { "shadow" } else { "enforce" },
            reason: decision.reason,
        }))
    }
}
