//! Targets that register themselves with an upstream.

mod form;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use gatewright_engine::Held;
use gatewright_proto::{Key, Kind, v1};
use serde_json::{Value, json};

use super::{
    Api, ApiError,
    body::Document,
    commit::{Manner, revision_header},
    path::Path,
    query::Parameters,
    record::Quiet,
};
use crate::{
    catalog::{Entry, State as Present},
    document,
    registration::{Change, Done, instance_of, key_of, may_be_called, registered},
    write::Mistake,
};
use form::{Names, describe, merged};

pub(super) const ALL: &str = "/v1/upstreams/{name}/registrations";
pub(super) const ONE: &str = "/v1/upstreams/{name}/registrations/{instance}";
pub(crate) const BEAT: &str = "/v1/upstreams/{name}/registrations/{instance}/heartbeat";
pub(super) const BEATS: &str = "/v1/upstreams/{name}/heartbeats";

/// What a token that may only register reaches.
pub(super) const PATHS: [&str; 4] = [ALL, ONE, BEAT, BEATS];

/// Most instances in one request.
const MAX_INSTANCES: usize = 20_000;

/// Largest registration, in bytes.
const MAX_REGISTRATION_BYTES: usize = 64 * 1024;

/// Largest body of a request for many instances, in bytes.
const MAX_BEATS_BYTES: usize = 6 * 1024 * 1024;

/// `PUT /v1/upstreams/{name}/registrations/{instance}`
///
/// What is left out stays as it is, or has its default. Where nothing changes it is a sign of life.
pub(super) async fn put(
    State(api): State<Api>,
    Path((upstream, instance)): Path<(String, String)>,
    (parameters, manner): (Parameters, Manner),
    Document(given): Document<MAX_REGISTRATION_BYTES>,
) -> Result<Response, ApiError> {
    parameters.allow(&["wait"])?;
    let key = key_of(&upstream, &instance);
    if !may_be_called(&instance) {
        let reason = format!("`{instance}`: the name of an instance does not begin with a dot");
        return Err(ApiError::Invalid(vec![Mistake::invalid(
            &key, "name", reason,
        )]));
    }
    let present = with_upstream(&api, &upstream).await?;
    let stored = stored(&present, &key, &upstream)?;
    let names = Names {
        key: &key,
        upstream: &upstream,
        author: manner.author(),
    };
    let json = merged(&names, stored, given)?;
    let reading = document::read(Kind::Target, json, &key.to_string());
    let Some(target) = reading.resource.filter(|_| reading.mistakes.is_empty()) else {
        return Err(ApiError::Invalid(reading.mistakes));
    };
    let target = Held::new(target);
    let shown = registered(&target.resource).map(|it| describe(&instance, it, 0));
    if stored.is_some_and(|it| it.held.version == target.version) {
        let unknown = api.registrations.beat(&upstream, [&*instance].into_iter());
        if unknown.is_empty() {
            let revision = present.head.revision;
            return alive(
                &api,
                (StatusCode::OK, [revision_header(revision)], Json(shown)),
            );
        }
    }
    let resource = (*target.resource).clone();
    let done = change(&api, manner, (key, Some(resource))).await?;
    let status = match done.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, [revision_header(done.revision)], Json(shown)).into_response())
}

/// `DELETE /v1/upstreams/{name}/registrations/{instance}`
pub(super) async fn leave(
    State(api): State<Api>,
    Path((upstream, instance)): Path<(String, String)>,
    (parameters, manner): (Parameters, Manner),
) -> Result<Response, ApiError> {
    parameters.allow(&["wait"])?;
    let key = key_of(&upstream, &instance);
    let present = api.catalog.fresh().await?;
    find(&present, &key, &upstream)?;
    let done = change(&api, manner, (key, None)).await?;
    Ok((StatusCode::NO_CONTENT, [revision_header(done.revision)]).into_response())
}

/// `POST /v1/upstreams/{name}/registrations/{instance}/heartbeat`
pub(super) async fn beat(
    State(api): State<Api>,
    Path((upstream, instance)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let unknown = api.registrations.beat(&upstream, [&*instance].into_iter());
    match unknown.is_empty() {
        true => alive(&api, StatusCode::NO_CONTENT),
        false => Err(not_registered(&upstream, &instance)),
    }
}

/// `POST /v1/upstreams/{name}/heartbeats`: for who speaks for many.
pub(super) async fn beats(
    State(api): State<Api>,
    Path(upstream): Path<String>,
    Document(given): Document<MAX_BEATS_BYTES>,
) -> Result<Response, ApiError> {
    let instances = instances(&given).ok_or_else(|| {
        let reason =
            format!("say which instances live: {{\"instances\": [...]}}, {MAX_INSTANCES} at most");
        ApiError::Invalid(vec![Mistake::invalid("", "instances", reason)])
    })?;
    let unknown = api.registrations.beat(&upstream, instances.into_iter());
    alive(&api, Json(json!({"unknown": unknown})))
}

fn instances(given: &Value) -> Option<Vec<&str>> {
    let fields = given.as_object().filter(|fields| fields.len() == 1)?;
    let instances = fields.get("instances")?.as_array()?;
    let few = instances.len() <= MAX_INSTANCES;
    let named = instances.iter().map(Value::as_str);
    few.then(|| named.collect()).flatten()
}

/// `GET /v1/upstreams/{name}/registrations`
pub(super) async fn list(
    State(api): State<Api>,
    Path(upstream): Path<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.allow(&["limit", "after", "label"])?;
    let (page, selector) = (parameters.page()?, parameters.selector()?);
    let present = api.catalog.fresh().await?;
    require_upstream(&present, &upstream)?;
    let first = key_of(&upstream, page.after.as_deref().unwrap_or_default());
    let entries = present.entries.range(first.clone()..);
    let prefix = key_of(&upstream, "").name;
    let entries = entries.take_while(|(key, _)| key.name.starts_with(&prefix));
    let targets = entries.filter(|(key, _)| **key != first);
    let targets = targets.filter_map(|(_, entry)| registered(&entry.held.resource));
    let mut targets = targets
        .filter(|target| target.upstream == upstream && selector.selects(&target.labels))
        .filter_map(|target| Some((instance_of(&target.name, &upstream)?, target)));
    let shown: Vec<_> = targets.by_ref().take(page.limit).collect();
    let next = targets
        .next()
        .and(shown.last())
        .map(|(instance, _)| *instance);
    let names: Vec<String> = shown.iter().map(|(_, it)| it.name.clone()).collect();
    let ages = api.registrations.ages(&names).await?;
    let items = shown.iter().map(|(instance, target)| {
        let age_ms = ages.get(&target.name).copied().unwrap_or(0);
        describe(instance, target, age_ms)
    });
    let body = json!({"items": items.collect::<Vec<_>>(), "next": next});
    Ok(([revision_header(present.head.revision)], Json(body)).into_response())
}

/// `GET /v1/upstreams/{name}/registrations/{instance}`
pub(super) async fn show(
    State(api): State<Api>,
    Path((upstream, instance)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let key = key_of(&upstream, &instance);
    let present = api.catalog.fresh().await?;
    let target = find(&present, &key, &upstream)?;
    let ages = api
        .registrations
        .ages(std::slice::from_ref(&key.name))
        .await?;
    let age_ms = ages.get(&key.name).copied().unwrap_or(0);
    let revision = [revision_header(present.head.revision)];
    Ok((revision, Json(describe(&instance, target, age_ms))).into_response())
}

/// The answer to a sign of life; none where it may be lost.
fn alive(api: &Api, answer: impl IntoResponse) -> Result<Response, ApiError> {
    match api.registrations.is_failing() {
        false => {
            let mut response = answer.into_response();
            response.extensions_mut().insert(Quiet);
            Ok(response)
        }
        true => Err(ApiError::StoreUnavailable),
    }
}

/// Carries out a change, and waits for the nodes where the client wants it.
async fn change(
    api: &Api,
    manner: Manner,
    (key, target): (Key, Option<gatewright_proto::Resource>),
) -> Result<Done, ApiError> {
    let (by, wait) = manner.into_parts();
    let change = Change {
        key,
        target,
        expired: false,
        by,
    };
    let done = api.registrations.change(change).await?;
    if let Some(patience) = wait {
        let applied = api.fleet.wait_applied(done.revision, patience).await;
        applied.map_err(|not| ApiError::NotApplied(done.revision, not.lagging))?;
    }
    Ok(done)
}

/// The present configuration, where it has this upstream.
async fn with_upstream(api: &Api, upstream: &str) -> Result<std::sync::Arc<Present>, ApiError> {
    let present = api.catalog.present();
    if require_upstream(&present, upstream).is_ok() {
        return Ok(present);
    }
    let present = api.catalog.fresh().await?;
    require_upstream(&present, upstream)?;
    Ok(present)
}

fn require_upstream(present: &Present, upstream: &str) -> Result<(), ApiError> {
    let key = Key::new(Kind::Upstream, upstream);
    match present.entries.contains_key(&key) {
        true => Ok(()),
        false => Err(ApiError::NotFound(format!("`{key}`"))),
    }
}

/// What is stored of a registration. A target that was written with the name of a registered one is in the way.
fn stored<'a>(
    present: &'a Present,
    key: &Key,
    upstream: &str,
) -> Result<Option<&'a Entry>, ApiError> {
    let Some(entry) = present.entries.get(key) else {
        return Ok(None);
    };
    match registered(&entry.held.resource).is_some_and(|it| it.upstream == upstream) {
        true => Ok(Some(entry)),
        false => Err(ApiError::AlreadyExists(key.clone())),
    }
}

fn find<'a>(present: &'a Present, key: &Key, upstream: &str) -> Result<&'a v1::Target, ApiError> {
    let entry = present.entries.get(key);
    let target = entry.and_then(|entry| registered(&entry.held.resource));
    let instance = || instance_of(&key.name, upstream).unwrap_or_default();
    let target = target.filter(|target| target.upstream == upstream);
    target.ok_or_else(|| not_registered(upstream, instance()))
}

fn not_registered(upstream: &str, instance: &str) -> ApiError {
    ApiError::NotFound(format!(
        "registration `{instance}` of `upstream/{upstream}`; register it with PUT"
    ))
}
