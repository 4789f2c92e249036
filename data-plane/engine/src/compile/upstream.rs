//! Upstreams and their targets.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, DnsType},
};

use super::{Compiler, Mistake, balance, dns, field, guard, health};
use crate::{Target, Upstream};

/// Default of `weight`.
pub(super) const WEIGHT: u32 = 100;
const MAX_WEIGHT: u32 = 65_535;
const MAX_PRIORITY: u32 = 127;
/// How long a registration may last without a sign of life.
const TTL_MS: std::ops::RangeInclusive<u32> = 1_000..=3_600_000;

/// Upstreams by name: none where it has mistakes.
pub(super) type Upstreams = HashMap<String, Option<Arc<Upstream>>>;

impl Compiler<'_> {
    pub(super) fn upstreams(&mut self) -> Upstreams {
        let mut targets = self.targets();
        let mut upstreams = Upstreams::new();
        for (key, held) in self.held(Kind::Upstream) {
            let Resource::Upstream(upstream) = &*held.resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            let dns = dns::spec(upstream, &mut mistakes);
            if let Some(limits) = &upstream.limits {
                guard::limit_settings(limits, &mut mistakes);
            }
            let balance = balance::spec(upstream, &mut mistakes);
            let health = health::spec(upstream, &mut self.patterns, &mut mistakes);
            self.add_all(key, mistakes);
            // A disabled upstream has no targets; a broken one closes what needs it.
            let own = targets.remove(&key.name).unwrap_or_default();
            let compiled = Upstream {
                name: key.name.as_str().into(),
                balance: Arc::new(balance),
                dns,
                health,
                targets: if held.resource.enabled() {
                    own
                } else {
                    Vec::new()
                },
            };
            let compiled = (!self.is_bad(key)).then(|| Arc::new(compiled));
            upstreams.insert(key.name.clone(), compiled);
        }
        upstreams
    }

    /// Enabled targets by upstream, in order of name.
    fn targets(&mut self) -> HashMap<String, Vec<Target>> {
        let mut targets: HashMap<String, Vec<Target>> = HashMap::new();
        for (key, held) in self.held(Kind::Target) {
            let Resource::Target(target) = &*held.resource else {
                continue;
            };
            let compiled = self.target(key, target);
            if let Some(compiled) = compiled.filter(|_| held.resource.enabled()) {
                targets
                    .entry(target.upstream.clone())
                    .or_default()
                    .push(compiled);
            }
        }
        targets
    }

    fn target(&mut self, key: &Key, target: &v1::Target) -> Option<Target> {
        let mut mistakes = Vec::new();
        if target.upstream.is_empty() {
            mistakes.push(Mistake::required("upstream"));
        }
        field::within("weight", target.weight, 0..=MAX_WEIGHT, &mut mistakes);
        field::within("priority", target.priority, 0..=MAX_PRIORITY, &mut mistakes);
        registration(target, &mut mistakes);
        let address = self.address(target);
        if let Err(reason) = &address {
            mistakes.push(Mistake::value("address", reason.clone()));
        }
        self.add_all(key, mistakes);
        let (host, port, srv) = address.ok().filter(|_| !self.is_bad(key))?;
        Some(Target {
            name: key.name.as_str().into(),
            host,
            port,
            weight: target.weight.unwrap_or(WEIGHT),
            priority: target.priority.unwrap_or(0),
            srv,
        })
    }

    /// Host and port of a target; or the name of a service, without one.
    fn address(&self, target: &v1::Target) -> Result<(Box<str>, u16, bool), String> {
        let text = target.address.as_str();
        if !text.contains(':') && self.finds_services(&target.upstream) {
            return match field::is_host(text) && text.parse::<Ipv4Addr>().is_err() {
                true => Ok((text.into(), 0, true)),
                false => Err(format!("`{text}` is not the name of a service")),
            };
        }
        field::address(text).map(|(host, port)| (host, port, false))
    }

    /// Whether an upstream looks services up.
    fn finds_services(&self, upstream: &str) -> bool {
        let held = self.set.held.get(&Key::new(Kind::Upstream, upstream));
        match held.map(|held| &*held.resource) {
            Some(Resource::Upstream(upstream)) => {
                let discovery = upstream.discovery.as_ref();
                discovery.is_some_and(|it| it.r#type() == DnsType::Srv)
            }
            _ => false,
        }
    }
}

/// A target that registered itself and one that was written never have the same name.
fn registration(target: &v1::Target, mistakes: &mut Vec<Mistake>) {
    field::within("ttl_ms", target.ttl_ms, TTL_MS, mistakes);
    if target.ttl_ms.is_none() && target.registered_by.is_some() {
        let reason = "only a target that registered itself has one";
        mistakes.push(Mistake::value("registered_by", reason));
    }
    match (target.ttl_ms, target.name.starts_with(Key::REGISTERED)) {
        (None, true) => {
            let reason = format!(
                "names that begin with `{}` are for targets that register themselves",
                Key::REGISTERED
            );
            mistakes.push(Mistake::value("name", reason));
        }
        (Some(_), false) => {
            let reason = format!(
                "only a target that registered itself has one, and its name begins with `{}`",
                Key::REGISTERED
            );
            mistakes.push(Mistake::value("ttl_ms", reason));
        }
        _ => {}
    }
}
