//! `opa`: asks an Open Policy Agent whether a request may go on.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use self::{
    decision::Decision,
    settings::{Compiled, Settings},
};
use super::{
    Build, Configure, Flow, InvalidSetting, Plugin,
    authorizer::{Shown, code},
};
use crate::{Code, Rejection, RequestContext, reference::Reference};

mod decision;
mod input;
mod settings;
#[cfg(test)]
mod tests;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Opa(Compiled);

impl Configure for Opa {
    const NAME: &'static str = "opa";
    const SUMMARY: &'static str = "Asks an Open Policy Agent whether a request may go on.";
    const DOCS: &'static str = "\
Posts `{\"input\": {...}}` to the decision in `url`, as `http://opa:8181/v1/data/shop/allow`, and does what it says. The
input has

| name | |
| --- | --- |
| `method`, `scheme`, `host`, `path`, `query` | texts; the path in its normalised form |
| `segments` | the path's segments, percent-decoded |
| `parameters` | the query's parameters, percent-decoded: lists by name |
| `headers` | map; names in lower case, several values joined with `, ` |
| `client_address`, `route`, `service` | texts |
| `consumer` | `null`, or `name` and `groups` |
| `groups`, `scopes`, `authenticated_by` | lists |
| `claims` | what a token says, or `null` |
| `body`, `body_is_whole` | with `body`: JSON where that is its type and it is well-formed, otherwise a text |

The decision is `true` or `false`, or an object:

| member | |
| --- | --- |
| `allow` | whether the request may go on; `false` where it is left out |
| `headers` | map of fields: to the upstream where it allows (only those in `upstream_headers`), to the client where it denies |
| `status` | of a denial, 300 to 599; default 403 |
| `reason` | for the client, in `detail` of the answer |

A decision that is undefined denies: it is what a policy says that has no rule for the request. A denial is answered
with a problem whose code is `unauthorized` for 401, otherwise `forbidden`; a 401 has `challenge` in
`WWW-Authenticate`. Copies of `upstream_headers` that the client sent are removed, even where the decision has none.

Anything else is no answer: another status than 200, a decision of another type, no connection, longer than
`timeout_ms`, more than `max_concurrent` at a time, an answer that is malformed or over 64 KiB. Requests are refused
then with 503, code `authorizer_unavailable`. With `fail_open: true` they pass instead, and the code is recorded as in
shadow mode. What came of calls, and how long they took, is in `gatewright_plugin_calls_total` and
`gatewright_plugin_call_duration_seconds`.";
    const EXAMPLE: &'static str = "\
url: http://opa.internal:8181/v1/data/shop/allow
timeout_ms: 200
upstream_headers: [x-role]";
    const ORDER: i32 = 2300;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        Compiled::of(&settings, build).map(Self)
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        settings.references()
    }
}

impl Plugin for Opa {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        match self.0.authorizer.wants(request) {
            Some(wants) => {
                // What the policy may see and replace is removed once it has been asked.
                self.strip(request, |name| !self.0.shows(name));
                Flow::Body(wants)
            }
            None => self.ask(request, None),
        }
    }

    fn on_body<'a>(&'a self, request: &'a mut RequestContext, body: &'a [u8]) -> Flow<'a> {
        self.on_beginning(request, body, true)
    }

    fn on_beginning<'a>(
        &'a self,
        request: &'a mut RequestContext,
        body: &'a [u8],
        whole: bool,
    ) -> Flow<'a> {
        self.ask(request, Some(Shown { bytes: body, whole }))
    }
}

impl Opa {
    fn ask<'a>(&'a self, request: &'a mut RequestContext, body: Option<Shown<'a>>) -> Flow<'a> {
        let question = self.question(request, body);
        self.strip(request, |_| true);
        let authorizer = &self.0.authorizer;
        Flow::Wait(Box::pin(async move {
            let answer = authorizer.ask(question).await;
            let answer = answer.filter(|it| it.status() == StatusCode::OK);
            match answer.and_then(|it| Decision::read(it.body())) {
                None => authorizer.unavailable(request),
                Some(decision) if decision.allow => {
                    for (name, value) in decision.headers {
                        if self.0.upstream_headers.contains(&name) {
                            request.headers.append(name, value);
                        }
                    }
                    Flow::Continue
                }
                Some(decision) => Flow::Reject(self.denial(decision)),
            }
        }))
    }

    fn question(
        &self,
        request: &RequestContext,
        body: Option<Shown<'_>>,
    ) -> Option<Request<Bytes>> {
        let input = input::of(request, |name| self.0.shows(name), body);
        let text = serde_json::to_vec(&input).ok()?;
        let asked = Request::post(self.0.target.clone())
            .header("host", self.0.host.clone())
            .header("content-type", "application/json")
            .header("content-length", text.len());
        asked.body(text.into()).ok()
    }

    fn denial(&self, decision: Decision) -> Rejection {
        let status = decision.status;
        let detail = decision.reason;
        let detail = detail.unwrap_or_else(|| "the policy denies it".to_owned());
        let (code, mut fields) = (code(status), HeaderMap::new());
        for (name, value) in decision.headers {
            fields.append(name, value);
        }
        if status == code.status() {
            let mut rejection = Rejection::new(code, detail);
            if code == Code::Unauthorized && !fields.contains_key("www-authenticate") {
                fields.insert("www-authenticate", self.0.authorizer.challenge());
            }
            let named = fields.iter();
            rejection.headers = named.map(|(name, it)| (name.clone(), it.clone())).collect();
            return rejection;
        }
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": code.as_str(),
            "detail": detail,
        });
        let json = HeaderValue::from_static("application/problem+json");
        fields.entry("content-type").or_insert(json);
        let text = problem.to_string();
        self.0.authorizer.denial(status, fields, text.into())
    }

    fn strip(&self, request: &mut RequestContext, which: impl Fn(&HeaderName) -> bool) {
        for name in self.0.upstream_headers.iter().filter(|name| which(name)) {
            request.headers.remove(name);
        }
    }
}
