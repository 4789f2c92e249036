//! The configuration as one document, in the form that `apply` takes. Write-only fields are left out;
//! applied where it came from, they stay as they are.

use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use gatewright_proto::Kind;
use serde_json::{Map, Value};

use super::{
    Api, ApiError,
    apply::registered,
    commit::revision_header,
    query::Parameters,
    resource::{kind, select},
};
use crate::{registration::is_registered, write::write_only::redact};

/// `GET /v1/export`
pub(super) async fn export(
    State(api): State<Api>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    parameters.allow(&["kind", "label", "registered"])?;
    let selector = parameters.selector()?;
    let kinds = kinds(&parameters)?;
    let with_registered = registered(&parameters)?;
    let state = api.catalog.fresh().await?;
    // Kinds are in the order of the table, parents first, which is that of keys as well.
    let mut lists: Map<String, Value> = Map::new();
    for (key, held) in select(&state, &kinds, &selector) {
        if !with_registered && is_registered(key) {
            continue;
        }
        let list = lists
            .entry(key.kind.plural())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(redact(&held.resource));
        }
    }
    let revision = [revision_header(state.head.revision)];
    if !wants_yaml(&headers) {
        return Ok((revision, Json(lists)).into_response());
    }
    let yaml = serde_saphyr::to_string(&lists).map_err(|error| {
        tracing::error!(%error, "the configuration cannot be written as YAML");
        ApiError::Internal
    })?;
    Ok((revision, [(CONTENT_TYPE, "application/yaml")], yaml).into_response())
}

fn kinds(parameters: &Parameters) -> Result<Vec<Kind>, ApiError> {
    let named = |name: &str| name.parse().map_err(|_| kind(name));
    let mut kinds = Vec::new();
    for name in parameters.all("kind") {
        kinds.push(match named(name) {
            Ok(kind) => kind,
            Err(plural) => plural?,
        });
    }
    if kinds.is_empty() {
        kinds.extend_from_slice(Kind::ALL);
    }
    Ok(kinds)
}

fn wants_yaml(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).map(|value| value.to_str());
    accept.is_some_and(|value| value.is_ok_and(|value| value.contains("yaml")))
}
