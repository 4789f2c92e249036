//! One look at a rollout by the control plane that has claimed it: what is seen, what it comes to, and the write.

use std::sync::Arc;

use gatewright_proto::{Key, Kind, Resource, Version, v1};

use super::{
    Shared,
    form::Form,
    phase::{Phase, Wish},
    standing::{Intent, Standing},
    turn::Sight,
};
use crate::{
    catalog::State,
    discovery::NodeView,
    store::{Authorship, SavedRollout, StoreError},
    write::{Operation, Precondition, Tags, Write, WriteError},
};

/// Who writes, in the history, where no person does.
const AUTHOR: &str = "gatewright";
/// When a look is repeated that failed, in milliseconds.
const RETRY_MS: i64 = 1000;
/// When a look is repeated since somebody else has just written, in milliseconds.
const SOON_MS: i64 = 100;
/// Most mistakes of a refused write that are told.
const MAX_TOLD: usize = 3;

/// Why a look came to nothing. It is repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The route could not be written now.
    #[error(transparent)]
    Write(WriteError),
    /// Nodes of other control planes cannot be seen.
    #[error("not all nodes are known")]
    Partial,
}

/// A look under way.
struct Look<'a> {
    shared: &'a Shared,
    name: &'a str,
    /// The wish that has been heard.
    heard: String,
    now_ms: i64,
    standing: Standing,
}

impl Shared {
    /// Looks at a rollout, unless another control plane does or it is not yet time.
    pub(super) async fn look(&self, name: &str, identity: &str) -> Result<(), LookError> {
        let store = &self.catalog.store;
        let claimed = store.claim_rollout(name, identity, &self.instance);
        let Some(claimed) = claimed.await? else {
            return Ok(());
        };
        let mut look = Look {
            shared: self,
            name,
            heard: String::new(),
            now_ms: claimed.now_ms,
            standing: Standing::read(&claimed.body),
        };
        let looked = look.carry_out(identity, &claimed.wish).await;
        let next_ms = looked.as_ref().map_or(RETRY_MS, |next_ms| *next_ms);
        look.save(Some(next_ms)).await?;
        looked.map(drop)
    }
}

impl Look<'_> {
    /// Sees, decides, writes. Returns when to look again.
    async fn carry_out(&mut self, identity: &str, wish: &str) -> Result<i64, LookError> {
        // What whoever had it before has written is in it.
        let state = self.shared.catalog.fresh().await?;
        let Some(rollout) = rollout(&state, self.name, identity) else {
            return Ok(RETRY_MS);
        };
        let listed = self.shared.fleet.list().await;
        if listed.partial {
            return Err(LookError::Partial);
        }
        let route = route(&state, &rollout.route);
        let sight = Sight {
            form: route
                .as_ref()
                .map_or(Form::Other, |(route, _)| Form::of(route, &rollout)),
            broken: broken(&state, &rollout, &listed.nodes),
            rollout: &rollout,
            nodes: &listed.nodes,
            now_ms: self.now_ms,
        };
        let (before, analyses) = (self.standing.phase, self.standing.analyses);
        if self.standing.intent.is_none() {
            // What is under way comes to its end first.
            wish.clone_into(&mut self.heard);
        }
        let intent = self.standing.turn(&sight, Wish::read(&self.heard).as_ref());
        let analysed = self.standing.analyses.saturating_sub(analyses);
        self.shared.metrics.analysed(analysed);
        if let (Some(intent), Some(route)) = (intent, route) {
            self.standing.intent = Some(intent.clone());
            // First of all: whoever comes after this one must know what may have been done.
            if !self.save(None).await? {
                return Ok(RETRY_MS);
            }
            self.heard.clear();
            if !self.write(&rollout, route, intent).await? {
                return Ok(SOON_MS);
            }
        }
        if self.standing.phase != before {
            self.shared.metrics.entered(self.standing.phase);
            let (phase, reason) = (self.standing.phase.as_str(), &self.standing.reason);
            tracing::info!(
                rollout = self.name,
                phase,
                "rollout {}: {reason}",
                self.name
            );
        }
        Ok(self.standing.next_ms(&rollout, self.now_ms))
    }

    /// Changes the route, if it is still what was seen. Returns whether that is over, one way or the other.
    async fn write(
        &mut self,
        rollout: &v1::Rollout,
        (mut route, version): (v1::Route, Version),
        intent: Intent,
    ) -> Result<bool, LookError> {
        intent.form.give(&mut route, rollout);
        let only = Precondition {
            matches: Some(Tags::Listed(vec![version])),
            differs: None,
        };
        let author = match intent.author.is_empty() {
            true => AUTHOR,
            false => &intent.author,
        };
        let write = Write {
            operations: vec![Operation::Put(Resource::Route(Box::new(route)), only)],
            by: Authorship {
                author: author.to_owned(),
                comment: format!("rollout {}: {}", self.name, intent.reason),
                action: "rollout".to_owned(),
                ..Authorship::default()
            },
            ..Write::default()
        };
        let percent = |form: &Form| form.percent(&rollout.canary);
        match self.shared.writer.write(write).await {
            Ok(written) => {
                let at = (self.now_ms, percent(&intent.form));
                self.standing.complete(intent, at, written.revision);
                Ok(true)
            }
            // Somebody was faster. The next look finds out what they did.
            Err(WriteError::Precondition(..) | WriteError::NotFound(_)) => Ok(false),
            Err(WriteError::Invalid(mistakes) | WriteError::StillReferenced(mistakes)) => {
                let told = mistakes.iter().take(MAX_TOLD);
                let told = told.map(|it| format!("{}: {}: {}", it.resource, it.field, it.reason));
                let told = told.collect::<Vec<_>>().join("; ");
                let reason = format!("the route cannot be changed: {told}");
                self.standing.intent = None;
                if self.standing.phase == Phase::Pending {
                    self.standing.reason = reason;
                } else if self.standing.reason != reason {
                    let at = (self.now_ms, percent(&self.standing.form));
                    self.standing.enter(Phase::Held, reason, at);
                }
                Ok(true)
            }
            Err(error) => Err(LookError::Write(error)),
        }
    }

    /// Writes down where it stands; with a time, it is given back.
    async fn save(&self, next_ms: Option<i64>) -> Result<bool, StoreError> {
        let saved = SavedRollout {
            name: self.name,
            instance: &self.shared.instance,
            wish: &self.heard,
            body: &self.standing.write(),
            phase: self.standing.phase.as_str(),
            percent: self.standing.events.last().map_or(0, |it| it.percent),
            next_ms,
        };
        self.shared.catalog.store.save_rollout(saved).await
    }
}

/// The rollout of this name that is in force, if it is this one.
fn rollout(state: &State, name: &str, identity: &str) -> Option<v1::Rollout> {
    let entry = state.entries.get(&Key::new(Kind::Rollout, name))?;
    match &*entry.held.resource {
        Resource::Rollout(rollout) if super::identity(entry, rollout) == identity => {
            Some(rollout.clone()).filter(|it| it.enabled.unwrap_or(true))
        }
        _ => None,
    }
}

fn route(state: &State, name: &str) -> Option<(v1::Route, Version)> {
    let held = &state.entries.get(&Key::new(Kind::Route, name))?.held;
    match &*held.resource {
        Resource::Route(route) => Some((v1::Route::clone(route), held.version)),
        _ => None,
    }
}

/// Why the canary cannot answer at all: such requests are nobody's to count.
fn broken(state: &Arc<State>, rollout: &v1::Rollout, nodes: &[NodeView]) -> Option<String> {
    let key = Key::new(Kind::Service, &rollout.canary);
    let entry = state.entries.get(&key);
    if !entry.is_some_and(|it| it.held.resource.enabled()) {
        return Some(format!("service `{}` is disabled", rollout.canary));
    }
    let name = key.to_string();
    let refuses = |node: &&NodeView| node.rejects.iter().any(|it| it.resource == name);
    let node = nodes.iter().find(refuses)?;
    Some(format!("node `{}` refuses {name}", node.node_id))
}
