//! One route as the index sees it.

use std::{cmp::Ordering, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use regex::Regex;

use super::Further;
use crate::{
    Route,
    path::{Segment, Template},
};

/// What a route asks of a request, before it is indexed.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Empty is any.
    pub(crate) hosts: Vec<Host>,
    /// Higher goes first, within a host.
    pub(crate) priority: i32,
    /// Empty is any.
    pub(crate) paths: Vec<PathRule>,
    /// The rest of it.
    pub(crate) condition: Arc<Condition>,
}

/// What a route asks of a request whose host and path match: all that the index keeps of it.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Sorted; empty is any.
    pub(crate) methods: Box<[Method]>,
    /// All must match.
    pub(crate) headers: Box<[HeaderRule]>,
    /// What few routes ask for.
    pub(crate) further: Option<Box<Further>>,
    /// Whether it has no mistakes; one that has is closed.
    pub(crate) good: bool,
    /// Where it leads.
    pub(crate) route: Arc<Route>,
}

/// A host that a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// The whole name, in lower case.
    Exact(Box<str>),
    /// What follows `*.`, in lower case.
    Wildcard(Box<str>),
}

impl Host {
    /// Whether a name, in lower case, is one of those.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(host) => **host == *name,
            Self::Wildcard(suffix) => name
                .strip_suffix(&**suffix)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty()),
        }
    }
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

impl PathRule {
    /// Whether a path is one of those. For few requests: the index looks routes up otherwise.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => **wanted == *path,
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(&**prefix);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Template(template) => {
                let wanted = template.segments();
                let segments = path.strip_prefix('/').unwrap_or(path).split('/');
                let fits = |(wanted, segment): (&Segment<'_>, &str)| match wanted {
                    Segment::Literal(text) => *text == segment,
                    Segment::Parameter(_) => !segment.is_empty(),
                };
                wanted.len() == segments.clone().count() && wanted.iter().zip(segments).all(fits)
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

impl Condition {
    /// The order among routes with the same host, priority and path. One with mistakes comes after those
    /// that only its name would put behind it: it must not take what they serve.
    pub(crate) fn cmp_place(&self, other: &Self) -> Ordering {
        let place = |rule: &Self| {
            let further = rule.further.as_ref().map_or(0, |it| it.count());
            let fewer_conditions = usize::MAX - rule.headers.len() - further;
            (rule.methods.is_empty(), fewer_conditions, !rule.good)
        };
        place(self)
            .cmp(&place(other))
            .then_with(|| self.route.name.cmp(&other.route.name))
    }

    /// What it asks, but for methods, in a form that is equal where the conditions are.
    pub(super) fn canonical(&self) -> Vec<String> {
        let mut conditions = vec![format!("methods: {}", !self.methods.is_empty())];
        conditions.extend(self.headers.iter().map(|it| format!("{it:?}")));
        if let Some(further) = &self.further {
            further.canonical(&mut conditions);
        }
        conditions.sort();
        conditions
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
}
