//! Claims as header fields for the upstream, for all methods that find claims.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use crate::{Claims, RequestContext, plugin::InvalidSetting};

const MAX_HEADERS: usize = 32;
/// Fields that say how a message is read; no claim may.
const FRAMING: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// Fields by the claims that they take their values from.
#[derive(Debug)]
pub(in crate::plugin) struct ClaimsToHeaders(Vec<(Box<str>, HeaderName)>);

impl ClaimsToHeaders {
    /// Those of the setting `claims_to_headers`: names of fields by claims.
    pub(in crate::plugin) fn compile(
        given: &BTreeMap<String, String>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Self {
        if given.len() > MAX_HEADERS {
            let reason = format!("has more than {MAX_HEADERS} entries");
            mistakes.push(InvalidSetting::new("claims_to_headers", reason));
        }
        let mut headers = Vec::new();
        for (claim, name) in given {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if !claim.is_empty() && !FRAMING.contains(&name) => {
                    headers.push((claim.as_str().into(), name));
                }
                _ => {
                    let reason = format!("`{name}` is not a field that can be used here");
                    let field = format!("claims_to_headers.{claim}");
                    mistakes.push(InvalidSetting::new(field, reason));
                }
            }
        }
        Self(headers)
    }

    /// Replaces what the client sent by what the token says.
    pub(in crate::plugin) fn write(&self, request: &mut RequestContext) {
        for (_, name) in &self.0 {
            request.headers.remove(name);
        }
        let Some(claims) = &request.claims else {
            return;
        };
        for (claim, name) in &self.0 {
            if let Some(value) = value(claims, claim) {
                request.headers.append(name.clone(), value);
            }
        }
    }
}

/// None where there is nothing that a field can say.
fn value(claims: &Claims, claim: &str) -> Option<HeaderValue> {
    let found = match claim.strip_prefix('/') {
        None => claims.values.get(claim),
        Some(path) => {
            let (first, rest) = match path.find('/') {
                Some(at) => (&path[..at], &path[at..]),
                None => (path, ""),
            };
            let first = first.replace("~1", "/").replace("~0", "~");
            claims.values.get(&first).and_then(|it| it.pointer(rest))
        }
    };
    let text = match found? {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map_or_else(|| Value::Array(list.clone()).to_string(), |it| it.join(","))
        }
        Value::Null => return None,
        other => other.to_string(),
    };
    HeaderValue::from_str(&text).ok()
}
