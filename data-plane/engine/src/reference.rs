//! Which resources a resource refers to. Compilation refuses references to what is not there, and
//! the admin API refuses to delete what is still referred to.

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{Attach, Fallback, KeySet, Plugin, attach::To},
};

use crate::plugin::Registry;

/// What stands before the name of a secret in a field that takes either a value or a secret.
pub(crate) const SECRET: &str = "secret:";

/// That a field names another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Path of the field, as `attach.route`.
    pub field: String,
    /// What it names.
    pub key: Key,
}

impl Reference {
    /// The field names this resource.
    pub fn new(field: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            key: Key::new(kind, name),
        }
    }
}

/// All references of a resource, those in a plugin's settings included, in order of field.
pub fn references(resource: &Resource, registry: &Registry) -> Vec<Reference> {
    let one = |field: &str, kind, name: &str| {
        let given = !name.is_empty();
        Vec::from_iter(given.then(|| Reference::new(field, kind, name)))
    };
    match resource {
        Resource::Service(service) => {
            let mut all = fallback(service.fallback.as_ref());
            let tls = service.tls.as_ref();
            let secret = tls.map_or("", |it| secret_of(&it.ca_certificates));
            all.extend(one("tls.ca_certificates", Kind::Secret, secret));
            let shown = tls.map_or("", |it| &it.client_certificate);
            all.extend(one("tls.client_certificate", Kind::Certificate, shown));
            all.extend(one("upstream", Kind::Upstream, &service.upstream));
            all
        }
        Resource::Route(route) => {
            let mut all = fallback(route.fallback.as_ref());
            all.extend(one("service", Kind::Service, &route.service));
            let backends = route.split.iter().flat_map(|it| &it.backends).enumerate();
            all.extend(backends.flat_map(|(place, backend)| {
                let field = format!("split.backends[{place}].service");
                one(&field, Kind::Service, &backend.service)
            }));
            let mirrors = route.mirrors.iter().enumerate();
            all.extend(mirrors.flat_map(|(place, mirror)| {
                let field = format!("mirrors[{place}].service");
                one(&field, Kind::Service, &mirror.service)
            }));
            let legacy = route.strangler.as_ref().map_or("", |it| &it.legacy);
            all.extend(one("strangler.legacy", Kind::Service, legacy));
            all
        }
        Resource::Target(target) => one("upstream", Kind::Upstream, &target.upstream),
        Resource::Consumer(consumer) => {
            let group = |(place, name): (usize, &String)| {
                Reference::new(format!("groups[{place}]"), Kind::ConsumerGroup, name)
            };
            consumer.groups.iter().enumerate().map(group).collect()
        }
        Resource::Credential(credential) => one("consumer", Kind::Consumer, &credential.consumer),
        Resource::Plugin(plugin) => of_plugin(plugin, registry),
        Resource::Certificate(certificate) => {
            let secret = secret_of(&certificate.private_key);
            one("private_key", Kind::Secret, secret)
        }
        Resource::Rollout(rollout) => {
            let mut all = one("baseline", Kind::Service, &rollout.baseline);
            all.extend(one("canary", Kind::Service, &rollout.canary));
            all.extend(one("route", Kind::Route, &rollout.route));
            all
        }
        Resource::KeySet(set) => of_key_set(set),
        Resource::Upstream(_) | Resource::ConsumerGroup(_) | Resource::Secret(_) => Vec::new(),
    }
}

/// The name of the secret that a text refers to, with a field or without; empty where it does not.
fn secret_of(text: &str) -> &str {
    let name = text.strip_prefix(SECRET).unwrap_or_default();
    name.split('#').next().unwrap_or_default()
}

fn fallback(fallback: Option<&Fallback>) -> Vec<Reference> {
    let service = fallback.map(|it| it.service.as_str());
    let service = service.filter(|name| !name.is_empty());
    let reference = |name| Reference::new("fallback.service", Kind::Service, name);
    service.map(reference).into_iter().collect()
}

fn of_key_set(set: &KeySet) -> Vec<Reference> {
    let secret = |field: String, name: &str| {
        (!name.is_empty()).then(|| Reference::new(field, Kind::Secret, name))
    };
    let authorities = set.ca_certificates.strip_prefix(SECRET).unwrap_or_default();
    let keys = set.keys.iter().enumerate();
    let keys = keys.filter_map(|(place, key)| secret(format!("keys[{place}].secret"), &key.secret));
    let authorities = secret("ca_certificates".to_owned(), authorities).into_iter();
    let own = secret("secret".to_owned(), &set.secret);
    authorities.chain(keys).chain(own).collect()
}

fn of_plugin(plugin: &Plugin, registry: &Registry) -> Vec<Reference> {
    let attach = plugin
        .attach
        .iter()
        .filter_map(|to| of_attach("attach", to));
    let except = plugin.except.iter().enumerate();
    let except = except.filter_map(|(place, to)| of_attach(&format!("except[{place}]"), to));
    let settings = registry.references(plugin);
    attach.chain(except).chain(settings).collect()
}

fn of_attach(field: &str, attach: &Attach) -> Option<Reference> {
    let (form, kind, name) = match attach.to.as_ref()? {
        To::Global(_) => return None,
        To::Service(name) => ("service", Kind::Service, name),
        To::Route(name) => ("route", Kind::Route, name),
        To::Consumer(name) => ("consumer", Kind::Consumer, name),
        To::ConsumerGroup(name) => ("consumer_group", Kind::ConsumerGroup, name),
    };
    Some(Reference::new(format!("{field}.{form}"), kind, name))
}
