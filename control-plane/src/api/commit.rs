//! What all writes share: who and what for, and waiting until the nodes have applied it.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, request::Parts},
};

use super::{
    Api, ApiError, REVISION_HEADER,
    audit::Trail,
    auth::Author,
    query::Parameters,
    record::{RequestId, shown},
    serve::Origin,
};
use crate::{
    store::Authorship,
    write::{Mode, Operation, Write, Written},
};

/// The header that says what a write is for.
const COMMENT_HEADER: &str = "gatewright-comment";

/// Longest comment, in bytes.
const MAX_COMMENT_BYTES: usize = 1024;

/// How a write is carried out: who writes and what for, whether it is only tried, and how long to wait
/// for the nodes.
#[derive(Debug)]
pub(super) struct Manner {
    by: Authorship,
    mode: Mode,
    wait: Option<Duration>,
}

/// Parameters that every write takes.
pub(super) const WRITE_PARAMETERS: [&str; 2] = ["dry_run", "wait"];

impl<S: Send + Sync> FromRequestParts<S> for Manner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = Parameters::from_request_parts(parts, state).await?;
        let author = parts.extensions.get::<Author>();
        let author = author.ok_or(ApiError::Unauthorized)?.0.to_string();
        let address = parts.extensions.get::<Origin>().and_then(|it| it.0);
        let request_id = parts.extensions.get::<RequestId>();
        Ok(Self {
            by: Authorship {
                author,
                comment: comment(&parts.headers)?,
                action: format!("{} {}", parts.method, shown(parts.uri.path())),
                address: address.map_or_else(String::new, |it| it.to_string()),
                request_id: request_id.map_or_else(String::new, |it| it.0.clone()),
            },
            mode: match parameters.switch("dry_run")? {
                true => Mode::DryRun,
                false => Mode::Commit,
            },
            wait: parameters.wait()?,
        })
    }
}

impl Manner {
    /// The name of the token that it came with.
    pub(super) fn author(&self) -> &str {
        &self.by.author
    }

    /// Who writes, and how long to wait for the nodes.
    pub(super) fn into_parts(self) -> (Authorship, Option<Duration>) {
        (self.by, self.wait)
    }

    /// Whether it is only tried.
    pub(super) fn is_dry_run(&self) -> bool {
        self.mode == Mode::DryRun
    }

    /// Carries out a change, and waits where the client wants it.
    pub(super) async fn carry_out(self, api: &Api, write: Write) -> Result<Written, ApiError> {
        let write = Write {
            mode: self.mode,
            by: self.by,
            ..write
        };
        if self.mode == Mode::DryRun {
            return Ok(api.writer.write(write).await?);
        }
        let trail = Trail::of(&write);
        let written = api.writer.write(write).await.map_err(ApiError::from);
        trail.record(api, &written).await;
        let written = written?;
        if let Some(patience) = self.wait {
            let applied = api.fleet.wait_applied(written.revision, patience).await;
            applied.map_err(|not| ApiError::NotApplied(written.revision, not.lagging))?;
        }
        Ok(written)
    }

    /// Carries out a change of one resource.
    pub(super) async fn one(self, api: &Api, operation: Operation) -> Result<Written, ApiError> {
        let write = Write {
            operations: vec![operation],
            ..Write::default()
        };
        self.carry_out(api, write).await
    }
}

fn comment(headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(value) = headers.get(COMMENT_HEADER) else {
        return Ok(String::new());
    };
    match str::from_utf8(value.as_bytes()) {
        Ok(comment) if comment.len() <= MAX_COMMENT_BYTES => Ok(comment.to_owned()),
        _ => Err(ApiError::InvalidHeader(format!(
            "`Gatewright-Comment` is UTF-8 of at most {MAX_COMMENT_BYTES} bytes"
        ))),
    }
}

/// The header that tells a revision.
pub(super) fn revision_header(revision: u64) -> (&'static str, HeaderValue) {
    (REVISION_HEADER, revision.into())
}
