//! Routes.

mod answer;
mod further;
pub(super) mod matching;
mod mirror;
mod payload;
mod split;
mod strangler;

use std::sync::Arc;

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, Criticality, Protocol},
};

use super::{
    Compiler, Mistake, field,
    plugin::Plugins,
    retry,
    service::{Services, State},
};
use crate::{
    Action, Route,
    guard::{FallbackAction, RouteGuard},
    path::Template,
    plugin::{Chain, Scope},
    route::{Condition, PathRule, Router, Rule},
};

/// What counters of stranglers are kept as.
const TALLY: &str = "strangler-tally";

/// What routes lead to and run.
struct Needs<'a> {
    services: &'a Services,
    plugins: &'a Plugins,
    /// The place of the route.
    index: usize,
}

impl Compiler<'_> {
    /// The enabled routes, in order of name, and what each asks of a request.
    pub(super) fn rules(
        &mut self,
        services: &Services,
        plugins: &Plugins,
    ) -> (Vec<Arc<Route>>, Vec<Rule>) {
        let (mut routes, mut rules) = (Vec::new(), Vec::new());
        for (key, resource) in self.held_or_refused(Kind::Route) {
            let Resource::Route(route) = resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            let needs = Needs {
                services,
                plugins,
                index: routes.len(),
            };
            let rule = self.rule(key, route, &needs, &mut mistakes);
            // What was refused before has been reported.
            if !self.set.refused.contains_key(key) {
                self.add_all(key, mistakes);
            }
            if let Some(rule) = rule.filter(|_| resource.enabled()) {
                routes.push(Arc::clone(&rule.condition.route));
                rules.push(rule);
            }
        }
        (routes, rules)
    }

    /// The index over them.
    pub(super) fn router(&mut self, rules: Vec<Rule>) -> Router {
        let (router, ambiguous) = Router::build(rules, self.previous.map(|it| &it.router));
        for pair in ambiguous {
            let reason = format!(
                "route `{}` matches the same requests, and only the names decide; give one another host, path, method, condition or `priority`",
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
        router
    }

    /// None where it cannot be told which requests it is for. With other mistakes it is closed: if it
    /// were left out, a less specific route could answer its requests with less protection.
    fn rule(
        &mut self,
        key: &Key,
        route: &v1::Route,
        needs: &Needs<'_>,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Rule> {
        let hosts = matching::hosts(route, mistakes);
        let paths = matching::paths(route, &mut self.patterns, mistakes);
        let methods = matching::methods(route, mistakes);
        let headers = matching::headers(route, &mut self.patterns, mistakes);
        let priority = matching::priority(route, mistakes);
        let further = further::further(route, &mut self.patterns, mistakes);
        let placed = mistakes.is_empty();
        let compiled = self.compiled((key, route), needs, &paths, mistakes);
        placed.then(|| Rule {
            hosts,
            priority,
            paths,
            condition: Arc::new(Condition {
                methods,
                headers,
                further,
                good: mistakes.is_empty() && !self.is_bad(key),
                route: Arc::new(compiled),
            }),
        })
    }

    /// What is done with its requests.
    fn compiled(
        &mut self,
        (key, route): (&Key, &v1::Route),
        needs: &Needs<'_>,
        paths: &[PathRule],
        mistakes: &mut Vec<Mistake>,
    ) -> Route {
        let upgrades = matching::upgrades(route, mistakes);
        let rewrite = rewrite("rewrite", &route.rewrite, paths, mistakes);
        if rewrite.is_some() && route.strip_prefix.unwrap_or(false) {
            let reason = "`strip_prefix` and `rewrite` exclude each other";
            mistakes.push(Mistake::value("rewrite", reason));
        }
        let guard = self.route_guard(&key.name, route, mistakes);
        let criticality = criticality(route, mistakes);
        let overrides = retry::overrides(route, &mut self.patterns, mistakes);
        let action = answer::action(route, needs.services, paths, mistakes);
        let split = split::split(route, needs.services, &mut self.patterns, mistakes);
        let strangler = strangler::strangler(route, needs.services, &mut self.patterns, mistakes);
        let mirrors = mirror::mirrors(route, needs.services, mistakes);
        check_grpc_web(route, needs.services, mistakes);
        let good = mistakes.is_empty() && !self.is_bad(key);
        let action = action
            .filter(|action| good || matches!(action, Action::Closed(_)))
            .unwrap_or_else(|| {
                Action::Closed(format!("route `{}` was refused by this node", key.name).into())
            });
        let chain = |service: &str, action: &Action| {
            let of = |service: &str| chain(&key.name, service, action, needs.plugins);
            match stand_in(guard.as_deref(), action) {
                None => of(service),
                // Its requests may reach that one as well, so what is attached to either runs.
                Some(other) => of(service).joined(&of(other)),
            }
        };
        let mut compiled = Route {
            name: key.name.as_str().into(),
            index: needs.index,
            chain: chain(&route.service, &action),
            action,
            strip_prefix: route.strip_prefix.unwrap_or(false),
            rewrite,
            preserve_host: route.preserve_host.unwrap_or(false),
            grpc_web: route.grpc_web.unwrap_or(false),
            upgrades,
            request_timeout_ms: route.request_timeout_ms,
            max_request_body_bytes: route.max_request_body_bytes,
            guard: guard.clone(),
            criticality,
            overrides,
            backend: None,
            mirrors: None,
            fall_through: None,
        };
        compiled.mirrors = mirror::of(&compiled, mirrors);
        match (split, strangler) {
            (Some(split), _) if good => split.route(&compiled, chain),
            (_, Some(strangler)) if good => {
                let name = key.name.as_str().into();
                let tally = self.registry.states.keep(TALLY, &name, Default::default);
                let action = of_service(&route.service, needs.services);
                strangler.route(&compiled, action, chain, tally)
            }
            _ => compiled,
        }
    }
}

/// The service that is asked where the one of this action fails.
fn stand_in<'a>(guard: Option<&'a RouteGuard>, action: &'a Action) -> Option<&'a str> {
    let Action::Forward(service) = action else {
        return None;
    };
    let own = guard.and_then(|it| it.fallback.as_ref());
    match &own.or(service.fallback.as_ref())?.action {
        FallbackAction::Service(name) => Some(name),
        FallbackAction::Answer(_) => None,
    }
}

/// What runs before the action. Nothing where the answer is 500 in any case.
fn chain(route: &str, service: &str, action: &Action, plugins: &Plugins) -> Chain {
    if matches!(action, Action::Closed(_)) {
        return Chain::default();
    }
    let scopes = [
        Scope::Global,
        Scope::Service(service.into()),
        Scope::Route(route.into()),
    ];
    plugins.chain_of(&scopes, &scopes)
}

/// What gRPC-Web is translated to is gRPC, which is spoken over HTTP/2.
fn check_grpc_web(route: &v1::Route, services: &Services, mistakes: &mut Vec<Mistake>) {
    if !route.grpc_web.unwrap_or(false) {
        return;
    }
    let split = route.split.iter().flat_map(|it| &it.backends);
    let legacy = route.strangler.iter().map(|it| &it.legacy);
    let names = split.map(|it| &it.service).chain([&route.service]);
    let names = names.chain(legacy);
    let names: Vec<&String> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        let reason = "is for routes that have a `service` or `split`";
        mistakes.push(Mistake::value("grpc_web", reason));
    }
    for name in names {
        if let Some(State::Ready(service)) = services.by_name.get(name)
            && service.protocol == Protocol::Http1
        {
            let reason = format!("needs `protocol: http2` of service `{name}`");
            mistakes.push(Mistake::value("grpc_web", reason));
        }
    }
}

fn criticality(route: &v1::Route, mistakes: &mut Vec<Mistake>) -> Criticality {
    if route.breaker.is_some() && route.service.is_empty() {
        let reason = "is for routes that have a `service`";
        mistakes.push(Mistake::value("breaker", reason));
    }
    if route.fallback.is_some() && route.service.is_empty() && route.split.is_none() {
        let reason = "is for routes that have a `service` or `split`";
        mistakes.push(Mistake::value("fallback", reason));
    }
    Criticality::try_from(route.criticality).unwrap_or_else(|_| {
        let reason = format!("`{}` is not one known here", route.criticality);
        mistakes.push(Mistake::value("criticality", reason));
        Criticality::Normal
    })
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
