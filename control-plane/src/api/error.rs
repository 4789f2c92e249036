//! Every error of the API is a response: `application/problem+json` with a stable `code`. What only
//! operators may see goes to the log.

use std::any::Any;

use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use gatewright_proto::Key;
use serde_json::json;

use crate::{
    discovery::Lagging,
    store::StoreError,
    write::{Mistake, WriteError},
};

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) enum ApiError {
    /// 400: the body is not what it says it is.
    InvalidBody(&'static str, String),
    /// 400: a parameter of the query or a header.
    InvalidParameter(String),
    /// 401: no token, or a wrong one.
    Unauthorized,
    /// 404: no such path, kind or resource.
    NotFound(String),
    /// 405.
    MethodNotAllowed,
    /// 409: it exists already.
    AlreadyExists(Key),
    /// 409: others refer to it.
    StillReferenced(Vec<Mistake>),
    /// 412: it is at another version.
    Precondition(Key),
    /// 413: over the limit.
    TooLarge,
    /// 415: a content type that is not read.
    MediaType(&'static str),
    /// 422: the configuration would have these mistakes.
    Invalid(Vec<Mistake>),
    /// 500: a defect.
    Internal,
    /// 503: the database, or too many writers.
    Unavailable(&'static str),
    /// 504: committed, and not applied by all nodes in the time given.
    NotApplied(u64, Vec<Lagging>),
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound(key) => Self::NotFound(format!("there is no `{key}`")),
            WriteError::AlreadyExists(key) => Self::AlreadyExists(key),
            WriteError::Precondition(key, _) => Self::Precondition(key),
            WriteError::StillReferenced(mistakes) => Self::StillReferenced(mistakes),
            WriteError::Invalid(mistakes) => Self::Invalid(mistakes),
            WriteError::Busy => Self::Unavailable("other writes took too long; try again"),
            WriteError::Check(error) => {
                tracing::error!(%error, "a check died");
                Self::Internal
            }
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the database failed");
        Self::Unavailable("the database does not answer; try again")
    }
}

impl ApiError {
    // One row an error: a table, whatever its length.
    #[allow(clippy::too_many_lines)]
    fn row(&self) -> (StatusCode, &'static str, String) {
        let row = |status, code, message: &str| (status, code, message.to_owned());
        match self {
            Self::InvalidBody(code, message) => (StatusCode::BAD_REQUEST, code, message.clone()),
            Self::InvalidParameter(message) => (
                StatusCode::BAD_REQUEST,
                "invalid_parameter",
                message.clone(),
            ),
            Self::Unauthorized => row(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "a bearer token is required, as `Authorization: Bearer TOKEN`",
            ),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "not_found", message.clone()),
            Self::MethodNotAllowed => row(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the path does not know this method",
            ),
            Self::AlreadyExists(key) => (
                StatusCode::CONFLICT,
                "already_exists",
                format!("`{key}` exists already"),
            ),
            Self::StillReferenced(_) => row(
                StatusCode::CONFLICT,
                "still_referenced",
                "other resources refer to what is to be deleted",
            ),
            Self::Precondition(key) => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                format!("`{key}` is at another version; read it again"),
            ),
            Self::TooLarge => row(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is over 10 MiB",
            ),
            Self::MediaType(message) => row(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                message,
            ),
            Self::Invalid(mistakes) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                format!("{} mistakes; nothing was changed", mistakes.len()),
            ),
            Self::Internal => row(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "a defect of the control plane; see its log",
            ),
            Self::Unavailable(message) => {
                row(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
            Self::NotApplied(revision, _) => (
                StatusCode::GATEWAY_TIMEOUT,
                "not_applied_in_time",
                format!("revision {revision} is committed, but not applied by all nodes yet"),
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.row();
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": code,
            "message": message,
        });
        match &self {
            Self::Invalid(mistakes) | Self::StillReferenced(mistakes) => {
                problem["errors"] = json!(mistakes);
            }
            Self::NotApplied(revision, lagging) => {
                problem["revision"] = json!(revision);
                problem["nodes"] = json!(lagging);
            }
            _ => {}
        }
        let mut response = (status, problem.to_string()).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::NotApplied(number, _) => {
                let (name, value) = super::revision(number);
                headers.insert(name, value);
            }
            _ => {}
        }
        response
    }
}

pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is nothing at `{}`", uri.path()))
}

pub(super) async fn no_such_method() -> ApiError {
    ApiError::MethodNotAllowed
}

pub(super) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    // The panic's hook has written it to the log.
    ApiError::Internal.into_response()
}
