//! Schemas, compiled.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use regex::Regex;
use serde_json::{Number, Value};

use super::{Kinds, format::Format};

/// A schema's place in [`Schemas`].
pub(crate) type NodeId = u32;

/// The schemas of a document.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    pub(super) nodes: Vec<Node>,
}

impl Schemas {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The schemas that hold of the same value as this one, this one first: those that it refers to, and all of its
    /// `allOf`, `anyOf` and `oneOf`.
    #[allow(dead_code, reason = "for descriptions of APIs")]
    pub(crate) fn of_same_value(&self, id: NodeId) -> Vec<&Node> {
        let (mut known, mut open) = (HashSet::from([id]), vec![id]);
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            let node = self.node(id);
            found.push(node);
            for rule in &node.rules {
                let below: &[NodeId] = match rule {
                    Rule::Reference(id) => std::slice::from_ref(id),
                    Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => ids,
                    _ => &[],
                };
                open.extend(below.iter().filter(|id| known.insert(**id)));
            }
        }
        found
    }
}

/// One schema.
#[derive(Debug)]
pub(crate) struct Node {
    /// The kinds that it itself allows.
    pub(super) kinds: Kinds,
    /// The kinds of values that can satisfy it, as far as that can be told.
    pub(crate) possible: Kinds,
    /// Whether requests must not have it.
    pub(crate) read_only: bool,
    /// Everything else that it asks for; what speaks of what is left comes last.
    pub(crate) rules: Vec<Rule>,
    /// Whether a rule needs to know what the others have spoken of.
    pub(super) tracks: bool,
    /// The value that stands for one that is missing.
    pub(crate) default: Option<Value>,
}

/// One thing that a schema asks for.
#[derive(Debug)]
pub(crate) enum Rule {
    Reference(NodeId),
    Enum(Box<Values>),
    Minimum(Number),
    ExclusiveMinimum(Number),
    Maximum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Arc<Regex>, Box<str>),
    Format(Format),
    Items(Box<Items>),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Contains(Box<Contains>),
    Object(Box<Object>),
    AllOf(Box<[NodeId]>),
    AnyOf(Box<[NodeId]>),
    OneOf(Box<[NodeId]>),
    Not(NodeId),
    If(Box<If>),
    UnevaluatedItems(NodeId),
    UnevaluatedProperties(NodeId),
}

/// Values of `enum` and `const`.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(super) texts: HashSet<Box<str>>,
    pub(super) others: Vec<Value>,
}

/// Of the items of a list.
#[derive(Debug)]
pub(crate) struct Items {
    /// The first ones, one by one.
    pub(crate) first: Box<[NodeId]>,
    /// All others.
    pub(crate) rest: Option<NodeId>,
}

/// How many items are so.
#[derive(Debug)]
pub(crate) struct Contains {
    pub(super) node: NodeId,
    pub(super) least: u64,
    pub(super) most: Option<u64>,
}

/// See the fields.
#[derive(Debug)]
pub(crate) struct If {
    pub(super) condition: NodeId,
    pub(super) then: Option<NodeId>,
    pub(super) otherwise: Option<NodeId>,
}

/// Of the members of an object.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) properties: HashMap<Box<str>, NodeId>,
    pub(super) patterns: Box<[(Arc<Regex>, NodeId)]>,
    pub(crate) additional: Option<NodeId>,
    pub(super) names: Option<NodeId>,
    pub(crate) required: Box<[Box<str>]>,
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
    pub(super) needs: Box<[Needs]>,
    pub(super) when_there: Box<[(Box<str>, NodeId)]>,
}

/// That members must be there where another one is.
#[derive(Debug)]
pub(crate) struct Needs {
    pub(super) name: Box<str>,
    pub(super) others: Box<[Box<str>]>,
}
