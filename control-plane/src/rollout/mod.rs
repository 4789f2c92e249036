//! Progressive rollouts: moves the requests of a route from one service to another, step by step, and back where the new
//! one fails.
//!
//! * Where a rollout stands is in the database ([`standing`]), as is a claim on it: of all control planes exactly one looks
//!   at it at a time ([`look`]), and any of them can go on where another one ended.
//! * It adds up what all nodes have counted of both services since the last look ([`mark`], [`tally`]), judges by that
//!   ([`limit`]), and decides ([`turn`]).
//! * What it is about to write is saved first. A route that is neither as it was nor as it was to become has been changed
//!   by somebody else, and the rollout ends: what operators want counts.

mod form;
mod limit;
mod look;
mod mark;
mod metrics;
mod phase;
mod standing;
mod tally;
mod turn;
mod view;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use gatewright_proto::{Key, Kind, Resource, Version, v1};
use serde_json::Value;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    catalog::{Catalog, Entry, State},
    discovery::Fleet,
    store::{Authorship, StoreError},
    write::Writer,
};
use metrics::Metrics;
pub use metrics::RolloutCounters;
use phase::Wish;
pub use phase::{Action, Phase};
use standing::Standing;

/// How often it is asked which rollouts are due.
const TICK: Duration = Duration::from_millis(500);
/// Longest look: less than a claim lasts.
const LOOK_TIMEOUT: Duration = Duration::from_secs(20);
/// Most looks at a time.
const MAX_LOOKS: usize = 8;
/// Every so many ticks, rollouts that are gone are forgotten.
const FORGET_EVERY: u64 = 120;
/// How long a person waits until what they want is done.
const WISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks whether it is.
const WISH_PAUSE: Duration = Duration::from_millis(50);

/// All rollouts, as one control plane runs them.
#[derive(Clone, Debug)]
pub struct Rollouts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    writer: Arc<Writer>,
    fleet: Fleet,
    /// Who claims. Differs for each start of the process.
    instance: String,
    metrics: Metrics,
    /// Somebody wants something.
    wanted: Notify,
}

/// Why what a person wants of a rollout is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is none of this name.
    #[error("there is no `rollout/{0}`")]
    NotFound(String),
    /// It is disabled: nobody looks at it.
    #[error("rollout `{0}` is disabled")]
    Disabled(String),
    /// It is in no phase for that.
    #[error("rollout `{0}` is {phase}", phase = .1.as_str())]
    Phase(String, Phase),
    /// It has just been changed.
    #[error("rollout `{0}` has just been changed")]
    Changed(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Rollouts {
    /// Those of a catalog.
    pub fn new(catalog: Catalog, writer: Arc<Writer>, fleet: Fleet) -> Self {
        Self {
            shared: Arc::new(Shared {
                catalog,
                writer,
                fleet,
                instance: Uuid::new_v4().to_string(),
                metrics: Metrics::default(),
                wanted: Notify::new(),
            }),
        }
    }

    /// What is counted.
    pub fn counters(&self) -> RolloutCounters {
        RolloutCounters(self.clone())
    }

    /// Where a rollout stands, as JSON.
    ///
    /// # Errors
    /// There is none of this name; the database.
    pub async fn status(&self, name: &str) -> Result<Value, Refusal> {
        let shared = &self.shared;
        let state = shared.catalog.fresh().await?;
        let (rollout, identity) = find(&state, name)?;
        let shown = shared.catalog.store.rollout(name).await?;
        let shown = shown.filter(|it| it.identity == identity);
        Ok(view::describe(rollout, shown.as_ref()))
    }

    /// Has done what a person wants of a rollout, by whichever control plane looks at it next. Waits a little for that;
    /// where it takes longer, `wish` in the status says so.
    ///
    /// # Errors
    /// It cannot be done now; the database.
    pub async fn ask(&self, name: &str, action: Action, by: &Authorship) -> Result<Value, Refusal> {
        let shared = &self.shared;
        let store = &shared.catalog.store;
        let state = shared.catalog.fresh().await?;
        let (rollout, identity) = find(&state, name)?;
        if !rollout.enabled.unwrap_or(true) {
            return Err(Refusal::Disabled(name.to_owned()));
        }
        let shown = store.rollout(name).await?;
        let shown = shown.filter(|it| it.identity == identity);
        let phase = Standing::read(shown.as_ref().map_or("", |it| &it.body)).phase;
        if !phase.takes(action) {
            return Err(Refusal::Phase(name.to_owned(), phase));
        }
        let wish = Wish {
            action,
            author: by.author.clone(),
            comment: by.comment.clone(),
        };
        let wish = serde_json::to_string(&wish).expect("names of fields are strings");
        if !store.wish_rollout(name, &identity, &wish).await? {
            return Err(Refusal::Changed(name.to_owned()));
        }
        shared.wanted.notify_one();
        let deadline = Instant::now() + WISH_TIMEOUT;
        loop {
            let shown = store.rollout(name).await?;
            let done = shown
                .as_ref()
                .is_none_or(|it| it.wish != wish && Standing::read(&it.body).intent.is_none());
            if done || Instant::now() >= deadline {
                return Ok(view::describe(rollout, shown.as_ref()));
            }
            sleep(WISH_PAUSE).await;
        }
    }

    /// Runs rollouts until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut ticks, mut failing) = (0_u64, false);
        loop {
            tokio::select! {
                () = sleep(TICK) => {}
                () = self.shared.wanted.notified() => {}
                () = shutdown.cancelled() => return,
            }
            ticks += 1;
            let round = self.shared.round(ticks.is_multiple_of(FORGET_EVERY)).await;
            if let Err(error) = &round
                && !failing
            {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the database does not answer; rollouts stand still");
            }
            failing = round.is_err();
        }
    }
}

impl Shared {
    /// Looks at all rollouts that are due.
    async fn round(&self, forget: bool) -> Result<(), StoreError> {
        let store = &self.catalog.store;
        if forget {
            store.forget_rollouts().await?;
        }
        let state = self.catalog.present();
        if !state.has_any(Kind::Rollout) {
            self.metrics.saw(Vec::new());
            return Ok(());
        }
        let mut rows = store.rollouts().await?;
        rows.retain(|row| find(&state, &row.name).is_ok());
        let by_name: BTreeMap<&str, _> = rows.iter().map(|row| (&*row.name, row)).collect();
        let mut due = Vec::new();
        for (rollout, entry) in all(&state) {
            let identity = identity(entry, rollout);
            let waits = by_name
                .get(&*rollout.name)
                .is_some_and(|row| row.waits && row.identity == identity);
            if rollout.enabled.unwrap_or(true) && !waits {
                due.push((rollout.name.clone(), identity));
            }
        }
        self.metrics.saw(rows);
        let looks = stream::iter(due).map(|(name, identity)| async move {
            let look = timeout(LOOK_TIMEOUT, self.look(&name, &identity)).await;
            let error = match look {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            self.metrics.failed();
            tracing::warn!(
                rollout = name,
                error,
                "a look at rollout `{name}` is repeated"
            );
        });
        looks.buffer_unordered(MAX_LOOKS).collect::<()>().await;
        Ok(())
    }
}

/// All rollouts.
fn all(state: &State) -> impl Iterator<Item = (&v1::Rollout, &Entry)> {
    let from = state.entries.range(Key::new(Kind::Rollout, "")..);
    let of_kind = from.take_while(|(key, _)| key.kind == Kind::Rollout);
    of_kind.filter_map(|(_, entry)| match &*entry.held.resource {
        Resource::Rollout(rollout) => Some((rollout, entry)),
        _ => None,
    })
}

/// One of them, and which one of its name it is.
fn find<'a>(state: &'a State, name: &str) -> Result<(&'a v1::Rollout, String), Refusal> {
    let entry = state.entries.get(&Key::new(Kind::Rollout, name));
    match entry.map(|entry| (entry, &*entry.held.resource)) {
        Some((entry, Resource::Rollout(rollout))) => Ok((rollout, identity(entry, rollout))),
        _ => Err(Refusal::NotFound(name.to_owned())),
    }
}

/// Which rollout of its name it is: one that was created or changed anew begins anew. Labels, and whether it is in force, do
/// not make it another one.
fn identity(entry: &Entry, rollout: &v1::Rollout) -> String {
    let bare = v1::Rollout {
        labels: BTreeMap::new(),
        enabled: None,
        ..rollout.clone()
    };
    let version = Version::of(&Resource::Rollout(bare));
    format!("{}-{version}", entry.created_revision)
}
