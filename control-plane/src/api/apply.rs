//! Many resources in one write: all of it happens, or nothing.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use gatewright_proto::Kind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api,
    error::ApiError,
    input::{Document, Manner},
    page::selector,
    revision,
};
use crate::{
    document,
    write::{Mistake, Operation, Planned, Precondition, Write, write_only},
};

#[derive(Debug, Deserialize)]
pub(super) struct Pruning {
    /// Whether resources that are not in the document are deleted.
    #[serde(default)]
    prune: bool,
    /// Only those with these labels.
    label: Option<String>,
}

pub(super) async fn apply(
    State(api): State<Api>,
    Query(pruning): Query<Pruning>,
    manner: Manner,
    Document(document): Document,
) -> Result<Response, ApiError> {
    let (operations, mistakes) = read(document)?;
    let prune = match pruning.prune {
        true => Some(selector(pruning.label.as_deref())?),
        false => None,
    };
    let named: Vec<_> = operations.iter().map(Operation::key).collect();
    let write = Write {
        operations,
        prune,
        ..manner.write(mistakes)
    };
    let written = api.writer.write(write).await?;
    manner.settle(&api, &written).await?;
    let mut changes: Vec<Value> = written.changes.iter().map(describe).collect();
    let changed = |key: &_| written.changes.iter().any(|change| change.key == *key);
    for key in named.iter().filter(|key| !changed(key)) {
        changes.push(json!({"kind": key.kind.as_str(), "name": key.name, "action": "unchanged"}));
    }
    let body = json!({"revision": written.revision, "changes": changes});
    Ok(([revision(written.revision)], Json(body)).into_response())
}

/// Reads a document of one list a kind.
fn read(document: Value) -> Result<(Vec<Operation>, Vec<Mistake>), ApiError> {
    let Value::Object(lists) = document else {
        let message = "a document has one list a kind, as `routes: [...]`";
        return Err(ApiError::InvalidBody(
            "invalid_document",
            message.to_owned(),
        ));
    };
    let plurals: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
    let (mut operations, mut mistakes) = (Vec::new(), Vec::new());
    for (plural, list) in lists {
        let Some(kind) = Kind::ALL.iter().find(|kind| kind.plural() == plural) else {
            let reason = format!(
                "unknown kind `{plural}`{}",
                document::instead(&plural, &plurals)
            );
            mistakes.push(Mistake::invalid("", &plural, reason).with_code("unknown_field"));
            continue;
        };
        let items = match list {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            _ => {
                mistakes.push(Mistake::invalid("", &plural, "is a list"));
                continue;
            }
        };
        for (place, item) in items.into_iter().enumerate() {
            let reading = document::read(*kind, item, &format!("{plural}[{place}]"));
            mistakes.extend(reading.mistakes);
            let put = |resource| Operation::Put(resource, Precondition::default());
            operations.extend(reading.resource.map(put));
        }
    }
    Ok((operations, mistakes))
}

/// One line of the plan.
fn describe(change: &Planned) -> Value {
    let shown = |held: &Option<gatewright_engine::Held>| {
        held.as_ref().map(|held| write_only::redact(&held.resource))
    };
    let action = match (&change.before, &change.after) {
        (None, _) => "create",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    };
    let mut line = json!({
        "kind": change.key.kind.as_str(),
        "name": change.key.name,
        "action": action,
        "before": shown(&change.before),
        "after": shown(&change.after),
    });
    if let (Some(before), Some(after)) = (&change.before, &change.after) {
        let hidden = write_only::hidden_changes(&before.resource, &after.resource);
        if !hidden.is_empty() {
            line["hidden"] = json!(hidden);
        }
    }
    line
}
