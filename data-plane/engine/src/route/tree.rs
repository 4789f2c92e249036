//! Templates: a tree of their segments.

use std::{collections::HashMap, ops::Range, sync::Arc};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{
    Ambiguous, Condition, Matched,
    ambiguity::note,
    search::{Search, matched},
};
use crate::path::{Segment, Template};

/// A tree of the segments of templates.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// None where no literal follows, as after most.
    literals: Option<Box<Literals>>,
    parameter: Option<Box<Node>>,
    /// Those whose template ends here.
    conditions: SmallVec<[End; 1]>,
}

/// What follows by literal segments.
#[derive(Debug, Default)]
struct Literals(HashMap<Box<str>, Node, RandomState>);

/// One whose template ends at a node, and its parameters' names in order.
#[derive(Debug)]
struct End {
    condition: Arc<Condition>,
    names: Box<[Arc<str>]>,
}

type Ranges = SmallVec<[Range<usize>; 4]>;

impl Node {
    pub(super) fn insert(&mut self, template: &Template, condition: Arc<Condition>) {
        let mut node = self;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => {
                    let literals = node.literals.get_or_insert_default();
                    literals.0.entry(text.into()).or_default()
                }
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        let names = template.names().cloned().collect();
        node.conditions.push(End { condition, names });
    }

    /// Notes those that only their names tell apart. Templates have few segments, so it may recurse.
    pub(super) fn note(&self, ambiguous: &mut Vec<Ambiguous>) {
        note(self.conditions.iter().map(|end| &end.condition), ambiguous);
        let literals = self.literals.iter().flat_map(|it| it.0.values());
        for node in literals.chain(self.parameter.as_deref()) {
            node.note(ambiguous);
        }
    }

    pub(super) fn find<'s>(
        &'s self,
        path: &str,
        search: &mut Search<'s, '_>,
    ) -> Option<Matched<'s>> {
        self.descend(path, 1, &mut Ranges::new(), search)
    }

    /// `start` is where the next segment begins; past the end there is none.
    fn descend<'s>(
        &'s self,
        path: &str,
        start: usize,
        ranges: &mut Ranges,
        search: &mut Search<'s, '_>,
    ) -> Option<Matched<'s>> {
        if start > path.len() {
            let End { condition, names } = self
                .conditions
                .iter()
                .find(|end| search.accepts(&end.condition))?;
            let parameters = names.iter().cloned().zip(ranges.iter().cloned());
            return Some(Matched {
                parameters: parameters.collect(),
                ..matched(condition, 0)
            });
        }
        let end = path[start..]
            .find('/')
            .map_or(path.len(), |len| start + len);
        let literals = self.literals.as_ref();
        let literal = literals.and_then(|it| it.0.get(&path[start..end]));
        if let Some(found) = literal.and_then(|node| node.descend(path, end + 1, ranges, search)) {
            return Some(found);
        }
        // A parameter stands for one segment that is not empty.
        let node = self.parameter.as_deref().filter(|_| end > start)?;
        ranges.push(start..end);
        let found = node.descend(path, end + 1, ranges, search);
        ranges.pop();
        found
    }
}
