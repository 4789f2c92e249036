//! Hears of commits and of nodes, also of other control planes, through LISTEN. Only a hint: what is missed while the
//! connection is down is found by polling.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// The channel that every commit notifies.
pub(super) const CHANNEL: &str = "gatewright_revision";

/// The channel that is notified of every change of the list of nodes.
pub(super) const NODE_CHANNEL: &str = "gatewright_node";

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// What was heard of.
#[derive(Debug, Default)]
struct Heard {
    commits: Notify,
    nodes: Notify,
}

/// A task that listens for as long as this lives.
#[derive(Debug)]
pub(super) struct Listener {
    heard: Arc<Heard>,
    /// Ends the task when dropped.
    _task: AbortOnDropHandle<()>,
}

impl Listener {
    /// Listens on a connection of this pool, which is for this alone.
    pub(super) fn start(pool: PgPool) -> Self {
        let heard: Arc<Heard> = Arc::default();
        let task = tokio::spawn(run(pool, Arc::clone(&heard)));
        Self {
            heard,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Returns at the next commit, or at once where one came since the last call.
    pub(super) async fn notified(&self) {
        self.heard.commits.notified().await;
    }

    /// The same for the list of nodes.
    pub(super) async fn told(&self) {
        self.heard.nodes.notified().await;
    }
}

async fn run(pool: PgPool, heard: Arc<Heard>) {
    let mut retry = FIRST_RETRY;
    loop {
        match subscribe(&pool).await {
            Ok(listener) => {
                retry = FIRST_RETRY;
                // Whatever was committed while nobody listened.
                heard.commits.notify_one();
                heard.nodes.notify_one();
                let error = follow(listener, &heard).await;
                warn!(%error, "stopped hearing of commits, polling until reconnected");
            }
            Err(error) => warn!(%error, "cannot listen for commits, polling instead"),
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(LONGEST_RETRY);
    }
}

async fn subscribe(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // Reconnecting is done here, with a growing pause.
    listener.eager_reconnect(false);
    listener.listen_all([CHANNEL, NODE_CHANNEL]).await?;
    Ok(listener)
}

/// Passes notifications on until the connection is lost.
async fn follow(mut listener: PgListener, heard: &Heard) -> sqlx::Error {
    loop {
        match listener.try_recv().await {
            Ok(Some(notice)) if notice.channel() == NODE_CHANNEL => heard.nodes.notify_one(),
            Ok(Some(_)) => heard.commits.notify_one(),
            Ok(None) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()),
            Err(error) => return error,
        }
    }
}
