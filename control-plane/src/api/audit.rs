//! Who asked for which change, from where, and what came of it.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Api, ApiError, query::Parameters};
use crate::{
    store::{Audited, Sought},
    write::{Write, Written},
};

/// Most resources of a refused write that are noted.
const MAX_REFUSED: usize = 100;

/// What is noted of a write, taken down before it is carried out.
pub(super) struct Trail(Audited);

impl Trail {
    pub(super) fn of(write: &Write) -> Self {
        let keys = write.operations.iter().map(|it| it.key().to_string());
        Self(Audited {
            by: write.by.clone(),
            resources: keys.take(MAX_REFUSED).collect(),
            ..Audited::default()
        })
    }

    /// Notes a write that made no revision; the commit notes the others. One that cannot be noted since the
    /// database does not answer is in the log.
    pub(super) async fn record(self, api: &Api, written: &Result<Written, ApiError>) {
        let outcome = match written {
            Ok(written) if written.changes.is_empty() => "unchanged",
            Ok(_) => return,
            Err(error) => error.kind().1,
        };
        let entry = Audited {
            outcome: outcome.to_owned(),
            ..self.0
        };
        let (action, request_id) = (entry.by.action.clone(), entry.by.request_id.clone());
        if let Err(error) = api.catalog.store.audit(entry).await {
            tracing::warn!(%error, action, request_id, outcome, "a write that made no revision is not in the audit log");
        }
    }
}

/// `GET /v1/audit`, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.allow(&["limit", "before", "resource"])?;
    let limit = parameters.page()?.limit;
    let sought = Sought {
        before: parameters.number("before")?,
        resource: parameters.one("resource")?.map(ToOwned::to_owned),
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
    };
    let mut entries = api.catalog.store.audited(sought).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|entry| entry.id);
    let items: Vec<Value> = entries.iter().map(shown).collect();
    Ok(Json(json!({"items": items, "next": next})).into_response())
}

fn shown(entry: &Audited) -> Value {
    json!({
        "id": entry.id,
        "at_ms": entry.at_ms,
        "author": entry.by.author,
        "action": entry.by.action,
        "address": entry.by.address,
        "request_id": entry.by.request_id,
        "comment": entry.by.comment,
        "outcome": entry.outcome,
        "revision": entry.revision,
        "resources": entry.resources,
    })
}
