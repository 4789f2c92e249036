//! `describe service`: how a service fares on a node, against a control plane and a node that are real.

use std::{
    io::{self, Read as _, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use gatewright::{
    Terminal,
    dev::{Dev, Running, start},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::server::{Said, gatewright};

/// A control plane with a node, a sample upstream, and a service `orders` with two targets, of which one
/// refuses connections.
struct Fleet {
    running: Running,
    server: String,
    _folder: tempfile::TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let dev = Dev {
            http_listen: any,
            https_listen: any,
            admin_listen: any,
            dir: folder.path().join("dev"),
            token: None,
        };
        let running = start(&dev).await.unwrap();
        let server = format!("http://{}", running.control_plane.admin);
        let fleet = Self {
            running,
            server,
            _folder: folder,
        };
        // A port that was free a moment ago.
        let closed = TcpListener::bind(any).unwrap().local_addr().unwrap();
        let document = format!(
            "upstreams:
- name: pool
  balancer: round_robin
  outlier_detection: {{consecutive_5xx: 1, base_ejection_ms: 1h}}
  targets: [{{name: good, address: '{}'}}, {{name: bad, address: '{closed}'}}]
services: [{{name: orders, upstream: pool, breaker: {{}}, concurrency: {{initial_limit: 50}}}}]
routes: [{{name: orders, service: orders, paths: [{{prefix: /orders}}]}}]
plugins: [{{name: p, type: rate-limit, attach: {{service: orders}},
  settings: {{limits: [{{requests: 1000, per: 1s}}], adaptive: {{}}}}}}]
",
            fleet.running.upstream
        );
        let apply = ["apply", "-f", "-", "--wait"];
        gatewright(&fleet.connected(&apply), &document).await.fine();
        fleet
    }

    fn connected<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let connection = ["--server", &self.server, "--token", &self.running.token];
        [arguments, &connection].concat()
    }

    async fn gatewright(&self, arguments: &[&str]) -> Said {
        gatewright(&self.connected(arguments), "").await
    }

    async fn ask(&self, requests: u32) {
        let address = self.running.node.http;
        let asked = tokio::task::spawn_blocking(move || {
            for _ in 0..requests {
                let mut socket = TcpStream::connect(address).unwrap();
                socket
                    .write_all(b"GET /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    .unwrap();
                let mut answer = String::new();
                socket.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
        });
        asked.await.unwrap();
    }

    /// What `describe` says once it has all of this.
    async fn says(&self, arguments: &[&str], expected: &[&str]) -> String {
        let mut said = String::new();
        let looked = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                said = self.gatewright(arguments).await.fine();
                if expected.iter().all(|it| said.contains(it)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(looked.await.is_ok(), "{expected:?}\n{said}");
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_described_with_its_targets_breaker_and_limits_on_each_node() {
    let fleet = Fleet::start().await;
    fleet.ask(6).await;
    let describe = ["describe", "service", "orders"];
    let said = fleet.says(&describe, &["consecutive_5xx", "100 %"]).await;
    let line = |begin: &str| {
        let mut lines = said.lines().map(str::trim);
        let line = lines.find(|it| it.starts_with(begin)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>()
    };
    let service = line("dev ");
    assert_eq!(service[..3], ["dev", "closed", "0"], "{said}");
    assert!((3..=50).contains(&service[3].parse().unwrap()), "{said}");
    assert_eq!(service[4..7], ["100", "%", "6"], "{said}");
    assert_eq!(service[7], "0", "the other target answered: {said}");
    assert!(service[8].parse::<f64>().unwrap() > 0.0, "{said}");
    let (good, bad) = (line("good "), line("bad "));
    assert_eq!(good[2..], ["dev", "healthy", "start"], "{said}");
    assert_eq!(bad[2..5], ["dev", "ejected", "consecutive_5xx"], "{said}");

    let in_json = [&describe[..], &["-o", "json"]].concat();
    let said = fleet.gatewright(&in_json);
    let said: Value = serde_json::from_str(&said.await.fine()).unwrap();
    let node = &said["nodes"][0];
    assert_eq!(node["node"], "dev");
    assert_eq!(node["service"]["requests"], 6);
    assert_eq!(
        node["targets"][0]["ejected"], true,
        "what is unwell is first"
    );
    assert_eq!(said["resource"]["name"], "orders");
    fleet.running.stop().await;
}

/// Takes what is written, and asks for an end once this has been written twice.
struct Twice {
    what: &'static str,
    text: Arc<Mutex<String>>,
    stop: CancellationToken,
}

impl Write for Twice {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.lock().unwrap();
        text.push_str(std::str::from_utf8(bytes).unwrap());
        if text.matches(self.what).count() >= 2 {
            self.stop.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn watched(fleet: &Fleet, arguments: &[&str], what: &'static str, screen: bool) -> String {
    let (text, stop) = (Arc::default(), CancellationToken::new());
    let mut terminal = Terminal {
        input: Box::new(io::empty()),
        out: Box::new(Twice {
            what,
            text: Arc::clone(&text),
            stop: stop.clone(),
        }),
        err: Box::new(io::sink()),
        colour: false,
        interactive: false,
        screen,
    };
    let arguments = [&["gatewright"], &fleet.connected(arguments)[..]].concat();
    let watching = Box::pin(gatewright::run(arguments, &mut terminal, stop));
    let ended = tokio::time::timeout(Duration::from_secs(20), watching).await;
    assert_eq!(ended, Ok(0), "it goes on until it is interrupted");
    drop(terminal);
    let text = text.lock().unwrap();
    text.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_watched_until_interrupted() {
    let fleet = Fleet::start().await;
    let watch = ["describe", "service/orders", "--watch"];
    let said = watched(&fleet, &watch, "service/orders\n", false).await;
    let blocks: Vec<_> = said.split("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{said}");
    assert!(blocks.iter().all(|it| it.contains("NODE")), "{said}");
    assert!(
        !said.contains('\u{1b}'),
        "nothing is cleared on a pipe: {said}"
    );
    let said = watched(&fleet, &watch, "service/orders\n", true).await;
    assert_eq!(said.matches("\u{1b}[2J\u{1b}[H").count(), 2, "{said}");
    let json = [&watch[..], &["-o", "json"]].concat();
    let said = watched(&fleet, &json, "\n", false).await;
    for line in said.lines() {
        let look: Value = serde_json::from_str(line).unwrap();
        assert_eq!(look[0]["resource"], "service/orders");
    }
    let route = ["describe", "route/orders", "--watch"];
    let said = fleet.gatewright(&route).await.failed();
    assert!(said.contains("only services can be watched"), "{said}");
    fleet.running.stop().await;
}
