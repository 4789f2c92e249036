//! Every answer of the admin API that is not what was asked for, as `application/problem+json`.
//!
//! A client gets a stable code and a message that is safe to show; causes stay in the log, which is
//! written here, once.

use std::error::Error;

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode, Uri,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use gatewright_proto::{Key, Version};
use serde_json::{Value, json};

use crate::{
    discovery::Lagging,
    registration::Refusal,
    rollout,
    store::StoreError,
    write::{Mistake, WriteError},
};

use super::REVISION_HEADER;

/// Media type of a problem (RFC 9457).
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Every answer of the admin API that is not what was asked for.
#[derive(Debug)]
pub enum ApiError {
    /// 400 `invalid_json`: the body is not JSON; where.
    InvalidJson(String),
    /// 400 `invalid_yaml`: the body is not YAML; where.
    InvalidYaml(String),
    /// 400 `invalid_query`: a parameter in the query is unknown or not usable.
    InvalidQuery(String),
    /// 400 `invalid_header`: a header field is not usable.
    InvalidHeader(String),
    /// 400 `invalid_request`: the description of a request is not one.
    InvalidRequest(String),
    /// 401 `unauthorized`: no accepted token.
    Unauthorized,
    /// 403 `forbidden`: the token may not do this.
    Forbidden,
    /// 404 `unknown_path`: the API has no such path.
    UnknownPath(String),
    /// 404 `not_found`: there is no such resource, node, revision or plugin type.
    NotFound(String),
    /// 405 `method_not_allowed`: not on this path.
    MethodNotAllowed,
    /// 408 `body_timeout`: the body took too long to arrive.
    BodyTimeout,
    /// 409 `already_exists`: there is one of this name.
    AlreadyExists(Key),
    /// 409 `still_referenced`: these resources refer to what was to be deleted.
    StillReferenced(Vec<Mistake>),
    /// 409 `not_now`: a rollout is in no phase for that.
    NotNow(String),
    /// 409 `registrations_full`: there is no room for the registration; what is full.
    RegistrationsFull(String),
    /// 410 `history_trimmed`: the history does not reach back that far.
    Trimmed(u64),
    /// 412 `precondition_failed`: the resource is at this version, or does not exist.
    PreconditionFailed(Key, Option<Version>),
    /// 413 `body_too_large`: more bytes than this.
    BodyTooLarge(usize),
    /// 415 `unsupported_content_type`: the body is not declared as one of these.
    UnsupportedContentType(&'static str),
    /// 422 `invalid`: the configuration would have these mistakes.
    Invalid(Vec<Mistake>),
    /// 429 `busy`: too many ask for this at a time; what of.
    TooMany(&'static str),
    /// 500 `internal`: a defect; the log says more.
    Internal,
    /// 503 `busy`: other writes took too long.
    Busy,
    /// 503 `store_unavailable`: the database does not answer.
    StoreUnavailable,
    /// 503 `timed_out`: the answer took too long.
    TimedOut,
    /// 504 `not_applied_in_time`: the revision is committed, and these nodes have yet to apply it.
    NotApplied(u64, Vec<Lagging>),
}

/// The code of an answer, for metrics and log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub &'static str);

impl ApiError {
    /// Status and stable code.
    pub(super) const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidJson(_) => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidYaml(_) => (StatusCode::BAD_REQUEST, "invalid_yaml"),
            Self::InvalidQuery(_) => (StatusCode::BAD_REQUEST, "invalid_query"),
            Self::InvalidHeader(_) => (StatusCode::BAD_REQUEST, "invalid_header"),
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown_path"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::AlreadyExists(_) => (StatusCode::CONFLICT, "already_exists"),
            Self::StillReferenced(_) => (StatusCode::CONFLICT, "still_referenced"),
            Self::NotNow(_) => (StatusCode::CONFLICT, "not_now"),
            Self::RegistrationsFull(_) => (StatusCode::CONFLICT, "registrations_full"),
            Self::Trimmed(_) => (StatusCode::GONE, "history_trimmed"),
            Self::PreconditionFailed(..) => {
                (StatusCode::PRECONDITION_FAILED, "precondition_failed")
            }
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedContentType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_type",
            ),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed_out"),
            Self::NotApplied(..) => (StatusCode::GATEWAY_TIMEOUT, "not_applied_in_time"),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::InvalidJson(message)
            | Self::InvalidYaml(message)
            | Self::InvalidQuery(message)
            | Self::InvalidHeader(message)
            | Self::InvalidRequest(message)
            | Self::NotNow(message)
            | Self::RegistrationsFull(message) => message.clone(),
            Self::Unauthorized => {
                "no token that is accepted here; send `Authorization: Bearer TOKEN`".into()
            }
            Self::Forbidden => "this token may only register targets of its upstream".into(),
            Self::UnknownPath(path) => {
                format!("there is nothing at `{path}`; `/openapi.json` lists what there is")
            }
            Self::NotFound(what) => format!("there is no {what}"),
            Self::MethodNotAllowed => "this path does not take this method".into(),
            Self::BodyTimeout => "the body took too long to arrive".into(),
            Self::AlreadyExists(key) => format!("`{key}` exists already; replace it with PUT"),
            Self::StillReferenced(referrers) => still_referenced(referrers),
            Self::Trimmed(revision) => {
                format!("the history no longer reaches back to revision {revision}")
            }
            Self::PreconditionFailed(key, Some(version)) => {
                format!("`{key}` is at version \"{version}\"; read it again and repeat the change")
            }
            Self::PreconditionFailed(key, None) => format!("`{key}` does not exist"),
            Self::BodyTooLarge(most) => format!("the body may have at most {most} bytes"),
            Self::UnsupportedContentType(types) => format!("send the body as {types}"),
            Self::Invalid(mistakes) => invalid(mistakes),
            Self::TooMany(what) => format!("{what}; try again"),
            Self::Internal => {
                "something is wrong here; the log of the control plane says more".into()
            }
            Self::Busy => "other writes are taking too long; nothing was changed".into(),
            Self::StoreUnavailable => "the database does not answer".into(),
            Self::TimedOut => "the answer took too long".into(),
            Self::NotApplied(revision, lagging) => not_applied(*revision, lagging),
        }
    }

    /// The body.
    pub(super) fn problem(&self) -> Value {
        let (status, code) = self.kind();
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": code,
            "message": self.message(),
            "errors": self.mistakes(),
        });
        if let Self::NotApplied(revision, lagging) = self {
            problem["revision"] = (*revision).into();
            problem["nodes"] = serde_json::to_value(lagging).unwrap_or(Value::Null);
        }
        problem
    }

    fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::StillReferenced(mistakes) | Self::Invalid(mistakes) => mistakes,
            _ => &[],
        }
    }
}

fn still_referenced(referrers: &[Mistake]) -> String {
    let names = referrers.iter().map(|it| format!("`{}`", it.resource));
    let names: Vec<String> = names.collect();
    format!(
        "what is to be deleted is still referred to by {}; change or delete these first, or all in one `apply`",
        names.join(", ")
    )
}

fn invalid(mistakes: &[Mistake]) -> String {
    match mistakes {
        [one] if one.resource.is_empty() => one.reason.clone(),
        [one] if one.field.is_empty() => format!("`{}`: {}", one.resource, one.reason),
        [one] => format!("`{}`: {}: {}", one.resource, one.field, one.reason),
        _ => format!("there are {} mistakes; nothing was changed", mistakes.len()),
    }
}

fn not_applied(revision: u64, lagging: &[Lagging]) -> String {
    let names = lagging.iter().map(|node| format!("`{}`", node.node_id));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return format!(
            "revision {revision} is committed, but the database did not tell in time whether all nodes have applied it"
        );
    }
    format!(
        "revision {revision} is committed, but was not applied in time by {}",
        names.join(", ")
    )
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        let mut response = (status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match self {
            Self::Unauthorized => {
                let challenge = HeaderValue::from_static("Bearer realm=\"gatewright\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::TooMany(_) | Self::Busy | Self::StoreUnavailable | Self::TimedOut => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::NotApplied(revision, _) => {
                headers.insert(REVISION_HEADER, revision.into());
            }
            _ => {}
        }
        response.extensions_mut().insert(Code(code));
        response
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound(key) => Self::NotFound(format!("`{key}`")),
            WriteError::AlreadyExists(key) => Self::AlreadyExists(key),
            WriteError::Precondition(key, version) => Self::PreconditionFailed(key, version),
            WriteError::StillReferenced(referrers) => Self::StillReferenced(referrers),
            WriteError::Invalid(mistakes) => Self::Invalid(mistakes),
            WriteError::Crowded => Self::TooMany("too many dry runs at a time"),
            WriteError::Busy => Self::Busy,
            WriteError::Check(error) => {
                tracing::error!(%error, "checking a change failed");
                Self::Internal
            }
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(mistakes) => Self::Invalid(mistakes),
            Refusal::Full(full) => Self::RegistrationsFull(full.to_string()),
            Refusal::Crowded => Self::TooMany("too many registrations wait to be carried out"),
            Refusal::Busy => Self::Busy,
            Refusal::Unavailable => Self::StoreUnavailable,
            Refusal::Internal => Self::Internal,
        }
    }
}

impl From<rollout::Refusal> for ApiError {
    fn from(refusal: rollout::Refusal) -> Self {
        match refusal {
            rollout::Refusal::NotFound(name) => Self::NotFound(format!("`rollout/{name}`")),
            rollout::Refusal::Changed(_) => Self::Busy,
            rollout::Refusal::Store(error) => error.into(),
            rollout::Refusal::Disabled(_) | rollout::Refusal::Phase(..) => {
                Self::NotNow(refusal.to_string())
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = error.source().map(ToString::to_string);
        tracing::error!(%error, cause, "the store failed a request");
        match error {
            StoreError::Database(_) => Self::StoreUnavailable,
            _ => Self::Internal,
        }
    }
}

pub(super) async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::UnknownPath(uri.path().to_owned())
}

pub(super) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
