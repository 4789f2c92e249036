//! Takes the resources out of documents: those of the lists, and those written under their parents, which
//! then point up to them.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    ops::Range,
    sync::Arc,
};

use gatewright_control_plane::document::instead;
use gatewright_proto::Kind;
use serde_json::Value;

use super::{
    Bundle, Entry,
    problem::Problem,
    source::Source,
    tree::{Content, Field, Node},
};

/// Lists that may be written under a resource, and the field by which their items point up to it.
const fn children(kind: Kind) -> &'static [(Kind, &'static str)] {
    match kind {
        Kind::Service => &[(Kind::Route, "service"), (Kind::Plugin, "attach")],
        Kind::Upstream => &[(Kind::Target, "upstream")],
        Kind::Consumer => &[(Kind::Credential, "consumer"), (Kind::Plugin, "attach")],
        Kind::Route | Kind::ConsumerGroup => &[(Kind::Plugin, "attach")],
        _ => &[],
    }
}

/// All resources of documents, each with the number of its source.
pub(super) fn bundle(sources: Arc<Vec<Source>>, documents: Vec<(usize, Node)>) -> Bundle {
    let mut lists = Lists::default();
    for (source, document) in documents {
        lists.source = source;
        lists.document(document);
    }
    let Lists {
        mut entries,
        mut problems,
        ..
    } = lists;
    let named = names(&mut entries, &mut problems);
    Bundle {
        sources,
        entries,
        problems,
        named,
    }
}

/// How mistakes name the entries. One name twice in the files is a problem.
fn names(entries: &mut [Entry], problems: &mut Vec<Problem>) -> BTreeMap<String, usize> {
    let mut named = BTreeMap::new();
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for number in 0..entries.len() {
        let entry = &entries[number];
        match entry.key().map(|key| named.entry(key)) {
            None => {}
            Some(Slot::Vacant(slot)) => {
                slot.insert(number);
            }
            Some(Slot::Occupied(slot)) => {
                let reason = format!("{} is there twice", slot.key());
                let first: &Entry = &entries[*slot.get()];
                let problem = Problem::new(entry.source, entry.place("name"), reason);
                problems.push(problem.first_seen(first.source, first.place("name")));
                entries[number].repeated = true;
                continue;
            }
        }
        let count = counts.entry(entry.kind).or_default();
        named.insert(format!("{}[{count}]", entry.kind.plural()), number);
        *count += 1;
    }
    named
}

#[derive(Default)]
struct Lists {
    /// The source that is being read.
    source: usize,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Lists {
    fn problem(&mut self, place: Range<usize>, reason: impl Into<String>) {
        let problem = Problem::new(self.source, place, reason.into());
        self.problems.push(problem);
    }

    fn document(&mut self, document: Node) {
        let fields = match document.content {
            Content::Fields(fields) => fields,
            Content::Scalar(Value::Null) => return,
            _ => {
                let reason = "a document has one list a kind, as `routes: [...]`";
                return self.problem(document.place, reason);
            }
        };
        for field in self.once(fields) {
            let kind = Kind::ALL.iter().find(|kind| kind.plural() == field.name);
            match kind {
                Some(&kind) => self.list(kind, field, None),
                None => {
                    let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
                    let name = &field.name;
                    let reason = format!("unknown kind `{name}`{}", instead(name, &known));
                    self.problem(field.place, reason);
                }
            }
        }
    }

    /// The items of a list, which point up to a parent where they stand under one.
    fn list(&mut self, kind: Kind, list: Field, up: Option<&Field>) {
        let items = match list.value.content {
            Content::List(items) => items,
            Content::Scalar(Value::Null) => return,
            _ => {
                let reason = format!("{}: must be a list", list.name);
                return self.problem(list.place, reason);
            }
        };
        for item in items {
            self.item(kind, item, up);
        }
    }

    fn item(&mut self, kind: Kind, item: Node, up: Option<&Field>) {
        let Content::Fields(fields) = item.content else {
            let reason = format!("a {kind} is an object, as `{{name: ...}}`");
            return self.problem(item.place, reason);
        };
        let (mut own, mut nested) = (Vec::new(), Vec::new());
        for field in self.once(fields) {
            let of_list = |(child, _): &&(Kind, &str)| child.plural() == field.name;
            match children(kind).iter().find(of_list) {
                Some(&(child, by)) => nested.push((child, by, field)),
                None => own.push(field),
            }
        }
        if let Some(up) = up {
            self.point(&mut own, up);
        }
        let name = own.iter().find(|field| field.name == "name").cloned();
        let entry = Entry {
            kind,
            source: self.source,
            repeated: false,
            node: Node {
                place: item.place,
                content: Content::Fields(own),
            },
        };
        self.entries.push(entry);
        for (child, by, list) in nested {
            let up = name.as_ref().map(|name| pointer(kind, by, name));
            self.list(child, list, up.as_ref());
        }
    }

    /// Lets a child point up to its parent; it may say so itself, but not otherwise.
    fn point(&mut self, own: &mut Vec<Field>, up: &Field) {
        match own.iter().find(|field| field.name == up.name) {
            None => own.push(up.clone()),
            Some(written) if written.value.json() == up.value.json() => {}
            Some(written) => {
                let reason = format!(
                    "`{}` is another than the one it is written under; leave it out",
                    up.name
                );
                let place = written.place.clone();
                self.problem(place, reason);
            }
        }
    }

    /// The fields of an object, each name once, at all depths.
    fn once(&mut self, fields: Vec<Field>) -> Vec<Field> {
        let mut once: Vec<Field> = Vec::with_capacity(fields.len());
        for mut field in fields {
            if let Some(first) = once.iter().find(|earlier| earlier.name == field.name) {
                let reason = format!("`{}` is there twice", field.name);
                let problem = Problem::new(self.source, field.place, reason);
                let problem = problem.first_seen(self.source, first.place.clone());
                self.problems.push(problem);
                continue;
            }
            self.once_within(&mut field.value);
            once.push(field);
        }
        once
    }

    fn once_within(&mut self, node: &mut Node) {
        match &mut node.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                for item in items {
                    self.once_within(item);
                }
            }
            Content::Fields(fields) => *fields = self.once(std::mem::take(fields)),
        }
    }
}

/// The field by which a child points up to its parent, in the place of the parent's name.
fn pointer(parent: Kind, by: &str, name: &Field) -> Field {
    let value = match by {
        "attach" => Node {
            place: name.value.place.clone(),
            content: Content::Fields(vec![Field {
                name: parent.as_str().to_owned(),
                ..name.clone()
            }]),
        },
        _ => name.value.clone(),
    };
    Field {
        name: by.to_owned(),
        place: name.value.place.clone(),
        value,
    }
}
