//! One resource of any kind: list, create, get, replace, patch, delete.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gatewright_proto::{Key, Version};
use serde_json::{Value, json};

use super::{
    Api,
    error::ApiError,
    input::{self, Document, Manner},
    page::Paging,
    revision,
};
use crate::{
    document,
    write::{Operation, Write, Written, write_only::redact},
};

pub(super) async fn list(
    State(api): State<Api>,
    Path(kinds): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Response, ApiError> {
    let (kind, state) = (input::kind(&kinds)?, api.catalog.fresh().await?);
    let page = paging.page(&state, kind, |_| true)?;
    Ok(([revision(state.head.revision)], page).into_response())
}

pub(super) async fn create(
    State(api): State<Api>,
    Path(kinds): Path<String>,
    manner: Manner,
    Document(json): Document,
) -> Result<Response, ApiError> {
    let kind = input::kind(&kinds)?;
    let reading = document::read(kind, json, kind.as_str());
    let key = reading.resource.as_ref().map(Key::of);
    let write = Write {
        operations: reading
            .resource
            .map(Operation::Create)
            .into_iter()
            .collect(),
        ..manner.write(reading.mistakes)
    };
    let written = api.writer.write(write).await?;
    manner.settle(&api, &written).await?;
    Ok(stored(&written, key.as_ref(), StatusCode::CREATED))
}

pub(super) async fn get(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = input::key(&kinds, &name)?;
    let state = api.catalog.fresh().await?;
    let Some(entry) = state.entries.get(&key) else {
        return Err(ApiError::NotFound(format!("there is no `{key}`")));
    };
    let tag = tag(&entry.held.version);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| *known == tag);
    let headers = [(header::ETAG, tag), revision(entry.revision)];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(redact(&entry.held.resource))).into_response())
}

pub(super) async fn put(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    manner: Manner,
    Document(mut json): Document,
) -> Result<Response, ApiError> {
    let key = input::key(&kinds, &name)?;
    if let Some(fields) = json.as_object_mut() {
        let written = fields.entry("name").or_insert_with(|| json!(name));
        if written.as_str() != Some(&name) {
            let message = format!("`name` is `{written}` in the body and `{name}` in the path");
            return Err(ApiError::InvalidParameter(message));
        }
    }
    let reading = document::read(key.kind, json, &key.to_string());
    let precondition = manner.precondition.clone();
    let operation = reading
        .resource
        .map(|resource| Operation::Put(resource, precondition));
    let write = Write {
        operations: operation.into_iter().collect(),
        ..manner.write(reading.mistakes)
    };
    let written = api.writer.write(write).await?;
    manner.settle(&api, &written).await?;
    let created = written.changes.iter().any(|change| change.before.is_none());
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(stored(&written, Some(&key), status))
}

pub(super) async fn patch(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    manner: Manner,
    Document(patch): Document,
) -> Result<Response, ApiError> {
    let key = input::key(&kinds, &name)?;
    if !patch.is_object() {
        return Err(ApiError::InvalidBody(
            "invalid_patch",
            "a merge patch is an object".to_owned(),
        ));
    }
    let operation = Operation::Patch(key.clone(), patch, manner.precondition.clone());
    let write = Write {
        operations: vec![operation],
        ..manner.write(Vec::new())
    };
    let written = api.writer.write(write).await?;
    manner.settle(&api, &written).await?;
    Ok(stored(&written, Some(&key), StatusCode::OK))
}

pub(super) async fn delete(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    manner: Manner,
) -> Result<Response, ApiError> {
    let key = input::key(&kinds, &name)?;
    let write = Write {
        operations: vec![Operation::Delete(key, manner.precondition.clone())],
        ..manner.write(Vec::new())
    };
    let written = api.writer.write(write).await?;
    manner.settle(&api, &written).await?;
    Ok((StatusCode::NO_CONTENT, [revision(written.revision)]).into_response())
}

/// The resource as it is (or, in a dry run, would be) after a write.
fn stored(written: &Written, key: Option<&Key>, status: StatusCode) -> Response {
    let change = written
        .changes
        .iter()
        .find(|change| Some(&change.key) == key);
    let changed = change.and_then(|change| change.after.as_ref());
    let kept = key
        .and_then(|key| written.state.entries.get(key))
        .map(|entry| &entry.held);
    let number = revision(written.revision);
    match changed.or(kept) {
        Some(held) => {
            let headers = [(header::ETAG, tag(&held.version)), number];
            (status, headers, Json(redact(&held.resource))).into_response()
        }
        None => (status, [number], Json(Value::Null)).into_response(),
    }
}

fn tag(version: &Version) -> HeaderValue {
    let tag = HeaderValue::try_from(format!("\"{version}\""));
    tag.expect("hexadecimal digits in quotes are a field value")
}
