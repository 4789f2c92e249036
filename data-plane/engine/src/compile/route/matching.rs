//! What a route asks of a request, read from its resource.

use gatewright_proto::v1::{self, path_match::Form, value_match::Form as ValueForm};
use http::{HeaderName, HeaderValue, Method};

use super::{Mistake, field};
use crate::{
    compile::pattern::Patterns,
    path::{Template, normalize},
    route::{HeaderRule, Host, PathRule, ValueRule},
};

/// Most entries of one list.
const MAX_ENTRIES: usize = 256;
/// Highest priority, and how far below zero the lowest is.
const MAX_PRIORITY: i32 = 1000;

pub(super) fn priority(route: &v1::Route, mistakes: &mut Vec<Mistake>) -> i32 {
    let priority = route.priority.unwrap_or(0);
    if !(-MAX_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        let reason = format!("`{priority}` is not within -{MAX_PRIORITY} to {MAX_PRIORITY}");
        mistakes.push(Mistake::value("priority", reason));
    }
    priority
}

pub(super) fn bounded<T>(at: &str, list: &[T], mistakes: &mut Vec<Mistake>) {
    if list.len() > MAX_ENTRIES {
        let reason = format!("{} entries; at most {MAX_ENTRIES}", list.len());
        mistakes.push(Mistake::value(at, reason));
    }
}

pub(super) fn hosts(route: &v1::Route, mistakes: &mut Vec<Mistake>) -> Vec<Host> {
    bounded("hosts", &route.hosts, mistakes);
    let mut hosts = Vec::new();
    for (place, text) in route.hosts.iter().enumerate() {
        match field::host(text) {
            Ok(host) if hosts.contains(&host) => {
                let reason = format!("`{text}` is there twice");
                mistakes.push(Mistake::value(format!("hosts[{place}]"), reason));
            }
            Ok(host) => hosts.push(host),
            Err(reason) => mistakes.push(Mistake::value(format!("hosts[{place}]"), reason)),
        }
    }
    hosts
}

pub(super) fn paths(
    route: &v1::Route,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<PathRule> {
    path_list("paths", &route.paths, patterns, mistakes)
}

pub(super) fn path_list(
    at: &str,
    list: &[v1::PathMatch],
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<PathRule> {
    bounded(at, list, mistakes);
    let mut paths = Vec::new();
    for (place, path) in list.iter().enumerate() {
        match path_rule(path, patterns) {
            Ok(rule) => paths.push(rule),
            Err(reason) => mistakes.push(Mistake::value(format!("{at}[{place}]"), reason)),
        }
    }
    paths
}

fn path_rule(path: &v1::PathMatch, patterns: &mut Patterns<'_>) -> Result<PathRule, String> {
    let normal = |text: &String| match normalize(text) {
        Ok(normal) if normal == *text => Ok(()),
        Ok(normal) => Err(format!(
            "`{text}` is not in the normalised form, `{normal}`"
        )),
        Err(invalid) => Err(format!("`{text}`: {invalid}")),
    };
    match &path.form {
        None => Err("must be one of `exact`, `prefix`, `template` and `regex`".to_owned()),
        Some(Form::Exact(text)) => normal(text).map(|()| PathRule::Exact(text.as_str().into())),
        Some(Form::Prefix(text)) => {
            normal(text)?;
            Ok(PathRule::Prefix(text.trim_end_matches('/').into()))
        }
        Some(Form::Template(text)) => Template::parse_match(text)
            .map(PathRule::Template)
            .map_err(|invalid| format!("`{text}`: {invalid}")),
        Some(Form::Regex(text)) => patterns.whole(text).map(PathRule::Regex),
    }
}

pub(super) fn methods(route: &v1::Route, mistakes: &mut Vec<Mistake>) -> Box<[Method]> {
    method_list("methods", &route.methods, mistakes)
}

pub(super) fn method_list(at: &str, list: &[String], mistakes: &mut Vec<Mistake>) -> Box<[Method]> {
    bounded(at, list, mistakes);
    let mut methods = Vec::new();
    for (place, text) in list.iter().enumerate() {
        let upper = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        match Method::from_bytes(text.as_bytes()) {
            Ok(method) if upper => methods.push(method),
            _ => {
                let reason = format!("`{text}` is not a method; as `GET`");
                mistakes.push(Mistake::value(format!("{at}[{place}]"), reason));
            }
        }
    }
    methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    methods.dedup();
    methods.into()
}

pub(super) fn headers(
    route: &v1::Route,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Box<[HeaderRule]> {
    bounded("headers", &route.headers, mistakes);
    let rules = route.headers.iter().enumerate();
    rules
        .filter_map(|(place, header)| {
            header_rule(&format!("headers[{place}]"), header, patterns, mistakes)
        })
        .collect()
}

/// What one field must be.
pub(super) fn header_rule(
    at: &str,
    header: &v1::HeaderMatch,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<HeaderRule> {
    let name = HeaderName::from_bytes(header.name.as_bytes());
    if name.is_err() {
        let reason = format!("`{}` is not a header name", header.name);
        mistakes.push(Mistake::value(format!("{at}.name"), reason));
    }
    let value = value_rule(header, patterns)
        .map_err(|reason| mistakes.push(Mistake::value(format!("{at}.value"), reason)));
    Some(HeaderRule {
        name: name.ok()?,
        value: value.ok()?,
    })
}

/// What the value of a field must be.
pub(in crate::compile) fn value_rule(
    header: &v1::HeaderMatch,
    patterns: &mut Patterns<'_>,
) -> Result<ValueRule, String> {
    match header.value.as_ref().and_then(|value| value.form.as_ref()) {
        None | Some(ValueForm::Present(true)) => Ok(ValueRule::Present),
        Some(ValueForm::Present(false)) => Ok(ValueRule::Absent),
        Some(ValueForm::Exact(text)) => HeaderValue::from_str(text)
            .map(ValueRule::Exact)
            .map_err(|_| format!("`{text}` is not a value that a header can have")),
        Some(ValueForm::Regex(text)) => patterns.whole(text).map(ValueRule::Regex),
    }
}

pub(super) fn upgrades(route: &v1::Route, mistakes: &mut Vec<Mistake>) -> Vec<Box<str>> {
    bounded("upgrades", &route.upgrades, mistakes);
    let mut upgrades = Vec::new();
    for (place, text) in route.upgrades.iter().enumerate() {
        // A protocol is a token, as a header name is. HTTP itself is not switched to this way.
        let token = HeaderName::from_bytes(text.as_bytes()).is_ok();
        let lower = text.to_ascii_lowercase();
        if token && lower != "h2c" && lower != "http" {
            upgrades.push(lower.into());
        } else {
            let reason = format!("`{text}` is not a protocol to switch to; as `websocket`");
            mistakes.push(Mistake::value(format!("upgrades[{place}]"), reason));
        }
    }
    upgrades
}
