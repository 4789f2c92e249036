//! The admin API: every path on one page.

mod apply;
mod auth;
mod chain;
mod error;
mod export;
mod health;
mod input;
mod nested;
mod node;
mod openapi;
mod page;
mod resource;
mod revision;
mod schema;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue},
    middleware,
    routing::{get, post},
};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

use crate::{catalog::Catalog, check::Checker, discovery::Nodes, write::Writer};
pub use auth::{InvalidToken, Tokens};

/// Largest request body, in bytes.
const MAX_BODY_BYTES: usize = 10 << 20;
/// Longest a request may take; above what `wait` may be.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// The revision that an answer speaks of.
const REVISION: HeaderName = HeaderName::from_static("gatewright-revision");

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    /// The configuration.
    pub catalog: Catalog,
    /// The way it changes.
    pub writer: Arc<Writer>,
    /// What the engine says of it.
    pub checker: Arc<Checker>,
    /// Who follows it.
    pub nodes: Nodes,
    /// Who may call.
    pub tokens: Arc<Tokens>,
}

/// All paths.
pub fn router(api: Api) -> Router {
    let protected = Router::new()
        .route("/v1/apply", post(apply::apply))
        .route("/v1/export", get(export::export))
        .route("/v1/revisions", get(revision::list))
        .route("/v1/revisions/diff", get(revision::diff))
        .route("/v1/revisions/{revision}", get(revision::show))
        .route("/v1/nodes", get(node::list))
        .route("/v1/schemas", get(schema::list))
        .route("/v1/schemas/{kind}", get(schema::of_kind))
        .route("/v1/schemas/plugins/{type}", get(schema::of_plugin))
        .route("/v1/plugins/types", get(schema::plugin_types))
        .route("/v1/routes/{name}/chain", get(chain::of_route))
        .route("/v1/{kinds}", get(resource::list).post(resource::create))
        .route(
            "/v1/{kinds}/{name}",
            get(resource::get)
                .put(resource::put)
                .patch(resource::patch)
                .delete(resource::delete),
        )
        .route("/v1/{kinds}/{name}/{children}", get(nested::list))
        .layer(middleware::from_fn_with_state(api.clone(), auth::require));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(openapi::router())
        .merge(protected)
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(
            http::StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::custom(error::panicked))
        .with_state(api)
}

fn revision(number: u64) -> (HeaderName, HeaderValue) {
    (REVISION, HeaderValue::from(number))
}
