//! Heads and chunks, written by hand into a buffer that is kept.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::date;
use crate::proxy::REQUEST_ID;

/// How a body is framed on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body, and no field that speaks of one.
    None,
    /// As long as this.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Until the connection closes.
    Close,
    /// No body follows, but the fields are as if (HEAD, 304).
    Described(Option<u64>),
}

/// What the connection does afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// The version's own way.
    Default,
    /// Said to be kept, for HTTP/1.0.
    KeepAlive,
    /// Closed.
    Close,
}

/// Writes a request's head. Fields of framing and connection in the map are left out.
pub(super) fn request(
    out: &mut Vec<u8>,
    (method, uri): (&Method, &Uri),
    headers: &HeaderMap,
    framing: Framing,
    upgrade: Option<&str>,
) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // Host first, as RFC 9112 section 3.2 asks.
    if let Some((name, host)) = headers.iter().find(|(name, _)| **name == header::HOST) {
        field(out, name.as_str(), host.as_bytes());
    }
    let mut trailers = false;
    fields(out, headers, true, |name| {
        trailers |= *name == header::TE;
        *name == header::HOST
    });
    if let Some(protocol) = upgrade {
        field(out, "connection", b"upgrade");
        field(out, "upgrade", protocol.as_bytes());
    }
    if trailers {
        // RFC 9110, 10.1.4: it is for this connection, and must be said to be.
        field(out, "connection", b"te");
    }
    self::framing(out, framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes a response's head, with this id of the request instead of what the map says of one.
pub(super) fn response(
    out: &mut Vec<u8>,
    (status, headers): (StatusCode, &HeaderMap),
    request_id: Option<&HeaderValue>,
    (framing, persistence): (Framing, Persistence),
) {
    status_line(out, status);
    let switching = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut dated = switching;
    fields(out, headers, !switching, |name| {
        dated |= *name == header::DATE;
        request_id.is_some() && *name == REQUEST_ID
    });
    if let Some(id) = request_id {
        field(out, REQUEST_ID.as_str(), id.as_bytes());
    }
    if !dated {
        out.extend_from_slice(b"date: ");
        date::append(out);
        out.extend_from_slice(b"\r\n");
    }
    match persistence {
        Persistence::Default => {}
        Persistence::KeepAlive => field(out, "connection", b"keep-alive"),
        Persistence::Close => field(out, "connection", b"close"),
    }
    self::framing(out, framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim response, which has no body.
pub(super) fn interim(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    status_line(out, status);
    fields(out, headers, true, |_| false);
    out.extend_from_slice(b"\r\n");
}

/// Writes what goes before a chunk.
pub(super) fn chunk_head(out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(DIGITS[(len >> (4 * place)) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk and the trailers.
pub(super) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        fields(out, trailers, true, |name| *name == header::TRAILER);
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes a map; with `strip`, without what framing and connection are said with.
fn fields(
    out: &mut Vec<u8>,
    headers: &HeaderMap,
    strip: bool,
    mut skip: impl FnMut(&HeaderName) -> bool,
) {
    for (name, value) in headers {
        let hop = *name == header::CONTENT_LENGTH
            || *name == header::TRANSFER_ENCODING
            || *name == header::CONNECTION
            || *name == header::UPGRADE;
        if (strip && hop) || skip(name) {
            continue;
        }
        field(out, name.as_str(), value.as_bytes());
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Length(length) | Framing::Described(Some(length)) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::Close | Framing::Described(None) => {}
    }
}
