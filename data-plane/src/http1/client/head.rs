//! The head of a response, read strictly.

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
use crate::connect::SendError;

/// Largest header section of a response.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most fields of it.
const MAX_FIELDS: usize = 200;

/// A response's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
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
    let mut parsed = [httparse::EMPTY_HEADER; 64];
    let mut message = httparse::Response::new(&mut parsed);
    match message.parse(&head) {
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
    let headers = fields::map(head, message.headers).map_err(SendError::Malformed)?;
    let none = bodiless
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let decoder = match none {
        true => Decoder::End,
        false => framing::of_response(&headers).map_err(SendError::Malformed)?,
    };
    // RFC 9112, 6.1: its framing is faulty, whatever it looks like.
    if message.version == Some(0) && headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(SendError::Malformed("Transfer-Encoding in HTTP/1.0"));
    }
    let closes = has_word(&headers, &header::CONNECTION, "close");
    let keep = match message.version {
        Some(1) => !closes,
        _ => !closes && has_word(&headers, &header::CONNECTION, "keep-alive"),
    };
    let keep = keep && !matches!(decoder, Decoder::UntilClose);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_11;
    *response.headers_mut() = headers;
    Ok(Head {
        response,
        decoder,
        keep,
    })
}
