//! Consumers and their groups.

use std::sync::Arc;

use gatewright_proto::{Key, Kind, Resource, v1};

use super::{Compiler, plugin::Plugins};
use crate::{
    Consumer, Consumers,
    plugin::{Instance, Scope},
};

impl Compiler<'_> {
    pub(super) fn consumers(&mut self, plugins: &Plugins) -> Consumers {
        let mut consumers = Consumers::default();
        for (key, held) in self.held(Kind::Consumer) {
            let Resource::Consumer(consumer) = &*held.resource else {
                continue;
            };
            if held.resource.enabled() && !self.is_bad(key) {
                let compiled = Arc::new(self.consumer(key, consumer, plugins));
                consumers
                    .by_name
                    .insert(Arc::clone(&compiled.name), compiled);
            }
        }
        self.credentials(&mut consumers);
        consumers
    }

    fn consumer(&self, key: &Key, consumer: &v1::Consumer, plugins: &Plugins) -> Consumer {
        let name: Arc<str> = key.name.as_str().into();
        let enabled = |group: &&String| self.is_enabled(Kind::ConsumerGroup, group);
        let mut groups: Vec<Arc<str>> = consumer
            .groups
            .iter()
            .filter(enabled)
            .map(|group| group.as_str().into())
            .collect();
        groups.sort();
        groups.dedup();
        let mut scopes = vec![Scope::Consumer(Arc::clone(&name))];
        scopes.extend(groups.iter().cloned().map(Scope::ConsumerGroup));
        let mut instances = plugins.chain_of(&scopes, &[]).instances;
        // What a refused group would have forbidden is not known, so its consumers may do nothing.
        let refused = |group: &&String| self.is_bad(&Key::new(Kind::ConsumerGroup, group.as_str()));
        if let Some(group) = consumer.groups.iter().find(refused) {
            instances.insert(0, Instance::closed(group.as_str().into()));
        }
        Consumer::new(name, groups, instances)
    }
}
