//! The facts of one exchange.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use gatewright_engine::{Code, Decision};
use http::{HeaderValue, Method};
use serde::Serialize;

use super::{
    RouteMetrics, Telemetry,
    metrics::{RefusalLabels, RejectionLabels},
};
use crate::body::BodyError;

/// A stage of the request path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The connection.
    Accept,
    /// The head.
    Read,
    /// The route.
    Match,
    /// The plugins.
    Admit,
    /// The target.
    Pick,
    /// The upstream.
    Forward,
    /// The answer.
    Respond,
}

impl Stage {
    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Match => "match",
            Self::Admit => "admit",
            Self::Pick => "pick",
            Self::Forward => "forward",
            Self::Respond => "respond",
        }
    }
}

/// What is known of an exchange; becomes the access line and metrics when it is over. Told the
/// end by the codec; dropped untold, the client went away.
#[derive(Debug)]
pub struct Record(Option<Box<Facts>>);

/// The facts, as stages add them.
#[derive(Debug)]
pub(crate) struct Facts {
    telemetry: Arc<Telemetry>,
    started: Instant,
    /// The stage reached.
    pub(crate) stage: Stage,
    /// The status sent.
    pub(crate) status: u16,
    /// Why the gateway answered by itself.
    pub(crate) code: Option<Code>,
    /// The counters of the route.
    pub(crate) route: Option<Arc<RouteMetrics>>,
    /// For the access line; none where it is off.
    pub(crate) line: Option<Box<Line>>,
}

/// What only the access line needs.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: Method,
    pub(crate) host: Box<str>,
    pub(crate) path: String,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) consumer: Option<Arc<str>>,
    pub(crate) target: Option<SocketAddr>,
    pub(crate) upstream_status: Option<u16>,
    pub(crate) upstream_ms: Option<f64>,
    pub(crate) revision: u64,
    pub(crate) decisions: Vec<Decision>,
}

#[derive(Serialize)]
struct Written<'a> {
    time_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    duration_ms: f64,
    response_bytes: u64,
    revision: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Record {
    pub(crate) fn begin(telemetry: &Arc<Telemetry>) -> Self {
        telemetry.metrics.in_flight.inc();
        Self(Some(Box::new(Facts {
            telemetry: Arc::clone(telemetry),
            started: Instant::now(),
            stage: Stage::Read,
            status: 0,
            code: None,
            route: None,
            line: telemetry.access_log.is_some().then(Box::default),
        })))
    }

    /// A record that nobody reads, for codecs' tests.
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) fn facts(&mut self) -> Option<&mut Facts> {
        self.0.as_deref_mut()
    }

    /// Notes the stage that is being worked on.
    pub(crate) fn reach(&mut self, stage: Stage) {
        if let Some(facts) = self.facts() {
            facts.stage = stage;
        }
    }

    /// Notes something for the access line, where there is one.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Line)) {
        if let Some(line) = self.facts().and_then(|facts| facts.line.as_deref_mut()) {
            note(line);
        }
    }

    /// The answer was written whole. `bytes` of body went to the client.
    pub fn sent(mut self, bytes: u64) {
        if let Some(facts) = self.0.take() {
            facts.finish(bytes, None);
        }
    }

    /// The answer's body failed on its way; the client saw an aborted answer.
    pub fn failed(mut self, bytes: u64, error: &BodyError) {
        if let Some(facts) = self.0.take() {
            facts.finish(bytes, Some(error.to_string()));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(mut facts) = self.0.take() {
            facts.code = Some(Code::ClientClosed);
            facts.status = Code::ClientClosed.status().as_u16();
            facts.finish(0, None);
        }
    }
}

impl Facts {
    fn finish(&self, bytes: u64, error: Option<String>) {
        let metrics = &self.telemetry.metrics;
        let took = self.started.elapsed();
        metrics.in_flight.dec();
        metrics.answered.inc();
        metrics.response_bytes.inc_by(bytes);
        if let Some(route) = &self.route {
            route.count(self.status, took.as_secs_f64());
        }
        if let Some(code) = self.code {
            let labels = RejectionLabels {
                stage: self.stage.as_str(),
                code: code.as_str(),
            };
            metrics.rejections.get_or_create(&labels).inc();
        }
        if let (Some(log), Some(line)) = (&self.telemetry.access_log, &self.line) {
            log.write(&self.written(line, took.as_secs_f64(), bytes, error));
        }
    }

    /// Counts what plugins refused.
    pub(crate) fn decided(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            let labels = RefusalLabels {
                plugin: decision.plugin.to_string(),
                code: decision.code.as_str(),
                mode: if decision.shadow { "shadow" } else { "enforce" },
            };
            self.telemetry.metrics.refusals.get_or_create(&labels).inc();
        }
        if let Some(line) = &mut self.line {
            line.decisions = decisions.to_vec();
        }
    }

    fn written<'a>(
        &self,
        line: &'a Line,
        seconds: f64,
        bytes: u64,
        error: Option<String>,
    ) -> Written<'a> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let refused = |decision: &Decision| match decision.shadow {
            true => format!("{} (shadow)", decision.plugin),
            false => decision.plugin.to_string(),
        };
        Written {
            time_ms: now.as_millis(),
            request_id: line.request_id.as_ref().and_then(|id| id.to_str().ok()),
            client: line.client,
            method: line.method.as_str(),
            host: &line.host,
            path: &line.path,
            status: self.status,
            stage: self.stage,
            code: self.code.map(Code::as_str),
            side: self.code.map(|code| code.side().as_str()),
            route: line.route.as_deref(),
            service: line.service.as_deref(),
            consumer: line.consumer.as_deref(),
            target: line.target,
            upstream_status: line.upstream_status,
            upstream_ms: line.upstream_ms,
            duration_ms: (seconds * 1e6).round() / 1e3,
            response_bytes: bytes,
            revision: line.revision,
            refused_by: line.decisions.iter().map(refused).collect(),
            error,
        }
    }
}
