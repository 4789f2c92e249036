//! `headers`: edits header fields of requests and responses.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin, SecretRef};
use crate::{RequestContext, reference::Reference};

/// Most edits of one direction.
const MAX_EDITS: usize = 256;

/// Fields that frame or route a message, so that editing them would make two readers disagree about it.
const FORBIDDEN: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Headers {
    request: Edits,
    response: Edits,
}

/// Edits, compiled, in the order they are made.
#[derive(Debug, Default)]
struct Edits {
    remove: Vec<HeaderName>,
    rename: Vec<(HeaderName, HeaderName)>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

/// Settings of `headers`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Edits of the request, before it is forwarded.
    request: EditSettings,
    /// Edits of the response, before the client sees it.
    response: EditSettings,
}

/// Edits of one direction.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct EditSettings {
    /// Names of fields to remove.
    remove: Vec<String>,
    /// Names of fields and their new names. Values of a field that already has the new name stay.
    rename: BTreeMap<String, String>,
    /// Fields and the one value they get, whatever they had.
    set: BTreeMap<String, String>,
    /// Fields and a value they get besides those they have.
    add: BTreeMap<String, String>,
    /// Fields and where the one value is that they get, as `secret:NAME`. Where it is missing requests are refused.
    set_secret: BTreeMap<String, SecretRef>,
}

impl Configure for Headers {
    const NAME: &'static str = "headers";
    const SUMMARY: &'static str = "Removes, renames, sets and adds header fields.";
    const DOCS: &'static str = "\
Edits header fields of the request, the response or both, in this order: `remove`, `rename`, `set`,
`add`. Values are fixed texts, or with `set_secret` those of secrets (`docs/secrets.md`). Responses include the gateway's own answers, if the plugin ran.

Fields that frame or route a message cannot be edited: `Connection`, `Content-Length`, `Host`,
`Keep-Alive`, `Proxy-Connection`, `TE`, `Trailer`, `Transfer-Encoding` and `Upgrade`. (`preserve_host` of
a route decides about `Host`.)";
    const EXAMPLE: &'static str = "\
request:
  remove: [x-debug]
  set: {x-gateway: gatewright}
response:
  rename: {x-internal-id: x-id}
  add: {cache-control: no-transform}";
    const ORDER: i32 = 5000;
    const REFUSES: bool = false;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let mut headers = Self {
            request: settings.request.compile("request", &mut mistakes),
            response: settings.response.compile("response", &mut mistakes),
        };
        let secrets = settings.request.secrets("request", build, &mut mistakes);
        headers.request.set.extend(secrets);
        let secrets = settings.response.secrets("response", build, &mut mistakes);
        headers.response.set.extend(secrets);
        if mistakes.is_empty() {
            Ok(headers)
        } else {
            Err(mistakes)
        }
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let directions = [
            ("request", &settings.request),
            ("response", &settings.response),
        ];
        let secrets = directions.iter().flat_map(|(direction, edits)| {
            let secrets = edits.set_secret.iter();
            secrets.map(move |(name, secret)| (format!("{direction}.set_secret.{name}"), secret))
        });
        secrets
            .filter_map(|(field, secret)| secret.reference(field))
            .collect()
    }
}

impl Plugin for Headers {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        self.request.make(&mut request.headers);
        Flow::Continue
    }

    fn on_response(&self, _request: &RequestContext, response: &mut response::Parts) {
        self.response.make(&mut response.headers);
    }
}

impl Edits {
    fn make(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (old, new) in &self.rename {
            if let http::header::Entry::Occupied(entry) = headers.entry(old) {
                let values: Vec<HeaderValue> = entry.remove_entry_mult().1.collect();
                for value in values {
                    headers.append(new, value);
                }
            }
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

impl EditSettings {
    fn compile(&self, direction: &str, mistakes: &mut Vec<InvalidSetting>) -> Edits {
        let values = self.set.len() + self.add.len() + self.set_secret.len();
        let count = self.remove.len() + self.rename.len() + values;
        if count > MAX_EDITS {
            let reason = format!("has more than {MAX_EDITS} edits");
            mistakes.push(InvalidSetting::new(direction, reason));
        }
        let mut edits = Edits::default();
        for (index, text) in self.remove.iter().enumerate() {
            let place = || format!("{direction}.remove[{index}]");
            edits.remove.extend(name(text, place, mistakes));
        }
        for (old, new) in &self.rename {
            let place = || format!("{direction}.rename.{old}");
            let pair = name(old, place, mistakes).zip(name(new, place, mistakes));
            edits.rename.extend(pair);
        }
        edits.set = fields(&self.set, &format!("{direction}.set"), mistakes);
        edits.add = fields(&self.add, &format!("{direction}.add"), mistakes);
        edits
    }

    /// The fields whose values are secrets, which no log shows.
    fn secrets(
        &self,
        direction: &str,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut list = Vec::with_capacity(self.set_secret.len());
        for (key, secret) in &self.set_secret {
            let field = format!("{direction}.set_secret.{key}");
            let text = build.secret(field.as_str(), secret);
            let name = name(key, || field.clone(), mistakes);
            match (name, HeaderValue::from_str(text.expose())) {
                (Some(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    list.push((name, value));
                }
                (_, Err(_)) => {
                    let reason = "the secret has a character that no field may have";
                    mistakes.push(InvalidSetting::new(field, reason));
                }
                (None, Ok(_)) => {}
            }
        }
        list
    }
}

fn fields(
    settings: &BTreeMap<String, String>,
    place: &str,
    mistakes: &mut Vec<InvalidSetting>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut list = Vec::with_capacity(settings.len());
    for (key, text) in settings {
        let field = || format!("{place}.{key}");
        let name = name(key, field, mistakes);
        match (name, HeaderValue::from_str(text)) {
            (Some(name), Ok(value)) => list.push((name, value)),
            (_, Err(_)) => {
                let reason = "its value has a character that no field may have";
                mistakes.push(InvalidSetting::new(field(), reason));
            }
            (None, Ok(_)) => {}
        }
    }
    list
}

fn name(
    text: &str,
    place: impl Fn() -> String,
    mistakes: &mut Vec<InvalidSetting>,
) -> Option<HeaderName> {
    let reason = match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if !FORBIDDEN.contains(&name.as_str()) => return Some(name),
        Ok(_) => format!("`{text}` frames or routes the message and cannot be edited"),
        Err(_) => format!("`{text}` is not a field name"),
    };
    mistakes.push(InvalidSetting::new(place(), reason));
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plugin::tests::{Request, mistakes, plugin};

    #[tokio::test]
    async fn edits_are_made_in_the_documented_order() {
        let edits = json!({"remove": ["x-a"], "rename": {"x-b": "x-a", "x-none": "x-new"},
            "set": {"x-c": "set"}, "add": {"x-a": "added"}});
        let headers = plugin("headers", &json!({"request": edits, "response": edits}));
        let before = [("x-a", "old"), ("x-b", "1"), ("x-b", "2"), ("x-c", "old")];
        let mut request = Request::get("/");
        for (name, value) in before {
            request = request.header(name, value);
        }
        let forwarded = request.forwarded(&headers).await.headers;
        let answered = Request::get("/").response(&headers, &before).await;
        for fields in [forwarded, answered] {
            let values = |name: &str| fields.get_all(name).iter().cloned().collect::<Vec<_>>();
            assert_eq!(values("x-a"), ["1", "2", "added"]);
            assert_eq!(values("x-c"), ["set"]);
            assert!(values("x-b").is_empty() && values("x-new").is_empty());
        }
    }

    #[test]
    fn fields_that_frame_or_route_a_message_cannot_be_edited() {
        let settings = json!({
            "request": {"remove": ["Host", "x y"], "set": {"Content-Length": "0", "x-a": "a\nb"}},
            "response": {"rename": {"x-b": "transfer-encoding"}},
        });
        let expected = [
            "settings.request.remove[0]",
            "settings.request.remove[1]",
            "settings.request.set.Content-Length",
            "settings.request.set.x-a",
            "settings.response.rename.x-b",
        ];
        assert_eq!(mistakes("headers", &settings), expected);
    }
}
