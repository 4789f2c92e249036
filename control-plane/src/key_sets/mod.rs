//! Keys that are fetched: from a JWKS, or from an issuer that says where its JWKS is.
//!
//! * Of all control planes exactly one fetches a key set at a time: it claims it in the database
//!   ([`crate::store::KeySetFetches`]). When the next fetch is due is written there too.
//! * Keys are written into the resource, and become a revision, only where they have changed. Nodes get them like
//!   anything else of the configuration.
//! * An endpoint that is down, slow or says nonsense changes nothing: the keys that were fetched last stay in force, and it is
//!   asked again, ever less often.
//! * A node that is shown a token for which no key is known says so in its report, and the fetch comes sooner
//!   ([`UNKNOWN_KEY_MS`]): an issuer may have begun to sign with a new key.
//!
//! Where keys are fetched from is for those to say who may write the configuration. A control plane reaches what they may not,
//! so what comes back is kept from them unless it is a set of keys: errors tell a status or what is not understood,
//! never the answer. Redirects are not followed.

mod answer;
mod canonical;
mod discovery;
mod fetch;
mod metrics;
mod standing;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use gatewright_engine::key_set::Remote;
use gatewright_proto::{Key, Kind, Resource, v1};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    catalog::{Catalog, State},
    discovery::Nodes,
    store::StoreError,
    write::Writer,
};
pub use metrics::KeySetCounters;
use metrics::Metrics;
pub use standing::Standing;

/// How often it is asked which key sets are due.
const TICK: Duration = Duration::from_secs(1);
/// Least time between two looks at changes of the configuration.
const QUIET: Duration = Duration::from_millis(50);
/// Most fetches at a time.
const MAX_FETCHES: usize = 8;
/// Every so many ticks, key sets that are gone are forgotten.
const FORGET_EVERY: u64 = 600;
/// Least time between two fetches where a token was for no key that is known, in milliseconds.
const UNKNOWN_KEY_MS: i64 = 10_000;

/// All key sets, as one control plane fetches them.
#[derive(Clone, Debug)]
pub struct KeySets {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    writer: Arc<Writer>,
    nodes: Nodes,
    /// Who claims. Differs for each start of the process.
    instance: String,
    metrics: Metrics,
    /// What nodes had counted when they were last asked.
    unknown: Mutex<BTreeMap<String, u64>>,
}

impl KeySets {
    /// Those of a catalog.
    pub fn new(catalog: Catalog, writer: Arc<Writer>, nodes: Nodes) -> Self {
        Self {
            shared: Arc::new(Shared {
                catalog,
                writer,
                nodes,
                instance: Uuid::new_v4().to_string(),
                metrics: Metrics::default(),
                unknown: Mutex::default(),
            }),
        }
    }

    /// What is counted.
    pub fn counters(&self) -> KeySetCounters {
        KeySetCounters(self.clone())
    }

    /// Fetches what is due until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = &*self.shared;
        let mut states = shared.catalog.state.subscribe();
        let (mut ticks, mut failing) = (0_u64, false);
        loop {
            states.mark_unchanged();
            let next = Instant::now() + TICK;
            let round = shared.round(ticks.is_multiple_of(FORGET_EVERY));
            tokio::select! {
                done = round => shared.report(done, &mut failing),
                () = shutdown.cancelled() => return,
            }
            let changed = async {
                // A burst of changes is looked at once.
                sleep(QUIET).await;
                if states.changed().await.is_err() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = sleep_until(next) => ticks += 1,
                () = changed => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

impl Shared {
    /// Fetches all that is due.
    async fn round(&self, forget: bool) -> Result<(), StoreError> {
        let state = self.catalog.present();
        let all = remote(&state);
        let store = &self.catalog.store;
        if all.is_empty() {
            return Ok(());
        }
        if forget {
            store.forget_fetches().await?;
        }
        for name in self.wanting() {
            if store.hasten_fetch(&name, UNKNOWN_KEY_MS).await? {
                tracing::info!(
                    key_set = name,
                    "a token is for no key of `{name}` that is known; it is fetched again"
                );
            }
        }
        let waiting = store.waiting_fetches().await?;
        let mut due = Vec::new();
        for set in all {
            let source = source(set);
            let mut rows = waiting.iter();
            if !rows.any(|(name, its)| *name == set.name && its == source) {
                due.push(self.fetch(Arc::clone(&state), set.clone()));
            }
        }
        let fetches = stream::iter(due);
        let outcomes: Vec<_> = fetches.buffer_unordered(MAX_FETCHES).collect().await;
        outcomes.into_iter().collect()
    }

    /// The key sets for which nodes have had more tokens without a key since the last time.
    fn wanting(&self) -> Vec<String> {
        let now = self.nodes.unknown_keys();
        let mut before = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let more = now
            .iter()
            .filter(|(name, count)| **count > before.get(*name).copied().unwrap_or(0));
        let wanting = more.map(|(name, _)| name.clone()).collect();
        *before = now;
        wanting
    }

    fn report(&self, done: Result<(), StoreError>, failing: &mut bool) {
        match done {
            Ok(()) => *failing = false,
            Err(error) => {
                self.metrics.failed_round();
                if !*failing {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the database does not say which key sets are due; none is fetched");
                }
                *failing = true;
            }
        }
    }
}

/// The enabled key sets whose keys are fetched.
fn remote(state: &State) -> Vec<&v1::KeySet> {
    let from = state.entries.range(Key::new(Kind::KeySet, "")..);
    let sets = from.take_while(|(key, _)| key.kind == Kind::KeySet);
    let sets = sets.filter_map(|(_, entry)| match &*entry.held.resource {
        Resource::KeySet(set) if entry.held.resource.enabled() => Some(set),
        _ => None,
    });
    sets.filter(|set| Remote::of(set).is_some()).collect()
}

/// What a key set is fetched from.
fn source(set: &v1::KeySet) -> &str {
    Remote::of(set).map_or("", |remote| remote.as_str())
}
