//! What an instance says of its target, and what is shown of it.

use gatewright_proto::{Key, v1};
use serde_json::{Map, Value, json};

use crate::{
    api::ApiError, catalog::Entry, document::instead, registration::DEFAULT_TTL_MS, write::Mistake,
};

/// What an instance may say of its target.
const FIELDS: [&str; 5] = ["address", "weight", "priority", "labels", "ttl_ms"];

/// Whose registration it is.
pub(super) struct Names<'a> {
    pub(super) key: &'a Key,
    pub(super) upstream: &'a str,
    /// The token that it came with.
    pub(super) author: &'a str,
}

/// What is stored with what is given over it.
pub(super) fn merged(
    names: &Names<'_>,
    stored: Option<&Entry>,
    given: Value,
) -> Result<Value, ApiError> {
    let key = names.key;
    let Value::Object(given) = given else {
        let mistake = Mistake::invalid(key, "", "a registration is an object");
        return Err(ApiError::Invalid(vec![mistake]));
    };
    let stored = stored.and_then(|entry| entry.held.resource.to_json().ok());
    let mut fields = match stored {
        Some(Value::Object(fields)) => fields,
        _ => Map::from_iter([
            ("name".to_owned(), json!(key.name)),
            ("upstream".to_owned(), json!(names.upstream)),
            ("ttl_ms".to_owned(), json!(DEFAULT_TTL_MS)),
        ]),
    };
    // It stays with the token that it first came with, so that two that take turns change nothing.
    fields
        .entry("registered_by")
        .or_insert_with(|| json!(names.author));
    for (field, value) in given {
        if !FIELDS.contains(&&*field) {
            let reason = format!("unknown field `{field}`{}", instead(&field, &FIELDS));
            let mistake = Mistake::invalid(key, field, reason).with_code("unknown_field");
            return Err(ApiError::Invalid(vec![mistake]));
        }
        // Without a time to live it would be a target like others.
        if !(field == "ttl_ms" && value.is_null()) {
            fields.insert(field, value);
        }
    }
    Ok(fields.into())
}

/// A registration, as it is shown.
pub(super) fn describe(instance: &str, target: &v1::Target, age_ms: u64) -> Value {
    let mut shown = serde_json::to_value(target).unwrap_or_default();
    let ttl_ms = u64::from(target.ttl_ms.unwrap_or_default());
    if let Some(fields) = shown.as_object_mut() {
        let name = fields.remove("name");
        fields.insert("target".to_owned(), name.unwrap_or_default());
        fields.insert("instance".to_owned(), json!(instance));
        fields.insert("seen_ms_ago".to_owned(), json!(age_ms));
        fields.insert("left_ms".to_owned(), json!(ttl_ms.saturating_sub(age_ms)));
    }
    shown
}
