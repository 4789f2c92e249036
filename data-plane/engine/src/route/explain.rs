//! Why a request takes its route, and why it does not take the others.
//!
//! For people who ask, never on the request path: all routes are tried, one by one, without the index.

use std::{cmp::Reverse, sync::Arc};

use super::{Condition, Host, Miss, PathRule, Query, Rule, facts::Facts, further::Failure};
use crate::{Route, path::Segment};

/// A route beside a request.
#[derive(Debug)]
pub struct Considered {
    /// The route.
    pub route: Arc<Route>,
    /// Whether host and path are the route's, so that the rest of it was looked at.
    pub near: bool,
    /// Why it does not match; none where it does.
    pub reason: Option<String>,
}

/// Place in the order, as far as the request decides it: host, priority, path.
type Place = (Vec<i64>, Reverse<i32>, Vec<i64>);

/// All routes in their order for this request; those of other hosts and paths come last.
pub(crate) fn explain(rules: &[Rule], query: &Query<'_>) -> Vec<Considered> {
    let mut near: Vec<(Place, &Rule)> = Vec::new();
    let mut far: Vec<Considered> = Vec::new();
    for rule in rules {
        let (host, path) = (
            place_of_host(rule, query.host),
            place_of_path(rule, query.path),
        );
        match (host, path) {
            (Some(host), Some(path)) => near.push(((host, Reverse(rule.priority), path), rule)),
            (host, _) => far.push(Considered {
                route: Arc::clone(&rule.condition.route),
                near: false,
                reason: Some(match host {
                    None => format!("hosts: the host is `{}`", query.host),
                    Some(_) => format!("paths: the path is `{}`", query.path),
                }),
            }),
        }
    }
    near.sort_by(|(place, rule), (other_place, other)| {
        let conditions = || rule.condition.cmp_place(&other.condition);
        place.cmp(other_place).then_with(conditions)
    });
    far.sort_by(|one, other| one.route.name.cmp(&other.route.name));
    let facts = Facts::of(query);
    let considered = near.into_iter().map(|(_, rule)| Considered {
        route: Arc::clone(&rule.condition.route),
        near: true,
        reason: failure(&rule.condition, &facts),
    });
    considered.chain(far).collect()
}

/// The first condition that does not hold.
fn failure(condition: &Condition, facts: &Facts<'_>) -> Option<String> {
    let query = facts.query;
    let mut headers = condition.headers.iter();
    if let Some(rule) = headers.find(|rule| !rule.matches(query.headers)) {
        return Some(format!("headers: `{}`", rule.name));
    }
    let fits = condition.methods.is_empty() || condition.methods.contains(query.method);
    let further = condition.further.as_deref();
    let failure = further.and_then(|it| it.failure(facts).err());
    match (failure, fits) {
        (Some(Failure::Not(what)), _) => Some(what),
        (_, false) => Some(format!("methods: the method is `{}`", query.method)),
        (Some(Failure::Undecided(miss)), true) => Some(undecided(&miss)),
        (None, true) => None,
    }
}

fn undecided(miss: &Miss) -> String {
    match miss {
        Miss::Undecided(why) => format!("cannot be told, which ends the search: {why}"),
        Miss::BodyTooLarge(most) => {
            format!("cannot be told, which ends the search: the body is over {most} bytes")
        }
        Miss::NeedsBody(_) => "body: is needed to tell".to_owned(),
        Miss::NoRoute | Miss::MethodNotAllowed(_) => "does not match".to_owned(),
    }
}

fn place_of_host(rule: &Rule, host: &str) -> Option<Vec<i64>> {
    if rule.hosts.is_empty() {
        return Some(vec![2]);
    }
    let places = rule.hosts.iter().filter(|it| it.matches(host));
    places
        .map(|it| match it {
            Host::Exact(_) => vec![0],
            Host::Wildcard(suffix) => vec![1, -length(suffix.len())],
        })
        .min()
}

fn place_of_path(rule: &Rule, path: &str) -> Option<Vec<i64>> {
    if rule.paths.is_empty() {
        return Some(vec![4]);
    }
    rule.paths.iter().filter_map(|it| place(it, path)).min()
}

fn place(rule: &PathRule, path: &str) -> Option<Vec<i64>> {
    match rule {
        PathRule::Exact(wanted) => (**wanted == *path).then(|| vec![0]),
        PathRule::Template(template) => {
            let (wanted, segments) = (template.segments(), path[1..].split('/'));
            let count = segments.clone().count();
            let fits = |(wanted, segment): (&Segment<'_>, &str)| match wanted {
                Segment::Literal(text) => *text == segment,
                Segment::Parameter(_) => !segment.is_empty(),
            };
            let same = count == wanted.len() && wanted.iter().zip(segments).all(fits);
            let kind = |it: &Segment<'_>| i64::from(matches!(it, Segment::Parameter(_)));
            same.then(|| [1].into_iter().chain(wanted.iter().map(kind)).collect())
        }
        PathRule::Regex(regex) => regex.is_match(path).then(|| vec![2]),
        PathRule::Prefix(prefix) => {
            let rest = path.strip_prefix(&**prefix)?;
            let whole = rest.is_empty() || rest.starts_with('/');
            whole.then(|| vec![3, -length(prefix.len())])
        }
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
