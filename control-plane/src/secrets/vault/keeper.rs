//! Keeps secrets as they are in Vault: each `vault:MOUNT/PATH#FIELD` that a setting refers to is the value of a secret
//! of its own, and secrets with a `source` have theirs from there.
//!
//! So they are encrypted at rest, delivered and kept by nodes as other secrets are, and Vault is needed neither to serve
//! nor to start. Every control plane looks; who comes second finds nothing to change. What Vault does not
//! tell stays as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gatewright_engine::secret::{Place, fetched_name};
use gatewright_proto::{Key, Kind, Resource, v1};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Vault, VaultError};
use crate::{
    catalog::{Catalog, State},
    check::Checker,
    store::Authorship,
    write::{Operation, Precondition, Tags, Write, Writer},
};

/// Waits for more, after a change of the configuration.
const GATHER: Duration = Duration::from_millis(100);
/// Most secrets that are read of Vault.
const MAX_PATHS: usize = 1000;
/// Who writes, in the history.
const AUTHOR: &str = "gatewright";

/// Keeps secrets as they are in Vault.
#[derive(Debug)]
pub struct Keeper {
    /// Where they are.
    pub vault: Vault,
    /// How often it is looked for changes.
    pub refresh: Duration,
    /// What is kept.
    pub catalog: Catalog,
    /// What tells who refers to what.
    pub checker: Arc<Checker>,
    /// What writes.
    pub writer: Arc<Writer>,
}

/// A secret that is wanted.
struct Wanted {
    name: String,
    /// `MOUNT/PATH#FIELD`.
    source: String,
}

impl Keeper {
    /// Looks at each change of the configuration, and at intervals, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut states = self.catalog.state.subscribe();
        let mut failing = BTreeSet::new();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.look(&state, &mut failing).await;
            let next = Instant::now() + self.refresh;
            tokio::select! {
                changed = states.changed() => match changed {
                    Ok(()) => sleep(GATHER).await,
                    Err(_) => return,
                },
                () = sleep_until(next) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look(&self, state: &Arc<State>, failing: &mut BTreeSet<String>) {
        let wanted = self.wanted(state).await;
        let mut by_path: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        let mut operations = obsolete(state, &wanted);
        for secret in wanted {
            let path = secret.source.split('#').next().unwrap_or_default();
            by_path.entry(path.to_owned()).or_default().push(secret);
        }
        for (path, secrets) in by_path.into_iter().take(MAX_PATHS) {
            match self.vault.read(&path).await {
                Ok(fields) => {
                    if failing.remove(&path) {
                        tracing::info!(path, "Vault tells a secret again");
                    }
                    let changes = secrets.iter().filter_map(|it| change(state, it, &fields));
                    operations.extend(changes);
                }
                Err(error) => warn(&path, &error, failing.insert(path.clone())),
            }
        }
        if operations.is_empty() {
            return;
        }
        let write = Write {
            operations,
            by: Authorship {
                author: AUTHOR.to_owned(),
                comment: "as in Vault".to_owned(),
                ..Authorship::default()
            },
            ..Write::default()
        };
        if let Err(error) = self.writer.write(write).await {
            // The next look finds the same.
            tracing::warn!(%error, "cannot keep secrets as they are in Vault");
        }
    }

    /// What settings refer to, and secrets with a source of their own.
    async fn wanted(&self, state: &Arc<State>) -> Vec<Wanted> {
        let mut wanted = BTreeMap::new();
        let mut refers = false;
        for (key, entry) in &state.entries {
            match &*entry.held.resource {
                Resource::Secret(secret) => {
                    if let Ok(Place::Vault(source)) = Place::parse(&secret.source)
                        && key.name != fetched_name(&source)
                    {
                        wanted.insert(key.name.clone(), source);
                    }
                }
                Resource::Certificate(certificate) => {
                    wanted.extend(fetched(&certificate.private_key));
                }
                Resource::Service(service) => {
                    let tls = service.tls.as_ref();
                    wanted.extend(tls.and_then(|it| fetched(&it.ca_certificates)));
                }
                Resource::Plugin(plugin) => refers |= plugin.settings.contains("\"vault:"),
                _ => {}
            }
        }
        if refers {
            let (checker, state) = (Arc::clone(&self.checker), Arc::clone(state));
            let snapshot = tokio::task::spawn_blocking(move || checker.snapshot(&state)).await;
            let instances = snapshot.iter().flat_map(|it| it.plugins.values());
            for secret in instances.flat_map(|it| it.secrets.iter()) {
                if let Place::Vault(source) = &secret.place {
                    wanted.insert(fetched_name(source), source.clone());
                }
            }
        }
        let wanted = wanted.into_iter();
        wanted
            .map(|(name, source)| Wanted { name, source })
            .collect()
    }
}

/// Name and source of the secret that a text refers to, if that is in Vault.
fn fetched(text: &str) -> Option<(String, String)> {
    match Place::parse(text) {
        Ok(Place::Vault(source)) => Some((fetched_name(&source), source)),
        _ => None,
    }
}

/// Takes away what no setting refers to any more.
fn obsolete(state: &State, wanted: &[Wanted]) -> Vec<Operation> {
    let names: BTreeSet<&str> = wanted.iter().map(|it| it.name.as_str()).collect();
    let is_obsolete = |(key, entry): &(&Key, &crate::catalog::Entry)| {
        let Resource::Secret(secret) = &*entry.held.resource else {
            return false;
        };
        let Ok(Place::Vault(source)) = Place::parse(&secret.source) else {
            return false;
        };
        key.name == fetched_name(&source) && !names.contains(&*key.name)
    };
    let entries = state.entries.iter().filter(is_obsolete);
    entries
        .map(|(key, _)| Operation::Remove(key.clone()))
        .collect()
}

/// Writes a secret, if it is something else in Vault.
fn change(state: &State, wanted: &Wanted, fields: &Map<String, Value>) -> Option<Operation> {
    let (_, field) = wanted.source.split_once('#')?;
    let value = match fields.get(field)? {
        Value::String(text) => text.clone(),
        Value::Null => return None,
        other => other.to_string(),
    };
    let entry = state.entries.get(&Key::new(Kind::Secret, &*wanted.name));
    let Some(entry) = entry else {
        let secret = v1::Secret {
            name: wanted.name.clone(),
            source: Place::Vault(wanted.source.clone()).to_string(),
            value,
            ..v1::Secret::default()
        };
        return Some(Operation::Put(
            Resource::Secret(secret),
            Precondition::default(),
        ));
    };
    let Resource::Secret(known) = &*entry.held.resource else {
        return None;
    };
    let precondition = Precondition {
        matches: Some(Tags::Listed(vec![entry.held.version])),
        differs: None,
    };
    let changed = v1::Secret {
        value,
        ..known.clone()
    };
    let other = changed.value != known.value;
    other.then_some(Operation::Put(Resource::Secret(changed), precondition))
}

fn warn(path: &str, error: &VaultError, first: bool) {
    if first {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(path, %error, cause, "cannot read a secret of Vault; what is known of it stays");
    }
}
