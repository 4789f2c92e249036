//! Whose clients are asked for a certificate: those of hosts that have a route with a plugin that looks at it.
//!
//! A listener that asked everybody would have browsers show a choice of certificates on sites that need none, and one
//! that is told by a setting could be told something else than the routes need.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Route,
    plugin::Instance,
    route::{Host, Rule},
};

/// Hosts whose clients are asked for a certificate.
#[derive(Debug, Default)]
pub struct AskingHosts {
    all: bool,
    exact: HashSet<Box<str>>,
    /// By what follows `*.`.
    wildcard: HashSet<Box<str>>,
}

impl AskingHosts {
    /// Those of routes.
    pub(crate) fn of(rules: &[Rule]) -> Self {
        let mut hosts = Self::default();
        for rule in rules.iter().filter(|rule| asks(&rule.condition.route)) {
            hosts.all |= rule.hosts.is_empty();
            for host in &rule.hosts {
                match host {
                    Host::Exact(name) => hosts.exact.insert(name.clone()),
                    Host::Wildcard(parent) => hosts.wildcard.insert(parent.clone()),
                };
            }
        }
        hosts
    }

    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        !self.all && self.exact.is_empty() && self.wildcard.is_empty()
    }

    /// Whether a client is asked that begins TLS with this name, in lower case.
    pub fn has(&self, server_name: &str) -> bool {
        let parents =
            std::iter::successors(server_name.split_once('.'), |(_, it)| it.split_once('.'));
        self.all
            || self.exact.contains(server_name)
            || parents
                .map(|(_, parent)| parent)
                .any(|it| self.wildcard.contains(it))
    }
}

fn asks(route: &Route) -> bool {
    let wants = |it: &Arc<Instance>| it.wants_client_certificate();
    let own = route.chain.instances.iter().any(wants);
    own || route
        .backends()
        .iter()
        .any(|it| it.route.chain.instances.iter().any(wants))
}
