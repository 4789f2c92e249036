//! The paths of one host.

use std::{collections::HashMap, ops::Range, sync::Arc};

use http::Method;
use regex::Regex;
use smallvec::SmallVec;

use super::{Ambiguous, Matched, Miss, PathRule, Query, Rule};
use crate::path::{Parameter, Segment, Template};

/// A search under way, over all hosts.
pub(super) struct Search<'s, 'q> {
    query: &'q Query<'q>,
    /// Rules that match but for their methods. Common where routes share a path, so few are kept in
    /// place.
    allowed: SmallVec<[&'s Rule; 8]>,
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
        let methods = self.allowed.iter().flat_map(|rule| rule.methods.iter());
        let mut methods: Vec<Method> = methods.cloned().collect();
        methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        Miss::MethodNotAllowed(methods)
    }

    /// The first rule that accepts method and headers.
    fn first(&mut self, rules: &'s [Arc<Rule>]) -> Option<&'s Arc<Rule>> {
        rules.iter().find(|rule| self.accepts(rule))
    }

    fn accepts(&mut self, rule: &'s Rule) -> bool {
        if !rule.headers_match(self.query.headers) {
            return false;
        }
        let accepts = rule.methods.is_empty() || rule.methods.contains(self.query.method);
        if !accepts {
            self.allowed.push(rule);
        }
        accepts
    }
}

/// Rules by path; each list in the order of rules.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<str>, Vec<Arc<Rule>>>,
    templates: Node,
    regexes: Vec<(Regex, Arc<Rule>)>,
    /// By path without trailing slash.
    prefixes: HashMap<Box<str>, Vec<Arc<Rule>>>,
    /// Segments of the longest prefix.
    deepest_prefix: usize,
    any: Vec<Arc<Rule>>,
}

impl PathIndex {
    /// Adds a rule. Rules come in their order.
    pub(super) fn insert(&mut self, rule: &Arc<Rule>, ambiguous: &mut Vec<Ambiguous>) {
        if rule.paths.is_empty() {
            add(&mut self.any, rule, ambiguous);
        }
        for path in &rule.paths {
            match path {
                PathRule::Exact(path) => {
                    add(self.exact.entry(path.clone()).or_default(), rule, ambiguous)
                }
                PathRule::Prefix(prefix) => {
                    self.deepest_prefix = self.deepest_prefix.max(segments(prefix));
                    add(
                        self.prefixes.entry(prefix.clone()).or_default(),
                        rule,
                        ambiguous,
                    );
                }
                PathRule::Template(template) => self.templates.insert(template, rule, ambiguous),
                PathRule::Regex(regex) => {
                    let same = |(other, _): &&(Regex, Arc<Rule>)| other.as_str() == regex.as_str();
                    for (_, other) in self.regexes.iter().filter(same) {
                        note(other, rule, ambiguous);
                    }
                    self.regexes.push((regex.clone(), Arc::clone(rule)));
                }
            }
        }
    }

    pub(super) fn find<'s>(&'s self, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
        let path = search.query.path;
        if let Some(rule) = self.exact.get(path).and_then(|rules| search.first(rules)) {
            return Some(matched(rule, 0));
        }
        if !self.templates.is_empty()
            && let Some(found) = self.templates.find(path, search)
        {
            return Some(found);
        }
        for (regex, rule) in &self.regexes {
            if regex.is_match(path) && search.accepts(rule) {
                return Some(matched(rule, 0));
            }
        }
        self.find_prefix(search)
            .or_else(|| search.first(&self.any).map(|rule| matched(rule, 0)))
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
            let rules = self.prefixes.get(&path[..end]);
            if let Some(rule) = rules.and_then(|rules| search.first(rules)) {
                return Some(matched(rule, end));
            }
        }
        None
    }
}

/// A tree of the segments of templates.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// Rules whose template ends here.
    rules: Vec<End>,
}

/// A rule whose template ends at a node, and its parameters' names in order.
#[derive(Debug)]
struct End {
    rule: Arc<Rule>,
    names: Box<[Arc<str>]>,
}

type Ranges = SmallVec<[Range<usize>; 4]>;

impl Node {
    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.parameter.is_none() && self.rules.is_empty()
    }

    fn insert(&mut self, template: &Template, rule: &Arc<Rule>, ambiguous: &mut Vec<Ambiguous>) {
        let mut node = self;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.into()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        for end in &node.rules {
            note(&end.rule, rule, ambiguous);
        }
        let names = template.names().cloned().collect();
        node.rules.push(End {
            rule: Arc::clone(rule),
            names,
        });
    }

    fn find<'s>(&'s self, path: &str, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
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
            let End { rule, names } = self.rules.iter().find(|end| search.accepts(&end.rule))?;
            let parameters = names.iter().cloned().zip(ranges.iter().cloned());
            return Some(Matched {
                parameters: parameters.collect::<SmallVec<[Parameter; 4]>>(),
                ..matched(rule, 0)
            });
        }
        let end = path[start..]
            .find('/')
            .map_or(path.len(), |len| start + len);
        let literal = self.literals.get(&path[start..end]);
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

fn matched(rule: &Arc<Rule>, prefix_bytes: usize) -> Matched<'_> {
    Matched {
        route: &rule.route,
        prefix_bytes,
        parameters: SmallVec::new(),
    }
}

fn add(rules: &mut Vec<Arc<Rule>>, rule: &Arc<Rule>, ambiguous: &mut Vec<Ambiguous>) {
    for other in rules.iter() {
        note(other, rule, ambiguous);
    }
    rules.push(Arc::clone(rule));
}

fn note(first: &Arc<Rule>, second: &Arc<Rule>, ambiguous: &mut Vec<Ambiguous>) {
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
