//! The facts of one exchange.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gatewright_engine::{Code, Decision, guard::Permit, outcome::Outcome, retry::Reason};
use http::HeaderValue;

use super::{
    Line, Metrics, RouteMetrics, ServiceMetrics, Stage, Telemetry,
    attempts::Sent,
    labels::{ReasonLabels, RefusalLabels, RejectionLabels},
    line::End,
    tracer::{Finished, Trace, TraceIds},
};
use crate::{body::BodyError, upstream::InFlight};

/// What is known of an exchange; becomes the access line, metrics and span when it is over. Told the
/// end by the codec; dropped untold, the client went away.
#[derive(Debug)]
pub struct Record(Option<Box<Facts>>);

/// The facts, as stages add them.
#[derive(Debug)]
pub(crate) struct Facts {
    telemetry: Arc<Telemetry>,
    started: Instant,
    /// Whether it is still about the time of `started`, for who needs a clock first.
    fresh: bool,
    /// The stage reached.
    stage: Stage,
    /// The status sent.
    pub(crate) status: u16,
    /// Why the gateway answered by itself.
    pub(crate) code: Option<Code>,
    /// Whether the service failed, whatever the client got instead.
    pub(crate) failed: bool,
    /// The counters of the route.
    pub(crate) route: Option<Arc<RouteMetrics>>,
    /// The counters of the service.
    pub(crate) service: Option<Arc<ServiceMetrics>>,
    /// The place among the target's requests in flight.
    pub(crate) busy: Option<InFlight>,
    /// The places that it takes in what protects the service.
    pub(crate) permit: Option<Permit>,
    /// Bytes of the request's body: as announced, or as counted.
    pub(crate) request_bytes: RequestBytes,
    forwarded: Option<Instant>,
    upstream: Option<Duration>,
    /// For the access line and the span; none where neither is made.
    line: Option<Box<Line>>,
    trace: Option<Box<Trace>>,
}

/// How much the client sent.
#[derive(Debug, Default)]
pub(crate) enum RequestBytes {
    /// No body.
    #[default]
    None,
    /// As `Content-Length` says.
    Announced(u64),
    /// As it comes.
    Counted(Arc<AtomicU64>),
}

impl RequestBytes {
    fn count(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Announced(bytes) => *bytes,
            Self::Counted(bytes) => bytes.load(Ordering::Relaxed),
        }
    }
}

impl Record {
    pub(crate) fn begin(telemetry: &Arc<Telemetry>) -> Self {
        telemetry.metrics.in_flight.inc();
        Self(Some(Box::new(Facts {
            telemetry: Arc::clone(telemetry),
            started: Instant::now(),
            fresh: true,
            stage: Stage::Read,
            status: 0,
            code: None,
            failed: false,
            route: None,
            service: None,
            busy: None,
            permit: None,
            request_bytes: RequestBytes::None,
            forwarded: None,
            upstream: None,
            line: telemetry.access_log.is_some().then(Box::default),
            trace: None,
        })))
    }

    /// A record that nobody reads, for codecs' tests.
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) fn facts(&mut self) -> Option<&mut Facts> {
        self.0.as_deref_mut()
    }

    /// What the time is. A request that nothing has held up yet was begun just now; only the first who asks can be told so.
    pub(crate) fn now(&mut self, held_up: bool) -> Instant {
        if let Some(facts) = self.facts() {
            let fresh = std::mem::take(&mut facts.fresh);
            if fresh && !held_up {
                return facts.started;
            }
        }
        Instant::now()
    }

    /// Notes the stage that is being worked on.
    pub(crate) fn reach(&mut self, stage: Stage) {
        if let Some(facts) = self.facts() {
            facts.stage = stage;
            if let Some(trace) = &mut facts.trace {
                trace.mark(stage);
            }
        }
    }

    /// Makes a span of it.
    pub(crate) fn trace(&mut self, ids: TraceIds) {
        if let Some(facts) = self.facts() {
            facts.trace = Some(Box::new(Trace::begin(ids, facts.started)));
            facts.line.get_or_insert_default();
        }
    }

    /// Notes something for the access line and the span, where there is one.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Line)) {
        if let Some(line) = self.facts().and_then(|facts| facts.line.as_deref_mut()) {
            note(line);
        }
    }

    /// Counts something.
    pub(crate) fn count(&mut self, count: impl FnOnce(&Metrics)) {
        if let Some(facts) = self.facts() {
            count(&facts.telemetry.metrics);
        }
    }

    /// Notes that the request is now sent to a target.
    pub(crate) fn forwarding(&mut self, now: Instant, target: SocketAddr, why: Option<Reason>) {
        self.reach(Stage::Forward);
        let Some(facts) = self.facts() else { return };
        facts.forwarded.get_or_insert(now);
        let span = facts.trace.as_ref().map_or(0, |it| it.ids.forward);
        if let Some(line) = &mut facts.line {
            line.target = Some(target);
            line.attempts.push(Sent {
                target,
                began: now,
                why,
                outcome: None,
                span,
            });
        }
    }

    /// What the target of an attempt after the first is told of its trace: each attempt is a span of its
    /// own. None without one.
    pub(crate) fn onward(&mut self) -> Option<HeaderValue> {
        let trace = self.facts()?.trace.as_mut()?;
        trace.ids.forward = rand::random::<u64>().max(1);
        Some(trace.ids.onward().value())
    }

    /// Notes what became of an attempt.
    pub(crate) fn attempted(&mut self, number: usize, outcome: Outcome) {
        self.note(|line| {
            if let Some(sent) = line.attempts.get_mut(number) {
                sent.outcome = Some(outcome);
            }
        });
    }

    /// Notes that the head of the target's answer is there.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.reach(Stage::Respond);
        if let Some(facts) = self.facts() {
            let since = |since| now.saturating_duration_since(since);
            facts.upstream = facts.forwarded.map(since);
        }
    }

    /// Counts what plugins refused.
    pub(crate) fn decided(&mut self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        if let Some(facts) = self.facts() {
            facts.count(decisions);
        }
        self.note(|line| line.decisions = decisions.to_vec());
    }

    /// The answer was written whole. `bytes` of body went to the client. Returns when that was.
    pub fn sent(mut self, bytes: u64) -> Option<Instant> {
        let mut facts = self.0.take()?;
        Some(facts.finish(bytes, None))
    }

    /// The answer's body failed on its way; the client saw an aborted answer.
    pub fn failed(mut self, bytes: u64, error: &BodyError) {
        if let Some(mut facts) = self.0.take() {
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
    /// The stage *record*. Returns when it was.
    fn finish(&mut self, response_bytes: u64, error: Option<String>) -> Instant {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.started);
        let request_bytes = self.request_bytes.count();
        self.failed |= error.is_some() || self.status >= 500;
        self.measure(took, request_bytes, response_bytes);
        if let Some(line) = self.line.take() {
            self.tell(
                line,
                End {
                    took,
                    status: self.status,
                    code: self.code,
                    stage: self.stage,
                    upstream: self.upstream,
                    request_bytes,
                    response_bytes,
                    error,
                },
            );
        }
        now
    }

    /// Writes the access line, and hands the span on.
    fn tell(&mut self, line: Box<Line>, end: End) {
        let (telemetry, trace) = (&self.telemetry, self.trace.take());
        if let Some(log) = &telemetry.access_log
            && !log.write(&line.written(&end))
        {
            telemetry.metrics.access_lines_dropped.inc();
        }
        if let (Some(tracer), Some(trace)) = (&telemetry.tracer, trace) {
            let finished = Finished { trace, line, end };
            if !tracer.send(finished) {
                telemetry.metrics.spans_dropped.inc();
            }
        }
    }

    fn measure(&self, took: Duration, request_bytes: u64, response_bytes: u64) {
        let metrics = &self.telemetry.metrics;
        metrics.in_flight.dec();
        metrics.answered.inc();
        if request_bytes > 0 {
            metrics.request_bytes.inc_by(request_bytes);
        }
        metrics.response_bytes.inc_by(response_bytes);
        self.route
            .as_ref()
            .unwrap_or(&metrics.unmatched)
            .count(self.status);
        if let Some(service) = &self.service {
            service.observe(self.failed, took, self.upstream);
        }
        if let Some(code) = self.code {
            let labels = RejectionLabels {
                stage: self.stage.as_str(),
                code: code.as_str(),
            };
            metrics.rejections.get_or_create(&labels).inc();
        }
    }

    fn count(&self, decisions: &[Decision]) {
        let metrics = &self.telemetry.metrics;
        for decision in decisions {
            let mode = if decision.shadow { "shadow" } else { "enforce" };
            let labels = RefusalLabels {
                plugin: decision.plugin.to_string(),
                code: decision.code.as_str(),
                mode,
            };
            metrics.refusals.get_or_create(&labels).inc();
            if let Some(reason) = decision.reason {
                let plugin = labels.plugin;
                let labels = ReasonLabels {
                    plugin,
                    reason,
                    mode,
                };
                metrics.reasons.get_or_create(&labels).inc();
            }
        }
    }
}
