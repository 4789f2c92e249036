//! The question as a call of `envoy.service.auth.v3.Authorization/Check`, and its answer.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use gatewright_proto::ext_authz::{
    Address, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption,
    Metadata, OkHttpResponse, SocketAddress, address,
    attribute_context::{HttpRequest, Peer, Request as Told},
    check_response::HttpResponse,
    header_value_option::HeaderAppendAction,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use prost::Message as _;

use super::{
    super::{
        Trailers,
        authorizer::{Authorizer, PARTIAL_BODY, Shown, is_framing},
    },
    answer::{Allowed, Change, How, Verdict},
    metadata,
};
use crate::{Action, RequestContext};

const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Under which name it is told who calls.
const NAMESPACE: &str = "gatewright";
/// Most changes of one kind that are taken.
const MAX_CHANGES: usize = 256;

/// How it is asked.
#[derive(Debug)]
pub(super) struct GrpcForm {
    /// None: all.
    pub(super) allowed_headers: Option<Box<[HeaderName]>>,
    pub(super) context: BTreeMap<String, String>,
    pub(super) route_context: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) send_identity: bool,
}

impl GrpcForm {
    /// None where the message is too long for one.
    pub(super) fn question(
        &self,
        authorizer: &Authorizer,
        request: &RequestContext,
        body: Option<Shown<'_>>,
    ) -> Option<Request<Bytes>> {
        let message = self.message(authorizer, request, body);
        let length = message.encoded_len();
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + length);
        framed.put_u8(0);
        framed.put_u32(u32::try_from(length).ok()?);
        message.encode(&mut framed).ok()?;
        let mut asked = Request::new(framed.freeze());
        *asked.method_mut() = Method::POST;
        *asked.uri_mut() = Uri::from_static(METHOD);
        let server = authorizer.server();
        let host = match server.host.contains(':') {
            true => format!("[{}]:{}", server.host, server.port),
            false => format!("{}:{}", server.host, server.port),
        };
        let timeout = format!("{}m", authorizer.timeout().as_millis());
        let headers = asked.headers_mut();
        headers.insert(header::HOST, HeaderValue::try_from(host).ok()?);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(TIMEOUT, HeaderValue::try_from(timeout).ok()?);
        Some(asked)
    }

    fn message(
        &self,
        authorizer: &Authorizer,
        request: &RequestContext,
        body: Option<Shown<'_>>,
    ) -> CheckRequest {
        let mut context = self.context.clone();
        if let Some(more) = self.route_context.get(&*request.route.name) {
            context.extend(more.clone());
        }
        let metadata = self.send_identity.then(|| Metadata {
            filter_metadata: BTreeMap::from([(
                NAMESPACE.to_owned(),
                metadata::object(metadata::identity(request)),
            )]),
        });
        let service = match &request.route.action {
            Action::Forward(service) => service.name.to_string(),
            _ => String::new(),
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source(request)),
                destination: Some(Peer {
                    service,
                    ..Peer::default()
                }),
                request: Some(Told {
                    time: Some(SystemTime::now().into()),
                    http: Some(self.http(authorizer, request, body)),
                }),
                context_extensions: context,
                metadata_context: metadata,
            }),
        }
    }

    fn http(
        &self,
        authorizer: &Authorizer,
        request: &RequestContext,
        body: Option<Shown<'_>>,
    ) -> HttpRequest {
        let path = match &request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.clone(),
        };
        let mut headers = self.fields(&request.headers);
        for (name, value) in [
            (":authority", &*request.host),
            (":method", request.method.as_str()),
            (":path", &path),
            (":scheme", request.scheme()),
        ] {
            headers.insert(name.to_owned(), value.to_owned());
        }
        let mut told = HttpRequest {
            id: text(&request.headers, &REQUEST_ID).unwrap_or_default(),
            method: request.method.to_string(),
            path,
            host: request.host.to_string(),
            scheme: request.scheme().to_owned(),
            size: text(&request.headers, &header::CONTENT_LENGTH)
                .and_then(|it| it.parse().ok())
                .unwrap_or(if request.has_body { -1 } else { 0 }),
            ..HttpRequest::default()
        };
        if let Some(shown) = body {
            let partial = if shown.whole { "false" } else { "true" };
            headers.insert(PARTIAL_BODY.to_string(), partial.to_owned());
            if shown.whole {
                told.size = i64::try_from(shown.bytes.len()).unwrap_or(-1);
            }
            match authorizer.sends_bytes() {
                true => told.raw_body = shown.bytes.to_vec(),
                false => told.body = String::from_utf8_lossy(shown.bytes).into_owned(),
            }
        }
        told.headers = headers;
        told
    }

    /// By name; several of one name joined with a comma.
    fn fields(&self, headers: &HeaderMap) -> BTreeMap<String, String> {
        let allowed = |name: &&HeaderName| {
            let list = self.allowed_headers.as_ref();
            list.is_none_or(|list| list.contains(name))
        };
        let names = headers.keys().filter(allowed);
        let field = |name: &HeaderName| Some((name.to_string(), text(headers, name)?));
        names.filter_map(field).collect()
    }
}

fn source(request: &RequestContext) -> Peer {
    let socket = SocketAddress {
        address: request.client.address.to_canonical().to_string(),
        ..SocketAddress::default()
    };
    Peer {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(socket)),
        }),
        ..Peer::default()
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// What an answer says; none where it is none.
pub(super) fn verdict(answer: &Response<Bytes>) -> Option<Verdict> {
    let trailers = answer.extensions().get::<Trailers>();
    let status = trailers.and_then(|it| it.0.get(STATUS));
    let status = status.or_else(|| answer.headers().get(STATUS))?;
    if answer.status() != StatusCode::OK || status.as_bytes() != b"0" {
        return None;
    }
    let (prefix, message) = answer.body().split_at_checked(PREFIX_BYTES)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *compressed != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    let said = CheckResponse::decode(message).ok()?;
    // Without a status it says nothing: what allows must be said.
    let allows = said.status?.code == 0;
    match (allows, said.http_response) {
        (true, None) => Some(Verdict::Allowed(Box::default())),
        (true, Some(HttpResponse::OkResponse(said))) => {
            Some(Verdict::Allowed(Box::new(allowed(said)?)))
        }
        (false, None) => denied(DeniedHttpResponse::default()),
        (false, Some(HttpResponse::DeniedResponse(said))) => denied(said),
        (true, Some(HttpResponse::DeniedResponse(_)))
        | (false, Some(HttpResponse::OkResponse(_))) => None,
    }
}

fn allowed(said: OkHttpResponse) -> Option<Allowed> {
    let lists = [
        said.headers_to_remove.len(),
        said.query_parameters_to_set.len(),
    ];
    let more = said.query_parameters_to_remove.len();
    if lists.into_iter().chain([more]).any(|it| it > MAX_CHANGES) {
        return None;
    }
    let mut removed = Vec::with_capacity(said.headers_to_remove.len());
    for name in said.headers_to_remove {
        match HeaderName::try_from(name.as_str()) {
            Ok(name) if !is_framing(&name) => removed.push(name),
            Ok(_) => {}
            // Parts of the request line cannot be removed.
            Err(_) if name.starts_with(':') => {}
            Err(_) => return None,
        }
    }
    let parameters = said.query_parameters_to_set.into_iter();
    Some(Allowed {
        headers: changes(said.headers, How::Set)?,
        removed,
        parameters: parameters.map(|it| (it.key, it.value)).collect(),
        removed_parameters: said.query_parameters_to_remove,
        for_client: changes(said.response_headers_to_add, How::Append)?,
    })
}

fn denied(said: DeniedHttpResponse) -> Option<Verdict> {
    let status = match said.status.map_or(0, |it| it.code) {
        0 => StatusCode::FORBIDDEN,
        code => StatusCode::from_u16(u16::try_from(code).ok()?).ok()?,
    };
    if !(200..600).contains(&status.as_u16()) {
        return None;
    }
    let mut headers = HeaderMap::new();
    for change in changes(said.headers, How::Set)? {
        change.apply(&mut headers);
    }
    Some(Verdict::Denied {
        status,
        headers,
        body: said.body.into(),
    })
}

/// `unsaid` is what is done with fields of which it is not said. None where one is not a field.
fn changes(options: Vec<HeaderValueOption>, unsaid: How) -> Option<Vec<Change>> {
    if options.len() > MAX_CHANGES {
        return None;
    }
    let mut changes = Vec::with_capacity(options.len());
    for option in options {
        let how = match (option.append, option.append_action()) {
            (Some(true), _) => How::Append,
            (Some(false), _) => How::Set,
            (None, HeaderAppendAction::AppendIfExistsOrAdd) => unsaid,
            (None, HeaderAppendAction::AddIfAbsent) => How::AddIfAbsent,
            (None, HeaderAppendAction::OverwriteIfExistsOrAdd) => How::Set,
            (None, HeaderAppendAction::OverwriteIfExists) => How::SetIfPresent,
        };
        let field = option.header?;
        let value = match field.raw_value.is_empty() {
            true => field.value.as_bytes(),
            false => &field.raw_value,
        };
        match HeaderName::try_from(field.key.as_str()) {
            Ok(name) if is_framing(&name) => {}
            Ok(name) => changes.push(Change {
                how,
                name,
                value: HeaderValue::from_bytes(value).ok()?,
            }),
            // Parts of the request line cannot be changed.
            Err(_) if field.key.starts_with(':') => {}
            Err(_) => return None,
        }
    }
    Some(changes)
}
