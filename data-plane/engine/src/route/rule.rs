//! One route as the index sees it.

use std::{cmp::Ordering, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use regex::Regex;

use crate::{Route, path::Template};

/// What a route asks of a request, before it is indexed.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Empty is any.
    pub(crate) hosts: Vec<Host>,
    /// Empty is any.
    pub(crate) paths: Vec<PathRule>,
    /// The rest of it.
    pub(crate) condition: Condition,
}

/// What a route asks of a request whose host and path match: all that the index keeps of it.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Sorted; empty is any.
    pub(crate) methods: Box<[Method]>,
    /// All must match.
    pub(crate) headers: Box<[HeaderRule]>,
    /// Whether it has no mistakes; one that has is closed.
    pub(crate) good: bool,
    /// Where it leads.
    pub(crate) route: Arc<Route>,
}

/// A host that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The whole name, in lower case.
    Exact(Box<str>),
    /// What follows `*.`, in lower case.
    Wildcard(Box<str>),
}

/// A path that a route is for.
#[derive(Clone, Debug)]
pub(crate) enum PathRule {
    /// The whole path.
    Exact(Box<str>),
    /// Whole leading segments: `/orders`, without a trailing slash; empty for `/`.
    Prefix(Box<str>),
    /// Segments with parameters.
    Template(Template),
    /// Anchored at both ends.
    Regex(Regex),
}

/// What a header must be.
#[derive(Debug)]
pub(crate) struct HeaderRule {
    pub(crate) name: HeaderName,
    pub(crate) value: ValueRule,
}

/// What a value must be. Of several fields of the name, one is enough.
#[derive(Debug)]
pub(crate) enum ValueRule {
    Exact(HeaderValue),
    /// Anchored at both ends.
    Regex(Regex),
    Present,
    Absent,
}

impl Condition {
    /// The order among routes with the same host and path. One with mistakes comes after those that
    /// only its name would put behind it: it must not take what they serve.
    pub(crate) fn cmp_place(&self, other: &Self) -> Ordering {
        let place = |rule: &Self| {
            let fewer_headers = usize::MAX - rule.headers.len();
            (rule.methods.is_empty(), fewer_headers, !rule.good)
        };
        place(self)
            .cmp(&place(other))
            .then_with(|| self.route.name.cmp(&other.route.name))
    }

    /// Whether only the name decides which of two conditions for the same host and path comes first, for
    /// some request.
    pub(crate) fn is_ambiguous_with(&self, other: &Self) -> bool {
        let overlap = match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, true) => true,
            (false, false) => self.methods.iter().any(|it| other.methods.contains(it)),
            _ => false,
        };
        overlap
            && self.good
            && other.good
            && self.headers.len() == other.headers.len()
            && self
                .headers
                .iter()
                .all(|it| other.headers.iter().any(|its| it.equals(its)))
    }

    pub(crate) fn headers_match(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().all(|rule| rule.matches(headers))
    }
}

impl HeaderRule {
    pub(crate) fn matches(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        match &self.value {
            ValueRule::Exact(wanted) => values.any(|value| value == wanted),
            ValueRule::Regex(regex) => {
                values.any(|value| value.to_str().is_ok_and(|text| regex.is_match(text)))
            }
            ValueRule::Present => values.next().is_some(),
            ValueRule::Absent => values.next().is_none(),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        let same_value = match (&self.value, &other.value) {
            (ValueRule::Exact(one), ValueRule::Exact(other)) => one == other,
            (ValueRule::Regex(one), ValueRule::Regex(other)) => one.as_str() == other.as_str(),
            (ValueRule::Present, ValueRule::Present) | (ValueRule::Absent, ValueRule::Absent) => {
                true
            }
            _ => false,
        };
        self.name == other.name && same_value
    }
}
