//! Host, then path, then method and headers, to a route.
//!
//! All routes stand in one total order; the first that matches the request wins:
//!
//! 1. host: exact, then wildcards (more labels first), then any;
//! 2. path: exact, then templates (at the first segment that differs a literal goes before a
//!    parameter), then regular expressions, then prefixes (more segments first), then any;
//! 3. routes with methods before routes without;
//! 4. more header matches before fewer;
//! 5. name; but a route that is closed because of a mistake comes last of those that differ only in it.
//!
//! What a route asks of method and headers never hides a route behind it: the search goes on, to less
//! specific paths and hosts too. The index makes the search independent of the number of routes: hosts, exact
//! paths and prefixes are hashed, templates are a tree of segments. Only regular expressions are tried in turn.

mod index;
mod rule;
#[cfg(test)]
mod tests;
mod tree;

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, Method};
use smallvec::SmallVec;

use index::{PathIndex, Search};
pub(crate) use rule::{Condition, HeaderRule, Host, PathRule, Rule, ValueRule};

use crate::{Route, path::Parameter};

/// What a request is matched by.
#[derive(Debug)]
pub struct Query<'a> {
    /// In lower case, without port or trailing dot.
    pub host: &'a str,
    /// Normalised.
    pub path: &'a str,
    /// The method.
    pub method: &'a Method,
    /// All header fields.
    pub headers: &'a HeaderMap,
}

/// The route that a request takes.
#[derive(Debug)]
pub struct Matched<'s> {
    /// The route.
    pub route: &'s Arc<Route>,
    /// Bytes of the path that `prefix` matched; 0 for other forms.
    pub prefix_bytes: usize,
    /// Parameters of the template: name and byte range in the path.
    pub parameters: SmallVec<[Parameter; 4]>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// None matches host, path and headers.
    NoRoute,
    /// Some match but for the method; theirs, sorted.
    MethodNotAllowed(Vec<Method>),
}

/// Longest host that a wildcard matches, in bytes (RFC 1035, 3.1).
const MAX_HOST_BYTES: usize = 253;

/// The index over all routes.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<Box<str>, PathIndex>,
    /// By what follows `*.`.
    wildcards: HashMap<Box<str>, PathIndex>,
    any: PathIndex,
}

/// Two routes whose order is decided only by their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    /// The one that wins.
    pub(crate) first: Arc<str>,
    /// The one that is never reached by what both match.
    pub(crate) second: Arc<str>,
}

impl Router {
    /// Indexes the rules, and reports pairs whose order is decided only by name.
    pub(crate) fn build(mut rules: Vec<Rule>) -> (Self, Vec<Ambiguous>) {
        rules.sort_by(|one, other| one.condition.cmp_place(&other.condition));
        let mut router = Self::default();
        let mut ambiguous = Vec::new();
        for rule in rules {
            let condition = Arc::new(rule.condition);
            if rule.hosts.is_empty() {
                router.any.insert(&rule.paths, &condition, &mut ambiguous);
            }
            for host in &rule.hosts {
                let index = match host {
                    Host::Exact(name) => router.exact.entry(name.clone()).or_default(),
                    Host::Wildcard(suffix) => router.wildcards.entry(suffix.clone()).or_default(),
                };
                index.insert(&rule.paths, &condition, &mut ambiguous);
            }
        }
        ambiguous.dedup();
        (router, ambiguous)
    }

    pub(crate) fn find<'s>(&'s self, query: &Query<'_>) -> Result<Matched<'s>, Miss> {
        let mut search = Search::new(query);
        if let Some(found) = self
            .exact
            .get(query.host)
            .and_then(|it| it.find(&mut search))
        {
            return Ok(found);
        }
        // Each label costs a look-up, and whoever sends the host chooses how many there are.
        if !self.wildcards.is_empty() && query.host.len() <= MAX_HOST_BYTES {
            let mut rest = query.host;
            while let Some((_, parent)) = rest.split_once('.') {
                let index = self.wildcards.get(parent);
                if let Some(found) = index.and_then(|it| it.find(&mut search)) {
                    return Ok(found);
                }
                rest = parent;
            }
        }
        self.any.find(&mut search).ok_or_else(|| search.miss())
    }
}
