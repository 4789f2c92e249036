//! Consumers, their groups and their credentials.

use std::{collections::HashMap, sync::Arc};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, CredentialType},
};

use super::{Compiler, Mistake, plugin::Plugins};
use crate::{
    Consumer, Consumers, Credential,
    plugin::{Instance, Scope},
};

/// What stands before the digits of a digest.
const SHA256: &str = "sha256:";
/// Longest part of a key that may be read back.
const MAX_PREFIX_BYTES: usize = 6;

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

    fn credentials(&mut self, consumers: &mut Consumers) {
        let mut first: HashMap<[u8; 32], &Key> = HashMap::new();
        for (key, held) in self.held(Kind::Credential) {
            let Resource::Credential(credential) = &*held.resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            let digest = read(credential, &mut mistakes);
            if let Some(digest) = digest
                && let Some(other) = first.insert(digest, key)
            {
                // Nobody can tell whose it is: neither is accepted. Both are at fault, so that a node
                // refuses the newer one and goes on with the one it had.
                mistakes.push(duplicate(other));
                self.add(other, duplicate(key));
                consumers.by_key.remove(&digest);
            }
            self.add_all(key, mistakes);
            let consumer = consumers.by_name.get(credential.consumer.as_str());
            if let (Some(digest), Some(consumer), true, false) =
                (digest, consumer, held.resource.enabled(), self.is_bad(key))
            {
                let credential = Credential {
                    name: key.name.as_str().into(),
                    consumer: Arc::clone(consumer),
                };
                consumers.by_key.insert(digest, Arc::new(credential));
            }
        }
    }
}

fn duplicate(other: &Key) -> Mistake {
    let reason = format!("credential `{}` has the same key", other.name);
    Mistake::new("key", "duplicate", reason)
}

fn read(credential: &v1::Credential, mistakes: &mut Vec<Mistake>) -> Option<[u8; 32]> {
    if credential.consumer.is_empty() {
        mistakes.push(Mistake::required("consumer"));
    }
    if CredentialType::try_from(credential.r#type).is_err() {
        let reason = format!("`{}` is not a type known here", credential.r#type);
        mistakes.push(Mistake::value("type", reason));
    }
    if !credential.key.is_empty() {
        mistakes.push(Mistake::value("key", "is stored as a digest only"));
    }
    if credential.prefix.len() > MAX_PREFIX_BYTES {
        let reason = format!("at most {MAX_PREFIX_BYTES} characters of a key are kept");
        mistakes.push(Mistake::value("prefix", reason));
    }
    if credential.digest.is_empty() {
        mistakes.push(Mistake::required("key"));
        return None;
    }
    let digest = credential.digest.strip_prefix(SHA256).and_then(hexadecimal);
    if digest.is_none() {
        let reason = format!("must be `{SHA256}` and 64 hexadecimal digits");
        mistakes.push(Mistake::value("digest", reason));
    }
    digest
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(bytes)
}
