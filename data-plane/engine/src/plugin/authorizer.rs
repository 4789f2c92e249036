//! What plugins have in common that ask somebody whether a request may go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

use super::{Build, CallError, Caller, Flow, InvalidSetting, Question, Server, WantsBody};
use crate::{Code, Decision, Rejection, RequestContext};

mod settings;

pub(super) use settings::{BodySettings, fields, is_framing};

/// Longest body of an answer.
const MAX_BYTES: usize = 64 * 1024;
/// Longest time, in milliseconds.
const MAX_TIMEOUT_MS: u64 = 10_000;
/// What an authorizer is told of a body of which it gets the beginning only.
pub(super) const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// Somebody who is asked of requests, and what holds where there is no answer.
#[derive(Debug)]
pub(super) struct Authorizer {
    name: Arc<str>,
    server: Arc<Server>,
    timeout: Duration,
    /// None where settings are only checked.
    caller: Option<Arc<dyn Caller>>,
    waiting: Arc<AtomicU32>,
    max_waiting: u32,
    fail_open: bool,
    challenge: HeaderValue,
    body: Option<(WantsBody, bool)>,
}

/// The settings that it is made of.
pub(super) struct Terms<'a> {
    pub(super) timeout_ms: u64,
    pub(super) max_concurrent: u32,
    pub(super) fail_open: bool,
    pub(super) challenge: &'a str,
    pub(super) body: Option<&'a BodySettings>,
}

/// A body that is sent along.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) whole: bool,
}

impl Authorizer {
    pub(super) fn new(
        plugin_type: &'static str,
        server: Option<Server>,
        terms: &Terms<'_>,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Option<Self> {
        if !(1..=MAX_TIMEOUT_MS).contains(&terms.timeout_ms) {
            mistakes.push(InvalidSetting::new("timeout_ms", "must be 1 to 10,000"));
        }
        if !(1..=10_000).contains(&terms.max_concurrent) {
            mistakes.push(InvalidSetting::new("max_concurrent", "must be 1 to 10,000"));
        }
        let challenge = HeaderValue::from_str(terms.challenge).ok();
        let challenge = challenge.filter(|it| !it.is_empty());
        if challenge.is_none() {
            let reason = "must be a challenge, as `Bearer realm=\"shop\"`";
            mistakes.push(InvalidSetting::new("challenge", reason));
        }
        let body = terms.body.and_then(|body| body.compile(mistakes));
        Some(Self {
            name: Arc::clone(build.name),
            server: Arc::new(server?),
            timeout: Duration::from_millis(terms.timeout_ms),
            caller: build.clients.caller.clone(),
            waiting: build
                .states
                .keep(plugin_type, build.name, AtomicU32::default),
            max_waiting: terms.max_concurrent,
            fail_open: terms.fail_open,
            challenge: challenge?,
            body,
        })
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What it wants of the body of this request.
    pub(super) fn wants(&self, request: &RequestContext) -> Option<WantsBody> {
        let (wants, _) = self.body.filter(|_| request.has_body)?;
        Some(wants)
    }

    /// Whether bodies are sent as bytes where both forms can be.
    pub(super) fn sends_bytes(&self) -> bool {
        self.body.is_some_and(|(_, as_bytes)| as_bytes)
    }

    /// The answer; none where there is none, in time and within bounds, or where there is nothing to ask.
    pub(super) async fn ask(&self, request: Option<Request<Bytes>>) -> Option<Response<Bytes>> {
        let request = request?;
        let _place = Place::take(&self.waiting, self.max_waiting)?;
        let question = Question {
            plugin: Arc::clone(&self.name),
            server: Arc::clone(&self.server),
            request,
            timeout: self.timeout,
            max_bytes: MAX_BYTES,
        };
        let answer = self.caller.as_ref()?.call(question).await;
        answer.map_err(|_: CallError| ()).ok()
    }

    /// Where there is no answer.
    pub(super) fn unavailable<'f>(&self, request: &mut RequestContext) -> Flow<'f> {
        let code = Code::AuthorizerUnavailable;
        if self.fail_open {
            request.decisions.push(Decision {
                plugin: Arc::clone(&self.name),
                code,
                reason: None,
                shadow: true,
            });
            return Flow::Continue;
        }
        Flow::Reject(Rejection::new(
            code,
            "nobody can tell whether the request is allowed",
        ))
    }

    /// A refusal in the authorizer's own words. One that asks for a credential says for which.
    pub(super) fn denial(
        &self,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Rejection {
        if status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
            headers.insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        }
        let no_store = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, no_store);
        let mut instead = Response::new(body);
        *instead.status_mut() = status;
        *instead.headers_mut() = headers;
        let mut rejection = Rejection::new(code(status), "the authorizer denies it");
        rejection.instead = Some(Box::new(instead));
        rejection
    }

    /// The challenge of a refusal that asks for a credential.
    pub(super) fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }
}

/// The code of a refusal, for log and metrics.
pub(super) fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthorized,
        _ => Code::Forbidden,
    }
}

/// One of the requests that wait.
pub(super) struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    pub(super) fn take(waiting: &'a AtomicU32, most: u32) -> Option<Self> {
        let place = Self(waiting);
        // Counted first, so that the guard gives back what it took either way.
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
