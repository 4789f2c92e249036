//! Host, then priority and path, then method and the other conditions, to a route.
//!
//! All routes stand in one total order; the first that matches the request wins:
//!
//! 1. host: exact, then wildcards (more labels first), then any;
//! 2. priority: higher first;
//! 3. path: exact, then templates (at the first segment that differs a literal goes before a
//!    parameter), then regular expressions, then prefixes (more segments first), then any;
//! 4. routes with methods before routes without;
//! 5. more conditions before fewer: each header, query parameter, cookie and value asked of the body is
//!    one, and so are client addresses, peer addresses, server names, gRPC method and `when`;
//! 6. name; but a route that is closed because of a mistake comes last of those that differ only in it.
//!
//! What a route asks beyond host and path never hides a route behind it: the search goes on, to less
//! specific paths and hosts too. Where it cannot be told whether a route matches (its expression fails, its
//! body is too large or malformed), the search ends and the request is refused: a less specific route could
//! have less protection.
//!
//! The index makes the search independent of the number of routes: hosts, exact paths and prefixes are
//! hashed, templates are a tree of segments, and regular expressions are found by their literal beginning,
//! then in sets. Each priority in use on a host costs one more look-up. Query, cookies and body are read only
//! where a candidate asks for them.

mod ambiguity;
mod explain;
mod facts;
mod further;
mod host;
mod index;
mod pairs;
mod payload;
mod regexes;
mod rule;
mod search;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use foldhash::fast::RandomState;
use http::{HeaderMap, Method};

pub(crate) use ambiguity::Ambiguous;
pub use explain::Considered;
pub(crate) use explain::explain;
pub(crate) use further::{Further, ParameterRule};
use host::HostIndex;
pub(crate) use payload::{
    Content, GrpcRule, PayloadRule,
    json::{JsonRule, Pointer},
    xml::{XmlPath, XmlRule},
};
use regexes::Sets;
pub(crate) use rule::{Condition, HeaderRule, Host, PathRule, Rule, ValueRule};
use search::Search;
pub(crate) use text::TextRule;

use crate::{Route, path::Parameter};

/// What a request is matched by.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// In lower case, without port or trailing dot.
    pub host: &'a str,
    /// Normalised.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The address that is trusted to be the client's.
    pub client: IpAddr,
    /// The address at the other end of the connection.
    pub peer: IpAddr,
    /// Whether the client (or the trusted hop) speaks TLS.
    pub secure: bool,
    /// The name that the client sent in TLS, in lower case.
    pub server_name: Option<&'a str>,
    /// The body.
    pub body: Payload<'a>,
}

/// What is known of a request's body while it is matched.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// The request has none.
    None,
    /// It has one, of which nothing has been read.
    Unread,
    /// All of it.
    Whole(&'a [u8]),
}

/// The route that a request takes.
#[derive(Debug)]
pub struct Matched<'s> {
    /// The route.
    pub route: &'s Arc<Route>,
    /// Bytes of the path that `prefix` matched; 0 for other forms.
    pub prefix_bytes: usize,
    /// Parameters of the template: name and byte range in the path.
    pub parameters: Vec<Parameter>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// None matches.
    NoRoute,
    /// Some match but for the method; theirs, sorted.
    MethodNotAllowed(Vec<Method>),
    /// A route asks of the body what cannot be told before it has been read. Then ask again.
    NeedsBody(NeedsBody),
    /// It cannot be told whether a route matches, for this reason; so none is taken.
    Undecided(&'static str),
    /// The body is larger than a route that asks of it holds back, in bytes.
    BodyTooLarge(u32),
}

/// How a body is to be read before it is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsBody {
    /// Most bytes to hold back. 1 to 1,048,576.
    pub max_bytes: u32,
    /// Time for all of it, in milliseconds. 1 to 60,000.
    pub timeout_ms: u32,
}

/// Longest host that a wildcard matches, in bytes (RFC 1035, 3.1).
const MAX_HOST_BYTES: usize = 253;

/// The index over all routes.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<Box<str>, HostIndex, RandomState>,
    /// By what follows `*.`.
    wildcards: HashMap<Box<str>, HostIndex, RandomState>,
    any: HostIndex,
    /// Sets of regular expressions, for the next compilation.
    sets: Sets,
}

impl Router {
    /// Indexes the rules, and reports pairs whose order is decided only by name. `previous` lends its
    /// sets of regular expressions.
    pub(crate) fn build(mut rules: Vec<Rule>, previous: Option<&Self>) -> (Self, Vec<Ambiguous>) {
        rules.sort_by(|one, other| one.condition.cmp_place(&other.condition));
        let mut router = Self::default();
        for rule in rules {
            let condition = rule.condition;
            let add = |index: &mut HostIndex| {
                index.level(rule.priority).insert(&rule.paths, &condition);
            };
            if rule.hosts.is_empty() {
                add(&mut router.any);
            }
            for host in &rule.hosts {
                add(match host {
                    Host::Exact(name) => router.exact.entry(name.clone()).or_default(),
                    Host::Wildcard(suffix) => router.wildcards.entry(suffix.clone()).or_default(),
                });
            }
        }
        let mut ambiguous = Vec::new();
        let mut sets = Sets::after(previous.map(|it| &it.sets));
        let hosts = router
            .exact
            .values_mut()
            .chain(router.wildcards.values_mut());
        for host in hosts.chain([&mut router.any]) {
            host.finish(&mut sets, &mut ambiguous);
        }
        router.sets = sets.finish();
        ambiguous.sort();
        ambiguous.dedup();
        (router, ambiguous)
    }

    /// The expressions of each set of regular expressions.
    #[cfg(test)]
    fn set_texts(&self) -> Vec<Box<[Box<str>]>> {
        self.sets.texts()
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
