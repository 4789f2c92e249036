//! Settings of `request-guard`.

use http::{HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Json, Media, RequestGuard, json::Bounds};
use crate::plugin::InvalidSetting;

/// Most entries of a list.
const MAX_ENTRIES: usize = 100;
/// Most bytes of JSON that are held back.
const MAX_JSON_BYTES: u32 = 8 << 20;
/// Longest that a body is waited for, in milliseconds.
const MAX_TIMEOUT_MS: u32 = 60_000;
/// Deepest nesting that can be allowed: what is counted takes a byte or more a level.
const MAX_DEPTH: u32 = 10_000;

/// See the fields.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct Settings {
    /// Methods that are allowed, in upper case. Empty: all. Up to 100. `HEAD` and `OPTIONS` are methods of their own.
    methods: Vec<String>,
    /// Types that bodies may have, as `application/json` or `image/*`; a body without a type has none of
    /// them. Empty: all. Up to 100.
    content_types: Vec<String>,
    /// Most bytes of a body. 1 or more. Unset: not bounded here.
    max_body_bytes: Option<u64>,
    /// Most header fields. 1 or more.
    max_headers: Option<u32>,
    /// Most bytes of one header field, name and value. 1 or more.
    max_header_bytes: Option<u32>,
    /// Most bytes of path and query. 1 or more.
    max_uri_bytes: Option<u32>,
    /// Most bytes of the query. 1 or more.
    max_query_bytes: Option<u32>,
    /// Most parameters in the query. 1 or more.
    max_query_parameters: Option<u32>,
    /// What JSON is held to. Unset: it is not looked at.
    json: Option<JsonSettings>,
}

/// See the fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct JsonSettings {
    /// Most levels of lists and objects in each other. 1 to 10,000.
    max_depth: u32,
    /// Most names in one object. 1 or more.
    max_keys: u32,
    /// Most items in one list. 1 or more.
    max_items: u32,
    /// Most bytes of a text, a name or a number, as it is written. 1 or more.
    max_string_bytes: u32,
    /// Most bytes of JSON, which are held back. 1 to 8,388,608.
    max_bytes: u32,
    /// Time for all of it to arrive, in milliseconds; then the answer is 408. 1 to 60,000.
    timeout_ms: u32,
}

impl Default for JsonSettings {
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_keys: 1_000,
            max_items: 10_000,
            max_string_bytes: 100_000,
            max_bytes: 1 << 20,
            timeout_ms: 10_000,
        }
    }
}

impl Settings {
    pub(super) fn compile(self) -> Result<RequestGuard, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        for (field, value) in [
            ("max_headers", self.max_headers),
            ("max_header_bytes", self.max_header_bytes),
            ("max_uri_bytes", self.max_uri_bytes),
            ("max_query_bytes", self.max_query_bytes),
            ("max_query_parameters", self.max_query_parameters),
        ] {
            if value == Some(0) {
                mistakes.push(InvalidSetting::new(field, "must be 1 or more"));
            }
        }
        if self.max_body_bytes == Some(0) {
            mistakes.push(InvalidSetting::new("max_body_bytes", "must be 1 or more"));
        }
        let guard = RequestGuard {
            methods: list("methods", &self.methods, method, &mut mistakes),
            content_types: list(
                "content_types",
                &self.content_types,
                Media::read,
                &mut mistakes,
            ),
            max_body_bytes: self.max_body_bytes,
            max_headers: self.max_headers,
            max_header_bytes: self.max_header_bytes,
            max_uri_bytes: self.max_uri_bytes,
            max_query_bytes: self.max_query_bytes,
            max_query_parameters: self.max_query_parameters,
            json: self.json.map(|json| json.compile(&mut mistakes)),
        };
        if mistakes.is_empty() {
            Ok(guard)
        } else {
            Err(mistakes)
        }
    }
}

impl JsonSettings {
    fn compile(self, mistakes: &mut Vec<InvalidSetting>) -> Json {
        for (field, value, most) in [
            ("max_depth", self.max_depth, MAX_DEPTH),
            ("max_keys", self.max_keys, u32::MAX),
            ("max_items", self.max_items, u32::MAX),
            ("max_string_bytes", self.max_string_bytes, u32::MAX),
            ("max_bytes", self.max_bytes, MAX_JSON_BYTES),
            ("timeout_ms", self.timeout_ms, MAX_TIMEOUT_MS),
        ] {
            if value == 0 || value > most {
                let reason = match most {
                    u32::MAX => "must be 1 or more".to_owned(),
                    most => format!("must be 1 to {most}"),
                };
                mistakes.push(InvalidSetting::new(format!("json.{field}"), reason));
            }
        }
        Json {
            max_bytes: self.max_bytes,
            timeout_ms: self.timeout_ms,
            bounds: Bounds {
                depth: self.max_depth as usize,
                keys: self.max_keys,
                items: self.max_items,
                token: self.max_string_bytes as usize,
            },
        }
    }
}

fn method(text: &str) -> Option<Method> {
    let upper = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    upper.then(|| text.parse().ok()).flatten()
}

/// Reads a list, and how a field says it; none for an empty one.
fn list<T>(
    field: &str,
    entries: &[String],
    read: fn(&str) -> Option<T>,
    mistakes: &mut Vec<InvalidSetting>,
) -> Option<(Box<[T]>, HeaderValue)> {
    if entries.len() > MAX_ENTRIES {
        let reason = format!("has more than {MAX_ENTRIES} entries");
        mistakes.push(InvalidSetting::new(field, reason));
    }
    let mut values = Vec::with_capacity(entries.len().min(MAX_ENTRIES));
    for (index, entry) in entries.iter().enumerate() {
        match read(entry) {
            Some(value) => values.push(value),
            None => mistakes.push(InvalidSetting::new(
                format!("{field}[{index}]"),
                format!("`{entry}` is not one that can be allowed"),
            )),
        }
    }
    let listed = HeaderValue::from_str(&entries.join(", ")).ok()?;
    (!entries.is_empty()).then(|| (values.into(), listed))
}
