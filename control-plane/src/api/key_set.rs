//! How the fetching of a key set goes, and which keys are in force.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_engine::{jwt::Keys, key_set::Remote};
use gatewright_proto::{Key, Kind, Resource, v1};
use serde_json::{Value, json};

use super::{Api, ApiError, commit::revision_header, path::Path, resource::find};
use crate::{key_sets::Standing, store::ShownFetch};

/// Where it is shown.
pub(super) const FETCHED: &str = "/v1/key_sets/{name}/fetched";

/// `GET /v1/key_sets/{name}/fetched`
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let state = api.catalog.fresh().await?;
    let key = Key::new(Kind::KeySet, &name);
    let entry = find(&state, &key)?;
    let shown = api.catalog.store.shown_fetch(&name).await?;
    let body = match &*entry.held.resource {
        Resource::KeySet(set) => describe(set, shown),
        _ => Value::Null,
    };
    Ok(([revision_header(state.head.revision)], Json(body)).into_response())
}

fn describe(set: &v1::KeySet, shown: Option<ShownFetch>) -> Value {
    let source = Remote::of(set).map(|it| it.as_str());
    let fetched = set.fetched.as_ref();
    let fetched = fetched.filter(|it| Some(it.source.as_str()) == source);
    let keys = fetched.and_then(|it| Keys::from_jwks(it.jwks.as_bytes()).ok());
    let keys = keys.map(|(keys, _)| keys).unwrap_or_default();
    let keys = keys.list.iter().map(|key| {
        let algorithms: Vec<&str> = key.algorithms().map(|it| it.as_str()).collect();
        json!({"kid": key.kid, "algorithms": algorithms})
    });
    let shown = shown.filter(|it| Some(it.source.as_str()) == source);
    let standing = Standing::read(shown.as_ref().map_or("", |it| &it.body));
    let time = |ms: i64| (ms > 0).then_some(ms);
    json!({
        "source": source,
        "jwks_url": standing.jwks_url,
        "keys": keys.collect::<Vec<_>>(),
        "endpoints": fetched.and_then(|it| it.endpoints.as_ref()),
        "changed_at_ms": fetched.and_then(|it| it.changed_at_ms),
        "fetched_at_ms": time(standing.succeeded_at_ms),
        "attempted_at_ms": shown.as_ref().and_then(|it| time(it.attempted_at_ms)),
        "next_at_ms": shown.as_ref().and_then(|it| time(it.due_at_ms)),
        "failures": standing.failures,
        "error": standing.error,
        "skipped": standing.skipped,
    })
}
