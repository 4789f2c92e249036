//! The paths of one host.

use std::{collections::HashMap, sync::Arc};

use http::Method;
use regex::Regex;
use smallvec::SmallVec;

use super::{Ambiguous, Condition, Matched, Miss, PathRule, Query, tree::Node};

/// A search under way, over all hosts.
pub(super) struct Search<'s, 'q> {
    query: &'q Query<'q>,
    /// Those that match but for their methods. Common where routes share a path, so few are kept in
    /// place.
    allowed: SmallVec<[&'s Condition; 8]>,
}

impl<'s, 'q> Search<'s, 'q> {
    pub(super) fn new(query: &'q Query<'q>) -> Self {
        Self {
            query,
            allowed: SmallVec::new(),
        }
    }

    pub(super) fn miss(self) -> Miss {
        if self.allowed.is_empty() {
            return Miss::NoRoute;
        }
        let methods = self
            .allowed
            .iter()
            .flat_map(|condition| condition.methods.iter());
        let mut methods: Vec<Method> = methods.cloned().collect();
        methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        Miss::MethodNotAllowed(methods)
    }

    /// The first condition that accepts method and headers.
    fn first(&mut self, conditions: &'s [Arc<Condition>]) -> Option<&'s Arc<Condition>> {
        conditions.iter().find(|condition| self.accepts(condition))
    }

    pub(super) fn accepts(&mut self, condition: &'s Condition) -> bool {
        if !condition.headers_match(self.query.headers) {
            return false;
        }
        let accepts = condition.methods.is_empty() || condition.methods.contains(self.query.method);
        if !accepts {
            self.allowed.push(condition);
        }
        accepts
    }
}

/// Those of one path, in their order; nearly always one.
type Conditions = SmallVec<[Arc<Condition>; 1]>;

/// Conditions by path. There may be one a host, and many hosts, so what most have none of is apart.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<str>, Conditions>,
    templates: Option<Box<Node>>,
    regexes: Vec<(Regex, Arc<Condition>)>,
    /// By path without trailing slash.
    prefixes: HashMap<Box<str>, Conditions>,
    /// Segments of the longest prefix.
    deepest_prefix: usize,
    any: Conditions,
}

impl PathIndex {
    /// Adds a route's paths. Routes come in their order.
    pub(super) fn insert(
        &mut self,
        paths: &[PathRule],
        condition: &Arc<Condition>,
        ambiguous: &mut Vec<Ambiguous>,
    ) {
        if paths.is_empty() {
            add(&mut self.any, condition, ambiguous);
        }
        for path in paths {
            match path {
                PathRule::Exact(path) => add(
                    self.exact.entry(path.clone()).or_default(),
                    condition,
                    ambiguous,
                ),
                PathRule::Prefix(prefix) => {
                    self.deepest_prefix = self.deepest_prefix.max(segments(prefix));
                    add(
                        self.prefixes.entry(prefix.clone()).or_default(),
                        condition,
                        ambiguous,
                    );
                }
                PathRule::Template(template) => {
                    let root = self.templates.get_or_insert_default();
                    root.insert(template, condition, ambiguous);
                }
                PathRule::Regex(regex) => {
                    let same =
                        |(other, _): &&(Regex, Arc<Condition>)| other.as_str() == regex.as_str();
                    for (_, other) in self.regexes.iter().filter(same) {
                        note(other, condition, ambiguous);
                    }
                    self.regexes.push((regex.clone(), Arc::clone(condition)));
                }
            }
        }
    }

    pub(super) fn find<'s>(&'s self, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
        let path = search.query.path;
        if let Some(condition) = self
            .exact
            .get(path)
            .and_then(|conditions| search.first(conditions))
        {
            return Some(matched(condition, 0));
        }
        let templates = self.templates.as_ref();
        if let Some(found) = templates.and_then(|root| root.find(path, search)) {
            return Some(found);
        }
        for (regex, condition) in &self.regexes {
            if regex.is_match(path) && search.accepts(condition) {
                return Some(matched(condition, 0));
            }
        }
        self.find_prefix(search).or_else(|| {
            search
                .first(&self.any)
                .map(|condition| matched(condition, 0))
        })
    }

    /// Tries the path's leading segments, from the most that any prefix has to none.
    fn find_prefix<'s>(&'s self, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
        if self.prefixes.is_empty() {
            return None;
        }
        let path = search.query.path;
        // The ends of the leading segments; `/a/b` has those after ``, `/a` and `/a/b`.
        let mut ends: SmallVec<[usize; 16]> = SmallVec::new();
        ends.push(0);
        let bytes = path.as_bytes();
        let slashes = (1..bytes.len()).filter(|place| bytes[*place] == b'/');
        ends.extend(slashes.take(self.deepest_prefix));
        if ends.len() <= self.deepest_prefix && bytes.len() > 1 && bytes.last() != Some(&b'/') {
            ends.push(bytes.len());
        }
        for end in ends.into_iter().rev() {
            let conditions = self.prefixes.get(&path[..end]);
            if let Some(condition) = conditions.and_then(|conditions| search.first(conditions)) {
                return Some(matched(condition, end));
            }
        }
        None
    }
}

pub(super) fn matched(condition: &Arc<Condition>, prefix_bytes: usize) -> Matched<'_> {
    Matched {
        route: &condition.route,
        prefix_bytes,
        parameters: SmallVec::new(),
    }
}

fn add(conditions: &mut Conditions, condition: &Arc<Condition>, ambiguous: &mut Vec<Ambiguous>) {
    for other in conditions.iter() {
        note(other, condition, ambiguous);
    }
    conditions.push(Arc::clone(condition));
}

pub(super) fn note(
    first: &Arc<Condition>,
    second: &Arc<Condition>,
    ambiguous: &mut Vec<Ambiguous>,
) {
    if !Arc::ptr_eq(first, second) && first.is_ambiguous_with(second) {
        ambiguous.push(Ambiguous {
            first: Arc::clone(&first.route.name),
            second: Arc::clone(&second.route.name),
        });
    }
}

/// How many segments a path without trailing slash has.
fn segments(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}
