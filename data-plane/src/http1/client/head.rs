//! The head of a response, read strictly.

use std::mem::MaybeUninit;

use http::{HeaderMap, Response, StatusCode, Version, header};

use super::{
    super::{
        decoder::Decoder,
        fields::{self, has_word},
        framing,
        scan::Section,
    },
    connection::Upstream,
};
use crate::{body::Body, connect::SendError};

/// Largest header section of a response.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most fields of it.
const MAX_FIELDS: usize = 200;

/// A response's head.
#[derive(Debug)]
pub(super) struct Head {
    /// Its body is still to be put in.
    pub(super) response: Box<Response<Body>>,
    pub(super) decoder: Decoder,
    /// Whether the connection can be used again.
    pub(super) keep: bool,
}

impl Head {
    /// Whether the response itself is still to come.
    pub(super) fn is_interim(&self) -> bool {
        let status = self.response.status();
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// What of an interim response is passed on.
    pub(super) fn interim_fields(&self) -> HeaderMap {
        let mut fields = self.response.headers().clone();
        crate::proxy::strip_response(&mut fields);
        fields
    }
}

/// Reads a head from the front of what has come; none while it is incomplete.
pub(super) fn parse(upstream: &mut Upstream, bodiless: bool) -> Result<Option<Head>, SendError> {
    if upstream.input.is_empty() {
        return Ok(None);
    }
    let len = match upstream.scan.section(&upstream.input) {
        Section::Whole(len) if len <= MAX_HEAD_BYTES => len,
        Section::Partial if upstream.input.len() < MAX_HEAD_BYTES => return Ok(None),
        Section::Broken(what) => return Err(SendError::Malformed(what)),
        Section::Whole(_) | Section::Partial => {
            return Err(SendError::Malformed("a header section that is too large"));
        }
    };
    let head = upstream.input.split_to(len).freeze();
    let mut parsed = [const { MaybeUninit::uninit() }; 64];
    let mut message = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut message, &head, &mut parsed) {
        Ok(httparse::Status::Complete(_)) => return build(&head, &message, bodiless).map(Some),
        Err(httparse::Error::TooManyHeaders) => {}
        _ => return Err(SendError::Malformed("a head that is not one")),
    }
    let mut parsed = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut message = httparse::Response::new(&mut parsed);
    match message.parse(&head) {
        Ok(httparse::Status::Complete(_)) => build(&head, &message, bodiless).map(Some),
        Err(httparse::Error::TooManyHeaders) => Err(SendError::Malformed("too many header fields")),
        _ => Err(SendError::Malformed("a head that is not one")),
    }
}

fn build(
    head: &bytes::Bytes,
    message: &httparse::Response<'_, '_>,
    bodiless: bool,
) -> Result<Head, SendError> {
    let status = message
        .code
        .and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(SendError::Malformed("a status that is not one"))?;
    let (headers, present) = fields::map(head, message.headers).map_err(SendError::Malformed)?;
    let none = bodiless
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let decoder = match (none, present.has_framing()) {
        (true, _) => Decoder::End,
        (false, false) => Decoder::UntilClose,
        (false, true) => {
            let fields = (&headers, present.has_coding());
            framing::of_response(fields).map_err(SendError::Malformed)?
        }
    };
    // RFC 9112, 6.1: its framing is faulty, whatever it looks like.
    if message.version == Some(0) && present.has_coding() {
        return Err(SendError::Malformed("Transfer-Encoding in HTTP/1.0"));
    }
    let says = |word| present.has_connection() && has_word(&headers, &header::CONNECTION, word);
    let keep = match message.version {
        Some(1) => !says("close"),
        _ => !says("close") && says("keep-alive"),
    };
    let keep = keep && !matches!(decoder, Decoder::UntilClose);
    let mut response = Box::new(Response::new(Body::Empty));
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_11;
    *response.headers_mut() = headers;
    Ok(Head {
        response,
        decoder,
        keep,
    })
}
