//! What handlers take: kinds and names in paths, bodies, conditions, who writes.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use gatewright_proto::{Key, Kind, Version, json::parse_milliseconds};
use serde::Deserialize;
use serde_json::Value;

use super::{Api, auth::Caller, error::ApiError};
use crate::{
    store::Authorship,
    write::{Mistake, Mode, Precondition, Tags, Write, Written},
};

/// Longest `wait`.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Longest comment, in bytes.
const MAX_COMMENT_BYTES: usize = 1024;

/// The kind that a path names by its plural.
pub(super) fn kind(plural: &str) -> Result<Kind, ApiError> {
    let known = Kind::ALL.iter().find(|kind| kind.plural() == plural);
    known
        .copied()
        .ok_or_else(|| ApiError::NotFound(format!("`{plural}` is not a kind of resource")))
}

/// The resource that a path names.
pub(super) fn key(plural: &str, name: &str) -> Result<Key, ApiError> {
    Ok(Key::new(kind(plural)?, name))
}

/// A body in JSON, or in YAML where it says so.
pub(super) struct Document(pub(super) Value);

impl FromRequest<Api> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let yaml = match content_type.as_str() {
            "application/json" | "application/merge-patch+json" | "" => false,
            "application/yaml" | "application/x-yaml" | "text/yaml" => true,
            // What curl sends with --data, when nothing else is said.
            "application/x-www-form-urlencoded" => false,
            _ => {
                return Err(ApiError::MediaType(
                    "send `application/json` or `application/yaml`",
                ));
            }
        };
        let body = Bytes::from_request(request, api)
            .await
            .map_err(|_| ApiError::TooLarge)?;
        let read = if yaml {
            let text = std::str::from_utf8(&body);
            let text =
                text.map_err(|error| ApiError::InvalidBody("invalid_yaml", error.to_string()))?;
            // `y` and `on` are names like others, as in YAML 1.2.
            let options = serde_saphyr::options! { strict_booleans: true };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|error| ApiError::InvalidBody("invalid_yaml", error.to_string()))
        } else {
            serde_json::from_slice(&body)
                .map_err(|error| ApiError::InvalidBody("invalid_json", error.to_string()))
        };
        read.map(Self)
    }
}

/// How a write is to be carried out, from query and headers.
#[derive(Debug)]
pub(super) struct Manner {
    mode: Mode,
    wait: Option<Duration>,
    by: Authorship,
    pub(super) precondition: Precondition,
}

#[derive(Debug, Deserialize)]
struct Asked {
    dry_run: Option<bool>,
    wait: Option<String>,
}

impl FromRequestParts<Api> for Manner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri);
        let Query(asked) = asked.map_err(|error| ApiError::InvalidParameter(error.body_text()))?;
        let wait = asked.wait.as_deref().map(wait).transpose()?;
        let author = parts
            .extensions
            .get::<Caller>()
            .map_or_else(String::new, |it| it.0.clone());
        let comment = parts.headers.get("gatewright-comment");
        let comment = comment
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if comment.len() > MAX_COMMENT_BYTES {
            let message = format!("`Gatewright-Comment` is over {MAX_COMMENT_BYTES} bytes");
            return Err(ApiError::InvalidParameter(message));
        }
        Ok(Self {
            mode: if asked.dry_run == Some(true) {
                Mode::DryRun
            } else {
                Mode::Commit
            },
            wait,
            by: Authorship {
                author,
                comment: comment.to_owned(),
            },
            precondition: precondition(&parts.headers)?,
        })
    }
}

impl Manner {
    /// A write in this manner.
    pub(super) fn write(&self, mistakes: Vec<Mistake>) -> Write {
        Write {
            mode: self.mode,
            by: self.by.clone(),
            mistakes,
            ..Write::default()
        }
    }

    /// Waits for the nodes, where that was asked for.
    pub(super) async fn settle(&self, api: &Api, written: &Written) -> Result<(), ApiError> {
        let Some(patience) = self.wait.filter(|_| self.mode == Mode::Commit) else {
            return Ok(());
        };
        let applied = api.nodes.wait_applied(written.revision, patience).await;
        applied.map_err(|lagging| ApiError::NotApplied(written.revision, lagging))
    }
}

fn wait(text: &str) -> Result<Duration, ApiError> {
    let wait = parse_milliseconds(text).map(Duration::from_millis);
    wait.filter(|wait| *wait <= MAX_WAIT).ok_or_else(|| {
        ApiError::InvalidParameter(format!(
            "`wait={text}` is not a time up to 60s, such as `5s`"
        ))
    })
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    Ok(Precondition {
        matches: tags(headers, &header::IF_MATCH)?,
        differs: tags(headers, &header::IF_NONE_MATCH)?,
    })
}

fn tags(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<Tags>, ApiError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(Tags::Any));
    }
    let tag = |part: &str| {
        let part = part.trim();
        let part = part.strip_prefix("W/").unwrap_or(part);
        let bare = part
            .strip_prefix('"')
            .and_then(|part| part.strip_suffix('"'));
        // A tag that is not one of ours matches nothing.
        bare.map(Version::from_hex)
    };
    let tags: Option<Vec<Option<Version>>> = text.split(',').map(tag).collect();
    let tags = tags.ok_or_else(|| {
        ApiError::InvalidParameter(format!("`{name}: {text}` is not a list of entity tags"))
    })?;
    Ok(Some(Tags::Listed(tags.into_iter().flatten().collect())))
}
