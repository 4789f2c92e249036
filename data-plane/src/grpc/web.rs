//! gRPC-Web, as browsers speak it, to gRPC and back ("gRPC Web" of the gRPC project): trailers are the last frame of the
//! body, with the highest bit of its first byte set; the text form is all of that in base64.

mod request;
mod response;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as _;

use super::{
    Form,
    status::{MESSAGE, STATUS},
};
use crate::body::Body;

/// The first byte of the frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// How a call is translated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translation(Form);

impl Translation {
    /// Makes a call of gRPC of one of gRPC-Web; none where it is none.
    pub(crate) fn begin(headers: &mut HeaderMap, body: &mut Body) -> Option<Self> {
        let (form, suffix) = Form::split(headers)?;
        if form == Form::Native {
            return None;
        }
        let content_type = format!("{}{suffix}", Form::Native.content_type());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::try_from(content_type).ok()?,
        );
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        // About the encoding of the answer, which is the gateway's to choose.
        headers.remove(header::ACCEPT);
        if form == Form::WebText {
            headers.remove(header::CONTENT_LENGTH);
            *body = request::decoded(std::mem::take(body));
        }
        Some(Self(form))
    }

    /// Makes an answer of gRPC-Web of one of gRPC. Others pass as they are.
    pub(crate) fn finish(self, response: Response<Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let headers = &mut parts.headers;
        let Some((Form::Native, suffix)) = Form::split(headers) else {
            return Response::from_parts(parts, body);
        };
        let content_type = format!("{}{suffix}", self.0.content_type());
        let Ok(content_type) = HeaderValue::try_from(content_type) else {
            return Response::from_parts(parts, body);
        };
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRAILER);
        let body = if body.is_end_stream() {
            // All in the head: browsers see of that only what CORS lets them.
            let mut moved = HeaderMap::new();
            for name in [STATUS, MESSAGE, DETAILS] {
                moved.extend(headers.remove(&name).map(|value| (name, value)));
            }
            Body::Full(trailers(self.0, &moved))
        } else {
            response::encoded(body, self.0)
        };
        Response::from_parts(parts, body)
    }
}

const DETAILS: header::HeaderName = header::HeaderName::from_static("grpc-status-details-bin");

/// The frame that holds trailers.
pub(super) fn trailers(form: Form, trailers: &HeaderMap) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in trailers {
        block.put_slice(name.as_str().as_bytes());
        block.put_slice(b": ");
        block.put_slice(value.as_bytes());
        block.put_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(block.len() + 5);
    frame.put_u8(TRAILERS);
    // Trailers are bounded to far less by whoever has read them.
    frame.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    frame.put(block);
    written(form, frame.freeze())
}

/// Bytes as this form has them. Each piece of text is padded by itself, so that nothing waits for what comes next.
fn written(form: Form, data: Bytes) -> Bytes {
    match form {
        Form::WebText => Bytes::from(STANDARD.encode(data)),
        Form::Web | Form::Native => data,
    }
}
