//! A control plane under test.

use gatewright_control_plane::{ControlPlane, ControlSettings};

use tokio::runtime::Runtime;

use crate::{
    admin::{Admin, TOKEN},
    condition::eventually,
    settings,
};

/// What it encrypts secrets with.
pub const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A running control plane, and a client of it.
#[derive(Debug)]
pub struct TestControlPlane {
    /// Itself.
    pub running: ControlPlane,
    /// Its admin API.
    pub admin: Admin,
    /// All its tasks.
    runtime: Apart,
}

/// A runtime of its own, which may end at any time.
#[derive(Debug)]
struct Apart(Option<Runtime>);

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl TestControlPlane {
    /// Starts one on a database.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(database_url: &str) -> Self {
        Self::start_with(database_url, &[]).await
    }

    /// Starts one on a database, with more flags.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_with(database_url: &str, flags: &[(&str, &str)]) -> Self {
        let own = [
            ("--database-url", database_url),
            ("--admin-token", TOKEN),
            ("--admin-listen", "127.0.0.1:0"),
            ("--discovery-listen", "127.0.0.1:0"),
            ("--goaway-spread-ms", "100"),
            ("--master-key", MASTER_KEY),
        ];
        let settings: ControlSettings = settings::from_flags(&[&own, flags].concat());
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let start = move || {
            let started = runtime.block_on(ControlPlane::start(&settings));
            (runtime, started)
        };
        let (runtime, started) = tokio::task::spawn_blocking(start).await.unwrap();
        let running = started.unwrap();
        let admin = Admin::new(running.admin);
        Self {
            running,
            admin,
            runtime: Apart(Some(runtime)),
        }
    }

    /// Where nodes connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.discovery)
    }

    /// How many nodes follow it and have applied a revision.
    pub fn followers(&self, revision: u64) -> usize {
        let nodes = self.running.nodes.list();
        let there = nodes.iter().filter(|it| it.applied_revision >= revision);
        there.count()
    }

    /// Waits until this many nodes follow it and have applied a revision.
    pub async fn followed_by(&self, count: usize, revision: u64) {
        let what = format!("{count} nodes have applied revision {revision}");
        eventually(&what, async || self.followers(revision) == count).await;
    }

    /// A counter of its `/metrics`.
    ///
    /// # Panics
    /// There is none of this name.
    pub async fn counter(&self, name: &str) -> u64 {
        let metrics = self.admin.get("/metrics").await.text;
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{name} in {metrics}"))
            .parse()
            .unwrap()
    }

    /// Ends it.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Ends it as a loss of power would: nobody is told, every connection is closed at once.
    pub fn kill(self) {
        drop(self.runtime);
    }
}
