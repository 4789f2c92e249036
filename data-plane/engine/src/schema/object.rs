//! What a schema says of objects: read, and checked.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    NodeId,
    check::{At, Checker},
    compile::Reading,
    escape_token,
    node::{Needs, Object},
    seen::Seen,
};

impl<'d> Reading<'_, 'd> {
    pub(super) fn object(&mut self, members: &'d Map<String, Value>) -> Option<Object> {
        const NAMES: [&str; 10] = [
            "properties",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "required",
            "minProperties",
            "maxProperties",
            "dependentRequired",
            "dependentSchemas",
            "dependencies",
        ];
        if !NAMES.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        let mut object = Object {
            additional: self.schema(members, "additionalProperties"),
            names: self.schema(members, "propertyNames"),
            least: self.count(members, "minProperties"),
            most: self.count(members, "maxProperties"),
            ..Object::default()
        };
        for (name, id) in self.named(members, "properties") {
            object.properties.insert(name.into(), id);
        }
        let patterns = self.named(members, "patternProperties").into_iter();
        let patterns: Vec<(&str, NodeId)> = patterns.collect();
        let compiled = patterns.into_iter().filter_map(|(text, id)| {
            let below = format!("/patternProperties/{}", escape_token(text));
            Some((self.regex(&below, text)?, id))
        });
        object.patterns = compiled.collect();
        if let Some(names) = members.get("required") {
            match names_of(names) {
                Some(names) => object.required = names,
                // Draft 3 and mistaken OpenAPI have `required: true` at a property.
                None => self.wrong("/required", "must be a list of names"),
            }
        }
        self.dependencies(members, &mut object);
        Some(object)
    }

    fn dependencies(&mut self, members: &'d Map<String, Value>, object: &mut Object) {
        let (mut needs, mut when_there) = (Vec::new(), Vec::new());
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            let Some(value) = members.get(keyword) else {
                continue;
            };
            let Some(list) = value.as_object() else {
                self.wrong(&format!("/{keyword}"), "must be an object");
                continue;
            };
            for (name, value) in list {
                let below = format!("/{keyword}/{}", escape_token(name));
                match (names_of(value), keyword) {
                    (Some(names), "dependentRequired" | "dependencies") => {
                        needs.push(Needs {
                            name: name.as_str().into(),
                            others: names,
                        });
                    }
                    (None, "dependentRequired") => self.wrong(&below, "must be a list of names"),
                    _ => when_there.push((name.as_str().into(), self.below(&below, value))),
                }
            }
        }
        object.needs = needs.into();
        object.when_there = when_there.into();
    }

    /// The schemas by name in the object of this name.
    fn named(
        &mut self,
        members: &'d Map<String, Value>,
        keyword: &str,
    ) -> HashMap<&'d str, NodeId> {
        let Some(value) = members.get(keyword) else {
            return HashMap::new();
        };
        let Some(schemas) = value.as_object() else {
            self.wrong(&format!("/{keyword}"), "must be an object of schemas");
            return HashMap::new();
        };
        let one = |(name, schema): (&'d String, &'d Value)| {
            let below = format!("/{keyword}/{}", escape_token(name));
            (name.as_str(), self.below(&below, schema))
        };
        schemas.iter().map(one).collect()
    }
}

fn names_of(value: &Value) -> Option<Box<[Box<str>]>> {
    let names = value.as_array()?.iter();
    names.map(|name| name.as_str().map(Into::into)).collect()
}

impl Checker<'_> {
    pub(super) fn object<'v>(
        &mut self,
        rule: &Object,
        members: &'v Map<String, Value>,
        at: &At<'_>,
        seen: Option<&mut Seen<'v>>,
    ) -> bool {
        let mut good = self.presence(rule, members, at);
        if self.gives_up(good) {
            return false;
        }
        let mut spoken_of = Vec::new();
        for (name, value) in members {
            self.step(1);
            let below = at.name(name);
            if let Some(names) = rule.names {
                let name = Value::String(name.clone());
                if !self.quietly(|it| it.check(names, &name, &below, None)) {
                    good &= self.fail(&below, || "is not a name that is allowed".into());
                }
            }
            let known = rule.properties.get(name.as_str());
            let mut spoken = known.is_some();
            if let Some(id) = known {
                good &= self.member(*id, value, &below);
            }
            for (regex, id) in &rule.patterns {
                self.step(name.len() as u64 / 16);
                if regex.is_match(name) {
                    spoken = true;
                    good &= self.check(*id, value, &below, None);
                }
            }
            if let Some(id) = rule.additional.filter(|_| !spoken) {
                spoken = true;
                good &= self.check(id, value, &below, None);
            }
            if spoken && seen.is_some() {
                spoken_of.push(name.as_str());
            }
            if self.gives_up(good) {
                return false;
            }
        }
        if let Some(seen) = seen {
            seen.names.extend(spoken_of);
        }
        good
    }

    fn member(&mut self, id: NodeId, value: &Value, at: &At<'_>) -> bool {
        if self.schemas.node(id).read_only && self.bounds.refuse_read_only {
            return self.fail(at, || "is read-only".into());
        }
        self.check(id, value, at, None)
    }

    fn presence(&mut self, rule: &Object, members: &Map<String, Value>, at: &At<'_>) -> bool {
        let (mut good, count) = (true, members.len() as u64);
        self.step(rule.required.len() as u64 / 4);
        for name in &rule.required {
            // What is read-only is required of answers.
            let known = rule.properties.get(name);
            let of_answers = known.is_some_and(|id| self.schemas.node(*id).read_only);
            if !members.contains_key(&**name) && !of_answers {
                good &= self.fail(&at.name(name), || "is required".into());
            }
        }
        for Needs { name, others } in &rule.needs {
            if !members.contains_key(&**name) {
                continue;
            }
            for other in others.iter().filter(|it| !members.contains_key(&***it)) {
                good &= self.fail(&at.name(other), || {
                    format!("is required where `{name}` is there")
                });
            }
        }
        if let Some(least) = rule.least.filter(|least| count < *least) {
            good &= self.fail(at, || format!("has fewer than {least} members"));
        }
        if let Some(most) = rule.most.filter(|most| count > *most) {
            good &= self.fail(at, || format!("has more than {most} members"));
        }
        good
    }
}
