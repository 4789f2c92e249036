//! Rollouts by hand.

use std::time::{Duration, Instant};

use crate::server::Server;

const FILE: &str = r#"
services:
- name: old
  url: http://127.0.0.1:1
- name: new
  url: http://127.0.0.1:2
routes:
- name: checkout
  service: old
rollouts:
- name: checkout
  route: checkout
  baseline: old
  canary: new
  steps:
  - percent: 5
    for_ms: 1h
"#;

/// A control plane that has begun a rollout.
async fn begun() -> Server {
    let server = Server::start().await;
    let file = server.file("all.yaml", FILE);
    server.gatewright(&["apply", "-f", &file]).await.fine();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let said = server
            .gatewright(&["rollout", "status", "checkout"])
            .await
            .fine();
        if said.contains("phase running, 5 %, step 1 of 1") {
            return server;
        }
        assert!(Instant::now() < deadline, "it never began: {said}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_rollout_is_paused_resumed_and_promoted_and_who_watches_sees_the_end() {
    let server = begun().await;
    let paused = server
        .gatewright(&["rollout", "pause", "checkout"])
        .await
        .fine();
    assert!(paused.contains("paused by admin"), "{paused}");
    let again = server
        .gatewright(&["rollout", "pause", "checkout"])
        .await
        .failed();
    assert!(again.contains("rollout `checkout` is paused"), "{again}");
    server
        .gatewright(&["rollout", "resume", "checkout"])
        .await
        .fine();
    let promoted = server
        .gatewright(&["rollout", "promote", "checkout"])
        .await
        .fine();
    let last = promoted.lines().last().unwrap();
    assert!(
        last.ends_with("promoted  100      promoted by admin"),
        "{promoted}"
    );
    let watched = server
        .gatewright(&["rollout", "status", "checkout", "--watch"])
        .await;
    assert_eq!(watched.fine(), "promoted, 100 %: promoted by admin\n");
    let route = server
        .gatewright(&["get", "route", "checkout", "-o", "yaml"])
        .await
        .fine();
    assert!(route.contains("service: new"), "{route}");
    let listed = server.gatewright(&["get", "rollouts"]).await.fine();
    assert!(listed.contains("BASELINE"), "{listed}");
}

#[tokio::test]
async fn who_watches_a_rollout_that_is_aborted_fails() {
    let server = begun().await;
    let aborted = server
        .gatewright(&["rollout", "abort", "rollout"])
        .await
        .failed();
    assert!(
        aborted.contains("there is no `rollout/rollout`"),
        "{aborted}"
    );
    server
        .gatewright(&["rollout", "abort", "checkout"])
        .await
        .fine();
    let watched = server
        .gatewright(&["rollout", "status", "checkout", "--watch"])
        .await;
    assert_eq!(
        (watched.code, watched.out.as_str()),
        (1, "aborted, 0 %: aborted by admin\n")
    );
}
