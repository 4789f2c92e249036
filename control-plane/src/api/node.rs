//! Who follows this control plane, at which revision, and what was refused.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Api;

pub(super) async fn list(State(api): State<Api>) -> Json<Value> {
    let head = api.catalog.present().head.revision;
    Json(json!({"revision": head, "items": api.nodes.list()}))
}
