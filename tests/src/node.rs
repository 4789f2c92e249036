//! A node under test.

use std::path::Path;

use gatewright_data_plane::{Node, NodeSettings};
use gatewright_engine::plugin::Registry;
use reqwest::Client;
use serde_json::Value;

use crate::{
    condition::eventually,
    http::{self, Answer},
    settings,
};

/// A running node, and a client of it.
#[derive(Debug)]
pub struct TestNode {
    /// Itself.
    pub running: Node,
    client: Client,
}

impl TestNode {
    /// Starts one by this name that follows these control planes and keeps its state in a folder of its
    /// own below `dir`.
    pub async fn start(name: &str, control_planes: &[String], dir: &Path) -> Self {
        Self::start_with(name, control_planes, dir, Registry::default()).await
    }

    /// Starts one that knows these plugin types.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_with(
        name: &str,
        control_planes: &[String],
        dir: &Path,
        registry: Registry,
    ) -> Self {
        let settings = settings_of(name, control_planes, dir, &[]);
        Self::run(&settings, registry).await
    }

    /// Starts one with more flags.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_flagged(
        name: &str,
        control_planes: &[String],
        dir: &Path,
        flags: &[(&str, &str)],
    ) -> Self {
        let settings = settings_of(name, control_planes, dir, flags);
        Self::run(&settings, Registry::default()).await
    }

    async fn run(settings: &NodeSettings, registry: Registry) -> Self {
        Self {
            running: Node::start_with(settings, registry).await.unwrap(),
            client: http::client(),
        }
    }

    /// The status that traffic to a path is answered with.
    ///
    /// # Panics
    /// There was no answer.
    pub async fn status(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.running.http);
        let answer = Answer::to(self.client.get(url)).await.unwrap();
        answer.status
    }

    /// What traffic to a path is answered with.
    ///
    /// # Panics
    /// There was no answer.
    pub async fn get(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.running.http);
        Answer::to(self.client.get(url)).await.unwrap()
    }

    /// What it says of the configuration that it serves.
    ///
    /// # Panics
    /// It says nothing.
    pub async fn config(&self) -> Value {
        let url = format!("http://{}/config", self.running.status);
        let answer = Answer::to(self.client.get(url)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until it serves a revision.
    pub async fn serves(&self, revision: u64) {
        let what = format!("the node serves revision {revision}");
        eventually(&what, async || self.config().await["revision"] == revision).await;
    }

    /// Ends it.
    pub async fn stop(self) {
        // Connections that are kept alive would be waited for.
        drop(self.client);
        self.running.drain().await;
    }
}

fn settings_of(
    name: &str,
    control_planes: &[String],
    dir: &Path,
    flags: &[(&str, &str)],
) -> NodeSettings {
    let state = dir.join(name).display().to_string();
    let control_planes = control_planes.join(",");
    let own = [
        ("--http-listen", "127.0.0.1:0"),
        ("--https-listen", "127.0.0.1:0"),
        ("--status-listen", "127.0.0.1:0"),
        ("--control-plane", &control_planes),
        ("--state-dir", &state),
        ("--access-log", "off"),
        ("--workers", "1"),
        ("--node-id", name),
        ("--drain-timeout-ms", "2000"),
    ];
    settings::from_flags(&[&own, flags].concat())
}
