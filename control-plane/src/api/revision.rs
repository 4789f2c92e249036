//! History: what was changed, when, by whom.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use gatewright_proto::{Key, Resource};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{Api, error::ApiError};
use crate::{
    store::{Change, Revision},
    write::write_only::redact,
};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

#[derive(Debug, Deserialize)]
pub(super) struct Window {
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Span {
    from: u64,
    to: u64,
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(window): Query<Window>,
) -> Result<Json<Value>, ApiError> {
    let limit = window.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::InvalidParameter(format!(
            "`limit` is 1 to {MAX_LIMIT}"
        )));
    }
    let revisions = api.catalog.store.revisions(window.before, limit).await?;
    let next = revisions
        .last()
        .filter(|_| revisions.len() == limit as usize)
        .map(|it| it.revision);
    let items: Vec<Value> = revisions.iter().map(summary).collect();
    let mut body = json!({"items": items});
    if let Some(next) = next {
        body["next"] = json!(next);
    }
    Ok(Json(body))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(number): Path<u64>,
) -> Result<Json<Value>, ApiError> {
    let Some((revision, changes)) = api.catalog.store.revision(number).await? else {
        return Err(ApiError::NotFound(format!(
            "there is no revision {number}, or its history was trimmed"
        )));
    };
    let mut body = summary(&revision);
    body["changes"] = changes
        .iter()
        .map(|change| {
            let (before, after) = (change.before.as_ref(), change.after.as_ref());
            line(
                &change.key,
                before.map(|(it, _)| it),
                after.map(|(it, _)| it),
            )
        })
        .collect();
    Ok(Json(body))
}

/// A resource before and after.
type Pair = (Option<Arc<Resource>>, Option<Arc<Resource>>);

/// What differs between the states of two revisions.
pub(super) async fn diff(
    State(api): State<Api>,
    Query(span): Query<Span>,
) -> Result<Json<Value>, ApiError> {
    let (low, high) = (span.from.min(span.to), span.from.max(span.to));
    let head = api.catalog.store.head().await?.revision;
    if high > head {
        return Err(ApiError::NotFound(format!("there is no revision {high}")));
    }
    let Some(changes) = api.catalog.store.changes_after(low).await? else {
        return Err(ApiError::NotFound(format!(
            "the history of revision {low} was trimmed"
        )));
    };
    let mut differing: BTreeMap<Key, Pair> = BTreeMap::new();
    for Change {
        revision,
        key,
        before,
        after,
        ..
    } in changes
    {
        if revision > high {
            continue;
        }
        let (before, after) = (before.map(|it| it.0), after.map(|it| it.0));
        let pair = differing.entry(key).or_insert_with(|| (before, None));
        pair.1 = after;
    }
    let turn = span.from > span.to;
    let lines: Vec<Value> = differing
        .iter()
        .map(|(key, (low, high))| {
            if turn {
                (key, high, low)
            } else {
                (key, low, high)
            }
        })
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| line(key, from.as_ref(), to.as_ref()))
        .collect();
    Ok(Json(
        json!({"from": span.from, "to": span.to, "changes": lines}),
    ))
}

fn summary(revision: &Revision) -> Value {
    json!({
        "revision": revision.revision,
        "at_ms": revision.at_ms,
        "author": revision.author,
        "comment": revision.comment,
        "changed": revision.changes,
    })
}

fn line(key: &Key, before: Option<&Arc<Resource>>, after: Option<&Arc<Resource>>) -> Value {
    let action = match (before, after) {
        (None, _) => "create",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    };
    json!({
        "kind": key.kind.as_str(),
        "name": key.name,
        "action": action,
        "before": before.map(|it| redact(it)),
        "after": after.map(|it| redact(it)),
    })
}
