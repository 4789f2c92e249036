//! `cors`: tells browsers which other origins may use an API (the CORS protocol of the Fetch standard).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header, response};

use self::{origin::Origins, settings::Settings};
use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Note, RequestContext};

mod origin;
mod settings;
#[cfg(test)]
mod tests;

const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const PREFLIGHT_VARY: &str =
    "origin, access-control-request-method, access-control-request-headers";

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Cors {
    name: Arc<str>,
    origins: Origins,
    methods: HeaderValue,
    /// None repeats those that were asked for.
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
    private_network: bool,
}

impl Configure for Cors {
    const NAME: &'static str = "cors";
    const SUMMARY: &'static str = "Tells browsers which other origins may use an API.";
    const DOCS: &'static str = "\
Answers preflight requests (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) with 204, before
authentication, since browsers send them without credentials; they never reach the upstream. From an
origin that is not allowed, the answer has no `Access-Control-Allow-*` fields, and the browser stops
there.

On other answers, the gateway's own refusals included, `Access-Control-*` fields of the upstream are
replaced by those of these settings, and `Vary: Origin` is added unless every origin gets the same
answer. A request is never refused for its origin: this plugin tells browsers what pages may read, it
does not protect an API from programs.";
    const EXAMPLE: &'static str = "\
origins: [https://app.example.com, \"https://*.example.org\"]
methods: [GET, POST]
headers: [content-type, authorization]
expose: [x-request-id]
credentials: true
max_age_seconds: 3600";
    const ORDER: i32 = 200;
    const REFUSES: bool = false;
    const PER_CONSUMER: bool = false;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        settings.compile(build.name)
    }
}

impl Plugin for Cors {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let Some(origin) = request.headers.get(header::ORIGIN) else {
            return Flow::Continue;
        };
        let allowed = self.origins.allow(origin);
        if is_preflight(request) {
            let origin = allowed.then_some(origin);
            return Flow::Respond(Box::new(self.preflight(request, origin)));
        }
        if allowed {
            let origin = origin.clone();
            request.notes.leave(&self.name, Note::Field(origin));
        }
        Flow::Continue
    }

    fn on_response(&self, request: &RequestContext, response: &mut response::Parts) {
        if is_preflight(request) {
            return;
        }
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
        ] {
            response.headers.remove(name);
        }
        // Also without an origin: a cache may give this answer to a request that has one.
        if !self.same_for_all() {
            let vary = HeaderValue::from_static("origin");
            response.headers.append(header::VARY, vary);
        }
        let Some(Note::Field(origin)) = request.notes.of(&self.name) else {
            return;
        };
        self.allow_origin(origin, &mut response.headers);
        if let Some(expose) = &self.expose {
            let name = header::ACCESS_CONTROL_EXPOSE_HEADERS;
            response.headers.insert(name, expose.clone());
        }
    }
}

impl Cors {
    fn same_for_all(&self) -> bool {
        self.origins.any && !self.credentials
    }

    fn preflight(&self, request: &RequestContext, origin: Option<&HeaderValue>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(header::VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        let Some(origin) = origin else {
            return response;
        };
        self.allow_origin(origin, fields);
        let methods = self.methods.clone();
        fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(headers) = self.headers.as_ref().or(asked) {
            fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        fields.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        let asked = request.headers.get(REQUEST_PRIVATE_NETWORK);
        if self.private_network && asked.is_some_and(|value| value == "true") {
            fields.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        response
    }

    fn allow_origin(&self, origin: &HeaderValue, fields: &mut http::HeaderMap) {
        let value = if self.same_for_all() {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        if self.credentials {
            let value = HeaderValue::from_static("true");
            fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
        }
    }
}

fn is_preflight(request: &RequestContext) -> bool {
    let asks = header::ACCESS_CONTROL_REQUEST_METHOD;
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(asks)
}
