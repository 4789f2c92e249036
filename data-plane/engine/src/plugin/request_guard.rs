//! `request-guard`: bounds on what a request may look like, and on the JSON in it.

use http::{HeaderMap, HeaderValue, Method, header};

use self::json::Bounds;
use super::{
    Build, Configure, Flow, InvalidSetting, Plugin, WantsBody,
    media::{self, Media, is_json},
};
use crate::{Code, Rejection, RequestContext};

mod json;
mod settings;
#[cfg(test)]
mod tests;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct RequestGuard {
    methods: Option<(Box<[Method]>, HeaderValue)>,
    content_types: Option<(Box<[Media]>, HeaderValue)>,
    max_body_bytes: Option<u64>,
    max_headers: Option<u32>,
    max_header_bytes: Option<u32>,
    max_uri_bytes: Option<u32>,
    max_query_bytes: Option<u32>,
    max_query_parameters: Option<u32>,
    json: Option<Json>,
}

/// What JSON is held to.
#[derive(Debug)]
struct Json {
    max_bytes: u32,
    timeout_ms: u32,
    bounds: Bounds,
}

impl Configure for RequestGuard {
    const NAME: &'static str = "request-guard";
    const SUMMARY: &'static str = "Bounds what a request may look like, and the JSON in it.";
    const DOCS: &'static str = "\
Refuses requests that are bigger, or more complicated, than an API needs. What is not set is not bounded
here; the limits of the node and the route hold besides.

| what | answer | code |
| --- | --- | --- |
| method | 405 with `Allow` | `method_not_allowed` |
| path and query | 414 | `target_too_long` |
| header fields | 431 | `headers_too_large` |
| content type | 415 with `Accept` | `unsupported_media_type` |
| length of the body | 413 | `body_too_large` |
| malformed JSON, or beyond `json` | 400 | `invalid_body` |

The path is measured in its normalised form. Fields that the gateway has added by then (`Via`,
`X-Request-Id`, `X-Forwarded-*`, `Traceparent`) count.

A body whose length is announced is refused before any of it is read; one that is not is counted as it
streams through, and the request fails once it is over (in `mode: shadow`, only announced lengths are
compared). With `json`, bodies of the types `application/json`, `text/json` and `*+json` are held back,
at most `json.max_bytes`, after all plugins have let the request through, and are forwarded unchanged. Nesting
is counted and not followed, so depth costs no memory. JSON in a content coding (`Content-Encoding: gzip`)
cannot be looked at and is refused with 415. A body that says it is something else is not looked at: list the
`content_types`.";
    const EXAMPLE: &'static str = "\
methods: [GET, POST]
content_types: [application/json, \"image/*\"]
max_body_bytes: 1000000
max_query_parameters: 50
json: {max_depth: 20, max_keys: 200, max_items: 1000, max_string_bytes: 10000}";
    const ORDER: i32 = 250;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = settings::Settings;

    fn configure(
        settings: Self::Settings,
        _build: &Build<'_>,
    ) -> Result<Self, Vec<InvalidSetting>> {
        settings.compile()
    }
}

impl Plugin for RequestGuard {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let checked = self
            .head(request)
            .and_then(|()| self.fields(&request.headers))
            .and_then(|()| match request.has_body {
                true => self.body(&request.headers),
                false => Ok(None),
            });
        match checked {
            Ok(None) => Flow::Continue,
            Ok(Some(wants)) => Flow::Body(wants),
            Err(rejection) => Flow::Reject(rejection),
        }
    }

    fn on_body<'a>(&'a self, _request: &'a mut RequestContext, body: &'a [u8]) -> Flow<'a> {
        let Some(json) = self.json.as_ref().filter(|_| !body.is_empty()) else {
            return Flow::Continue;
        };
        match json::check(body, &json.bounds) {
            Ok(()) => Flow::Continue,
            Err(wrong) => Flow::Reject(Rejection::new(Code::InvalidBody, wrong.to_string())),
        }
    }
}

impl RequestGuard {
    fn head(&self, request: &RequestContext) -> Result<(), Rejection> {
        if let Some((methods, allow)) = &self.methods
            && !methods.contains(&request.method)
        {
            let rejection = Rejection::new(Code::MethodNotAllowed, "the method is not allowed");
            return Err(rejection.with_header(header::ALLOW, allow.clone()));
        }
        let query = request.query.as_deref();
        let of_query = query.map_or(0, str::len);
        let of_target = request.path.len() + query.map_or(0, |query| query.len() + 1);
        let too_long = |what: &str, most: u32, unit: &str| {
            Err(Rejection::new(
                Code::TargetTooLong,
                format!("the {what} over {most} {unit}"),
            ))
        };
        if let Some(most) = over(of_target, self.max_uri_bytes) {
            return too_long("path and query are", most, "bytes");
        }
        if let Some(most) = over(of_query, self.max_query_bytes) {
            return too_long("query is", most, "bytes");
        }
        if let Some(limit) = self.max_query_parameters {
            let parameters = query.unwrap_or_default().split('&');
            let parameters = parameters.filter(|it| !it.is_empty()).count();
            if let Some(most) = over(parameters, Some(limit)) {
                return too_long("query has", most, "parameters");
            }
        }
        Ok(())
    }

    fn fields(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if let Some(most) = over(headers.len(), self.max_headers) {
            let detail = format!("there are over {most} header fields");
            return Err(Rejection::new(Code::HeadersTooLarge, detail));
        }
        if self.max_header_bytes.is_none() {
            return Ok(());
        }
        for (name, value) in headers {
            let bytes = name.as_str().len() + value.len();
            if let Some(most) = over(bytes, self.max_header_bytes) {
                let detail = format!("the header field `{name}` is over {most} bytes");
                return Err(Rejection::new(Code::HeadersTooLarge, detail));
            }
        }
        Ok(())
    }

    /// What can be said of a body by the fields that describe it, and what is to be seen of it.
    fn body(&self, headers: &HeaderMap) -> Result<Option<WantsBody>, Rejection> {
        if let Some((allowed, accept)) = &self.content_types {
            let media = media::of(headers);
            if !media.is_some_and(|media| allowed.iter().any(|it| it.includes(media))) {
                let detail = "the content type of the body is not allowed";
                let rejection = Rejection::new(Code::UnsupportedMediaType, detail);
                return Err(rejection.with_header(header::ACCEPT, accept.clone()));
            }
        }
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let json = self.json.as_ref().filter(|_| is_json(headers));
        let of_json = json.map(|json| u64::from(json.max_bytes));
        let most = [self.max_body_bytes, of_json].into_iter().flatten().min();
        if let Some(most) = most.filter(|most| length.is_some_and(|length| length > *most)) {
            let detail = format!("the body is over {most} bytes");
            return Err(Rejection::new(Code::BodyTooLarge, detail));
        }
        let (Some(json), Some(most)) = (json, most) else {
            return Ok(self.max_body_bytes.map(WantsBody::AtMost));
        };
        if media::is_coded(headers) {
            let detail = "JSON in a content coding is not allowed";
            let rejection = Rejection::new(Code::UnsupportedMediaType, detail);
            let identity = HeaderValue::from_static("identity");
            return Err(rejection.with_header(header::ACCEPT_ENCODING, identity));
        }
        Ok(Some(WantsBody::Whole {
            max_bytes: u32::try_from(most).unwrap_or(json.max_bytes),
            timeout_ms: json.timeout_ms,
        }))
    }
}

/// The limit, where it is exceeded.
fn over(is: usize, most: Option<u32>) -> Option<u32> {
    most.filter(|most| is > *most as usize)
}
