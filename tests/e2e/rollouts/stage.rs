//! What a rollout needs: control planes, nodes, two services and traffic.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::any};
use gatewright_tests::{
    admin::Admin, condition::eventually, control_plane::TestControlPlane, node::TestNode,
    traffic::Traffic,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest wait: longer than a claim of a control plane that was killed while it looked.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A service that answers as it is told.
pub(super) struct Told {
    pub(super) address: SocketAddr,
    status: Arc<AtomicU16>,
    delay_ms: Arc<AtomicU64>,
    _stop: DropGuard,
}

impl Told {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (status, delay_ms) = (Arc::new(AtomicU16::new(200)), Arc::<AtomicU64>::default());
        let stop = CancellationToken::new();
        let told = (Arc::clone(&status), Arc::clone(&delay_ms));
        let answer = async move || {
            sleep(Duration::from_millis(told.1.load(Ordering::Relaxed))).await;
            StatusCode::from_u16(told.0.load(Ordering::Relaxed)).unwrap()
        };
        let app = Router::new().fallback(any(move || {
            let answer = answer.clone();
            async move { answer().await }
        }));
        let stopped = stop.clone().cancelled_owned();
        let served = axum::serve(listener, app).with_graceful_shutdown(stopped);
        tokio::spawn(async move { served.await });
        Self {
            address,
            status,
            delay_ms,
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(super) fn takes(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::Relaxed);
    }

    fn service(&self, name: &str) -> Value {
        // Each request is told of as it went.
        json!({"name": name, "url": format!("http://{}", self.address), "retry": {"attempts": 0}})
    }
}

/// Control planes and nodes with the route `checkout` to the service `old`, and a service `new`.
pub(super) struct Stage {
    pub(super) planes: Vec<TestControlPlane>,
    pub(super) nodes: Vec<TestNode>,
    _old: Told,
    pub(super) new: Told,
    _dir: TempDir,
}

impl Stage {
    /// On a file, with one control plane and one node.
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", dir.path().join("store.db").display());
        Self::on(&database, 1, dir).await
    }

    /// On a database, with so many control planes, and a node for each.
    pub(super) async fn on(database: &str, count: usize, dir: TempDir) -> Self {
        let (old, new) = (Told::start().await, Told::start().await);
        let mut planes = Vec::new();
        for _ in 0..count {
            planes.push(TestControlPlane::start(database).await);
        }
        let mut urls: Vec<String> = planes.iter().map(TestControlPlane::url).collect();
        let document = json!({
            "services": [old.service("old"), new.service("new")],
            "routes": [{"name": "checkout", "service": "old", "paths": [{"prefix": "/"}]}],
        });
        let revision = planes[0].admin.apply(&document).await;
        let mut nodes = Vec::new();
        for number in 0..count {
            let node = TestNode::start(&format!("node-{number}"), &urls, dir.path()).await;
            node.serves(revision).await;
            nodes.push(node);
            urls.rotate_left(1);
        }
        Self {
            planes,
            nodes,
            _old: old,
            new,
            _dir: dir,
        }
    }

    pub(super) fn admin(&self) -> &Admin {
        &self.planes.last().unwrap().admin
    }

    /// Requests to all nodes, two at a time.
    pub(super) fn traffic(&self) -> Traffic {
        let nodes = self.nodes.iter().map(|it| it.running.http);
        Traffic::start(nodes.clone().chain(nodes), "/")
    }

    /// Begins a rollout from `old` to `new`: these steps, and this analysis.
    pub(super) async fn begin(&self, steps: Value, mut analysis: Value) {
        let fields = analysis.as_object_mut().unwrap();
        fields.entry("interval_ms").or_insert(json!(1000));
        fields.entry("min_requests").or_insert(json!(20));
        let rollout = json!({
            "route": "checkout", "baseline": "old", "canary": "new",
            "steps": steps, "analysis": analysis,
        });
        self.admin().put("/v1/rollouts/checkout", &rollout).await;
    }

    pub(super) async fn status(&self) -> Value {
        self.admin()
            .get("/v1/rollouts/checkout/status")
            .await
            .json()
    }

    /// Waits until it is in a phase, and returns where it stands. That may take some analyses.
    pub(super) async fn comes_to(&self, phase: &str) -> Value {
        let arrived = async {
            loop {
                let status = self.status().await;
                if status["phase"] == phase {
                    return status;
                }
                sleep(PAUSE).await;
            }
        };
        let arrived = timeout(PATIENCE, arrived).await;
        arrived.unwrap_or_else(|_| panic!("the rollout never was {phase}"))
    }

    /// Waits until it runs and its canary has been looked at and found good.
    pub(super) async fn runs_well(&self) {
        eventually("the canary does well", async || {
            let status = self.status().await;
            let requests = status["seen"]["canary"]["requests"].as_u64().unwrap();
            status["phase"] == "running" && requests >= 50
        })
        .await;
    }

    pub(super) async fn route(&self) -> Value {
        self.admin().get("/v1/routes/checkout").await.json()
    }

    /// What rollouts have written: comments of revisions, oldest first.
    pub(super) async fn written(&self) -> Vec<String> {
        let listed = self.admin().get("/v1/revisions?limit=100").await.json();
        let items = listed["items"].as_array().unwrap().iter().rev();
        let comments = items.map(|it| it["comment"].as_str().unwrap().to_owned());
        comments.filter(|it| it.starts_with("rollout ")).collect()
    }
}
