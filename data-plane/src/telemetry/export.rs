//! Exports spans over OTLP: one an exchange, and one within it for each stage.

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Stage, attempts::Sent, tracer::Finished};

/// Exchanges in one message.
const MAX_BATCH: usize = 256;
/// How long they gather.
const GATHER: Duration = Duration::from_millis(200);
/// Time for one message.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Prepares to export to an OTLP collector (gRPC). What it returns runs until `shutdown`, and then sends
/// what is left. Must be called within the control runtime.
///
/// # Errors
/// The endpoint is not a URL.
pub(crate) fn export(
    endpoint: &str,
    queue: mpsc::Receiver<Finished>,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic();
    let mut exporter = exporter
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    // What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say goes before.
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder();
    let resource = match named {
        true => resource,
        false => resource.with_service_name("gatewright"),
    };
    exporter.set_resource(&resource.build());
    Ok(run(exporter, queue, shutdown))
}

async fn run(
    exporter: SpanExporter,
    mut queue: mpsc::Receiver<Finished>,
    shutdown: CancellationToken,
) {
    let scope = InstrumentationScope::builder("gatewright")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut failing = false;
    loop {
        let taken = tokio::select! {
            biased;
            taken = queue.recv_many(&mut batch, MAX_BATCH) => taken,
            () = shutdown.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        let spans = batch.drain(..).flat_map(|it| spans(&it, &scope)).collect();
        let failed = match timeout(EXPORT_TIMEOUT, exporter.export(spans)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(error) = failed.as_ref().filter(|_| !failing) {
            tracing::warn!(error, "cannot export spans");
        }
        failing = failed.is_some();
        if taken < MAX_BATCH && !queue.is_closed() {
            tokio::select! {
                () = sleep(GATHER) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

/// The spans of one exchange.
fn spans(finished: &Finished, scope: &InstrumentationScope) -> Vec<SpanData> {
    let (ids, marks) = (finished.trace.ids, &finished.trace.marks);
    let (now, instant) = (SystemTime::now(), Instant::now());
    // Stages are marked by the monotonic clock.
    let wall = |at: Instant| now - instant.duration_since(at);
    let started = marks.first().map_or(instant, |(_, at)| *at);
    let ended = started + finished.end.took;
    let make = |id: u64, parent: Option<u64>, name: Cow<'static, str>, span: (Instant, Instant)| {
        let context = SpanContext::new(
            TraceId::from(ids.trace_id),
            SpanId::from(id),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        SpanData {
            span_context: context,
            parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: parent.is_some() && parent == ids.parent,
            span_kind: SpanKind::Internal,
            name,
            start_time: wall(span.0),
            end_time: wall(span.1),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scope.clone(),
        }
    };
    let mut all = Vec::with_capacity(marks.len() + 1);
    let mut attempts = finished.line.attempts.iter().enumerate();
    for (place, (stage, began)) in marks.iter().enumerate() {
        let until = marks.get(place + 1).map_or(ended, |(_, at)| *at);
        let name = Cow::Borrowed(stage.as_str());
        let attempt = match stage {
            Stage::Forward => attempts.next(),
            _ => None,
        };
        let id = attempt.map_or_else(|| rand::random::<u64>().max(1), |(_, it)| it.span);
        let mut span = make(id, Some(ids.exchange), name, (*began, until));
        if let Some((number, sent)) = attempt {
            // Attempts may overlap: each has its own end.
            let took = sent.outcome.map(|it| it.took);
            span.end_time = took.map_or(span.end_time, |took| wall(sent.began) + took);
            describe_attempt(&mut span, number, sent);
        }
        all.push(span);
    }
    let name = finished.line.method.as_str().to_owned();
    let mut exchange = make(ids.exchange, ids.parent, name.into(), (started, ended));
    describe(&mut exchange, finished);
    all.push(exchange);
    all
}

/// What is said of one attempt, of which the first has number 0.
fn describe_attempt(span: &mut SpanData, number: usize, sent: &Sent) {
    span.span_kind = SpanKind::Client;
    let mut add = |name: &'static str, value: opentelemetry::Value| {
        span.attributes.push(KeyValue::new(name, value));
    };
    add("network.peer.address", sent.target.to_string().into());
    if number > 0 {
        let count = i64::try_from(number).unwrap_or(i64::MAX);
        add("http.request.resend_count", count.into());
    }
    if let Some(why) = sent.why {
        add("gatewright.retry_reason", why.as_str().into());
    }
    let status = sent.outcome.and_then(|it| it.status());
    if let Some(status) = status {
        add(
            "http.response.status_code",
            i64::from(status.as_u16()).into(),
        );
    }
    let failed = sent.outcome.filter(|it| it.succeeded() == Some(false));
    if let Some(outcome) = failed {
        add("error.type", outcome.end.as_str().into());
        span.status = Status::error("");
    }
}

/// Names and values as OpenTelemetry's conventions for HTTP want them.
fn describe(span: &mut SpanData, finished: &Finished) {
    let (line, end) = (&finished.line, &finished.end);
    span.span_kind = SpanKind::Server;
    let mut add = |name: &'static str, value: Option<opentelemetry::Value>| {
        span.attributes
            .extend(value.map(|value| KeyValue::new(name, value)));
    };
    let name = |name: &std::sync::Arc<str>| opentelemetry::Value::from(name.to_string());
    add(
        "http.request.method",
        Some(line.method.as_str().to_owned().into()),
    );
    add("url.path", Some(line.path.clone().into()));
    add("server.address", Some(line.host.to_string().into()));
    add(
        "client.address",
        line.client.map(|it| it.to_string().into()),
    );
    add(
        "http.response.status_code",
        Some(i64::from(end.status).into()),
    );
    add(
        "network.peer.address",
        line.target.map(|it| it.to_string().into()),
    );
    add("gatewright.route", line.route.as_ref().map(name));
    add("gatewright.service", line.service.as_ref().map(name));
    add("gatewright.consumer", line.consumer.as_ref().map(name));
    add("gatewright.stage", Some(end.stage.as_str().into()));
    add("error.type", end.code.map(|it| it.as_str().into()));
    let id = line.request_id.as_ref().and_then(|id| id.to_str().ok());
    add("gatewright.request_id", id.map(|id| id.to_owned().into()));
    if end.status >= 500 || end.error.is_some() {
        span.status = Status::error(end.error.clone().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        Line, TraceParent,
        line::End,
        tracer::{Trace, Tracer},
    };

    #[test]
    fn an_exchange_has_a_span_and_each_of_its_stages_one_within() {
        let (tracer, _queue) = Tracer::new(1.0);
        let sender = TraceParent {
            trace_id: 7,
            span_id: 8,
            sampled: true,
        };
        let ids = tracer.begin(Some(sender));
        let mut trace = Trace::begin(ids, Instant::now());
        for stage in [Stage::Match, Stage::Admit, Stage::Pick, Stage::Forward] {
            trace.mark(stage);
        }
        let mut line = Line::default();
        line.attempts.push(Sent {
            target: ([127, 0, 0, 1], 80).into(),
            began: Instant::now(),
            why: None,
            outcome: None,
            span: ids.onward().span_id,
        });
        let finished = Finished {
            trace: Box::new(trace),
            line: Box::new(line),
            end: End::after(Duration::from_millis(5), 502),
        };
        let scope = InstrumentationScope::builder("test").build();
        let spans = spans(&finished, &scope);
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["read", "match", "admit", "pick", "forward", "GET"]);
        let (forward, exchange) = (&spans[4], &spans[5]);
        assert_eq!(exchange.parent_span_id, SpanId::from(8));
        assert!(exchange.parent_span_is_remote);
        assert_eq!(forward.parent_span_id, exchange.span_context.span_id());
        // The upstream is told that the stage is its parent.
        let onward = SpanId::from(ids.onward().span_id);
        assert_eq!(forward.span_context.span_id(), onward);
        assert!(
            spans
                .iter()
                .all(|it| it.span_context.trace_id() == TraceId::from(7))
        );
        assert!(matches!(exchange.status, Status::Error { .. }));
    }
}
