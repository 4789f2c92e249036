//! The gateway's own answers to calls: HTTP 200, and the status of gRPC in the head, which is all there is
//! ("Trailers-Only").

use std::fmt::Write as _;

use gatewright_engine::Rejection;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::{Form, web};
use crate::body::Body;

pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The status of gRPC that stands for one of HTTP ("HTTP to gRPC Status Code Mapping" of the gRPC project).
pub(super) const fn of_http(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,                   // INTERNAL
        401 => 16,                   // UNAUTHENTICATED
        403 => 7,                    // PERMISSION_DENIED
        404 => 12,                   // UNIMPLEMENTED
        429 | 502 | 503 | 504 => 14, // UNAVAILABLE
        _ => 2,                      // UNKNOWN
    }
}

/// The answer to a call. The message begins with the stable code.
pub(crate) fn answer(form: Form, rejection: &Rejection) -> Response<Body> {
    let message = format!("{}: {}", rejection.code.as_str(), rejection.detail);
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(of_http(rejection.code.status())));
    trailers.insert(MESSAGE, encoded(&message));
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(form.content_type());
    headers.insert(header::CONTENT_TYPE, content_type);
    for (name, value) in &rejection.headers {
        headers.append(name.clone(), value.clone());
    }
    match form {
        Form::Native => headers.extend(trailers),
        // Browsers read the body, but of the head only what CORS lets them.
        Form::Web | Form::WebText => {
            *response.body_mut() = Body::Full(web::trailers(form, &trailers));
        }
    }
    response
}

/// A message, percent-encoded as `grpc-message` is: all but visible ASCII and the space, and `%`.
fn encoded(message: &str) -> HeaderValue {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(text).expect("visible ASCII and spaces only")
}
