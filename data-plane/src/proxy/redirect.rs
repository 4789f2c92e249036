//! Answers that send clients elsewhere.

use gatewright_engine::{Code, Redirect, Rejection, RequestContext};
use http::{HeaderValue, Response, header};

use super::act::Matching;
use crate::body::Body;

/// The answer that sends a client elsewhere.
pub(super) fn redirect(
    redirect: &Redirect,
    context: &RequestContext,
    matched: &Matching,
) -> Result<Response<Body>, Rejection> {
    let scheme = redirect.scheme.unwrap_or(context.scheme());
    let asked = context
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let own_port = asked
        .and_then(|host| host.rsplit_once(':'))
        .map(|(_, port)| port);
    let own_port = own_port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let mut location = format!(
        "{scheme}://{}",
        redirect.host.as_deref().unwrap_or(&context.host)
    );
    let port = match (redirect.port, redirect.scheme) {
        (Some(port), _) => Some(port.to_string()),
        (None, Some(_)) => None,
        (None, None) => own_port.map(str::to_owned),
    };
    if let Some(port) = port {
        location.push(':');
        location.push_str(&port);
    }
    match &redirect.path {
        Some(template) => location.push_str(&template.render(&context.path, &matched.parameters)),
        None => location.push_str(&context.path),
    }
    if let Some(query) = &context.query {
        location.push('?');
        location.push_str(query);
    }
    let location = HeaderValue::from_str(&location)
        .map_err(|_| Rejection::new(Code::BadRequest, "cannot be redirected"))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
