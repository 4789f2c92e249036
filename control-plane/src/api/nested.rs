//! Children of a resource: what points up to it.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
};
use gatewright_engine::reference::references;
use gatewright_proto::Kind;

use super::{Api, error::ApiError, input, page::Paging, revision};

/// Which children a kind has.
const CHILDREN: &[(Kind, Kind)] = &[
    (Kind::Service, Kind::Route),
    (Kind::Upstream, Kind::Service),
    (Kind::Upstream, Kind::Target),
    (Kind::Consumer, Kind::Credential),
    (Kind::ConsumerGroup, Kind::Consumer),
    (Kind::Service, Kind::Plugin),
    (Kind::Route, Kind::Plugin),
    (Kind::Consumer, Kind::Plugin),
    (Kind::ConsumerGroup, Kind::Plugin),
];

pub(super) async fn list(
    State(api): State<Api>,
    Path((kinds, name, children)): Path<(String, String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Response, ApiError> {
    let (parent, child) = (input::key(&kinds, &name)?, input::kind(&children)?);
    if !CHILDREN.contains(&(parent.kind, child)) {
        let message = format!("a {} has no {children}", parent.kind);
        return Err(ApiError::NotFound(message));
    }
    let state = api.catalog.fresh().await?;
    if !state.entries.contains_key(&parent) {
        return Err(ApiError::NotFound(format!("there is no `{parent}`")));
    }
    let registry = api.checker.registry();
    let page = paging.page(&state, child, |entry| {
        let up = references(&entry.held.resource, registry);
        // An exception names a resource too, but is not below it.
        up.iter()
            .any(|it| it.key == parent && !it.field.starts_with("except"))
    })?;
    Ok(([revision(state.head.revision)], page).into_response())
}
