//! Where rollouts stand, and what persons want of them.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    Api, ApiError,
    commit::{Manner, revision_header},
    path::Path,
    query::Parameters,
};
use crate::{
    rollout::Action,
    store::{Audited, Authorship},
};

pub(super) const STATUS: &str = "/v1/rollouts/{name}/status";
pub(super) const ACTION: &str = "/v1/rollouts/{name}/{action}";

/// What came of it, in the audit log. The write that follows has an entry of its own.
const ACCEPTED: &str = "accepted";

/// `GET /v1/rollouts/{name}/status`
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let status = api.rollouts.status(&name).await?;
    let revision = api.catalog.present().head.revision;
    Ok(([revision_header(revision)], Json(status)).into_response())
}

/// `POST /v1/rollouts/{name}/{action}`: `pause`, `resume`, `promote` or `abort`.
pub(super) async fn act(
    State(api): State<Api>,
    Path((name, action)): Path<(String, String)>,
    (parameters, manner): (Parameters, Manner),
) -> Result<Response, ApiError> {
    parameters.allow(&["wait"])?;
    let Some(action) = Action::parse(&action) else {
        return Err(ApiError::UnknownPath(format!(
            "/v1/rollouts/{name}/{action}"
        )));
    };
    let (by, wait) = manner.into_parts();
    let asked = api
        .rollouts
        .ask(&name, action, &by)
        .await
        .map_err(ApiError::from);
    audit(&api, &name, by, &asked).await;
    let status = asked?;
    let revision = api.catalog.fresh().await?.head.revision;
    if let Some(patience) = wait {
        let applied = api.fleet.wait_applied(revision, patience).await;
        applied.map_err(|not| ApiError::NotApplied(revision, not.lagging))?;
    }
    let code = match status["wish"].is_null() {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok((code, [revision_header(revision)], Json(status)).into_response())
}

async fn audit(api: &Api, name: &str, by: Authorship, asked: &Result<serde_json::Value, ApiError>) {
    let outcome = asked
        .as_ref()
        .map_or_else(|error| error.kind().1, |_| ACCEPTED);
    let entry = Audited {
        by,
        outcome: outcome.to_owned(),
        resources: vec![format!("rollout/{name}")],
        ..Audited::default()
    };
    if let Err(error) = api.catalog.store.audit(entry).await {
        tracing::warn!(%error, rollout = name, outcome, "what was asked of a rollout is not in the audit log");
    }
}
