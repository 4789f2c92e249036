//! Plugins: built, and found by what they are attached to.

use std::{collections::HashMap, sync::Arc};

use gatewright_proto::{Kind, Resource, v1};

use super::Compiler;
use crate::plugin::{Chain, Instance, Scope};

/// Instances by scope.
pub(super) struct Plugins {
    by_scope: HashMap<String, Vec<Entry>>,
}

struct Entry {
    instance: Arc<Instance>,
    /// Routes and services that it does not apply to.
    except: Vec<Scope>,
}

impl Compiler<'_> {
    pub(super) fn plugins(&mut self) -> Plugins {
        let mut plugins = Plugins {
            by_scope: HashMap::new(),
        };
        for (key, held) in self.held(Kind::Plugin) {
            let Resource::Plugin(plugin) = &*held.resource else {
                continue;
            };
            let previous = self
                .previous
                .and_then(|it| it.plugins.get(key.name.as_str()));
            let built = self
                .registry
                .build((plugin, held.version), self.set, previous);
            let instance = match built {
                Ok(instance) if !self.is_bad(key) => instance,
                Ok(_) => Instance::closed(key.name.as_str().into()),
                Err(errors) => {
                    self.bad.insert(key.clone());
                    self.errors.extend(errors);
                    Instance::closed(key.name.as_str().into())
                }
            };
            // A plugin that is switched off protects nothing, so its mistakes close nothing.
            if held.resource.enabled() {
                plugins.insert(instance, Some(plugin));
            }
        }
        for (key, refused) in &self.set.refused {
            if key.kind != Kind::Plugin {
                continue;
            }
            let closed = Instance::closed(key.name.as_str().into());
            match refused.resource.as_deref() {
                Some(Resource::Plugin(plugin)) if plugin.enabled.unwrap_or(true) => {
                    plugins.insert(closed, Some(plugin));
                }
                Some(_) => {}
                None => plugins.insert(closed, None),
            }
        }
        plugins
    }
}

impl Plugins {
    /// Files an instance under what it is attached to. Where that cannot be told, under everything.
    fn insert(&mut self, instance: Arc<Instance>, plugin: Option<&v1::Plugin>) {
        let attach = plugin.and_then(|plugin| plugin.attach.as_ref());
        let scope = attach.and_then(Scope::of).unwrap_or(Scope::Global);
        // `global` is no exception; were it one, a refused plugin that has it would close nothing.
        let sparing = |scope: &Scope| matches!(scope, Scope::Route(_) | Scope::Service(_));
        let except = plugin.map(|plugin| {
            let except = plugin.except.iter().filter_map(Scope::of);
            except.filter(sparing).collect()
        });
        let entry = Entry {
            instance,
            except: except.unwrap_or_default(),
        };
        self.by_scope
            .entry(scope.to_string())
            .or_default()
            .push(entry);
    }

    /// The chain of what is attached to any of these scopes, but for those that except one of `spared`.
    pub(super) fn chain_of(&self, scopes: &[Scope], spared: &[Scope]) -> Chain {
        let entries = scopes
            .iter()
            .filter_map(|scope| self.by_scope.get(&scope.to_string()));
        let applies = |entry: &&Entry| !entry.except.iter().any(|scope| spared.contains(scope));
        let instances = entries.flatten().filter(applies);
        Chain::new(instances.map(|entry| Arc::clone(&entry.instance)).collect())
    }

    /// What the next compilation may take over.
    pub(super) fn by_name(self) -> HashMap<Arc<str>, Arc<Instance>> {
        let entries = self.by_scope.into_values().flatten();
        let built = entries.filter(|entry| entry.instance.version.is_some());
        built
            .map(|entry| (Arc::clone(&entry.instance.name), entry.instance))
            .collect()
    }
}
