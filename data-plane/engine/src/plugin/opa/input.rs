//! What a policy sees of a request.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::super::{authorizer::Shown, media::is_json};
use crate::{Action, RequestContext};

pub(super) fn of(
    request: &RequestContext,
    shows: impl Fn(&HeaderName) -> bool,
    body: Option<Shown<'_>>,
) -> Value {
    let consumer = request.consumer.as_ref();
    let claims = request.claims.as_ref();
    let credential = request.credential.as_ref();
    let service = match &request.route.action {
        Action::Forward(service) => Value::from(&*service.name),
        _ => Value::Null,
    };
    let own = consumer.map_or(&[][..], |it| &it.groups);
    let groups = own.iter().chain(claims.iter().flat_map(|it| &it.groups));
    let scopes = credential.iter().flat_map(|it| &it.scopes);
    let scopes = scopes.chain(claims.iter().flat_map(|it| &it.scopes));
    let query = request.query.as_deref().unwrap_or_default();
    let segments = request.path.split('/').filter(|it| !it.is_empty());
    let mut input = json!({
        "method": request.method.as_str(),
        "scheme": request.scheme(),
        "host": request.host,
        "path": request.path,
        "query": query,
        "segments": segments.map(decoded).collect::<Vec<_>>(),
        "parameters": parameters(query),
        "headers": fields(&request.headers, shows),
        "client_address": request.client.address.to_canonical().to_string(),
        "route": &*request.route.name,
        "service": service,
        "consumer": consumer.map(|it| json!({"name": &*it.name, "groups": texts(it.groups.iter())})),
        "groups": texts(groups),
        "scopes": texts(scopes),
        "claims": claims.map(|it| &it.values),
        "authenticated_by": request.authenticated_by.as_slice(),
    });
    if let Some(shown) = body {
        input["body"] = content(request, shown);
        input["body_is_whole"] = shown.whole.into();
    }
    json!({ "input": input })
}

fn texts<'a>(list: impl Iterator<Item = &'a Arc<str>>) -> Vec<&'a str> {
    list.map(|it| &**it).collect()
}

fn content(request: &RequestContext, shown: Shown<'_>) -> Value {
    let text = || String::from_utf8_lossy(shown.bytes).into_owned().into();
    if !is_json(&request.headers) || !shown.whole {
        return text();
    }
    serde_json::from_slice(shown.bytes).unwrap_or_else(|_| text())
}

/// By name in lower case; several of one name joined with `, ` (RFC 9110 section 5.2).
fn fields(headers: &HeaderMap, shows: impl Fn(&HeaderName) -> bool) -> Map<String, Value> {
    let field = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.to_string(), values.join(", ").into())
    };
    headers
        .keys()
        .filter(|name| shows(name))
        .map(field)
        .collect()
}

/// Lists of values by name.
fn parameters(query: &str) -> Map<String, Value> {
    let mut found = Map::new();
    for pair in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(&value.replace('+', " "));
        let list = found
            .entry(decoded(&name.replace('+', " ")))
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(value.into());
        }
    }
    found
}

fn decoded(written: &str) -> String {
    percent_decode_str(written).decode_utf8_lossy().into_owned()
}
