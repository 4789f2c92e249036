//! Targets that register themselves: an instance puts its target with a time to live, gives signs of life, and
//! is gone when it stops.
//!
//! * Joining, changing and leaving are changes of the configuration: a target is a resource like others, and
//!   nodes get it like others. Those of a burst are one revision ([`queue`]).
//! * A sign of life is none: it is noted in memory ([`known`]), and once a second all that were noted are written
//!   in one statement, for the other control planes.
//! * Whoever gives none for as long as it may is taken away, by any control plane ([`expiry`]): not before that
//!   control plane has watched the database for that long without a break, so that after a lapse of the control
//!   planes or of the database everybody has the time to say that they live.

mod change;
mod expiry;
mod known;
mod limit;
mod metrics;
mod name;
mod queue;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gatewright_proto::{Key, Kind, Resource, v1};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{Catalog, Entry, State},
    store::StoreError,
    write::Writer,
};
pub use change::{Change, Done, Refusal};
use expiry::Watch;
use known::Known;
pub use limit::{Full, Limits, Room};
pub use metrics::{Metrics, RegistrationCounters};
pub use name::{instance_of, is_registered, key_of, may_be_called};
use queue::Queue;

/// Time to live of who does not say, in milliseconds.
pub const DEFAULT_TTL_MS: u32 = 15_000;

/// How often signs of life are written, and who has given none is looked for.
const TICK: Duration = Duration::from_secs(1);

/// For how much longer than its time to live a target stays: another control plane may have heard of it and not
/// written that yet.
const SLACK: Duration = Duration::from_secs(2);

/// All registrations, as one control plane knows them.
#[derive(Clone, Debug)]
pub struct Registrations {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    writer: Arc<Writer>,
    known: Known,
    queue: Queue,
    limits: Limits,
    metrics: Metrics,
    /// Whether the database does not take signs of life.
    failing: AtomicBool,
}

impl Registrations {
    /// Those of a catalog.
    pub fn new(catalog: Catalog, writer: Arc<Writer>, limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                catalog,
                writer,
                known: Known::default(),
                queue: Queue::default(),
                limits,
                metrics: Metrics::default(),
                failing: AtomicBool::new(false),
            }),
        }
    }

    /// What is counted.
    pub fn counters(&self) -> RegistrationCounters {
        RegistrationCounters(self.clone())
    }

    /// Notes that these instances of an upstream live. Returns those that are not registered.
    pub fn beat<'a>(
        &self,
        upstream: &str,
        instances: impl Iterator<Item = &'a str>,
    ) -> Vec<&'a str> {
        let shared = &*self.shared;
        let state = shared.catalog.present();
        let (now, mut unknown, mut noted) = (Instant::now(), Vec::new(), 0);
        for instance in instances {
            let key = key_of(upstream, instance);
            match state.entries.get(&key) {
                Some(entry) if belongs(entry, upstream) => {
                    shared.known.note(&key.name, now);
                    noted += 1;
                }
                _ => unknown.push(instance),
            }
        }
        shared.metrics.beat(noted, unknown.len());
        unknown
    }

    /// Notes that an instance lives, where it is registered and its sign will not be lost.
    pub fn lives(&self, upstream: &str, instance: &str) -> bool {
        if self.is_failing() {
            return false;
        }
        let shared = &*self.shared;
        let key = key_of(upstream, instance);
        let state = shared.catalog.present();
        let entry = state.entries.get(&key);
        if !entry.is_some_and(|entry| belongs(entry, upstream)) {
            return false;
        }
        shared.known.note(&key.name, Instant::now());
        shared.metrics.beat(1, 0);
        true
    }

    /// Whether signs of life may be lost with this control plane, since the database does not take them. Who
    /// gives them is better off with another one.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// Carries out a change, with others that are asked for at about the same time.
    ///
    /// # Errors
    /// What is wrong with it, or why it cannot be done now.
    pub async fn change(&self, change: Change) -> Result<Done, Refusal> {
        Queue::ask(&self.shared, change).await
    }

    /// How long ago these targets last gave a sign of life, in milliseconds; 0 where nobody knows.
    ///
    /// # Errors
    /// The database.
    pub async fn ages(&self, targets: &[String]) -> Result<HashMap<String, u64>, StoreError> {
        let (now, mut ages) = (Instant::now(), HashMap::new());
        let told = self.shared.catalog.store.ages(targets).await?;
        for target in targets {
            let here = self.shared.known.age_ms(target, now);
            let there = told.get(target).copied();
            let age = here.into_iter().chain(there).min().unwrap_or(0);
            ages.insert(target.clone(), age);
        }
        Ok(ages)
    }

    /// Writes signs of life, and takes away who gives none, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut watch = Watch::begin(Instant::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = shutdown.cancelled() => break,
            }
            self.shared.tick(&mut watch).await;
        }
        // What was noted last is for the others to know.
        let _ = tokio::time::timeout(TICK, self.shared.save()).await;
    }
}

/// Whether a resource is a registered target of this upstream.
fn belongs(entry: &Entry, upstream: &str) -> bool {
    registered(&entry.held.resource).is_some_and(|target| target.upstream == upstream)
}

/// The target that a resource is, if it registered itself.
pub fn registered(resource: &Resource) -> Option<&v1::Target> {
    match resource {
        Resource::Target(target) => Some(target).filter(|it| it.ttl_ms.is_some()),
        _ => None,
    }
}

/// The targets of a state that registered themselves, in order of name.
fn registrations(state: &State) -> impl Iterator<Item = (&Key, &v1::Target)> {
    let from = Key::new(Kind::Target, Key::REGISTERED);
    let entries = state.entries.range(from..);
    let entries = entries.take_while(|(key, _)| is_registered(key));
    entries.filter_map(|(key, entry)| Some((key, registered(&entry.held.resource)?)))
}
