//! Many resources in one document: what `apply` takes and `export` gives. One list a kind; plugins may
//! also stand under what they are attached to.

use gatewright_proto::{Kind, Resource};
use serde_json::{Map, Value, json};

use crate::{
    document::{self, instead},
    write::Mistake,
};

/// Most resources of one document.
const MAX_RESOURCES: usize = 200_000;

/// What plugins are called where they stand under what they are attached to.
const NESTED_PLUGINS: &str = "plugins";

/// Kinds that plugins can be attached to.
const ATTACHABLE: [Kind; 4] = [
    Kind::Service,
    Kind::Route,
    Kind::Consumer,
    Kind::ConsumerGroup,
];

/// The resources of a document, and all that is wrong with its JSON.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The resources, in the order of their kinds and of the document.
    pub resources: Vec<Resource>,
    /// Every mistake; a resource with some is there without the fields that have them.
    pub mistakes: Vec<Mistake>,
}

impl Bundle {
    /// Reads a document.
    pub fn read(json: Value) -> Self {
        let mut bundle = Self::default();
        let Value::Object(mut lists) = json else {
            let reason = "must be an object with a list a kind, as `routes: [...]`";
            bundle.mistakes.push(Mistake::invalid("", "", reason));
            return bundle;
        };
        for &kind in Kind::ALL {
            match lists.remove(kind.plural()) {
                None | Some(Value::Null) => {}
                Some(Value::Array(items)) => bundle.list(kind, items),
                Some(_) => {
                    let mistake = Mistake::invalid("", kind.plural(), "must be a list");
                    bundle.mistakes.push(mistake);
                }
            }
        }
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        for list in lists.keys() {
            let reason = format!("unknown list `{list}`{}", instead(list, &known));
            let mistake = Mistake::invalid("", list, reason).with_code("unknown_field");
            bundle.mistakes.push(mistake);
        }
        if bundle.resources.len() > MAX_RESOURCES {
            let reason = format!("a document has at most {MAX_RESOURCES} resources");
            let mistake = Mistake::invalid("", "", reason).with_code("too_many");
            bundle.mistakes.push(mistake);
        }
        bundle
    }

    fn list(&mut self, kind: Kind, items: Vec<Value>) {
        for (index, mut item) in items.into_iter().enumerate() {
            let place = format!("{}[{index}]", kind.plural());
            let plugins = take_plugins(kind, &mut item);
            let parent = item
                .get("name")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned);
            self.resource(kind, item, &place);
            match plugins {
                None => {}
                Some(Value::Array(plugins)) => {
                    let parent = (kind, parent.unwrap_or_default());
                    self.nested(&parent, plugins, &place);
                }
                Some(_) => {
                    let mistake = Mistake::invalid(place, NESTED_PLUGINS, "must be a list");
                    self.mistakes.push(mistake);
                }
            }
        }
    }

    fn nested(&mut self, (kind, parent): &(Kind, String), plugins: Vec<Value>, place: &str) {
        for (index, mut plugin) in plugins.into_iter().enumerate() {
            let place = format!("{place}.plugins[{index}]");
            if let Some(fields) = plugin.as_object_mut() {
                attach(fields, *kind, parent);
            }
            self.resource(Kind::Plugin, plugin, &place);
        }
    }

    fn resource(&mut self, kind: Kind, json: Value, place: &str) {
        let reading = document::read(kind, json, place);
        self.mistakes.extend(reading.mistakes);
        self.resources.extend(reading.resource);
    }
}

fn take_plugins(kind: Kind, item: &mut Value) -> Option<Value> {
    let takes = ATTACHABLE.contains(&kind);
    let fields = item.as_object_mut().filter(|_| takes)?;
    fields.remove(NESTED_PLUGINS)
}

/// Says what a nested plugin is attached to, and names it after that where it has no name.
fn attach(plugin: &mut Map<String, Value>, kind: Kind, parent: &str) {
    let to = || json!({kind.as_str(): parent});
    plugin.entry("attach").or_insert_with(to);
    let name = plugin.get("type").and_then(Value::as_str);
    let name = format!("{parent}-{}", name.unwrap_or_default());
    plugin.entry("name").or_insert_with(|| name.into());
}

#[cfg(test)]
mod tests {
    use gatewright_proto::Key;
    use serde_json::json;

    use super::Bundle;

    #[test]
    fn plugins_may_stand_under_what_they_are_attached_to() {
        let bundle = Bundle::read(json!({
            "routes": [{"name": "orders", "plugins": [{"type": "cors"}, {"name": "b", "type": "acl"}]}],
            "plugins": [{"name": "c", "type": "cors", "attach": {"global": true}}],
        }));
        assert_eq!(bundle.mistakes, []);
        let keys = bundle.resources.iter().map(|it| Key::of(it).to_string());
        let keys: Vec<String> = keys.collect();
        let expected = ["route/orders", "plugin/orders-cors", "plugin/b", "plugin/c"];
        assert_eq!(keys, expected);
        let nested = bundle.resources[1].to_json().unwrap();
        assert_eq!(nested["attach"], json!({"route": "orders"}));
    }

    #[test]
    fn every_mistake_of_a_document_is_found() {
        let bundle = Bundle::read(json!({
            "route": [], "services": {}, "routes": [{"nam": "a"}, 5, {"name": "b", "hosst": []}],
        }));
        let places = bundle.mistakes.iter();
        let places: Vec<_> = places.map(|it| (&*it.resource, &*it.field)).collect();
        for place in [
            ("", "route"),
            ("", "services"),
            ("routes[0]", "name"),
            ("routes[0]", "nam"),
            ("routes[1]", ""),
            ("route/b", "hosst"),
        ] {
            assert!(places.contains(&place), "{place:?} in {places:?}");
        }
    }
}
