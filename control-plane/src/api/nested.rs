//! Lists of what belongs to a resource: `/v1/services/{name}/routes`.

use axum::{extract::State, http::Uri, response::Response};
use gatewright_engine::{plugin::Registry, reference::references};
use gatewright_proto::{Key, Kind, Resource};

use super::{
    Api, ApiError,
    body::Document,
    commit::{Manner, WRITE_PARAMETERS},
    credential,
    path::Path,
    query::Parameters,
    resource::{create_one, find, kind, page_of},
};
use crate::write::Mistake;

/// Every nested list: of which kind, in resources of which kind.
pub(super) const NESTED: &[(Kind, Kind)] = &[
    (Kind::Service, Kind::Route),
    (Kind::Service, Kind::Plugin),
    (Kind::Route, Kind::Plugin),
    (Kind::Upstream, Kind::Service),
    (Kind::Upstream, Kind::Target),
    (Kind::Consumer, Kind::Credential),
    (Kind::Consumer, Kind::Plugin),
    (Kind::ConsumerGroup, Kind::Consumer),
    (Kind::ConsumerGroup, Kind::Plugin),
];

/// `GET /v1/{kinds}/{name}/{children}`
pub(super) async fn list(
    State(api): State<Api>,
    Path((kinds, name, children)): Path<(String, String, String)>,
    parameters: Parameters,
    uri: Uri,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::UnknownPath(uri.path().to_owned());
    let parent = Key::new(kind(&kinds)?, name);
    let child = kind(&children).map_err(|_| unknown())?;
    if !NESTED.contains(&(parent.kind, child)) {
        return Err(unknown());
    }
    parameters.allow(&["limit", "after", "label"])?;
    let (page, selector) = (parameters.page()?, parameters.selector()?);
    let state = api.catalog.fresh().await?;
    find(&state, &parent)?;
    let registry = api.checker.registry();
    let wanted = |resource: &Resource| {
        belongs(resource, &parent, registry) && selector.selects(resource.labels())
    };
    Ok(page_of(&api, &state, child, &page, wanted).await)
}

/// `POST /v1/consumers/{name}/credentials`: a credential with a key that is made here, unless one is given.
pub(super) async fn create(
    State(api): State<Api>,
    Path((kinds, name, children)): Path<(String, String, String)>,
    (parameters, manner, uri): (Parameters, Manner, Uri),
    Document(mut json): Document,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::UnknownPath(uri.path().to_owned());
    let parent = Key::new(kind(&kinds)?, name);
    let child = kind(&children).map_err(|_| unknown())?;
    if (parent.kind, child) != (Kind::Consumer, Kind::Credential) {
        return Err(ApiError::MethodNotAllowed);
    }
    parameters.allow(&WRITE_PARAMETERS)?;
    let state = api.catalog.fresh().await?;
    find(&state, &parent)?;
    if let Some(fields) = json.as_object_mut() {
        let consumer = fields.entry("consumer");
        if *consumer.or_insert_with(|| parent.name.clone().into()) != parent.name {
            let reason = format!(
                "is not `{}`, the name in the path; leave it out",
                parent.name
            );
            let mistake = Mistake::invalid("credential", "consumer", reason);
            return Err(ApiError::Invalid(vec![mistake]));
        }
        if !fields.contains_key("name") {
            fields.insert("name".to_owned(), credential::name(&parent.name)?.into());
        }
    }
    create_one(&api, child, manner, json).await
}

/// Whether a resource points up to this one. An exception or a plugin's settings may name it too, but
/// are not below it.
fn belongs(resource: &Resource, parent: &Key, registry: &Registry) -> bool {
    let aside = |field: &str| field.starts_with("except") || field.starts_with("settings");
    let mut references = references(resource, registry).into_iter();
    references.any(|reference| reference.key == *parent && !aside(&reference.field))
}
