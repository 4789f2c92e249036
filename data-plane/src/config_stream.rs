//! Follows a control plane: connects, says what is held, applies deltas, acknowledges, comes back.
//!
//! It is the one owner of what the node holds ([`Holding`]). A lost control plane changes nothing for
//! traffic: what is held is served on, and the next one is tried. Runs on the control runtime; compiling
//! and writing to the disk happen on its blocking threads.

mod assembly;
mod connect;
mod holding;
mod reports;
mod session;
mod status;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{Rng as _, seq::SliceRandom as _};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    config_cache::ConfigCache, published::Publisher, readiness::Readiness, telemetry::Telemetry,
};

pub(crate) use connect::{Endpoint, InvalidEndpoint};
pub(crate) use holding::{Refusal, SharedHolding};
pub(crate) use reports::{Draft, Reporter, Reports};
use session::{End, Session};
pub(crate) use status::StreamStatus;

/// First and last pause between attempts.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(15);
/// A stream that lasted this long was healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// Who this node is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) node_id: String,
    /// Differs for each start.
    pub(crate) boot_id: String,
    /// Group of nodes.
    pub(crate) group: String,
    /// Where it serves traffic.
    pub(crate) listeners: Vec<String>,
}

/// Everything the stream's task owns.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) identity: Identity,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) holding: SharedHolding,
    pub(crate) publisher: Publisher,
    pub(crate) readiness: Readiness,
    pub(crate) cache: ConfigCache,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) status: Arc<StreamStatus>,
    pub(crate) reports: Reports,
    pub(crate) started: Instant,
    /// The number of the newest stream.
    pub(crate) streams: AtomicU64,
}

impl Follower {
    /// Takes up what was kept on disk, if anything, and serves it.
    pub(crate) fn restore(&self) {
        let Some(kept) = self.cache.load() else {
            return;
        };
        let revision = kept.revision;
        self.holding.lock().restore(kept);
        tracing::info!(revision, "serving the configuration kept on disk");
        self.publish();
    }

    /// Serves what is held.
    fn publish(&self) {
        let holding = self.holding.lock();
        self.status.refused(holding.refusals());
        self.publisher.hold(holding.live());
        self.readiness.published();
    }

    /// Follows until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        self.endpoints.shuffle(&mut rand::rng());
        tokio::select! {
            () = self.follow() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn follow(&self) {
        let (mut turn, mut pause) = (0, MIN_PAUSE);
        // A stream that is about to be ended by the control plane is kept until the next one is open.
        let mut before: Option<Session<'_>> = None;
        while !self.endpoints.is_empty() {
            let endpoint = &self.endpoints[turn % self.endpoints.len()];
            turn += 1;
            let began = Instant::now();
            let ended = match Session::open(self, endpoint).await {
                Ok(mut session) => {
                    drop(before.take());
                    self.connected(true);
                    match session.listen().await {
                        End::Goaway => {
                            before = Some(session);
                            pause = MIN_PAUSE;
                            continue;
                        }
                        ended => ended,
                    }
                }
                Err(ended) => ended,
            };
            if before.is_none() || turn % self.endpoints.len() == 0 {
                drop(before.take());
                self.connected(false);
            }
            if began.elapsed() >= HEALTHY {
                pause = MIN_PAUSE;
            }
            if let End::Failed(reason) = ended {
                tracing::warn!(control_plane = %endpoint, reason, "cannot follow the control plane; serving what there is");
            }
            pause = (pause * 2).min(MAX_PAUSE);
            let wait = rand::rng().random_range(Duration::ZERO..=pause);
            sleep(wait).await;
        }
    }

    /// The number of a stream that is opened now: the time, so that it is larger than those before a
    /// restart as well.
    fn next_stream(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let next = |last: u64| Some(now.max(last + 1));
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let last = self.streams.fetch_update(set, get, next);
        last.map_or(now, |last| now.max(last + 1))
    }

    fn connected(&self, connected: bool) {
        self.telemetry.metrics.connected.set(connected.into());
        self.status.connected(connected);
    }
}
