//! Many resources in one change: all of them, or none.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_engine::Held;
use gatewright_proto::Key;
use serde_json::{Value, json};

use super::{
    Api, ApiError,
    body::Document,
    commit::{Manner, revision_header},
    query::Parameters,
};
use crate::{
    bundle::Bundle,
    label::Selector,
    write::{
        Operation, Planned, Precondition, Write,
        write_only::{hidden_changes, redact},
    },
};

/// `POST /v1/apply`
pub(super) async fn apply(
    State(api): State<Api>,
    parameters: Parameters,
    manner: Manner,
    Document(json): Document,
) -> Result<Response, ApiError> {
    parameters.allow(&["dry_run", "prune", "registered", "label", "wait"])?;
    let prune = prune(&parameters)?;
    let bundle = Bundle::read(json);
    let given: BTreeSet<Key> = bundle.resources.iter().map(Key::of).collect();
    let put = |resource| Operation::Put(resource, Precondition::default());
    let write = Write {
        operations: bundle.resources.into_iter().map(put).collect(),
        prune,
        prune_registered: registered(&parameters)?,
        mistakes: bundle.mistakes,
        ..Write::default()
    };
    let dry_run = manner.is_dry_run();
    let written = manner.carry_out(&api, write).await?;
    let mut changes: Vec<Value> = written.changes.iter().map(describe).collect();
    let changed: BTreeSet<&Key> = written.changes.iter().map(|change| &change.key).collect();
    let unchanged = given.iter().filter(|key| !changed.contains(key));
    changes.extend(unchanged.map(describe_unchanged));
    let body = json!({"revision": written.revision, "dry_run": dry_run, "changes": changes});
    Ok(([revision_header(written.revision)], Json(body)).into_response())
}

/// What is deleted because the document does not have it: all of it, or what has these labels.
fn prune(parameters: &Parameters) -> Result<Option<Selector>, ApiError> {
    let selector = parameters.selector()?;
    match parameters.switch("prune")? {
        true => Ok(Some(selector)),
        false if selector.is_empty() => Ok(None),
        false => {
            let message = "`label` says what `prune` deletes; it needs `prune=true`";
            Err(ApiError::InvalidQuery(message.to_owned()))
        }
    }
}

/// Whether targets that registered themselves are meant as well.
pub(super) fn registered(parameters: &Parameters) -> Result<bool, ApiError> {
    parameters.switch("registered")
}

fn describe_unchanged(key: &Key) -> Value {
    json!({"kind": key.kind.as_str(), "name": key.name, "action": "unchanged"})
}

/// A change, as plans and revisions show it.
pub(super) fn describe(change: &Planned) -> Value {
    let shown = |held: &Held| redact(&held.resource);
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let action = match (before, after) {
        (None, _) => "create",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    };
    let hidden = match (before, after) {
        (Some(before), Some(after)) => hidden_changes(&before.resource, &after.resource),
        _ => Vec::new(),
    };
    json!({
        "kind": change.key.kind.as_str(),
        "name": change.key.name,
        "action": action,
        "before": before.map(shown),
        "after": after.map(shown),
        "hidden": hidden,
    })
}
