//! Which route a request takes, and why the others do not.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};

use super::{Api, ApiError, body::Document, commit::revision_header};
use crate::explain::{Asked, explain};

/// `POST /v1/explain`
pub(super) async fn show(
    State(api): State<Api>,
    Document(json): Document,
) -> Result<Response, ApiError> {
    let asked: Asked = serde_path_to_error::deserialize(json)
        .map_err(|error| ApiError::InvalidRequest(error.to_string()))?;
    let turn = api.turns.take()?;
    let state = api.catalog.fresh().await?;
    let (checker, present) = (Arc::clone(&api.checker), Arc::clone(&state));
    let explained = tokio::task::spawn_blocking(move || {
        let explained = explain(&asked, &checker.explainer(&present));
        drop(turn);
        explained
    });
    let explained = explained.await.map_err(|error| {
        tracing::error!(%error, "explaining a request failed");
        ApiError::Internal
    })?;
    let body = explained.map_err(ApiError::InvalidRequest)?;
    Ok(([revision_header(state.head.revision)], Json(body)).into_response())
}
