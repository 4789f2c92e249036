//! `csrf`: refuses what pages of other sites make a browser send with the user's cookies.

use http::{HeaderMap, HeaderName, Method, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Code, Rejection, RequestContext};

#[cfg(test)]
mod tests;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Most entries of `allowed_origins`.
const MAX_ORIGINS: usize = 1_000;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Csrf {
    allowed: Vec<Box<str>>,
    same_site: bool,
    always: bool,
    without_origin: bool,
}

/// Settings of `csrf`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Other origins whose pages may, as `https://app.example.com`. Up to 1,000.
    allowed_origins: Vec<String>,
    /// Whether pages of other hosts of the same site may (`Sec-Fetch-Site: same-site`).
    allow_same_site: bool,
    /// Whether requests without `Cookie` are checked as well, as where the network or a client certificate
    /// says who it is.
    without_cookie: bool,
    /// Whether requests that say neither `Origin` nor `Sec-Fetch-Site` may pass, as programs that use cookies.
    allow_missing: bool,
}

impl Configure for Csrf {
    const NAME: &'static str = "csrf";
    const SUMMARY: &'static str =
        "Refuses what pages of other sites make a browser send with cookies.";
    const DOCS: &'static str = "\
Asks of each request with a `Cookie` that may change something which page had the browser send it. `GET`,
`HEAD` and `OPTIONS` pass, but not the handshake of a WebSocket, which browsers let any page make. No tokens
are needed in forms: browsers say it in fields that pages cannot set.

1. `Origin` is one of `allowed_origins`: passes.
2. `Sec-Fetch-Site` (Fetch Metadata) is `same-origin`, or `none` for what the user did: passes; `same-site`
   passes with `allow_same_site`; anything else is refused.
3. Without it, as from older browsers: `Origin` must be the origin that the request is for: scheme, host and
   port. `null` never is.
4. Without both, it is refused unless `allow_missing`.

Refusals are 403, code `cross_site`. Behind a proxy that changes `Host`, list the public origin. For paths
that other sites are meant to post to (webhooks, `form_post` of an identity provider), use `when` or `except`.";
    const EXAMPLE: &'static str = "allowed_origins: [https://app.example.com]";
    const ORDER: i32 = 300;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = false;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        if settings.allowed_origins.len() > MAX_ORIGINS {
            let reason = format!("has more than {MAX_ORIGINS} entries");
            mistakes.push(InvalidSetting::new("allowed_origins", reason));
        }
        for (index, origin) in settings.allowed_origins.iter().enumerate() {
            if !is_origin(origin) {
                mistakes.push(InvalidSetting::new(
                    format!("allowed_origins[{index}]"),
                    format!(
                        "`{origin}` is not an origin in lower case, as `https://app.example.com`"
                    ),
                ));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let allowed = settings.allowed_origins.into_iter();
        Ok(Self {
            allowed: allowed.map(String::into_boxed_str).collect(),
            same_site: settings.allow_same_site,
            always: settings.without_cookie,
            without_origin: settings.allow_missing,
        })
    }
}

impl Plugin for Csrf {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let headers = &request.headers;
        if is_safe(request) || !(self.always || headers.contains_key(header::COOKIE)) {
            return Flow::Continue;
        }
        if self.passes(request) {
            return Flow::Continue;
        }
        let detail = "a page of another site made the browser send this request";
        Flow::Reject(Rejection::new(Code::CrossSite, detail))
    }
}

impl Csrf {
    fn passes(&self, request: &RequestContext) -> bool {
        let (Ok(origin), Ok(site)) = (
            one(&request.headers, &header::ORIGIN),
            one(&request.headers, &FETCH_SITE),
        ) else {
            return false;
        };
        if origin.is_some_and(|origin| self.allowed.iter().any(|it| **it == *origin)) {
            return true;
        }
        match (site, origin) {
            (Some("same-origin" | "none"), _) => true,
            (Some("same-site"), _) => self.same_site,
            (Some(_), _) => false,
            (None, Some(origin)) => is_own(origin, request),
            (None, None) => self.without_origin,
        }
    }
}

/// The only value of a field; an error where there are several, or one that is no text.
pub(super) fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value)),
        _ => Err(()),
    }
}

fn is_safe(request: &RequestContext) -> bool {
    let safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    safe && !request.headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Whether an origin is the one that the request is for.
fn is_own(origin: &str, request: &RequestContext) -> bool {
    let scheme = request.scheme();
    let Some(authority) = origin
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix("://"))
    else {
        return false;
    };
    let default = if request.client.secure { "443" } else { "80" };
    let (host, port) = split(authority);
    let asked = one(&request.headers, &header::HOST).ok().flatten();
    let asked = asked.and_then(|host| split(host).1);
    host.eq_ignore_ascii_case(&request.host) && port.unwrap_or(default) == asked.unwrap_or(default)
}

/// Host and port. The colons of an IPv6 address are within brackets.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether this is how browsers write an origin (RFC 6454, 6.2).
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let in_authority =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._[]:".contains(&byte);
    let in_scheme = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit();
    !scheme.is_empty()
        && scheme.bytes().all(in_scheme)
        && !authority.is_empty()
        && authority.bytes().all(in_authority)
}
