//! What a request's head says, checked and in its normalised form.

use std::borrow::Cow;

use gatewright_engine::{
    Code, Rejection,
    path::{InvalidPath, normalize},
};
use http::{HeaderMap, HeaderValue, Method, Uri, header};

/// TRACE would show the client what proxies in between have added; a plain CONNECT would make this an
/// open proxy.
pub(super) fn check_method(method: &Method, switches: bool) -> Result<(), Rejection> {
    if *method == Method::TRACE {
        // RFC 9110, 15.5.6 asks for `Allow`; there is no list that holds for the whole gateway.
        let allow = HeaderValue::from_static("");
        let rejection = Rejection::new(Code::MethodNotAllowed, "TRACE is not allowed");
        return Err(rejection.with_header(header::ALLOW, allow));
    }
    if *method == Method::CONNECT && !switches {
        let detail = "CONNECT is not implemented";
        return Err(Rejection::new(Code::NotImplemented, detail));
    }
    Ok(())
}

/// Counts `Max-Forwards` down. Whether the request may go on.
pub(super) fn hand_on(headers: &mut HeaderMap) -> bool {
    let Some(left) = headers.get_mut(header::MAX_FORWARDS) else {
        return true;
    };
    let count = left.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    match count {
        Some(0) => return false,
        Some(count) => *left = HeaderValue::from(count - 1),
        None => {}
    }
    true
}

/// The path in its normalised form, and whether it was written like that. What speaks of the whole
/// server (`*`), or names only a host (CONNECT), is the root.
pub(super) fn path(uri: &Uri) -> Result<(String, bool), Rejection> {
    match uri.path() {
        "*" | "" => Ok(("/".to_owned(), false)),
        path => match normalize(path).map_err(refused)? {
            Cow::Borrowed(path) => Ok((path.to_owned(), true)),
            Cow::Owned(path) => Ok((path, false)),
        },
    }
}

/// What a host consists of (RFC 3986, 3.2.2), by byte.
static IN_HOST: [bool; 256] = {
    let other = b"-._[]:~%!$&'()*+,;=";
    let mut table = [false; 256];
    let mut at = 0;
    while at < other.len() {
        table[other[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        table[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// The host in lower case, without port and trailing dot. The codec has checked that there is one; HTTP/1.0
/// may come without.
pub(super) fn host(headers: &HeaderMap, uri: &Uri) -> Result<Box<str>, Rejection> {
    let wrong = || Rejection::new(Code::BadRequest, "Host is not valid");
    // It is among the first of few: to look for it costs less than to look it up.
    let host = headers.iter().find(|(name, _)| **name == header::HOST);
    let text = match (host.map(|(_, value)| value), uri.authority()) {
        (Some(value), _) => value.to_str().map_err(|_| wrong())?,
        (None, Some(authority)) => authority.as_str(),
        (None, None) => return Ok("".into()),
    };
    let end = match text.rfind(':') {
        // Not a colon within the brackets of an IPv6 address.
        Some(colon) if !text[colon..].contains(']') => colon,
        _ => text.len(),
    };
    let (name, port) = text.split_at(end);
    if !port.is_empty() && !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut bytes = name.bytes();
    if name.len() > 255 || !bytes.all(|byte| IN_HOST[usize::from(byte)]) {
        return Err(wrong());
    }
    Ok(name.to_ascii_lowercase().into())
}

fn refused(InvalidPath(what): InvalidPath) -> Rejection {
    Rejection::new(Code::BadRequest, what)
}
