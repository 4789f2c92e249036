//! Routes.

mod answer;
mod matching;

use std::sync::Arc;

use gatewright_proto::{Key, Kind, Resource, v1};

use super::{
    Compiler, Mistake, field,
    plugin::Plugins,
    service::{Services, State},
};
use crate::{
    Action, Route,
    path::Template,
    plugin::Scope,
    route::{PathRule, Router, Rule},
};

/// What routes lead to and run.
struct Needs<'a> {
    services: &'a Services,
    plugins: &'a Plugins,
}

impl Compiler<'_> {
    pub(super) fn routes(
        &mut self,
        services: &Services,
        plugins: &Plugins,
    ) -> (Vec<Arc<Route>>, Router) {
        let needs = Needs { services, plugins };
        let (mut routes, mut rules) = (Vec::new(), Vec::new());
        for (key, held) in self.held(Kind::Route) {
            let Resource::Route(route) = &*held.resource else {
                continue;
            };
            let Some(rule) = self.rule(key, route, &needs, routes.len()) else {
                continue;
            };
            if held.resource.enabled() {
                routes.push(Arc::clone(&rule.route));
                rules.push(rule);
            }
        }
        let (router, ambiguous) = Router::build(rules);
        for pair in ambiguous {
            let reason = format!(
                "route `{}` matches the same requests, and only the names decide; add a host, path, method or header to one",
                pair.first
            );
            // Reported, and served all the same: the order is documented, and a node must not drop a
            // route that it has served.
            self.errors.push(crate::CompileError {
                key: Key::new(Kind::Route, &*pair.second),
                field: "paths".to_owned(),
                code: "ambiguous_route",
                reason,
            });
        }
        (routes, router)
    }

    /// None where it has mistakes.
    fn rule(
        &mut self,
        key: &Key,
        route: &v1::Route,
        needs: &Needs<'_>,
        index: usize,
    ) -> Option<Rule> {
        let mut mistakes = Vec::new();
        let hosts = matching::hosts(route, &mut mistakes);
        let paths = matching::paths(route, &mut mistakes);
        let methods = matching::methods(route, &mut mistakes);
        let headers = matching::headers(route, &mut mistakes);
        let upgrades = matching::upgrades(route, &mut mistakes);
        let rewrite = rewrite("rewrite", &route.rewrite, &paths, &mut mistakes);
        if rewrite.is_some() && route.strip_prefix.unwrap_or(false) {
            let reason = "`strip_prefix` and `rewrite` exclude each other";
            mistakes.push(Mistake::value("rewrite", reason));
        }
        let action = answer::action(route, needs.services, &paths, &mut mistakes);
        self.add_all(key, mistakes);
        let action = action.filter(|_| !self.is_bad(key))?;
        let scopes = [
            Scope::Global,
            Scope::Service(route.service.as_str().into()),
            Scope::Route(key.name.as_str().into()),
        ];
        let compiled = Route {
            name: key.name.as_str().into(),
            index,
            action,
            chain: needs.plugins.chain_of(&scopes, &scopes),
            strip_prefix: route.strip_prefix.unwrap_or(false),
            rewrite,
            preserve_host: route.preserve_host.unwrap_or(false),
            upgrades,
            request_timeout_ms: route.request_timeout_ms,
            max_request_body_bytes: route.max_request_body_bytes,
        };
        Some(Rule {
            hosts,
            paths,
            methods,
            headers,
            route: Arc::new(compiled),
        })
    }
}

/// Reads a path to send to, whose parameters every path of the route must have.
fn rewrite(
    at: &str,
    text: &str,
    paths: &[PathRule],
    mistakes: &mut Vec<Mistake>,
) -> Option<Template> {
    if text.is_empty() {
        return None;
    }
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(invalid) => {
            mistakes.push(Mistake::value(at, format!("`{text}`: {invalid}")));
            return None;
        }
    };
    for name in template.names() {
        let has = |path: &PathRule| matches!(path, PathRule::Template(path) if path.names().any(|other| other == name));
        if paths.is_empty() || !paths.iter().all(has) {
            let reason = format!("`{{{name}}}` is not a parameter of every path of the route");
            mistakes.push(Mistake::value(at, reason));
        }
    }
    Some(template)
}

/// What a route's service makes of it.
fn of_service(name: &str, services: &Services) -> Action {
    match services.by_name.get(name) {
        Some(State::Ready(service)) => Action::Forward(Arc::clone(service)),
        Some(State::Disabled) => Action::Disabled,
        Some(State::Closed) | None => {
            Action::Closed(format!("service `{name}` was refused by this node").into())
        }
    }
}
