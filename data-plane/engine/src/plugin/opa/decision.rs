//! What a policy says.

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::super::authorizer::is_framing;

/// Most fields that are taken.
const MAX_FIELDS: usize = 64;

/// What it says.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) allow: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) status: StatusCode,
    pub(super) reason: Option<String>,
}

impl Decision {
    /// None where it says nothing that can be understood.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let mut answer: Map<String, Value> = serde_json::from_slice(answer).ok()?;
        let mut members = match answer.remove("result") {
            None => return Some(Self::plain(false)),
            Some(Value::Bool(allow)) => return Some(Self::plain(allow)),
            Some(Value::Object(members)) => members,
            Some(_) => return None,
        };
        let allow = match members.remove("allow") {
            None => false,
            Some(Value::Bool(allow)) => allow,
            Some(_) => return None,
        };
        let headers = match members.remove("headers") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(fields)) if fields.len() <= MAX_FIELDS => fields
                .into_iter()
                .map(|(name, value)| field(&name, &value))
                .collect::<Option<Vec<_>>>()?,
            Some(_) => return None,
        };
        let status = match members.remove("status") {
            None | Some(Value::Null) => StatusCode::FORBIDDEN,
            Some(status) => {
                let number = u16::try_from(status.as_u64()?).ok()?;
                let denies = (300..600).contains(&number) || allow;
                denies.then_some(StatusCode::from_u16(number).ok()?)?
            }
        };
        let reason = match members.remove("reason") {
            None | Some(Value::Null) => None,
            Some(Value::String(reason)) => Some(reason),
            Some(_) => return None,
        };
        Some(Self {
            allow,
            headers: headers.into_iter().flatten().collect(),
            status,
            reason,
        })
    }

    const fn plain(allow: bool) -> Self {
        Self {
            allow,
            headers: Vec::new(),
            status: StatusCode::FORBIDDEN,
            reason: None,
        }
    }
}

/// A field, with one value or a list of them. Those that frame a message are left out.
fn field(name: &str, value: &Value) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let name = HeaderName::try_from(name).ok()?;
    let values = match value {
        Value::Array(list) if list.len() <= MAX_FIELDS => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if is_framing(&name) {
        return Some(Vec::new());
    }
    let pair = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(is) => is.to_string(),
            _ => return None,
        };
        Some((name.clone(), HeaderValue::try_from(text).ok()?))
    };
    values.iter().map(pair).collect()
}
