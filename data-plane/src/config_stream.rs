//! Follows a control plane: connects, says what is held, applies deltas, acknowledges, comes back.
//!
//! It is the one owner of [`Live`]. A lost control plane changes nothing for traffic: what is held is
//! served on, and the next one is tried.

mod connect;
mod session;

use std::{sync::Arc, time::Duration};

use gatewright_engine::live::Live;
use rand::{Rng as _, seq::SliceRandom as _};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    config_cache::ConfigCache, published::Publisher, readiness::Readiness, telemetry::Telemetry,
};

pub(crate) use connect::{Endpoint, InvalidEndpoint};
use session::{End, Session};

/// First and last pause between attempts.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(15);
/// A stream that lasted this long was healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// Who this node is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its name.
    pub node_id: String,
    /// Differs for each start.
    pub boot_id: String,
    /// Group of nodes.
    pub group: String,
    /// Where it serves traffic.
    pub listeners: Vec<String>,
}

/// Everything the stream's task owns.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) identity: Identity,
    pub(crate) endpoints: Vec<Endpoint>,
    /// None only while a change is being compiled.
    pub(crate) live: Option<Live>,
    pub(crate) epoch: String,
    /// Whether what is held may be said to be so; not after a digest did not fit.
    pub(crate) trusted: bool,
    pub(crate) publisher: Publisher,
    pub(crate) readiness: Readiness,
    pub(crate) cache: ConfigCache,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) started: Instant,
}

impl Follower {
    /// Takes up what was kept on disk, if anything.
    pub(crate) fn restore(&mut self) {
        let Some(kept) = self.cache.load() else {
            return;
        };
        let Some(live) = &mut self.live else { return };
        live.restore(kept.set, kept.outdated, kept.revision);
        self.epoch = kept.epoch;
        tracing::info!(
            revision = kept.revision,
            "serving the configuration kept on disk"
        );
        self.publish();
    }

    /// Serves what is held.
    pub(crate) fn publish(&self) {
        if let Some(live) = &self.live {
            self.publisher.hold(live);
            self.readiness.published();
        }
    }

    /// Follows until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        self.endpoints.shuffle(&mut rand::rng());
        let mut pause = MIN_PAUSE;
        let mut turn = 0;
        while !shutdown.is_cancelled() && !self.endpoints.is_empty() {
            let endpoint = self.endpoints[turn % self.endpoints.len()].clone();
            let began = Instant::now();
            let ended = tokio::select! {
                ended = self.follow(&endpoint) => ended,
                () = shutdown.cancelled() => return,
            };
            self.telemetry.metrics.connected.set(0);
            if began.elapsed() >= HEALTHY {
                pause = MIN_PAUSE;
            }
            let wait = match ended {
                End::Goaway(after) => after,
                End::Failed(reason) => {
                    tracing::warn!(control_plane = %endpoint, reason, "lost the control plane; serving on");
                    pause = (pause * 2).min(MAX_PAUSE);
                    rand::rng().random_range(Duration::ZERO..=pause)
                }
            };
            turn += 1;
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn follow(&mut self, endpoint: &Endpoint) -> End {
        match endpoint.open().await {
            Ok(channel) => Session::run(self, channel, endpoint).await,
            Err(error) => End::Failed(error),
        }
    }
}
