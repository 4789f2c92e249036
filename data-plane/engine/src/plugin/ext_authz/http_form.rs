//! The question as a request of HTTP, and its answer.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};

use super::{
    super::authorizer::{PARTIAL_BODY, Shown},
    answer::{Allowed, Change, How, Verdict},
};
use crate::RequestContext;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How it is asked.
#[derive(Debug)]
pub(super) struct HttpForm {
    /// Path of the authorizer, without a slash at its end.
    pub(super) prefix: Box<str>,
    pub(super) allowed_headers: Box<[HeaderName]>,
    pub(super) upstream_headers: Box<[HeaderName]>,
    pub(super) client_headers: Box<[HeaderName]>,
}

impl HttpForm {
    /// None where the request's own parts do not make a valid one.
    pub(super) fn question(
        &self,
        request: &RequestContext,
        body: Option<Shown<'_>>,
    ) -> Option<Request<Bytes>> {
        let path = &self.prefix;
        let target = match &request.query {
            Some(query) => format!("{path}{}?{query}", request.path),
            None => format!("{path}{}", request.path),
        };
        let mut asked = Request::new(Bytes::new());
        *asked.uri_mut() = Uri::try_from(target).ok()?;
        // A tunnel is asked about like what it begins with in HTTP/1.1.
        *asked.method_mut() = match request.method {
            Method::CONNECT => Method::GET,
            ref method => method.clone(),
        };
        let headers = asked.headers_mut();
        for name in &self.allowed_headers {
            for value in request.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let address = request.client.address.to_canonical().to_string();
        headers.insert(header::HOST, HeaderValue::from_str(&request.host).ok()?);
        headers.insert(FORWARDED_FOR, HeaderValue::try_from(address).ok()?);
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(request.scheme()));
        if let Some(shown) = body {
            let partial = if shown.whole { "false" } else { "true" };
            headers.insert(PARTIAL_BODY, HeaderValue::from_static(partial));
            headers.insert(header::CONTENT_LENGTH, shown.bytes.len().into());
            if let Some(content_type) = request.headers.get(header::CONTENT_TYPE) {
                headers.insert(header::CONTENT_TYPE, content_type.clone());
            }
            *asked.body_mut() = Bytes::copy_from_slice(shown.bytes);
        }
        Some(asked)
    }

    pub(super) fn verdict(&self, answer: Response<Bytes>) -> Option<Verdict> {
        let (parts, body) = answer.into_parts();
        if parts.status.is_success() {
            let picked = picked(&self.upstream_headers, &parts.headers);
            let change = |(name, value): (&HeaderName, &HeaderValue)| Change {
                how: How::Append,
                name: name.clone(),
                value: value.clone(),
            };
            return Some(Verdict::Allowed(Box::new(Allowed {
                headers: picked.map(change).collect(),
                ..Allowed::default()
            })));
        }
        denies(parts.status).then(|| {
            let picked = picked(&self.client_headers, &parts.headers);
            let mut headers = HeaderMap::new();
            for (name, value) in picked {
                headers.append(name.clone(), value.clone());
            }
            Verdict::Denied {
                status: parts.status,
                headers,
                body,
            }
        })
    }
}

fn picked<'a>(
    names: &'a [HeaderName],
    headers: &'a HeaderMap,
) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
    let values = |name| headers.get_all(name).iter().map(move |value| (name, value));
    names.iter().flat_map(values)
}

/// Statuses that are an answer and not a failure of the authorizer.
fn denies(status: StatusCode) -> bool {
    status.is_redirection() || status.is_client_error()
}
