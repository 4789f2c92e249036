//! `json-schema`: bodies are what a JSON Schema says.

use http::{HeaderValue, Method, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Build, Configure, Flow, InvalidSetting, Plugin,
    json_body::{self, BodySettings},
    media::is_json,
};
use crate::{
    Code, Rejection, RequestContext, Violation,
    schema::{Checker, Compiler, Dialect, Mistake, NodeId, Schemas},
};

#[cfg(test)]
mod tests;

/// Most methods.
const MAX_METHODS: usize = 16;

/// See the fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The schema, JSON Schema 2020-12 unless its `$schema` says draft 2019-09, 7, 6 or 4. References lead to places within it.
    #[schemars(schema_with = "any")]
    schema: Value,
    /// Methods of requests that must have a body. Requests of others are checked if they have one. Up to 16.
    #[serde(default = "with_bodies")]
    required_for: Vec<String>,
    /// Whether `format` is a demand.
    #[serde(default = "yes")]
    formats: bool,
    /// Bounds on the body.
    #[serde(default)]
    body: BodySettings,
}

fn any(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["object", "boolean"]})
}

fn with_bodies() -> Vec<String> {
    ["POST", "PUT", "PATCH"].map(str::to_owned).into()
}

const fn yes() -> bool {
    true
}

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct JsonBodies {
    schemas: Schemas,
    top: NodeId,
    required_for: Box<[Method]>,
    body: BodySettings,
}

impl Configure for JsonBodies {
    const NAME: &'static str = "json-schema";
    const SUMMARY: &'static str = "Lets through bodies that are what a JSON Schema says.";
    const DOCS: &'static str = "\
Refuses bodies that a schema does not allow, and says what is wrong with them: up to 20 `errors`, each with the JSON
pointer in the body.

```json
{\"status\": 400, \"code\": \"schema_violation\", \"detail\": \"the body is not what is allowed\", \"errors\": [
  {\"in\": \"body\", \"pointer\": \"/lines/0/quantity\", \"reason\": \"must be an integer\"},
  {\"in\": \"body\", \"pointer\": \"/customer\", \"reason\": \"is required\"}]}
```

| what | answer | code |
| --- | --- | --- |
| a body that the schema does not allow; none where one is needed | 400 | `schema_violation` |
| malformed JSON, a name twice in an object, over 64 levels | 400 | `invalid_body` |
| a body of another type than `application/json`, `text/json` or `*+json`, or in a content coding | 415 | `unsupported_media_type` |
| too long, too late | 413, 408 | `body_too_large`, `request_timeout` |

The body is held back, at most `body.max_bytes`, after all plugins have let the request through, and is forwarded unchanged.

Keywords: all of the drafts' for validation, but for `$dynamicRef`, `$recursiveRef` and `$id` below the top, which are
refused. Nothing is fetched: a `$ref` leads to a place within the schema, cycles included. `pattern` is of ECMAScript and takes time in
proportion to the text; looking around and referring back are refused. `format` is checked for `date-time`, `date`, `time`, `email`,
`hostname`, `ipv4`, `ipv6`, `uri`, `uuid`, `byte`, `int32` and `int64`. A check has `body.max_steps` and 256 levels of schemas, so that no body and no
schema takes long. A schema with a mistake is refused when it is written.";
    const EXAMPLE: &'static str = "\
schema:
  type: object
  required: [customer, lines]
  additionalProperties: false
  properties:
    customer: {type: string, format: uuid}
    lines:
      type: array
      minItems: 1
      items: {$ref: \"#/$defs/line\"}
  $defs:
    line: {type: object, required: [sku, quantity], properties: {sku: {type: string, pattern: \"^[A-Z]{3}-[0-9]+$\"}, quantity: {type: integer, minimum: 1}}}";
    const ORDER: i32 = 3500;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        settings.body.check(&mut mistakes);
        let required_for = methods(&settings.required_for, &mut mistakes);
        match compile(&settings.schema, settings.formats) {
            Ok((schemas, top)) if mistakes.is_empty() => Ok(Self {
                schemas,
                top,
                required_for,
                body: settings.body,
            }),
            Ok(_) => Err(mistakes),
            Err(wrong) => {
                let wrong = wrong.into_iter().map(|it| {
                    let path = path_of(&settings.schema, &it.pointer);
                    InvalidSetting::new(format!("schema{path}"), it.reason)
                });
                mistakes.extend(wrong);
                Err(mistakes)
            }
        }
    }
}

impl Plugin for JsonBodies {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        if !request.has_body {
            return match self.required_for.contains(&request.method) {
                true => Flow::Reject(nothing()),
                false => Flow::Continue,
            };
        }
        if !is_json(&request.headers) && json_body::announced(&request.headers) != Some(0) {
            let detail = "the content type of the body is not JSON";
            let rejection = Rejection::new(Code::UnsupportedMediaType, detail);
            let accept = HeaderValue::from_static("application/json");
            return Flow::Reject(rejection.with_header(header::ACCEPT, accept));
        }
        match self.body.wants(&request.headers) {
            Ok(wants) => Flow::Body(wants),
            Err(rejection) => Flow::Reject(rejection),
        }
    }

    fn on_body<'a>(&'a self, request: &'a mut RequestContext, body: &'a [u8]) -> Flow<'a> {
        if body.is_empty() {
            return match self.required_for.contains(&request.method) {
                true => Flow::Reject(nothing()),
                false => Flow::Continue,
            };
        }
        let checked = json_body::read(body).and_then(|value| {
            let mut checker = Checker::new(&self.schemas, self.body.bounds(false));
            json_body::verdict(checker.run(self.top, &value))
        });
        match checked {
            Ok(()) => Flow::Continue,
            Err(rejection) => Flow::Reject(rejection),
        }
    }
}

fn nothing() -> Rejection {
    let violation = Violation::of_body(String::new(), "is required");
    json_body::violated(vec![violation])
}

fn compile(schema: &Value, formats: bool) -> Result<(Schemas, NodeId), Vec<Mistake>> {
    let dialect = match schema.get("$schema") {
        None => Dialect::Modern,
        Some(named) => {
            let known = named.as_str().and_then(Dialect::of);
            known.ok_or_else(|| {
                let reason = "is not a draft of JSON Schema that is known here; `https://json-schema.org/draft/2020-12/schema` is one";
                vec![Mistake::new("/$schema", reason)]
            })?
        }
    };
    let mut compiler = Compiler::new(schema, dialect, formats);
    let top = compiler.add(String::new(), schema);
    Ok((compiler.finish()?, top))
}

fn methods(names: &[String], mistakes: &mut Vec<InvalidSetting>) -> Box<[Method]> {
    if names.len() > MAX_METHODS {
        let reason = format!("more than {MAX_METHODS} methods");
        mistakes.push(InvalidSetting::new("required_for", reason));
    }
    let mut methods = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let upper = name.bytes().all(|byte| byte.is_ascii_uppercase());
        match name.parse() {
            Ok(method) if upper => methods.push(method),
            _ => {
                let field = format!("required_for[{place}]");
                let reason = format!("`{name}` is not a method in upper case");
                mistakes.push(InvalidSetting::new(field, reason));
            }
        }
    }
    methods.into()
}

/// A pointer as the path of a field: `/properties/a` as `.properties.a`.
fn path_of(root: &Value, pointer: &str) -> String {
    let mut path = String::new();
    let mut at = Some(root);
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let (part, below) = match at {
            Some(Value::Array(items)) => {
                let below = name.parse::<usize>().ok().and_then(|it| items.get(it));
                (format!("[{name}]"), below)
            }
            _ => (
                format!(".{name}"),
                at.and_then(|it| it.as_object()?.get(&name)),
            ),
        };
        path.push_str(&part);
        at = below;
    }
    path
}
