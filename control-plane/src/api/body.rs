//! Request bodies: JSON or YAML, of bounded size, read in bounded time.

mod value;

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_TYPE},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeSeed as _;
use serde_json::Value;
use tokio::time::timeout;

use super::{ApiError, held::Hold};
use value::{Memory, Read};

/// Largest body, in bytes, where nothing else is said.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// Time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that holds one document, of at most so many bytes.
#[derive(Debug)]
pub(super) struct Document<const MOST: usize = MAX_BODY_BYTES>(pub Value);

/// A body that holds a JSON merge patch (RFC 7396).
#[derive(Debug)]
pub(super) struct MergePatch(pub Value);

impl<S: Send + Sync, const MOST: usize> FromRequest<S> for Document<MOST> {
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
        let body = read(request, MOST).await?;
        format.parse(&body, MOST).map(Self)
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
        let body = read(request, MAX_BODY_BYTES).await?;
        Format::Json.parse(&body, MAX_BODY_BYTES).map(Self)
    }
}

enum Format {
    Json,
    Yaml,
}

impl Format {
    /// Reads a body that may have had so many bytes.
    fn parse(&self, body: &[u8], most: usize) -> Result<Value, ApiError> {
        let memory = Memory::of_body(most);
        let read = Read(&memory);
        match self {
            Self::Json => {
                let mut reader = serde_json::Deserializer::from_slice(body);
                let json = read.deserialize(&mut reader);
                let json = json.and_then(|json| reader.end().map(|()| json));
                json.map_err(|error| {
                    ApiError::InvalidJson(format!("the body cannot be read as JSON: {error}"))
                })
            }
            Self::Yaml => {
                // `y` and `on` are names like others, as in YAML 1.2.
                let options = serde_saphyr::options! { strict_booleans: true };
                let yaml =
                    serde_saphyr::with_deserializer_from_slice_with_options(body, options, |it| {
                        read.deserialize(it)
                    });
                yaml.map_err(|error| {
                    let error = error.without_snippet();
                    ApiError::InvalidYaml(format!("the body cannot be read as YAML: {error}"))
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

/// All of a body, in time, while there is room for it.
async fn read(request: Request, most: usize) -> Result<Bytes, ApiError> {
    let (head, body) = request.into_parts();
    let hold = head.extensions.get::<Hold>();
    let reading = timeout(BODY_TIMEOUT, collect(body, most, hold)).await;
    reading.unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect(mut body: Body, most: usize, hold: Option<&Hold>) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            ApiError::BodyTimeout
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > most - whole.len() {
            return Err(ApiError::BodyTooLarge(most));
        }
        hold.map_or(Ok(()), |hold| hold.take(data.len()))?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
