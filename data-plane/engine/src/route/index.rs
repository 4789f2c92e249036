//! The paths of one host and priority.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{
    Ambiguous, Condition, Matched, PathRule,
    ambiguity::note,
    regexes::{Regexes, Sets},
    search::{Search, matched},
    tree::Node,
};

/// Those of one path, in their order; nearly always one.
pub(super) type Conditions = SmallVec<[Arc<Condition>; 1]>;

/// Conditions by path. There may be one a host, and many hosts, so what most have none of is apart.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<str>, Conditions, RandomState>,
    templates: Option<Box<Node>>,
    regexes: Option<Box<Regexes>>,
    /// By path without trailing slash.
    prefixes: HashMap<Box<str>, Conditions, RandomState>,
    /// Segments of the longest prefix.
    deepest_prefix: usize,
    any: Conditions,
}

impl PathIndex {
    /// Adds a route's paths. Routes come in their order.
    pub(super) fn insert(&mut self, paths: &[PathRule], condition: &Arc<Condition>) {
        let condition = || Arc::clone(condition);
        if paths.is_empty() {
            self.any.push(condition());
        }
        for path in paths {
            match path {
                PathRule::Exact(path) => {
                    self.exact
                        .entry(path.clone())
                        .or_default()
                        .push(condition());
                }
                PathRule::Prefix(prefix) => {
                    self.deepest_prefix = self.deepest_prefix.max(segments(prefix));
                    let conditions = self.prefixes.entry(prefix.clone()).or_default();
                    conditions.push(condition());
                }
                PathRule::Template(template) => {
                    let root = self.templates.get_or_insert_default();
                    root.insert(template, condition());
                }
                PathRule::Regex(regex) => {
                    let regexes = self.regexes.get_or_insert_default();
                    regexes.insert(regex.clone(), condition());
                }
            }
        }
    }

    /// To be called once, when all routes are in.
    pub(super) fn finish(&mut self, sets: &mut Sets, ambiguous: &mut Vec<Ambiguous>) {
        let lists = self.exact.values().chain(self.prefixes.values());
        for conditions in lists.chain([&self.any]) {
            note(conditions, ambiguous);
        }
        if let Some(root) = &self.templates {
            root.note(ambiguous);
        }
        if let Some(regexes) = &mut self.regexes {
            regexes.finish(sets, ambiguous);
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
        let regexes = self.regexes.as_ref();
        if let Some(found) = regexes.and_then(|it| it.find(search)) {
            return Some(found);
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
        for end in leading(path, self.deepest_prefix).into_iter().rev() {
            let conditions = self.prefixes.get(&path[..end]);
            if let Some(condition) = conditions.and_then(|conditions| search.first(conditions)) {
                return Some(matched(condition, end));
            }
        }
        None
    }
}

/// The ends of the path's leading segments, at most this many; `/a/b` has those after ``, `/a` and
/// `/a/b`.
pub(super) fn leading(path: &str, most: usize) -> SmallVec<[usize; 16]> {
    let mut ends = SmallVec::new();
    ends.push(0);
    let bytes = path.as_bytes();
    let slashes = (1..bytes.len()).filter(|place| bytes[*place] == b'/');
    ends.extend(slashes.take(most));
    if ends.len() <= most && bytes.len() > 1 && bytes.last() != Some(&b'/') {
        ends.push(bytes.len());
    }
    ends
}

/// How many segments a path without trailing slash has.
pub(super) fn segments(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}
