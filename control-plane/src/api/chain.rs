//! The plugins that a route's requests run through, in order.

use axum::{
    Json,
    extract::{Path, State},
};
use gatewright_proto::{Key, Kind};
use serde_json::{Value, json};

use super::{Api, error::ApiError};

pub(super) async fn of_route(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let key = Key::new(Kind::Route, name);
    let state = api.catalog.fresh().await?;
    if !state.entries.contains_key(&key) {
        return Err(ApiError::NotFound(format!("there is no `{key}`")));
    }
    let checker = api.checker.clone();
    let compiled = tokio::task::spawn_blocking(move || checker.snapshot(&state)).await;
    let snapshot = compiled.map_err(|_| ApiError::Internal)?;
    let route = snapshot
        .routes
        .iter()
        .find(|route| *route.name == *key.name);
    let chain = route
        .map(|route| route.chain.describe())
        .unwrap_or_default();
    Ok(Json(
        json!({"route": key.name, "enabled": route.is_some(), "chain": chain}),
    ))
}
