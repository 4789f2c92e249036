//! The history: revisions, what each changed, and what differs between two.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_engine::Held;
use gatewright_proto::Key;
use serde_json::{Value, json};

use super::{Api, ApiError, apply::describe, path::Path, query::Parameters};
use crate::{
    store::{Change, Revision},
    write::Planned,
};

/// `GET /v1/revisions`, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.allow(&["limit", "before"])?;
    let limit = parameters.page()?.limit;
    let before = parameters.number("before")?;
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut revisions = api.catalog.store.revisions(before, most).await?;
    let more = revisions.len() > limit;
    revisions.truncate(limit);
    let next = revisions.last().filter(|_| more);
    let next = next.map(|revision| revision.revision);
    let items: Vec<Value> = revisions.iter().map(head).collect();
    Ok(Json(json!({"items": items, "next": next})).into_response())
}

/// `GET /v1/revisions/{revision}`
pub(super) async fn show(
    State(api): State<Api>,
    Path(revision): Path<String>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::NotFound(format!("revision {revision}"));
    let number: u64 = revision.parse().map_err(|_| unknown())?;
    let Some((revision, changes)) = api.catalog.store.revision(number).await? else {
        let newest = api.catalog.store.head().await?.revision;
        let happened = (1..=newest).contains(&number);
        return Err(if happened {
            ApiError::Trimmed(number)
        } else {
            unknown()
        });
    };
    let mut body = head(&revision);
    let changes: Vec<Value> = merge(changes).iter().map(describe).collect();
    body["changes"] = changes.into();
    Ok(Json(body).into_response())
}

/// `GET /v1/revisions/diff?from=&to=`: what leads from the one state to the other, either way.
pub(super) async fn diff(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.allow(&["from", "to"])?;
    let newest = api.catalog.store.head().await?.revision;
    let missing = || ApiError::InvalidQuery("`from` is missing: a revision".to_owned());
    let from = parameters.number("from")?.ok_or_else(missing)?;
    let to = parameters.number("to")?.unwrap_or(newest);
    let (old, new) = (from.min(to), from.max(to));
    if new > newest {
        return Err(ApiError::NotFound(format!("revision {new}")));
    }
    // All that has changed since is read into memory.
    let _turn = api.turns.take()?;
    let changes = api.catalog.store.changes_after(old).await?;
    let mut changes = changes.ok_or(ApiError::Trimmed(old))?;
    changes.retain(|change| change.revision <= new);
    let mut changes = merge(changes);
    if from > to {
        for change in &mut changes {
            std::mem::swap(&mut change.before, &mut change.after);
        }
    }
    let changes: Vec<Value> = changes.iter().map(describe).collect();
    Ok(Json(json!({"from": from, "to": to, "changes": changes})).into_response())
}

fn head(revision: &Revision) -> Value {
    json!({
        "revision": revision.revision,
        "at_ms": revision.at_ms,
        "author": revision.author,
        "comment": revision.comment,
        "changed": revision.changes,
    })
}

/// What changes have changed in the end, in order of key.
fn merge(changes: Vec<Change>) -> Vec<Planned> {
    let held = |(resource, version)| Held { resource, version };
    let mut merged: BTreeMap<Key, Planned> = BTreeMap::new();
    for change in changes {
        let after = change.after.map(held);
        match merged.get_mut(&change.key) {
            Some(earlier) => earlier.after = after,
            None => {
                let planned = Planned {
                    key: change.key.clone(),
                    before: change.before.map(held),
                    after,
                };
                merged.insert(change.key, planned);
            }
        }
    }
    let version = |held: &Option<Held>| held.as_ref().map(|held| held.version);
    merged.retain(|_, change| version(&change.before) != version(&change.after));
    merged.into_values().collect()
}
