//! What few routes ask of a request, read from its resource.

use gatewright_proto::v1::{self, value_match::Form};

use super::{Mistake, field, matching::bounded, payload};
use crate::{
    compile::pattern::Patterns,
    network::{Networks, network},
    plugin::when::When,
    route::{Further, Host, ParameterRule, TextRule},
};

/// None where the route asks for nothing of the kind, as most do.
pub(super) fn further(
    route: &v1::Route,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Box<Further>> {
    let sources = route.source_addresses.as_ref();
    let mut networks = |at: &str, list: &[String]| networks(at, list, mistakes);
    let client = sources.and_then(|it| networks("source_addresses.client", &it.client));
    let peer = sources.and_then(|it| networks("source_addresses.peer", &it.peer));
    let further = Further {
        query: parameters("query", &route.query, patterns, mistakes),
        cookies: parameters("cookies", &route.cookies, patterns, mistakes),
        client,
        peer,
        server_names: server_names(&route.server_names, mistakes),
        payload: payload::payload(route, patterns, mistakes),
        when: when(&route.when, mistakes),
    };
    further.boxed()
}

pub(super) fn parameters(
    at: &str,
    list: &[v1::ParameterMatch],
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Box<[ParameterRule]> {
    bounded(at, list, mistakes);
    let mut rules = Vec::new();
    for (place, parameter) in list.iter().enumerate() {
        if parameter.name.is_empty() {
            mistakes.push(Mistake::required(format!("{at}[{place}].name")));
        }
        match text_rule(parameter.value.as_ref(), patterns) {
            Ok(value) => rules.push(ParameterRule {
                name: parameter.name.as_str().into(),
                value,
            }),
            Err(reason) => {
                mistakes.push(Mistake::value(format!("{at}[{place}].value"), reason));
            }
        }
    }
    rules.into()
}

pub(super) fn text_rule(
    value: Option<&v1::ValueMatch>,
    patterns: &mut Patterns<'_>,
) -> Result<TextRule, String> {
    match value.and_then(|value| value.form.as_ref()) {
        None | Some(Form::Present(true)) => Ok(TextRule::Present),
        Some(Form::Present(false)) => Ok(TextRule::Absent),
        Some(Form::Exact(text)) => Ok(TextRule::Exact(text.as_str().into())),
        Some(Form::Regex(text)) => patterns.whole(text).map(TextRule::Regex),
    }
}

fn networks(at: &str, list: &[String], mistakes: &mut Vec<Mistake>) -> Option<Networks> {
    bounded(at, list, mistakes);
    let mut networks = Vec::new();
    for (place, text) in list.iter().enumerate() {
        match network(text) {
            Some(network) => networks.push(network),
            None => {
                let reason =
                    format!("`{text}` is neither a network, as `10.0.0.0/8`, nor an address");
                mistakes.push(Mistake::value(format!("{at}[{place}]"), reason));
            }
        }
    }
    (!list.is_empty()).then(|| Networks::of(&networks))
}

fn server_names(list: &[String], mistakes: &mut Vec<Mistake>) -> Box<[Host]> {
    bounded("server_names", list, mistakes);
    let mut names = Vec::new();
    for (place, text) in list.iter().enumerate() {
        match field::host(text) {
            Ok(host) => names.push(host),
            Err(reason) => {
                mistakes.push(Mistake::value(format!("server_names[{place}]"), reason));
            }
        }
    }
    names.sort();
    names.dedup();
    names.into()
}

fn when(source: &str, mistakes: &mut Vec<Mistake>) -> Option<When> {
    if source.is_empty() {
        return None;
    }
    When::compile_for_route(source)
        .map_err(|reason| mistakes.push(Mistake::value("when", reason)))
        .ok()
}
