//! Around every request: its id, one access line, its counters, a deadline, and that a panic fails it
//! alone.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Api, ApiError, auth::Author, error::Code};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken over from a client, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Longest path that is written down, in characters.
const MAX_SHOWN_PATH: usize = 512;

/// Longest time for an answer: that of a body, of the lock, and of the longest wait for nodes.
const DEADLINE: Duration = Duration::from_secs(120);

/// The request's id, for its handler.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Marks an answer of which there are too many for the log: signs of life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet;

/// Gives a request an id and writes down what came of it.
pub(super) async fn record(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let id = request_id(request.headers());
    let text = id.to_str().unwrap_or_default().to_owned();
    request.extensions_mut().insert(RequestId(text));
    let method = request.method().clone();
    let path = shown(request.uri().path()).to_owned();
    let template = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::Internal.into_response(),
    };
    let template = template.as_ref().map_or("unmatched", MatchedPath::as_str);
    let (status, duration) = (response.status(), begin.elapsed());
    let code = response
        .extensions()
        .get::<Code>()
        .map_or("", |code| code.0);
    api.metrics
        .count(method.as_str(), template, status.as_u16(), duration);
    api.metrics.count_problem(code);
    let author = response.extensions().get::<Author>();
    let line = Line {
        method: method.as_str(),
        path: &path,
        status: status.as_u16(),
        code,
        author: author.map_or("", |author| &*author.0),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        request_id: id.to_str().unwrap_or_default(),
    };
    match response.extensions().get::<Quiet>() {
        Some(_) => tracing::debug!(?line, "admin request"),
        None => line.write(),
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// What is logged of a request.
#[derive(Debug)]
struct Line<'a> {
    method: &'a str,
    path: &'a str,
    status: u16,
    code: &'a str,
    author: &'a str,
    duration_ms: u64,
    request_id: &'a str,
}

impl Line<'_> {
    fn write(&self) {
        tracing::info!(
            method = self.method,
            path = self.path,
            status = self.status,
            code = self.code,
            author = self.author,
            duration_ms = self.duration_ms,
            request_id = self.request_id,
            "admin request"
        );
    }
}

/// The client's id where it is usable, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let usable = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    match headers.get(REQUEST_ID).filter(usable) {
        Some(id) => id.clone(),
        None => HeaderValue::try_from(Uuid::now_v7().to_string())
            .expect("digits and hyphens are a header value"),
    }
}

/// A path, as far as it is written down: who has no token sends whatever it likes.
pub(super) fn shown(path: &str) -> &str {
    let end = path.char_indices().nth(MAX_SHOWN_PATH);
    end.map_or(path, |(end, _)| &path[..end])
}

/// Ends a request that takes too long.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    let answer = timeout(DEADLINE, next.run(request)).await;
    answer.unwrap_or_else(|_| ApiError::TimedOut.into_response())
}
