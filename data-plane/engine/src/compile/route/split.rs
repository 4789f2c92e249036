//! A route over several services.

use std::sync::Arc;

use gatewright_proto::v1::{self, stickiness::By};
use http::HeaderName;

use super::{Mistake, Services, field, further::text_rule, matching::header_rule, of_service};
use crate::{
    Action, Route,
    compile::pattern::Patterns,
    plugin::{Chain, Instance},
    route::ParameterRule,
    split::{Backend, Canary, CanaryField, CookieRule, Split, Sticky},
};

/// Most backends, and most canaries.
const MAX_ENTRIES: usize = 64;
const MAX_WEIGHT: u32 = 1_000_000;
const WEIGHT: u32 = 100;
const COOKIE: &str = "gatewright-split";

/// A split without mistakes, of which variants of a route can be made.
pub(super) struct Plan {
    backends: Vec<(Arc<str>, u32, Action)>,
    sticky: Option<Sticky>,
    canaries: Vec<Canary>,
}

/// None where the route has none, or one with mistakes.
pub(super) fn split(
    route: &v1::Route,
    services: &Services,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Plan> {
    let split = route.split.as_ref()?;
    let before = mistakes.len();
    few("split.backends", split.backends.len(), mistakes);
    few("split.canaries", split.canaries.len(), mistakes);
    let mut backends: Vec<(Arc<str>, u32, Action)> = Vec::new();
    for (place, backend) in split.backends.iter().enumerate() {
        let at = |field: &str| format!("split.backends[{place}].{field}");
        let weight = backend.weight;
        field::within(&at("weight"), weight, 0..=MAX_WEIGHT, mistakes);
        let name = backend.service.as_str();
        if name.is_empty() {
            mistakes.push(Mistake::required(at("service")));
        } else if backends.iter().any(|(other, ..)| **other == *name) {
            let reason = format!("`{name}` is there twice");
            mistakes.push(Mistake::value(at("service"), reason));
        }
        let action = of_service(name, services);
        backends.push((name.into(), weight.unwrap_or(WEIGHT), action));
    }
    if backends.iter().all(|(_, weight, _)| *weight == 0) {
        let reason = "at least one must have a weight that is not 0";
        mistakes.push(Mistake::value("split.backends", reason));
    }
    let sticky = sticky(split.sticky.as_ref(), mistakes);
    let mut canaries = Vec::new();
    for (place, canary) in split.canaries.iter().enumerate() {
        let at = format!("split.canaries[{place}]");
        canaries.extend(self::canary(
            &at,
            (canary, &split.backends),
            patterns,
            mistakes,
        ));
    }
    (mistakes.len() == before).then_some(Plan {
        backends,
        sticky,
        canaries,
    })
}

fn few(at: &str, count: usize, mistakes: &mut Vec<Mistake>) {
    if count > MAX_ENTRIES {
        let reason = format!("{count} entries; at most {MAX_ENTRIES}");
        mistakes.push(Mistake::value(at, reason));
    }
}

fn sticky(sticky: Option<&v1::Stickiness>, mistakes: &mut Vec<Mistake>) -> Option<Sticky> {
    match sticky?.by.as_ref() {
        Some(By::Consumer(true)) => Some(Sticky::Consumer),
        Some(By::Header(name)) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(Sticky::Header(name)),
            Err(_) => {
                let reason = format!("`{name}` is not a header name");
                mistakes.push(Mistake::value("split.sticky.header", reason));
                None
            }
        },
        Some(By::Cookie(cookie)) => Some(Sticky::Cookie(self::cookie(cookie, mistakes))),
        Some(By::Consumer(false)) | None => {
            let reason = "must be one of `consumer: true`, `header` and `cookie`";
            mistakes.push(Mistake::value("split.sticky", reason));
            None
        }
    }
}

fn cookie(cookie: &v1::StickyCookie, mistakes: &mut Vec<Mistake>) -> CookieRule {
    let name = match cookie.name.as_str() {
        "" => COOKIE,
        name => name,
    };
    // A cookie's name is a token, as that of a field (RFC 6265, 4.1.1).
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let reason = format!("`{name}` is not a name that a cookie can have");
        mistakes.push(Mistake::value("split.sticky.cookie.name", reason));
    }
    let (at, ttl) = ("split.sticky.cookie.ttl_ms", cookie.ttl_ms);
    field::within(at, ttl, 1_000..=4_294_967_000, mistakes);
    CookieRule {
        name: name.into(),
        max_age_seconds: ttl.map(|ms| ms / 1000),
    }
}

fn canary(
    at: &str,
    (canary, backends): (&v1::CanaryRule, &[v1::WeightedBackend]),
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Canary> {
    let backend = backends.iter().position(|it| it.service == canary.service);
    if backend.is_none() {
        let reason = format!("`{}` is not a service of the split", canary.service);
        mistakes.push(Mistake::value(format!("{at}.service"), reason));
    }
    let on = match (&canary.header, &canary.cookie) {
        (Some(header), None) => {
            let rule = header_rule(&format!("{at}.header"), header, patterns, mistakes);
            rule.map(CanaryField::Header)
        }
        (None, Some(cookie)) => {
            if cookie.name.is_empty() {
                mistakes.push(Mistake::required(format!("{at}.cookie.name")));
            }
            match text_rule(cookie.value.as_ref(), patterns) {
                Ok(value) => Some(CanaryField::Cookie(ParameterRule {
                    name: cookie.name.as_str().into(),
                    value,
                })),
                Err(reason) => {
                    mistakes.push(Mistake::value(format!("{at}.cookie.value"), reason));
                    None
                }
            }
        }
        _ => {
            let reason = "must be exactly one of `header` and `cookie`";
            mistakes.push(Mistake::value(at, reason));
            None
        }
    };
    Some(Canary {
        on: on?,
        backend: backend?,
    })
}

impl Plan {
    /// The route with this split: a variant for each backend, with the chain of its service.
    pub(super) fn route(self, base: &Route, chain: impl Fn(&str, &Action) -> Chain) -> Route {
        let chains: Vec<Chain> = self
            .backends
            .iter()
            .map(|(service, _, action)| chain(service, action))
            .collect();
        let open = self.backends.iter().zip(&chains);
        let open = open.filter(|((_, _, action), _)| !matches!(action, Action::Closed(_)));
        let common = common(open.map(|(_, chain)| chain));
        let late = matches!(self.sticky, Some(Sticky::Consumer));
        let backends = self.backends.into_iter().zip(chains).enumerate();
        let backends = backends.map(|(place, ((service, weight, action), chain))| {
            let chain = if late { behind(&common, chain) } else { chain };
            let variant = base.variant(action, chain, Some(place));
            Backend::new(service, weight, Arc::new(variant))
        });
        let split = Split {
            backends: backends.collect(),
            sticky: self.sticky,
            canaries: self.canaries.into(),
        };
        let common = Chain { instances: common };
        base.variant(Action::Split(Box::new(split)), common, None)
    }
}

fn is_in(instances: &[Arc<Instance>], instance: &Arc<Instance>) -> bool {
    instances.iter().any(|it| Arc::ptr_eq(it, instance))
}

/// What runs whichever backend is chosen, in order.
fn common<'c>(mut chains: impl Iterator<Item = &'c Chain>) -> Vec<Arc<Instance>> {
    let mut common = chains.next().map_or(Vec::new(), |it| it.instances.clone());
    for chain in chains {
        common.retain(|it| is_in(&chain.instances, it));
    }
    common
}

/// A chain that begins with what runs before its backend is chosen.
fn behind(common: &[Arc<Instance>], chain: Chain) -> Chain {
    let own = chain.instances.into_iter();
    let own = own.filter(|it| !is_in(common, it));
    Chain {
        instances: common.iter().cloned().chain(own).collect(),
    }
}
