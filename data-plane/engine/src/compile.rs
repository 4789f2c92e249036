//! Resources to snapshot: the only conversion in the system.
//!
//! It is total. A resource with a mistake is treated as refused: it, and what needs it, is closed, for
//! that scope only, so that a route is never served with less than was asked for. The
//! control plane commits nothing that has mistakes; a node publishes what is left and reports them.

mod balance;
mod certificate;
mod check;
mod consumer;
mod credential;
mod dns;
mod explain;
mod fallback;
mod field;
mod guard;
mod health;
mod key_set;
pub(crate) mod pattern;
mod plugin;
mod retry;
mod rollout;
mod route;
mod secret;
mod service;
#[cfg(test)]
mod tests;
mod upstream;
pub(crate) mod upstream_tls;

pub use explain::{Explainer, Explanation};

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use gatewright_proto::{Key, Kind, Resource};
use pattern::Patterns;

use crate::{
    AskingHosts, Certificate, CompileError, Held, ResourceSet, Snapshot, plugin::Registry,
    secret::MissingSecret,
};

/// What came of a compilation. Always a snapshot: what has errors, and what needs it, is closed in it.
#[derive(Debug)]
pub struct Compiled {
    /// The configuration.
    pub snapshot: Snapshot,
    /// Every mistake found, in order of key.
    pub errors: Vec<CompileError>,
}

/// Compiles a set. `previous` lends what has not changed: plugin instances, parsed certificates.
pub fn compile(
    revision: u64,
    set: &ResourceSet,
    registry: &Registry,
    previous: Option<&Snapshot>,
) -> Compiled {
    let mut compiler = Compiler::new(set, registry, previous);
    compiler.check_all();
    compiler.secrets();
    compiler.check_fallback_chains();
    compiler.certificates = compiler.certificates();
    let upstreams = compiler.upstreams();
    let services = compiler.services(&upstreams);
    let key_sets = compiler.key_sets();
    let plugins = compiler.plugins();
    let consumers = compiler.consumers(&plugins);
    let (routes, rules) = compiler.rules(&services, &plugins);
    let asking = AskingHosts::of(&rules);
    let router = compiler.router(rules);
    let compared = compiler.rollouts();
    let mut errors = compiler.errors;
    errors.sort_by(|one, other| (&one.key, &one.field).cmp(&(&other.key, &other.field)));
    errors.dedup();
    let snapshot = Snapshot {
        revision,
        routes,
        services: services.list,
        consumers,
        certificates: compiler.certificates,
        asking,
        compared,
        key_sets,
        missing_secrets: compiler.missing_secrets.into_inner(),
        plugins: plugins.by_name(),
        patterns: compiler.patterns.used,
        router,
    };
    Compiled { snapshot, errors }
}

/// A compilation under way.
struct Compiler<'a> {
    set: &'a ResourceSet,
    registry: &'a Registry,
    previous: Option<&'a Snapshot>,
    errors: Vec<CompileError>,
    /// What has mistakes, or was refused before.
    bad: BTreeSet<Key>,
    patterns: Patterns<'a>,
    /// Those in force, in order of name.
    certificates: Vec<Arc<Certificate>>,
    /// Secrets that were looked for in vain.
    missing_secrets: RefCell<Vec<MissingSecret>>,
}

impl<'a> Compiler<'a> {
    fn new(set: &'a ResourceSet, registry: &'a Registry, previous: Option<&'a Snapshot>) -> Self {
        Self {
            set,
            registry,
            previous,
            errors: Vec::new(),
            bad: set.refused.keys().cloned().collect(),
            patterns: Patterns::new(previous.map(|it| &it.patterns)),
            certificates: Vec::new(),
            missing_secrets: RefCell::default(),
        }
    }

    /// Reports a mistake. The resource is refused.
    fn add(&mut self, key: &Key, mistake: Mistake) {
        self.errors.push(CompileError {
            key: key.clone(),
            field: mistake.field,
            code: mistake.code,
            reason: mistake.reason,
        });
        self.bad.insert(key.clone());
    }

    fn add_all(&mut self, key: &Key, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            self.add(key, mistake);
        }
    }

    fn is_bad(&self, key: &Key) -> bool {
        self.bad.contains(key)
    }

    /// All resources held of a kind, in order of name.
    fn held(&self, kind: Kind) -> impl Iterator<Item = (&'a Key, &'a Held)> + use<'a> {
        let from = Key::new(kind, "");
        self.set
            .held
            .range(from..)
            .take_while(move |(key, _)| key.kind == kind)
    }

    /// All resources of a kind that could be read, those refused before included, in order of name.
    fn held_or_refused(&self, kind: Kind) -> Vec<(&'a Key, &'a Resource)> {
        let refused = self
            .set
            .refused
            .iter()
            .filter(|(key, _)| key.kind == kind)
            .filter_map(|(key, refused)| Some((key, refused.resource.as_deref()?)));
        let held = self.held(kind).map(|(key, held)| (key, &*held.resource));
        let mut all: Vec<_> = held.chain(refused).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    /// Whether a resource is there and in force, without mistakes.
    fn is_enabled(&self, kind: Kind, name: &str) -> bool {
        let key = Key::new(kind, name);
        let held = self.set.held.get(&key);
        !self.is_bad(&key) && held.is_some_and(|held| held.resource.enabled())
    }
}

/// One mistake in the resource at hand.
struct Mistake {
    field: String,
    code: &'static str,
    reason: String,
}

impl Mistake {
    fn new(field: impl Into<String>, code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code,
            reason: reason.into(),
        }
    }

    /// A value that is not allowed.
    fn value(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(field, "invalid_value", reason)
    }

    /// A value that must be there.
    fn required(field: impl Into<String>) -> Self {
        Self::new(field, "required", "is required")
    }
}
