//! Everything, in the form that `apply` takes. Write-only fields are left out.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Api, error::ApiError, input, page::selector, revision};
use crate::write::write_only::redact;

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    /// Plural name of a kind.
    kind: Option<String>,
    label: Option<String>,
}

pub(super) async fn export(
    State(api): State<Api>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let state = api.catalog.fresh().await?;
    let kind = choice.kind.as_deref().map(input::kind).transpose()?;
    let selector = selector(choice.label.as_deref())?;
    let mut lists = Map::new();
    for (key, entry) in &state.entries {
        let wanted = kind.is_none_or(|kind| kind == key.kind);
        if wanted && selector.selects(entry.held.resource.labels()) {
            let list = lists
                .entry(key.kind.plural())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(redact(&entry.held.resource));
            }
        }
    }
    let number = revision(state.head.revision);
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    if accept.contains("yaml") {
        let text = serde_saphyr::to_string(&Value::Object(lists)).map_err(|error| {
            tracing::error!(%error, "cannot write YAML");
            ApiError::Internal
        })?;
        return Ok(([(header::CONTENT_TYPE, "application/yaml")], [number], text).into_response());
    }
    Ok(([number], Json(Value::Object(lists))).into_response())
}
