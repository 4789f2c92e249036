//! One resource of any kind, and lists of them.

use std::ops::Bound;

use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{ETAG, LOCATION},
    },
    response::{IntoResponse, Response},
};
use gatewright_engine::Held;
use gatewright_proto::{Key, Kind, Resource};
use serde_json::{Value, json};

use super::{
    Api, ApiError,
    body::{Document, MergePatch},
    commit::{Manner, WRITE_PARAMETERS, revision_header},
    credential::{self, FreshKey},
    path::Path,
    precondition,
    query::{Page, Parameters},
};
use crate::{
    catalog,
    document::{self, instead},
    label::Selector,
    write::{Mistake, Operation, Precondition, Tags, Write, Written, write_only::redact},
};

/// `GET /v1/{kinds}/{name}`
pub(super) async fn show(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = Key::new(kind(&kinds)?, name);
    let state = api.catalog.fresh().await?;
    let held = &find(&state, &key)?.held;
    let tag = (ETAG, precondition::etag(&held.version));
    let revision = revision_header(state.head.revision);
    if precondition::is_known(&headers, &held.version) {
        return Ok((StatusCode::NOT_MODIFIED, [tag], [revision]).into_response());
    }
    let mut shown = [redact(&held.resource)];
    credential::tell_use(&api, key.kind, &mut shown).await;
    let [shown] = shown;
    Ok(([tag], [revision], Json(shown)).into_response())
}

/// `GET /v1/{kinds}`
pub(super) async fn list(
    State(api): State<Api>,
    Path(kinds): Path<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let kind = kind(&kinds)?;
    let known: &[&str] = match kind {
        Kind::Credential => &["limit", "after", "label", "prefix"],
        _ => &["limit", "after", "label"],
    };
    parameters.allow(known)?;
    let (page, selector) = (parameters.page()?, parameters.selector()?);
    let prefix = parameters.one("prefix")?;
    let state = api.catalog.fresh().await?;
    let wanted = |resource: &Resource| {
        selector.selects(resource.labels()) && prefix.is_none_or(|it| begins(resource, it))
    };
    Ok(page_of(&api, &state, kind, &page, wanted).await)
}

/// Whether a credential's key may begin like this: as far as both are known.
fn begins(resource: &Resource, prefix: &str) -> bool {
    let Resource::Credential(credential) = resource else {
        return false;
    };
    let known = &credential.prefix;
    !known.is_empty() && (known.starts_with(prefix) || prefix.starts_with(known.as_str()))
}

/// `POST /v1/{kinds}`
pub(super) async fn create(
    State(api): State<Api>,
    Path(kinds): Path<String>,
    parameters: Parameters,
    manner: Manner,
    Document(json): Document,
) -> Result<Response, ApiError> {
    let kind = kind(&kinds)?;
    parameters.allow(&WRITE_PARAMETERS)?;
    create_one(&api, kind, manner, json).await
}

/// Creates a resource.
pub(super) async fn create_one(
    api: &Api,
    kind: Kind,
    manner: Manner,
    mut json: Value,
) -> Result<Response, ApiError> {
    let fresh = FreshKey::of(kind, &mut json)?.filter(|_| !manner.is_dry_run());
    let (key, write) = read(kind, json, Operation::Create)?;
    let written = manner.carry_out(api, write).await?;
    let location = format!("/v1/{}/{}", kind.plural(), key.name);
    let answer = changed(&written, &key, fresh.as_ref())?;
    Ok(([(LOCATION, location)], answer).into_response())
}

/// `PUT /v1/{kinds}/{name}`
pub(super) async fn put(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    (parameters, manner, headers): (Parameters, Manner, HeaderMap),
    Document(mut json): Document,
) -> Result<Response, ApiError> {
    let key = Key::new(kind(&kinds)?, name);
    parameters.allow(&WRITE_PARAMETERS)?;
    name_by_path(&key, &mut json)?;
    let mut precondition = precondition::of_write(&headers);
    let mut fresh = None;
    if key.kind == Kind::Credential && api.catalog.fresh().await?.version(&key).is_none() {
        fresh = FreshKey::of(key.kind, &mut json)?;
        if fresh.is_some() && precondition == Precondition::default() {
            // A key that somebody else has given it in the meantime is not to be replaced.
            precondition.differs = Some(Tags::Any);
        }
        fresh = fresh.filter(|_| !manner.is_dry_run());
    }
    let put = |resource| Operation::Put(resource, precondition);
    let (_, write) = read(key.kind, json, put)?;
    let written = manner.carry_out(&api, write).await?;
    changed(&written, &key, fresh.as_ref())
}

/// `PATCH /v1/{kinds}/{name}`
pub(super) async fn patch(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    (parameters, manner, headers): (Parameters, Manner, HeaderMap),
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    let key = Key::new(kind(&kinds)?, name);
    parameters.allow(&WRITE_PARAMETERS)?;
    if !patch.is_object() {
        let mistake = Mistake::invalid(&key, "", "a merge patch of a resource is an object");
        return Err(ApiError::Invalid(vec![mistake]));
    }
    let precondition = precondition::of_write(&headers);
    let operation = Operation::Patch(key.clone(), patch, precondition);
    let written = manner.one(&api, operation).await?;
    changed(&written, &key, None)
}

/// `DELETE /v1/{kinds}/{name}`
pub(super) async fn delete(
    State(api): State<Api>,
    Path((kinds, name)): Path<(String, String)>,
    (parameters, manner, headers): (Parameters, Manner, HeaderMap),
) -> Result<Response, ApiError> {
    let key = Key::new(kind(&kinds)?, name);
    parameters.allow(&WRITE_PARAMETERS)?;
    let operation = Operation::Delete(key, precondition::of_write(&headers));
    let written = manner.one(&api, operation).await?;
    Ok((StatusCode::NO_CONTENT, [revision_header(written.revision)]).into_response())
}

/// The kind that a path names, in the plural.
pub(super) fn kind(plural: &str) -> Result<Kind, ApiError> {
    let named = |kind: &&Kind| kind.plural() == plural;
    Kind::ALL.iter().find(named).copied().ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        let hint = instead(plural, &known);
        ApiError::NotFound(format!("kind of resource called `{plural}`{hint}"))
    })
}

/// The resource of this name.
pub(super) fn find<'a>(
    state: &'a catalog::State,
    key: &Key,
) -> Result<&'a catalog::Entry, ApiError> {
    let entry = state.entries.get(key);
    entry.ok_or_else(|| ApiError::NotFound(format!("`{key}`")))
}

/// A page of the resources of a kind, in order of name.
pub(super) async fn page_of(
    api: &Api,
    state: &catalog::State,
    kind: Kind,
    page: &Page,
    wanted: impl Fn(&Resource) -> bool,
) -> Response {
    let (mut items, next) = items_of(state, kind, page, wanted);
    credential::tell_use(api, kind, &mut items).await;
    let body = json!({"items": items, "next": next});
    ([revision_header(state.head.revision)], Json(body)).into_response()
}

/// The items of a page, and the name of the last one where there are more.
fn items_of(
    state: &catalog::State,
    kind: Kind,
    page: &Page,
    wanted: impl Fn(&Resource) -> bool,
) -> (Vec<Value>, Option<String>) {
    // Names are not empty, so this is before all of them.
    let after = Key::new(kind, page.after.as_deref().unwrap_or_default());
    let entries = state
        .entries
        .range((Bound::Excluded(after), Bound::Unbounded));
    let of_kind = entries.take_while(|(key, _)| key.kind == kind);
    let resources = of_kind.map(|(_, entry)| &entry.held.resource);
    let mut wanted = resources.filter(|resource| wanted(resource));
    let shown: Vec<_> = wanted.by_ref().take(page.limit).collect();
    let more = wanted.next().is_some();
    let next = more.then(|| shown.last().map(|resource| resource.name()));
    let items = shown.iter().map(|resource| redact(resource)).collect();
    (items, next.flatten().map(ToOwned::to_owned))
}

/// The resources that a selector selects, of some kinds.
pub(super) fn select<'a>(
    state: &'a catalog::State,
    kinds: &'a [Kind],
    selector: &'a Selector,
) -> impl Iterator<Item = (&'a Key, &'a Held)> {
    let held = state.entries.iter().map(|(key, entry)| (key, &entry.held));
    held.filter(|(key, held)| kinds.contains(&key.kind) && selector.selects(held.resource.labels()))
}

/// Takes the name from the path where the body has none.
fn name_by_path(key: &Key, json: &mut Value) -> Result<(), ApiError> {
    let Some(fields) = json.as_object_mut() else {
        return Ok(());
    };
    let name = fields
        .entry("name")
        .or_insert_with(|| key.name.clone().into());
    if name.as_str() == Some(&key.name) {
        return Ok(());
    }
    let reason = format!("is not `{}`, the name in the path; leave it out", key.name);
    Err(ApiError::Invalid(vec![Mistake::invalid(
        key, "name", reason,
    )]))
}

/// A change of one resource. What could not be read of it goes along: the rest is checked all the same, so
/// that everything that is wrong is told at once.
fn read(
    kind: Kind,
    json: Value,
    operation: impl FnOnce(Resource) -> Operation,
) -> Result<(Key, Write), ApiError> {
    let reading = document::read(kind, json, kind.as_str());
    let Some(resource) = reading.resource else {
        return Err(ApiError::Invalid(reading.mistakes));
    };
    let key = Key::of(&resource);
    let write = Write {
        operations: vec![operation(resource)],
        mistakes: reading.mistakes,
        ..Write::default()
    };
    Ok((key, write))
}

/// The answer to a write that leaves a resource behind, or would. A key that was made for it is shown this once.
fn changed(written: &Written, key: &Key, fresh: Option<&FreshKey>) -> Result<Response, ApiError> {
    let change = written.changes.iter().find(|change| change.key == *key);
    let created = change.is_some_and(|change| change.before.is_none());
    let held = match change.and_then(|change| change.after.as_ref()) {
        Some(held) => held,
        None => &find(&written.state, key)?.held,
    };
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let tag = [(ETAG, precondition::etag(&held.version))];
    let revision = [revision_header(written.revision)];
    let mut shown = redact(&held.resource);
    if let Some(fresh) = fresh {
        fresh.show(&mut shown);
    }
    Ok((status, tag, revision, Json(shown)).into_response())
}
