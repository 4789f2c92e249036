//! `authenticate`: several methods on one route, with AND and OR.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Authentication, METHODS, MethodType, ORDER,
    attached::{divided, shared_references, with_shared},
    requirement::{Member, Requirement},
    shared::{self, FIELDS, Shared},
};
use crate::{
    plugin::{Build, InvalidSetting, Plugin, PluginType, settings, spelling::nearest},
    reference::Reference,
};

/// How deep trees may be.
const MAX_DEPTH: usize = 4;
/// Most members of one `any` or `all`.
const MAX_MEMBERS: usize = 16;

/// The plugin type.
pub(in crate::plugin) const AUTHENTICATE: PluginType = PluginType {
    name: "authenticate",
    summary: "Finds out who calls by one of several methods, or by several together.",
    docs: "\
Takes methods of authentication with their settings: `any`, of which one has to prove who calls, or
`all`, which all have to. Members may be `any` and `all` again. The methods are the plugins of that name
(`key-auth`, ...); the settings that all methods share stand beside `any` or `all`, not in the members.

**any**: the first member that proves something decides, and the rest is not looked at. A credential that
is sent and does not hold is refused, unless a later member proves something: a client with a stale
token is told so, and not taken to be anonymous. **all**: every member has to prove something, and not of
different consumers; a request with only some of the credentials is refused even where `optional` or
`anonymous` would let one through that has none.

Refused with 401, code `unauthorized`, and a challenge in `WWW-Authenticate` for every method. Methods
that are attached as plugins of their own, side by side, are an `all`.",
    example: "\
any:
- key-auth: {headers: [x-api-key]}
- basic-auth: {}
optional: true",
    order: ORDER,
    refuses: true,
    per_consumer: false,
    schema: || with_shared(settings::schema_of::<Settings>("authenticate"), None),
    build: |text, build| {
        let plugin: Box<dyn Plugin> = Box::new(configure(settings::parse(text)?, build)?);
        Ok(plugin)
    },
    references: |text| settings::parse(text).map_or_else(|_| Vec::new(), references),
};

/// Settings of `authenticate`, besides those that all methods share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Members of which one has to prove who calls, in order of preference: each is a method and its
    /// settings, as `key-auth: {}`, or `any` or `all` and a list again. At most 16, 4 deep. Give this or
    /// `all`.
    any: Vec<Map<String, Value>>,
    /// Members of which all have to prove who calls, likewise.
    all: Vec<Map<String, Value>>,
}

fn configure(settings: Value, build: &Build<'_>) -> Result<Authentication, Vec<InvalidSetting>> {
    let mut mistakes = Vec::new();
    let (own, shared) = divided(settings);
    let read = settings::read::<Settings>(own);
    let tree = read.map_err(|wrong| mistakes.extend(wrong)).ok();
    let read = settings::read::<shared::Settings>(shared);
    let shared = read.map_err(|wrong| mistakes.extend(wrong)).ok();
    let mut reader = Reader {
        hides: shared.as_ref().and_then(|it| it.hide_credential),
        build,
        mistakes,
    };
    let shared = shared.map(|it| Shared::compile(it, &mut reader.mistakes));
    let requirement = tree.and_then(|tree| match (tree.any.is_empty(), tree.all.is_empty()) {
        (false, true) => Some(Requirement::Any(reader.members("any", &tree.any, 1))),
        (true, false) => Some(Requirement::All(reader.members("all", &tree.all, 1))),
        _ => {
            let reason = "give either `any` or `all`, with one member or more";
            reader.mistakes.push(InvalidSetting::new("", reason));
            None
        }
    });
    match (requirement, shared) {
        (Some(requirement), Some(shared)) if reader.mistakes.is_empty() => Ok(Authentication {
            name: Arc::clone(build.name),
            requirement,
            shared,
        }),
        _ => Err(reader.mistakes),
    }
}

/// Reads a tree.
struct Reader<'a> {
    hides: Option<bool>,
    build: &'a Build<'a>,
    mistakes: Vec<InvalidSetting>,
}

impl Reader<'_> {
    fn wrong(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.mistakes.push(InvalidSetting::new(field, reason));
    }

    fn members(
        &mut self,
        path: &str,
        members: &[Map<String, Value>],
        depth: usize,
    ) -> Vec<Requirement> {
        if members.len() > MAX_MEMBERS {
            self.wrong(path, format!("has more than {MAX_MEMBERS} members"));
            return Vec::new();
        }
        let mut list = Vec::new();
        for (place, member) in members.iter().enumerate() {
            let path = format!("{path}[{place}]");
            let mut fields = member.iter();
            match (fields.next(), fields.next()) {
                (Some((name, value)), None) => {
                    let path = format!("{path}.{name}");
                    list.extend(self.member(&path, (name, value), depth));
                }
                _ => self.wrong(path, "must be one method and its settings, `any` or `all`"),
            }
        }
        list
    }

    fn member(
        &mut self,
        path: &str,
        (name, value): (&str, &Value),
        depth: usize,
    ) -> Option<Requirement> {
        if name == "any" || name == "all" {
            let members = serde_json::from_value::<Vec<Map<String, Value>>>(value.clone());
            let Some(members) = members.ok().filter(|it| !it.is_empty()) else {
                self.wrong(path, "must be a list of one member or more");
                return None;
            };
            if depth == MAX_DEPTH {
                self.wrong(path, format!("is more than {MAX_DEPTH} deep"));
                return None;
            }
            let members = self.members(path, &members, depth + 1);
            return Some(match name {
                "any" => Requirement::Any(members),
                _ => Requirement::All(members),
            });
        }
        let Some(method) = METHODS.iter().find(|it| it.name == name) else {
            let hint = nearest(name, METHODS.iter().map(|it| it.name));
            let hint = hint.map(|known| format!("; `{known}` is one"));
            self.wrong(
                path,
                format!("is not a method known here{}", hint.unwrap_or_default()),
            );
            return None;
        };
        self.method(path, method, value)
    }

    fn method(&mut self, path: &str, method: &MethodType, value: &Value) -> Option<Requirement> {
        let value = match value {
            Value::Null => Value::Object(Map::new()),
            other => other.clone(),
        };
        match (method.build)(value, self.build) {
            Ok(built) => Some(Requirement::Method(Member {
                name: method.name,
                hides: self.hides.unwrap_or(method.hides),
                method: built,
            })),
            Err(wrong) => {
                for mut mistake in wrong {
                    if FIELDS.contains(&mistake.field.as_str()) {
                        "stands beside `any` or `all`, for all methods"
                            .clone_into(&mut mistake.reason);
                    }
                    mistake.field = within(path, &mistake.field);
                    self.mistakes.push(mistake);
                }
                None
            }
        }
    }
}

fn within(path: &str, field: &str) -> String {
    match field {
        "" => path.to_owned(),
        field => format!("{path}.{field}"),
    }
}

fn references(settings: Value) -> Vec<Reference> {
    let (own, shared) = divided(settings);
    let mut references = shared_references(shared);
    collect("", &own, MAX_DEPTH, &mut references);
    for reference in &mut references {
        reference.field.insert_str(0, "settings.");
    }
    references
}

/// What the methods in a tree name. What is no tree names nothing.
fn collect(path: &str, value: &Value, depth: usize, references: &mut Vec<Reference>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = within(path, name).trim_start_matches('.').to_owned();
        if let Some(method) = METHODS.iter().find(|it| it.name == *name) {
            references.extend(
                (method.references)(value.clone())
                    .into_iter()
                    .map(|reference| Reference {
                        field: within(&path, &reference.field),
                        key: reference.key,
                    }),
            );
        } else if depth > 0 {
            let members = value.as_array().into_iter().flatten();
            for (place, member) in members.enumerate() {
                collect(&format!("{path}[{place}]"), member, depth - 1, references);
            }
        }
    }
}
