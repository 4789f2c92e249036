//! Constant traffic, of which every answer counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    condition::eventually,
    http::{self, Answer},
};

/// Most failures that are told of.
const MAX_TOLD: usize = 10;

#[derive(Debug, Default)]
struct Seen {
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

/// Requests to every node, one after the other, until it is ended.
#[derive(Debug)]
pub struct Traffic {
    seen: Arc<Seen>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Traffic {
    /// Starts it: everything but 200 is a failure.
    pub fn start(nodes: impl IntoIterator<Item = SocketAddr>, path: &str) -> Self {
        let traffic = Self {
            seen: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for node in nodes {
            let url = format!("http://{node}{path}");
            let (seen, stop) = (Arc::clone(&traffic.seen), traffic.stop.clone());
            traffic.tasks.spawn(ask(url, seen, stop));
        }
        traffic
    }

    /// Waits for this many more answers.
    pub async fn goes_on(&self, count: usize) {
        let wanted = self.seen.answered.load(Ordering::Relaxed) + count;
        let answered = async || self.seen.answered.load(Ordering::Relaxed) >= wanted;
        eventually("traffic goes on", answered).await;
    }

    /// Ends it.
    ///
    /// # Panics
    /// A request failed, or there was none.
    pub async fn ended_without_failure(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let failed = self.seen.failed.lock().unwrap();
        let told: Vec<_> = failed.iter().take(MAX_TOLD).collect();
        let answered = self.seen.answered.load(Ordering::Relaxed);
        assert!(
            failed.is_empty(),
            "{} failed, {answered} did not: {told:#?}",
            failed.len()
        );
        assert_ne!(answered, 0, "there was no traffic");
    }
}

async fn ask(url: String, seen: Arc<Seen>, stop: CancellationToken) {
    let client = http::client();
    while !stop.is_cancelled() {
        match Answer::to(client.get(&url)).await {
            Ok(answer) if answer.status == 200 => {
                seen.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => seen.failed.lock().unwrap().push(format!("{answer:?}")),
            Err(error) => seen.failed.lock().unwrap().push(format!("{error:?}")),
        }
    }
}
