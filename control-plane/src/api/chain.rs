//! The effective plugin chain of a route: what runs, in which order, and why.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_proto::{Key, Kind};
use serde_json::json;

use super::{Api, ApiError, commit::revision_header, path::Path, resource::find};

/// `GET /v1/routes/{name}/chain`
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let turn = api.turns.take()?;
    let state = api.catalog.fresh().await?;
    find(&state, &Key::new(Kind::Route, &name))?;
    let (checker, present) = (Arc::clone(&api.checker), Arc::clone(&state));
    let compiled = tokio::task::spawn_blocking(move || {
        let snapshot = checker.snapshot(&present);
        drop(turn);
        snapshot
    });
    let compiled = compiled.await;
    let snapshot = compiled.map_err(|error| {
        tracing::error!(%error, "compiling for a chain failed");
        ApiError::Internal
    })?;
    let route = snapshot.routes.iter().find(|route| *route.name == *name);
    // A route that is not in force runs nothing.
    let chain = route.map(|route| route.chain.describe());
    let mut body = json!({
        "route": name,
        "enabled": route.is_some(),
        "chain": chain.unwrap_or_default(),
    });
    let backends = route.map_or(&[][..], |route| route.backends());
    if !backends.is_empty() {
        // What runs for all of them is in `chain`; each has its own as a whole.
        let backends = backends.iter().map(|backend| {
            let chain = backend.route.chain.describe();
            (backend.service.to_string(), json!(chain))
        });
        body["backends"] = backends.collect::<serde_json::Map<_, _>>().into();
    }
    Ok(([revision_header(state.head.revision)], Json(body)).into_response())
}
