//! Every answer that the gateway gives by itself because something is wrong.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::schema::Violation;

/// Whose doing a rejection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client asked for something it cannot have.
    Client,
    /// The gateway could not.
    Gateway,
    /// The upstream failed.
    Upstream,
}

impl Side {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

/// What is wrong: stable, and the same in the answer, the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400: the message is malformed, or its framing, target or Host is ambiguous (RFC 9112, 9113).
    BadRequest,
    /// 400: it cannot be told which route the request matches, as for a body that is not what its content
    /// type says.
    MatchUndecided,
    /// 400: the body is not what a plugin lets through: malformed, or over one of its bounds.
    InvalidBody,
    /// 400: the request is not what a schema or an API's description says; `errors` say where.
    SchemaViolation,
    /// 401: no credential, or one that is not known.
    Unauthorized,
    /// 403: known, but not allowed.
    Forbidden,
    /// 403: a page of another site made a browser send it.
    CrossSite,
    /// 403: a login that the provider refused, or that is not one that this browser has begun.
    LoginRefused,
    /// 404: no route matches.
    NoRoute,
    /// 404: the description of the API has no such path.
    UnknownPath,
    /// 405: routes match, or a description of an API has the path, but for the method. `Allow` lists theirs.
    MethodNotAllowed,
    /// 408: the head or the body did not arrive in time.
    RequestTimeout,
    /// 413: the body is over the limit.
    BodyTooLarge,
    /// 414: the target is over the limit.
    TargetTooLong,
    /// 415: the content type or coding of the body is not allowed. `Accept` or `Accept-Encoding` say what is.
    UnsupportedMediaType,
    /// 421: the host is not one that the connection was made for (RFC 9110, 15.5.20).
    MisdirectedRequest,
    /// 429: over a rate limit. `Retry-After` says when to come back.
    RateLimited,
    /// 431: the header section is over the limit.
    HeadersTooLarge,
    /// 500: what the route needs was refused by this node, so the route is closed.
    ConfigurationRefused,
    /// 500: a defect of the gateway.
    Internal,
    /// 501: a transfer coding, method or upgrade that is not implemented.
    NotImplemented,
    /// 502: the upstream closed, reset, or answered with something that is not HTTP.
    BadGateway,
    /// 503: too many credentials that take long to verify are being verified. `Retry-After` says when to
    /// come back.
    AuthenticationBusy,
    /// 503: no target could be connected to.
    UpstreamUnreachable,
    /// 503: the upstream has no target, or the service is disabled.
    NoTarget,
    /// 503: the service's circuit breaker is open. `Retry-After` says when to come back.
    CircuitOpen,
    /// 503: a limit of the gateway towards the upstream is reached.
    UpstreamOverloaded,
    /// 503: the upstream has targets, and none of them is usable: unhealthy, or not checked yet.
    NoHealthyTarget,
    /// 503: a secret that a plugin needs is missing on this node.
    SecretUnavailable,
    /// 503: this node is at its limit or shutting down.
    Overloaded,
    /// 503, or as the plugin says: a fault that was asked for.
    FaultInjected,
    /// 503: the authorizer that is asked of each request cannot be reached, or does not answer in time.
    AuthorizerUnavailable,
    /// 503: the keys that tokens are checked with are not there.
    KeysUnavailable,
    /// 503: whoever is asked whether tokens are good cannot be reached, does not answer in time, or answers with nonsense.
    IntrospectionUnavailable,
    /// 503: there is no token for the upstream, since the authorization server gives none.
    TokenUnavailable,
    /// 503: the provider that browsers log in at cannot be asked, or does not answer in time.
    LoginUnavailable,
    /// 504: the upstream did not answer in time.
    UpstreamTimeout,
    /// 505: a version of HTTP that is not spoken here.
    VersionNotSupported,
    /// 499, logged and never sent: the client went away.
    ClientClosed,
}

impl Code {
    /// The status, the name and whose doing it is.
    const fn row(self) -> (u16, &'static str, Side) {
        match self {
            Self::BadRequest => (400, "bad_request", Side::Client),
            Self::MatchUndecided => (400, "match_undecided", Side::Client),
            Self::InvalidBody => (400, "invalid_body", Side::Client),
            Self::SchemaViolation => (400, "schema_violation", Side::Client),
            Self::Unauthorized => (401, "unauthorized", Side::Client),
            Self::Forbidden => (403, "forbidden", Side::Client),
            Self::CrossSite => (403, "cross_site", Side::Client),
            Self::LoginRefused => (403, "login_refused", Side::Client),
            Self::NoRoute => (404, "no_route", Side::Client),
            Self::UnknownPath => (404, "unknown_path", Side::Client),
            Self::MethodNotAllowed => (405, "method_not_allowed", Side::Client),
            Self::RequestTimeout => (408, "request_timeout", Side::Client),
            Self::BodyTooLarge => (413, "body_too_large", Side::Client),
            Self::TargetTooLong => (414, "target_too_long", Side::Client),
            Self::UnsupportedMediaType => (415, "unsupported_media_type", Side::Client),
            Self::MisdirectedRequest => (421, "misdirected_request", Side::Client),
            Self::RateLimited => (429, "rate_limited", Side::Client),
            Self::HeadersTooLarge => (431, "headers_too_large", Side::Client),
            Self::ConfigurationRefused => (500, "configuration_refused", Side::Gateway),
            Self::Internal => (500, "internal", Side::Gateway),
            Self::NotImplemented => (501, "not_implemented", Side::Client),
            Self::BadGateway => (502, "bad_gateway", Side::Upstream),
            Self::AuthenticationBusy => (503, "authentication_busy", Side::Gateway),
            Self::UpstreamUnreachable => (503, "upstream_unreachable", Side::Upstream),
            Self::NoTarget => (503, "no_target", Side::Upstream),
            Self::NoHealthyTarget => (503, "no_healthy_target", Side::Upstream),
            Self::CircuitOpen => (503, "circuit_open", Side::Upstream),
            Self::UpstreamOverloaded => (503, "upstream_overloaded", Side::Upstream),
            Self::SecretUnavailable => (503, "secret_unavailable", Side::Gateway),
            Self::Overloaded => (503, "overloaded", Side::Gateway),
            Self::FaultInjected => (503, "fault_injected", Side::Gateway),
            Self::AuthorizerUnavailable => (503, "authorizer_unavailable", Side::Gateway),
            Self::KeysUnavailable => (503, "keys_unavailable", Side::Gateway),
            Self::IntrospectionUnavailable => (503, "introspection_unavailable", Side::Gateway),
            Self::TokenUnavailable => (503, "token_unavailable", Side::Gateway),
            Self::LoginUnavailable => (503, "login_unavailable", Side::Gateway),
            Self::UpstreamTimeout => (504, "upstream_timeout", Side::Upstream),
            Self::VersionNotSupported => (505, "version_not_supported", Side::Client),
            Self::ClientClosed => (499, "client_closed", Side::Client),
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).expect("every row has a valid status")
    }

    /// The name: stable, snake_case.
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Whose doing it is.
    pub const fn side(self) -> Side {
        self.row().2
    }
}

/// An answer made by the gateway itself.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// What is wrong.
    pub code: Code,
    /// For the client to read: what and where, never a cause inside the gateway.
    pub detail: Cow<'static, str>,
    /// Further fields of the answer, as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For log and metrics, where there is more to say than clients are told: snake_case, one of few.
    pub reason: Option<&'static str>,
    /// What of the request is wrong, one by one. Empty for most.
    pub violations: Box<[Violation]>,
    /// The answer in somebody else's words, as those of an authorizer; none: a problem that says the above.
    pub instead: Option<Box<Response<Bytes>>>,
}

impl Rejection {
    /// Rejects with this code and explanation.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            headers: Vec::new(),
            reason: None,
            violations: Box::default(),
            instead: None,
        }
    }

    /// Says more in log and metrics: snake_case, one of few.
    #[must_use]
    pub const fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds a field to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer, as `application/problem+json` (RFC 9457). Not to be stored by caches: it says
    /// what is true of this request now.
    pub fn into_response(&self, request_id: &str) -> Response<Bytes> {
        if let Some(instead) = &self.instead {
            return (**instead).clone();
        }
        let status = self.code.status();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            request_id,
            errors: &self.violations,
        };
        let body = serde_json::to_vec(&problem).expect("strings and numbers can be written");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(self.headers.len() + 2);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        response
    }
}

/// The body of such an answer.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    errors: &'a [Violation],
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::{Code, Rejection};

    #[test]
    fn an_answer_says_what_is_wrong_in_a_form_that_programs_can_read() {
        let rejection = Rejection::new(Code::RateLimited, "over the limit \"a\"")
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let response = rejection.into_response("r-1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Too Many Requests", "status": 429,
            "code": "rate_limited", "detail": "over the limit \"a\"", "request_id": "r-1",
        });
        assert_eq!(problem, expected);
    }
}
