//! `ext-authz`: asks an authorizer over HTTP or gRPC whether a request may go on.

use http::{HeaderMap, Response, response};

use self::{
    answer::{Allowed, Verdict},
    settings::{Compiled, Settings, Way},
};
use super::{Build, Configure, Flow, InvalidSetting, Plugin, authorizer::Shown};
use crate::{Note, RequestContext, reference::Reference};

mod answer;
mod grpc;
mod http_form;
mod metadata;
mod query;
mod settings;
#[cfg(test)]
mod tests;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct ExtAuthz(Compiled);

impl Configure for ExtAuthz {
    const NAME: &'static str = "ext-authz";
    const SUMMARY: &'static str =
        "Asks an authorizer over HTTP or gRPC whether a request may go on.";
    const DOCS: &'static str = "\
Who is asked, and how, `url` says.

**Over HTTP** (`http://`, `https://`) the authorizer gets the method of the client's request, its host, its path and
query after the path of `url`, `X-Forwarded-For`, `X-Forwarded-Proto`, and the fields in `allowed_headers`. A status of
200 to 299 allows: the fields in `upstream_headers` go to the upstream. A status of 300 to 499 denies: the client gets
it, with the authorizer's body (up to 64 KiB) and the fields in `client_headers`.

**Over gRPC** (`grpc://`, `grpcs://`) it is called as Envoy's `envoy.service.auth.v3.Authorization/Check`, so that
authorizers made for that can be used as they are. It gets method, scheme, host, path with query, id, size and all
fields (or those in `allowed_headers`, where given) of the request, with `:method`, `:path`, `:scheme` and `:authority`
among them; the client's address as `source`, the name of the route's service as `destination`; `context` and what
`route_context` has for the route as `context_extensions`; and, with `send_identity`, what is known of who calls
(`consumer`, `groups`, `scopes`, `claims`, `authenticated_by`) as `metadata_context` under `gatewright`. Of its answer
counts all that is in `ok_response` (fields to set, to append, to remove, parameters of the query, fields for the
client) and `denied_response` (default: 403). Fields that frame a message (`Host`, `Content-Length`, ...) are left
alone. `dynamic_metadata` is not used.

Copies of `upstream_headers` that the client sent are removed either way, even where the authorizer sent none. The
code of a denial in logs and metrics is `unauthorized` for 401, otherwise `forbidden`; a 401 without
`WWW-Authenticate` gets `challenge`.

With `body`, the body of a request is sent along, within bounds, once all plugins have let the request through;
otherwise none is.

Anything else is no answer: another status, a status of gRPC that is not 0, no connection, longer than `timeout_ms`,
more than `max_concurrent` at a time, an answer that is malformed or over 64 KiB. Requests are refused then with 503,
code `authorizer_unavailable`. With `fail_open: true` they pass instead, without the fields in `upstream_headers`, and
the code is recorded as in shadow mode. What came of calls, and how long they took, is in
`gatewright_plugin_calls_total` and `gatewright_plugin_call_duration_seconds`.

It runs after the plugins that find out who calls. Answers are not remembered: each request asks.";
    const EXAMPLE: &'static str = "\
url: grpc://authorizer.internal:9191
timeout_ms: 200
upstream_headers: [x-user-id]
context: {tenant: shop}
body: {max_bytes: 4096, partial: true}";
    const ORDER: i32 = 2200;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        Compiled::of(settings, build).map(Self)
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        settings.references()
    }
}

impl Plugin for ExtAuthz {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        match self.0.authorizer.wants(request) {
            Some(wants) => {
                // What the authorizer may see and replace is removed once it has been asked.
                self.strip(request, |name| !self.0.shows(name));
                Flow::Body(wants)
            }
            None => self.ask(request, None),
        }
    }

    fn on_body<'a>(&'a self, request: &'a mut RequestContext, body: &'a [u8]) -> Flow<'a> {
        let shown = Shown {
            bytes: body,
            whole: true,
        };
        self.ask(request, Some(shown))
    }

    fn on_beginning<'a>(
        &'a self,
        request: &'a mut RequestContext,
        body: &'a [u8],
        whole: bool,
    ) -> Flow<'a> {
        let shown = Shown { bytes: body, whole };
        self.ask(request, Some(shown))
    }

    fn on_response(&self, request: &RequestContext, response: &mut response::Parts) {
        if let Some(Note::Other(left)) = request.notes.of(self.0.authorizer.name())
            && let Some(allowed) = left.downcast_ref::<Allowed>()
        {
            allowed.tell_client(&mut response.headers);
        }
    }
}

impl ExtAuthz {
    fn ask<'a>(&'a self, request: &'a mut RequestContext, body: Option<Shown<'a>>) -> Flow<'a> {
        let authorizer = &self.0.authorizer;
        let question = match &self.0.way {
            Way::Http(form) => form.question(request, body),
            Way::Grpc(form) => form.question(authorizer, request, body),
        };
        self.strip(request, |_| true);
        Flow::Wait(Box::pin(async move {
            let answer = authorizer.ask(question).await;
            match answer.and_then(|answer| self.verdict(answer)) {
                None => authorizer.unavailable(request),
                Some(Verdict::Denied {
                    status,
                    headers,
                    body,
                }) => Flow::Reject(authorizer.denial(status, headers, body)),
                Some(Verdict::Allowed(allowed)) => {
                    allowed.apply(request);
                    if allowed.has_words_for_client() {
                        let note = Note::Other(allowed);
                        request.notes.leave(authorizer.name(), note);
                    }
                    Flow::Continue
                }
            }
        }))
    }

    fn verdict(&self, answer: Response<bytes::Bytes>) -> Option<Verdict> {
        match &self.0.way {
            Way::Http(form) => form.verdict(answer),
            Way::Grpc(_) => grpc::verdict(&answer),
        }
    }

    fn strip(&self, request: &mut RequestContext, which: impl Fn(&http::HeaderName) -> bool) {
        let headers: &mut HeaderMap = &mut request.headers;
        for name in self.0.upstream_headers.iter().filter(|name| which(name)) {
            headers.remove(name);
        }
    }
}
