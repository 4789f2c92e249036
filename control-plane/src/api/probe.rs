//! Whether this control plane lives and can do its work, and how much it has done.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::time::timeout;

use super::{Api, ApiError};

/// Time for the database to answer before this control plane counts as not ready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// `GET /readyz`: the configuration is loaded and the database answers.
pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, ApiError> {
    let head = timeout(PROBE_TIMEOUT, api.catalog.store.head()).await;
    let head = head.map_err(|_| ApiError::StoreUnavailable)??;
    Ok(Json(json!({"status": "ready", "revision": head.revision})).into_response())
}

/// `GET /metrics`, as OpenMetrics text.
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let state = api.catalog.present();
    api.metrics.observe(&state, &api.fleet.here().list());
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], api.metrics.encode()).into_response()
}
