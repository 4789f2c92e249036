//! The head of a request, as HTTP/2 has it.

use h2::ext;
use http::{
    HeaderMap, Method, Request, Uri, Version, header,
    uri::{Authority, Parts, Scheme},
};
use http_body::Body as _;

use super::super::length;
use crate::{body::Body, connect::Origin, http1::client::Outgoing};

/// The head to send, and whether it is all there is.
pub(super) fn request(origin: &Origin, outgoing: &Outgoing, body: &Body) -> (Request<()>, bool) {
    let mut headers = outgoing.request.headers().clone();
    let authority = authority(origin, &headers);
    // RFC 9113, 8.3.1: `:authority` says it.
    headers.remove(header::HOST);
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri(origin, outgoing.request.uri(), authority);
    *request.method_mut() = outgoing.request.method().clone();
    let exact = body.size_hint().exact();
    let mut ends = exact == Some(0) && body.is_end_stream();
    if let Some(protocol) = &outgoing.upgrade {
        *request.method_mut() = Method::CONNECT;
        let protocol = ext::Protocol::from(&**protocol);
        request.extensions_mut().insert(protocol);
        length::announce(&mut headers, None);
        ends = false;
    } else {
        let expected = matches!(
            *outgoing.request.method(),
            Method::POST | Method::PUT | Method::PATCH
        );
        length::announce(&mut headers, exact.filter(|_| !ends || expected));
    }
    *request.headers_mut() = headers;
    (request, ends)
}

/// What Host says; the address where it says nothing that can be sent.
fn authority(origin: &Origin, headers: &HeaderMap) -> Authority {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.unwrap_or_else(|| {
        let address = origin.address.to_string();
        Authority::try_from(address).expect("an address with a port is an authority")
    })
}

fn uri(origin: &Origin, target: &Uri, authority: Authority) -> Uri {
    let mut parts = Parts::default();
    parts.scheme = Some(if origin.is_secure() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    });
    parts.authority = Some(authority);
    parts.path_and_query = Some(match target.path_and_query() {
        Some(path) => path.clone(),
        None => http::uri::PathAndQuery::from_static("/"),
    });
    Uri::from_parts(parts).expect("scheme, authority and path make a URI")
}
