//! The short way of a sign of life. A fleet sends thousands a second, and all but the connection's own work is
//! saved: no routing, no tasks, no timers, no access line.
//!
//! Only what the long way would answer with 204 is answered here; all else is left to it, and so are the words of
//! every refusal.

use axum::{
    http::{Method, Request, StatusCode},
    response::{IntoResponse as _, Response},
};

use super::{
    Api, auth,
    record::{REQUEST_ID, request_id},
    registration::BEAT,
};

/// The answer to a sign of life that can be noted at once; none to anything else.
pub(super) fn answer<B>(api: &Api, request: &Request<B>) -> Option<Response> {
    if request.method() != Method::POST {
        return None;
    }
    let path = request.uri().path();
    let (upstream, instance) = names(path)?;
    let token = api.tokens.find(auth::bearer(request.headers())?)?;
    if !token.may(BEAT, path) || !api.registrations.lives(upstream, instance) {
        return None;
    }
    let status = StatusCode::NO_CONTENT;
    api.metrics.count_beat();
    let mut response = status.into_response();
    let id = request_id(request.headers());
    response.headers_mut().insert(REQUEST_ID, id);
    Some(response)
}

/// Upstream and instance of `/v1/upstreams/{name}/registrations/{instance}/heartbeat`, where they are written as
/// they are.
fn names(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v1/upstreams/")?;
    let (upstream, rest) = rest.split_once('/')?;
    let instance = rest.strip_prefix("registrations/")?;
    let instance = instance.strip_suffix("/heartbeat")?;
    let plain = !upstream.contains('%') && !instance.contains(['/', '%']);
    plain.then_some((upstream, instance))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_taken_from_paths_that_need_no_decoding() {
        let path = "/v1/upstreams/orders.v2/registrations/i-7/heartbeat";
        assert_eq!(names(path), Some(("orders.v2", "i-7")));
        for path in [
            "/v1/upstreams/orders/registrations/i-7",
            "/v1/upstreams/orders/registrations/i-7/heartbeat/",
            "/v1/upstreams/orders/registrations/a/b/heartbeat",
            "/v1/upstreams/orders/x/registrations/a/heartbeat",
            "/v1/upstreams/orders/registrations/%61/heartbeat",
            "/v1/upstreams/%61/registrations/a/heartbeat",
            "/v1/upstreams/orders/registrations/heartbeat",
            "/v1/upstreams/orders/heartbeats",
            "//v1/upstreams/orders/registrations/a/heartbeat",
        ] {
            assert_eq!(names(path), None, "{path}");
        }
    }
}
