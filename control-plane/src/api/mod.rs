//! The admin API. Every path is on this page; a file a noun.
//!
//! Reads are answered from the catalog, after it has caught up with the database; writes go through
//! [`crate::write`]. Nothing here decides whether a configuration is good.

mod apply;
mod audit;
mod auth;
mod beat;
mod body;
mod chain;
mod commit;
mod credential;
mod docs;
mod error;
mod explain;
mod export;
mod held;
mod key_set;
mod nested;
mod node;
mod openapi;
mod path;
mod precondition;
mod probe;
mod query;
mod record;
pub(crate) mod registration;
mod resource;
mod revision;
mod rollout;
mod schema;
pub mod serve;
mod strangler;
mod turn;

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use auth::{InvalidTokens, Tokens, shown_token};
pub use error::ApiError;
pub use held::Bodies;
pub use turn::Turns;

use crate::{
    catalog::Catalog,
    check::Checker,
    discovery::Fleet,
    key_sets::KeySets,
    registration::{Limits, Registrations},
    rollout::Rollouts,
    telemetry::Metrics,
    write::Writer,
};

/// The header that tells a revision: that of a write, or the one that an answer shows.
pub const REVISION_HEADER: &str = "gatewright-revision";

/// What all handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    /// What is read.
    pub catalog: Catalog,
    /// What writes.
    pub writer: Arc<Writer>,
    /// What compiles.
    pub checker: Arc<Checker>,
    /// Who has registered.
    pub registrations: Registrations,
    /// What moves requests from one service to another.
    pub rollouts: Rollouts,
    /// Keys that are fetched.
    pub key_sets: KeySets,
    /// Who is connected.
    pub fleet: Fleet,
    /// Who may.
    pub tokens: Arc<Tokens>,
    /// Who may ask now for what is dear.
    pub turns: Turns,
    /// What is held of bodies.
    pub bodies: Bodies,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Api {
    /// An API over a catalog.
    pub fn new(catalog: Catalog, fleet: Fleet, tokens: Tokens) -> Self {
        Self::limited(catalog, fleet, tokens, Limits::default())
    }

    /// One with which this much may register.
    pub fn limited(catalog: Catalog, fleet: Fleet, tokens: Tokens, limits: Limits) -> Self {
        let checker = Arc::new(Checker::default());
        let metrics = Metrics::new();
        metrics.follow(fleet.here().clone());
        let writer = Arc::new(Writer::new(catalog.clone(), Arc::clone(&checker)));
        let registrations = Registrations::new(catalog.clone(), Arc::clone(&writer), limits);
        metrics.add(registrations.counters());
        let rollouts = Rollouts::new(catalog.clone(), Arc::clone(&writer), fleet.clone());
        metrics.add(rollouts.counters());
        let nodes = fleet.here().clone();
        let key_sets = KeySets::new(catalog.clone(), Arc::clone(&writer), nodes);
        metrics.add(key_sets.counters());
        Self {
            writer,
            registrations,
            rollouts,
            key_sets,
            catalog,
            checker,
            fleet,
            tokens: Arc::new(tokens),
            turns: Turns::default(),
            bodies: Bodies::default(),
            metrics: Arc::new(metrics),
        }
    }

    /// Starts what goes on by itself: registrations expire, rollouts go on, keys are fetched.
    pub fn run(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        tasks.spawn(self.registrations.clone().run(shutdown.clone()));
        tasks.spawn(self.rollouts.clone().run(shutdown.clone()));
        tasks.spawn(self.key_sets.clone().run(shutdown.clone()));
    }
}

/// Every path.
pub fn router(api: Api) -> Router {
    let guarded = Router::new()
        .route("/v1/apply", post(apply::apply))
        .route("/v1/export", get(export::export))
        .route("/v1/audit", get(audit::list))
        .route("/v1/explain", post(explain::show))
        .route("/v1/revisions", get(revision::list))
        .route("/v1/revisions/diff", get(revision::diff))
        .route("/v1/revisions/{revision}", get(revision::show))
        .route("/v1/nodes", get(node::list))
        .route("/v1/nodes/{name}", get(node::show))
        .route("/v1/schemas", get(schema::list))
        .route("/v1/schemas/{kind}", get(schema::of_kind))
        .route("/v1/schemas/plugins", get(schema::plugin_types))
        .route("/v1/schemas/plugins/{type}", get(schema::plugin_type))
        .route("/v1/routes/{name}/chain", get(chain::show))
        .route(registration::ALL, get(registration::list))
        .route(
            registration::ONE,
            get(registration::show)
                .put(registration::put)
                .delete(registration::leave),
        )
        .route(registration::BEAT, post(registration::beat))
        .route(registration::BEATS, post(registration::beats))
        .route(key_set::FETCHED, get(key_set::show))
        .route("/v1/routes/{name}/strangler", get(strangler::show))
        .route(rollout::STATUS, get(rollout::show))
        .route(rollout::ACTION, post(rollout::act))
        .route("/v1/{kinds}", get(resource::list).post(resource::create))
        .route(
            "/v1/{kinds}/{name}",
            get(resource::show)
                .put(resource::put)
                .patch(resource::patch)
                .delete(resource::delete),
        )
        .route(
            "/v1/{kinds}/{name}/{children}",
            get(nested::list).post(nested::create),
        )
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(api.clone(), auth::require));
    let open = Router::new()
        .route("/healthz", get(probe::healthz))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(docs::redirect))
        .route("/docs/", get(docs::index))
        .route("/docs/{*file}", get(docs::file))
        .method_not_allowed_fallback(error::method_not_allowed);
    guarded
        .merge(open)
        .layer(from_fn(record::deadline))
        .layer(from_fn_with_state(api.clone(), record::record))
        .with_state(api)
}
