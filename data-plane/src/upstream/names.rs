//! What names of targets stand for: asked for again when the last answer no longer holds. What cannot be
//! told keeps its last good answer.

mod lookup;
mod memory;
mod place;

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use super::LiveUpstream;
use lookup::Lookups;
pub(crate) use memory::{Memory, RESULTS};
pub(crate) use place::{Place, literal};

/// Lookups of one upstream at a time.
const MAX_LOOKUPS: usize = 16;
/// Longest pause: after it, who is no longer used is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks until the upstream is no longer used.
pub(super) async fn follow(upstream: Weak<LiveUpstream>, done: watch::Sender<bool>) {
    let Some(lookups) = upstream.upgrade().map(|it| Lookups::of(&it.spec.dns.by)) else {
        return;
    };
    while let Some(live) = upstream.upgrade() {
        live.ask(&lookups).await;
        done.send_replace(true);
        let next = live.state.names.next();
        drop(live);
        let pause = next.map_or(LONGEST_PAUSE, |it| {
            it.saturating_duration_since(Instant::now())
        });
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
    }
}

impl LiveUpstream {
    /// What names of its targets stand for.
    pub(crate) fn names(&self) -> &Memory {
        &self.state.names
    }

    /// Asks for what is due, and has the addresses that come of it.
    async fn ask(self: &Arc<Self>, lookups: &Lookups) {
        let (names, spec) = (&self.state.names, &self.spec);
        let due = names.due(&spec.targets, &spec.dns, Instant::now());
        let mut answers = stream::iter(due)
            .map(|question| async {
                let answer = lookups.ask(&question).await;
                (question, answer)
            })
            .buffer_unordered(MAX_LOOKUPS);
        while let Some((question, answer)) = answers.next().await {
            let host = question.host();
            let (failure, again) = names.learn(question, answer, (&spec.dns, Instant::now()));
            if let Some(reason) = failure {
                tracing::warn!(upstream = %spec.name, %host, reason, "cannot resolve a target's name");
            }
            if again {
                tracing::info!(upstream = %spec.name, %host, "a target's name is resolved again");
            }
        }
        let places: Vec<_> = spec.targets.iter().map(|it| names.places(it)).collect();
        self.replace(&places);
    }
}
