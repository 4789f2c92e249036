//! `ext-authz`: asks an authorizer over HTTP whether a request may go on.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};

use self::settings::{Compiled, Settings};
use super::{Build, CallError, Caller, Configure, Flow, InvalidSetting, Plugin, Question};
use crate::{Code, Decision, Rejection, RequestContext, reference::Reference};

mod settings;
#[cfg(test)]
mod tests;

/// Longest body of an answer.
const MAX_BYTES: usize = 64 * 1024;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct ExtAuthz {
    name: Arc<str>,
    settings: Compiled,
    fail_open: bool,
    /// None where settings are only checked.
    caller: Option<Arc<dyn Caller>>,
    waiting: Arc<AtomicU32>,
    max_waiting: u32,
}

impl Configure for ExtAuthz {
    const NAME: &'static str = "ext-authz";
    const SUMMARY: &'static str = "Asks an authorizer over HTTP whether a request may go on.";
    const DOCS: &'static str = "\
The authorizer gets a request without body: the method of the client's request, its host, its path and query after
the path of `url`, `X-Forwarded-For`, `X-Forwarded-Proto`, and the fields in `allowed_headers`.

A status of 200 to 299 allows: the fields in `upstream_headers` go to the upstream, and copies of them that the
client sent are removed even where the authorizer sent none. A status of 300 to 499 denies: the client gets it,
with the authorizer's body (up to 64 KiB) and the fields in `client_headers`. The code in logs and metrics is
`unauthorized` for 401, otherwise `forbidden`.

Anything else is no answer: another status, no connection, longer than `timeout_ms`, more than `max_concurrent`
at a time, a body that is too large. Requests are refused then with 503, code `authorizer_unavailable`. With
`fail_open: true` they pass instead, without the fields in `upstream_headers`, and the code is recorded as in
shadow mode.

It runs after the plugins that find out who calls. Answers are not remembered: each request asks.";
    const EXAMPLE: &'static str = "\
url: http://authorizer.internal:9191/check
timeout_ms: 200
allowed_headers: [authorization, cookie]
upstream_headers: [x-user-id]";
    const ORDER: i32 = 2200;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        Ok(Self {
            name: Arc::clone(build.name),
            settings: Compiled::of(&settings, build)?,
            fail_open: settings.fail_open,
            caller: build.clients.caller.clone(),
            waiting: build
                .states
                .keep(Self::NAME, build.name, AtomicU32::default),
            max_waiting: settings.max_concurrent,
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let ca = settings.ca.as_ref();
        ca.and_then(|ca| ca.reference("ca")).into_iter().collect()
    }
}

impl Plugin for ExtAuthz {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let question = self.question(request);
        for name in &self.settings.upstream_headers {
            request.headers.remove(name);
        }
        Flow::Wait(Box::pin(async move {
            match self.ask(question).await {
                Some(answer) if answer.status().is_success() => {
                    for name in &self.settings.upstream_headers {
                        for value in answer.headers().get_all(name) {
                            request.headers.append(name.clone(), value.clone());
                        }
                    }
                    Flow::Continue
                }
                Some(answer) if denies(answer.status()) => Flow::Reject(self.denial(answer)),
                _ => self.unavailable(request),
            }
        }))
    }
}

impl ExtAuthz {
    /// None where the request's own parts do not make a valid one.
    fn question(&self, request: &RequestContext) -> Option<Question> {
        let path = &self.settings.prefix;
        let target = match &request.query {
            Some(query) => format!("{path}{}?{query}", request.path),
            None => format!("{path}{}", request.path),
        };
        let mut asked = Request::new(Bytes::new());
        *asked.uri_mut() = Uri::try_from(target).ok()?;
        // A tunnel is asked about like what it begins with in HTTP/1.1.
        *asked.method_mut() = match request.method {
            Method::CONNECT => Method::GET,
            ref method => method.clone(),
        };
        let headers = asked.headers_mut();
        for name in &self.settings.allowed_headers {
            for value in request.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let address = request.client.address.to_canonical().to_string();
        headers.insert(header::HOST, HeaderValue::from_str(&request.host).ok()?);
        headers.insert(FORWARDED_FOR, HeaderValue::try_from(address).ok()?);
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(request.scheme()));
        Some(Question {
            plugin: Arc::clone(&self.name),
            server: Arc::clone(&self.settings.server),
            request: asked,
            timeout: self.settings.timeout,
            max_bytes: MAX_BYTES,
        })
    }

    async fn ask(&self, question: Option<Question>) -> Option<Response<Bytes>> {
        let _place = Place::take(&self.waiting, self.max_waiting)?;
        let answer = self.caller.as_ref()?.call(question?).await;
        answer.map_err(|_: CallError| ()).ok()
    }

    fn denial(&self, answer: Response<Bytes>) -> Rejection {
        let code = match answer.status() {
            StatusCode::UNAUTHORIZED => Code::Unauthorized,
            _ => Code::Forbidden,
        };
        let (parts, body) = answer.into_parts();
        let mut instead = Response::new(body);
        *instead.status_mut() = parts.status;
        for name in &self.settings.client_headers {
            for value in parts.headers.get_all(name) {
                instead.headers_mut().append(name.clone(), value.clone());
            }
        }
        let no_store = HeaderValue::from_static("no-store");
        instead
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        let mut rejection = Rejection::new(code, "the authorizer denies it");
        rejection.instead = Some(Box::new(instead));
        rejection
    }

    fn unavailable(&self, request: &mut RequestContext) -> Flow<'_> {
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
}

/// Statuses that are an answer and not a failure of the authorizer.
fn denies(status: StatusCode) -> bool {
    status.is_redirection() || status.is_client_error()
}

/// One of the requests that wait.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicU32, most: u32) -> Option<Self> {
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
