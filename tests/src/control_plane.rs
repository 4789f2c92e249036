//! A control plane under test.

use gatewright_control_plane::{ControlPlane, ControlSettings};

use crate::{
    admin::{Admin, TOKEN},
    condition::eventually,
    settings,
};

/// A running control plane, and a client of it.
#[derive(Debug)]
pub struct TestControlPlane {
    /// Itself.
    pub running: ControlPlane,
    /// Its admin API.
    pub admin: Admin,
}

impl TestControlPlane {
    /// Starts one on a database.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(database_url: &str) -> Self {
        let settings: ControlSettings = settings::from_flags(&[
            ("--database-url", database_url),
            ("--admin-token", TOKEN),
            ("--admin-listen", "127.0.0.1:0"),
            ("--discovery-listen", "127.0.0.1:0"),
            ("--goaway-spread-ms", "100"),
        ]);
        let running = ControlPlane::start(&settings).await.unwrap();
        let admin = Admin::new(running.admin);
        Self { running, admin }
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

    /// Ends it.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
