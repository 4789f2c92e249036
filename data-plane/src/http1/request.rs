//! The head of a request, read strictly (RFC 9112, 2 to 6 and 11).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, Method, Request, Uri, Version, header};

use super::{
    decoder::Decoder,
    fields::{self, Hosts, has_word},
    framing,
    scan::{Scan, Section},
};
use crate::{
    body::Body,
    exchange::{Incoming, Interim},
    proxy::Limits,
};

/// Fields that are parsed without an allocation.
const FIELDS: usize = 64;

/// Empty lines that may come before a request line.
const MAX_EMPTY_LINES: u8 = 2;

/// A request's head.
#[derive(Debug)]
pub(super) struct Head {
    /// Method, target in origin form, fields, the protocol to switch to. The body is still to be put in.
    pub(super) incoming: Box<Incoming>,
    /// How the body is framed.
    pub(super) decoder: Decoder,
    /// Whether the client wants the connection kept.
    pub(super) keep: bool,
    /// Whether the client waits for `100 Continue`.
    pub(super) expects: bool,
}

/// Reads a head from the front of the buffer; none while it is incomplete.
///
/// # Errors
/// What is malformed, ambiguous or over a limit. The connection cannot be used any more.
pub(super) fn parse(
    buffer: &mut BytesMut,
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Option<Head>, Rejection> {
    // RFC 9112, 2.2: an empty line before the request line is ignored; more than a few are not.
    while buffer.starts_with(b"\r\n") {
        if scan.skip_empty_line(buffer) > MAX_EMPTY_LINES {
            return Err(bad("empty lines before the request line"));
        }
    }
    let len = match scan.section(buffer) {
        Section::Whole(len) if len <= limits.head_bytes => len,
        Section::Partial if buffer.len() < limits.head_bytes => return Ok(None),
        Section::Broken(what) => return Err(bad(what)),
        Section::Whole(_) | Section::Partial => return Err(too_large(buffer, limits)),
    };
    let head = buffer.split_to(len).freeze();
    read(&head, limits).map(Some)
}

fn read(head: &Bytes, limits: &Limits) -> Result<Head, Rejection> {
    let mut few = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut few) {
        Ok(httparse::Status::Complete(_)) => return build(head, &parsed, limits),
        Ok(httparse::Status::Partial) => return Err(bad("malformed head")),
        Err(httparse::Error::TooManyHeaders) => {}
        Err(error) => return Err(malformed(error, head)),
    }
    let mut many = vec![httparse::EMPTY_HEADER; limits.header_count];
    let mut parsed = httparse::Request::new(&mut many);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => build(head, &parsed, limits),
        Ok(httparse::Status::Partial) => Err(bad("malformed head")),
        Err(httparse::Error::TooManyHeaders) => Err(too_many(limits)),
        Err(error) => Err(malformed(error, head)),
    }
}

fn build(
    head: &Bytes,
    parsed: &httparse::Request<'_, '_>,
    limits: &Limits,
) -> Result<Head, Rejection> {
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(bad("malformed request line"));
    };
    if parsed.headers.len() > limits.header_count {
        return Err(too_many(limits));
    }
    let version = if minor == 1 {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad("malformed method"))?;
    let (headers, present) = fields::map(head, parsed.headers).map_err(bad)?;
    check_host(present.hosts(), version)?;
    let uri = self::target(head, target, &method, &headers)?;
    let decoder = match present.has_framing() {
        true => framing::of_request((&headers, present.has_coding()), version)?,
        false => Decoder::End,
    };
    let says = |word| present.has_connection() && has_word(&headers, &header::CONNECTION, word);
    let keep = match version {
        Version::HTTP_11 => !says("close"),
        _ => !says("close") && says("keep-alive"),
    };
    let expects = present.has_expect() && expects(&headers, version)?;
    // With a body in between, nobody knows where the new protocol begins.
    let upgrade = match decoder.is_end() && present.has_connection() {
        true => upgrade(&headers, version),
        false => None,
    };
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    let incoming = Incoming {
        request,
        upgrade,
        interim: Interim::none(),
    };
    Ok(Head {
        incoming: Box::new(incoming),
        decoder,
        keep,
        expects,
    })
}

/// RFC 9112, 3.2: exactly one Host in HTTP/1.1, at most one before.
fn check_host(hosts: Hosts, version: Version) -> Result<(), Rejection> {
    match hosts {
        Hosts::None if version == Version::HTTP_11 => Err(bad("no Host")),
        Hosts::Several => Err(bad("several Host")),
        Hosts::Empty if version == Version::HTTP_11 => Err(bad("an empty Host")),
        _ => Ok(()),
    }
}

/// The target in origin form (RFC 9112, 3.2.1 to 3.2.4).
fn target(
    head: &Bytes,
    target: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Uri, Rejection> {
    if *method == Method::CONNECT {
        return Err(Rejection::new(
            Code::NotImplemented,
            "CONNECT is not implemented",
        ));
    }
    if target == "*" && *method != Method::OPTIONS {
        return Err(bad("the target `*` is for OPTIONS"));
    }
    // RFC 3986 knows neither; recipients differ about what they mean by them.
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(bad("a character in the target that must be escaped"));
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(target.as_bytes()))
        .map_err(|_| bad("malformed target"))?;
    if target == "*" || target.starts_with('/') {
        return Ok(uri);
    }
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad("malformed target"));
    };
    if scheme != "http" && scheme != "https" {
        return Err(bad("a target with a scheme other than http and https"));
    }
    let host = headers
        .get(header::HOST)
        .map_or(&b""[..], |host| host.as_bytes());
    if !authority.as_str().as_bytes().eq_ignore_ascii_case(host) {
        return Err(bad("Host differs from the target's"));
    }
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).map_err(|_| bad("malformed target"))
}

/// RFC 9110, 10.1.1. HTTP/1.0 clients cannot wait.
fn expects(headers: &HeaderMap, version: Version) -> Result<bool, Rejection> {
    let Some(value) = headers.get(header::EXPECT) else {
        return Ok(false);
    };
    if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
        return Err(bad("an expectation other than `100-continue`"));
    }
    Ok(version == Version::HTTP_11)
}

/// RFC 9110, 7.8: the first protocol that is offered.
fn upgrade(headers: &HeaderMap, version: Version) -> Option<Box<str>> {
    let offered = headers.get(header::UPGRADE)?;
    if version != Version::HTTP_11 || !has_word(headers, &header::CONNECTION, "upgrade") {
        return None;
    }
    let first = offered.to_str().ok()?.split(',').next()?.trim();
    (!first.is_empty()).then(|| first.to_ascii_lowercase().into())
}

fn too_large(buffer: &[u8], limits: &Limits) -> Rejection {
    let line = buffer.iter().position(|byte| *byte == b'\n');
    if line.is_none_or(|len| len > limits.head_bytes) {
        let detail = format!("the target is over {} bytes", limits.head_bytes);
        return Rejection::new(Code::TargetTooLong, detail);
    }
    let detail = format!("the header section is over {} bytes", limits.head_bytes);
    Rejection::new(Code::HeadersTooLarge, detail)
}

fn too_many(limits: &Limits) -> Rejection {
    let detail = format!("more than {} header fields", limits.header_count);
    Rejection::new(Code::HeadersTooLarge, detail)
}

fn malformed(error: httparse::Error, head: &[u8]) -> Rejection {
    match error {
        httparse::Error::Version if names_version(head) => Rejection::new(
            Code::VersionNotSupported,
            "a version other than HTTP/1.0 and 1.1",
        ),
        httparse::Error::HeaderName => bad("malformed header name"),
        httparse::Error::HeaderValue => bad("malformed header value"),
        httparse::Error::NewLine => bad("malformed line end"),
        _ => bad("malformed request line"),
    }
}

/// Whether the request line is one, but for a version that is not spoken here.
fn names_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [_, _, version] = words[..] else {
        return false;
    };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn bad(what: &'static str) -> Rejection {
    Rejection::new(Code::BadRequest, what)
}
