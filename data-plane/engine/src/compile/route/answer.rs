//! What a route does: forward, redirect or answer.

use gatewright_proto::v1;
use http::{HeaderValue, StatusCode};

use super::{Mistake, Services, field, of_service, rewrite};
use crate::{
    Action,
    route::PathRule,
    snapshot::{Fixed, Redirect},
};

/// Largest body of a fixed answer, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
const TEXT: &str = "text/plain; charset=utf-8";

/// Exactly one of the four. None for a split, of which variants are made.
pub(super) fn action(
    route: &v1::Route,
    services: &Services,
    paths: &[PathRule],
    mistakes: &mut Vec<Mistake>,
) -> Option<Action> {
    let redirect = route.redirect.as_ref();
    let fixed = route.direct_response.as_ref();
    let redirect = redirect
        .map(|it| self::redirect(it, paths, mistakes).map(|it| Action::Redirect(Box::new(it))));
    let fixed = fixed.map(|it| self::fixed(it, mistakes).map(|it| Action::Respond(Box::new(it))));
    let forms = (route.service.is_empty(), redirect, fixed);
    match (forms, route.split.is_some()) {
        ((true, None, None), true) => None,
        ((false, None, None), false) => Some(of_service(&route.service, services)),
        ((true, Some(redirect), None), false) => redirect,
        ((true, None, Some(fixed)), false) => fixed,
        ((true, None, None), false) => {
            let reason = "one of `service`, `split`, `redirect` and `direct_response` is required";
            mistakes.push(Mistake::new("service", "required", reason));
            None
        }
        _ => {
            let reason = "`service`, `split`, `redirect` and `direct_response` exclude each other";
            mistakes.push(Mistake::value("service", reason));
            None
        }
    }
}

fn redirect(
    redirect: &v1::Redirect,
    paths: &[PathRule],
    mistakes: &mut Vec<Mistake>,
) -> Option<Redirect> {
    let before = mistakes.len();
    let status = redirect.status.unwrap_or(308);
    if ![301, 302, 303, 307, 308].contains(&status) {
        let reason = format!("`{status}` is not 301, 302, 303, 307 or 308");
        mistakes.push(Mistake::value("redirect.status", reason));
    }
    let scheme = match redirect.scheme.as_str() {
        "" => None,
        "http" => Some("http"),
        "https" => Some("https"),
        other => {
            let reason = format!("`{other}` is not `http` or `https`");
            mistakes.push(Mistake::value("redirect.scheme", reason));
            None
        }
    };
    if !redirect.host.is_empty() && !field::is_host(&redirect.host) {
        let reason = format!("`{}` is not a host name", redirect.host);
        mistakes.push(Mistake::value("redirect.host", reason));
    }
    field::within("redirect.port", redirect.port, 1..=65_535, mistakes);
    let path = rewrite("redirect.path", &redirect.path, paths, mistakes);
    let target = scheme.is_some() || !redirect.host.is_empty() || redirect.port.is_some();
    if !target && path.is_none() {
        let reason = "must change the scheme, host, port or path";
        mistakes.push(Mistake::value("redirect", reason));
    }
    (mistakes.len() == before).then(|| Redirect {
        status: u16::try_from(status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::PERMANENT_REDIRECT),
        scheme,
        host: (!redirect.host.is_empty()).then(|| redirect.host.as_str().into()),
        port: redirect.port.and_then(|port| u16::try_from(port).ok()),
        path,
    })
}

fn fixed(fixed: &v1::DirectResponse, mistakes: &mut Vec<Mistake>) -> Option<Fixed> {
    let before = mistakes.len();
    field::within("direct_response.status", fixed.status, 200..=599, mistakes);
    if fixed.body.len() > MAX_BODY_BYTES {
        let reason = format!("{} bytes; at most {MAX_BODY_BYTES}", fixed.body.len());
        mistakes.push(Mistake::value("direct_response.body", reason));
    }
    let content_type = match fixed.content_type.as_str() {
        "" => Ok(HeaderValue::from_static(TEXT)),
        text => HeaderValue::from_str(text),
    };
    if content_type.is_err() {
        let reason = "is not a value that a header can have";
        mistakes.push(Mistake::value("direct_response.content_type", reason));
    }
    let status = fixed
        .status
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(200);
    let (Ok(content_type), true) = (content_type, mistakes.len() == before) else {
        return None;
    };
    Some(Fixed {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
        body: fixed.body.clone().into(),
        content_type,
    })
}
