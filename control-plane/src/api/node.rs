//! The nodes of the fleet: who is connected where, at which revision, and what was refused.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Api, ApiError, commit::revision_header, path::Path, query::Parameters};

/// `GET /v1/nodes`
pub(super) async fn list(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.allow(&["limit", "after"])?;
    let page = parameters.page()?;
    let revision = api.catalog.present().head.revision;
    let after = page.after.unwrap_or_default();
    let listed = api.fleet.list().await;
    let mut nodes = listed.nodes;
    nodes.retain(|node| node.node_id > after);
    let more = nodes.len() > page.limit;
    nodes.truncate(page.limit);
    nodes.iter_mut().for_each(|node| node.facts = None);
    let next = nodes.last().filter(|_| more);
    let next = next.map(|node| node.node_id.clone());
    let body = json!({
        "revision": revision,
        "items": nodes,
        "next": next,
        // Whether the database does not answer, and these are the nodes of this control plane only.
        "partial": listed.partial,
    });
    Ok(([revision_header(revision)], Json(body)).into_response())
}

/// `GET /v1/nodes/{name}`
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let revision = api.catalog.present().head.revision;
    let nodes = api.fleet.list().await.nodes;
    let node = nodes.into_iter().find(|node| node.node_id == name);
    let node = node.ok_or_else(|| ApiError::NotFound(format!("node `{name}`")))?;
    Ok(([revision_header(revision)], Json(node)).into_response())
}
