//! The node's own HTTP interface, for operators and orchestrators; never for traffic.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use gatewright_proto::v1::NodeReport;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config_stream::{Reports, StreamStatus},
    published::Publisher,
    readiness::Readiness,
    telemetry::Telemetry,
};

/// What it tells of.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) readiness: Readiness,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) publisher: Publisher,
    pub(crate) stream: Arc<StreamStatus>,
    pub(crate) reports: Reports,
}

/// Serves until `shutdown`.
pub(crate) async fn serve(listener: TcpListener, told: Told, shutdown: CancellationToken) {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .route("/report", get(report))
        .with_state(told);
    let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the status listener failed");
    }
}

async fn ready(State(told): State<Told>) -> impl IntoResponse {
    let revision = told.publisher.current().load().snapshot.revision;
    let (status, ready) = match told.readiness.is_ready() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    // Serving without a control plane is what a node is for: it is said, and changes nothing.
    let followed = match told.stream.stale() {
        None => "a control plane is followed".to_owned(),
        Some(seconds) => format!("no control plane for {seconds} s"),
    };
    (
        status,
        format!("{ready}\nrevision {revision}; {followed}\n"),
    )
}

async fn metrics(State(told): State<Told>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let staleness = i64::try_from(told.stream.staleness_seconds()).unwrap_or(i64::MAX);
    told.telemetry.metrics.config_staleness.set(staleness);
    (
        [(header::CONTENT_TYPE, kind)],
        told.telemetry.metrics.encode(),
    )
}

/// How targets and services fare: what control planes are told.
async fn report(State(told): State<Told>) -> Json<NodeReport> {
    Json(told.reports.collect())
}

async fn config(State(told): State<Told>) -> Json<Value> {
    let published = told.publisher.current().load_full();
    let (snapshot, holding) = (&published.snapshot, told.publisher.holding());
    let stream: Map<String, Value> = told
        .stream
        .rows()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into_iter()
        .collect();
    Json(json!({
        "stream": stream,
        "revision": snapshot.revision,
        "digest": holding.digest,
        "refused": holding.refused,
        "routes": snapshot.routes.len(),
        "services": snapshot.services.len(),
        "consumers": snapshot.consumers.by_name.len(),
        "certificates": snapshot.certificates.len(),
    }))
}
