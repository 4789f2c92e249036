//! Request bodies: JSON or YAML, of bounded size, read in bounded time.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_TYPE},
};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde_json::Value;
use tokio::time::timeout;

use super::ApiError;

/// Largest body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// Time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that holds one document.
#[derive(Debug)]
pub(super) struct Document(pub Value);

/// A body that holds a JSON merge patch (RFC 7396).
#[derive(Debug)]
pub(super) struct MergePatch(pub Value);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let format = match content_type(request.headers()) {
            "" | "application/json" => Format::Json,
            "application/yaml" | "application/x-yaml" | "text/yaml" => Format::Yaml,
            _ => {
                let types = "`application/json` or `application/yaml`";
                return Err(ApiError::UnsupportedContentType(types));
            }
        };
        let body = read(request.into_body()).await?;
        format.parse(&body).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for MergePatch {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        match content_type(request.headers()) {
            "" | "application/json" | "application/merge-patch+json" => {}
            _ => {
                let types = "`application/merge-patch+json`";
                return Err(ApiError::UnsupportedContentType(types));
            }
        }
        let body = read(request.into_body()).await?;
        Format::Json.parse(&body).map(Self)
    }
}

enum Format {
    Json,
    Yaml,
}

impl Format {
    fn parse(&self, body: &[u8]) -> Result<Value, ApiError> {
        match self {
            Self::Json => serde_json::from_slice(body)
                .map_err(|error| ApiError::InvalidJson(format!("the body is not JSON: {error}"))),
            Self::Yaml => {
                // `y` and `on` are names like others, as in YAML 1.2.
                let options = serde_saphyr::options! { strict_booleans: true };
                let read = serde_saphyr::from_slice_with_options(body, options);
                read.map_err(|error| {
                    let error = error.without_snippet();
                    ApiError::InvalidYaml(format!("the body is not YAML: {error}"))
                })
            }
        }
    }
}

/// The media type, without parameters; empty where it is not told.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str());
    let value = value.map_or("", |value| value.unwrap_or("?"));
    value.split(';').next().unwrap_or_default().trim()
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let read = timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await;
    read.map_err(|_| ApiError::BodyTimeout)?.map_err(|error| {
        let error = error.into_inner();
        if error.is::<LengthLimitError>() {
            ApiError::BodyTooLarge(MAX_BODY_BYTES)
        } else {
            tracing::debug!(%error, "a body broke off");
            ApiError::BodyTimeout
        }
    })
}
