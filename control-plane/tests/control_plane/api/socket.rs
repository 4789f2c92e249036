//! The admin API on a socket.

use std::{net::SocketAddr, time::Duration};

use gatewright_control_plane::{
    api::serve::{Serving, serve},
    registration::Limits,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::server::{AGENT, TOKEN, api_on};
use crate::store::database::Database;

const DEADLINE: Duration = Duration::from_secs(20);

struct Socket {
    address: SocketAddr,
    _database: Database,
    _shutdown: DropGuard,
}

impl Socket {
    async fn start(strangers: Duration) -> Self {
        let database = Database::sqlite();
        let api = api_on(&database, Limits::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = Serving {
            tls: None,
            drain: Duration::ZERO,
            strangers,
        };
        tokio::spawn(serve(listener, serving, api, shutdown.clone()));
        Self {
            address,
            _database: database,
            _shutdown: shutdown.drop_guard(),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The answer to a request whose connection is closed after it.
    async fn ask(&self, head: &str, body: &str) -> String {
        let mut stream = self.connect().await;
        let length = body.len();
        let request = format!(
            "{head}\r\nhost: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// What comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let end = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await;
    // One that was reset has ended as well.
    let _ = end.expect("the connection is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer to a request on a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let request =
        format!("GET /v1/nodes HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = [0; 4096];
    let read = timeout(DEADLINE, stream.read(&mut bytes)).await;
    let read = read.expect("it answers").unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn connections_without_a_token_give_their_place_back() {
    let socket = Socket::start(Duration::from_millis(300)).await;
    let mut known = socket.connect().await;
    assert!(answer(&mut known).await.starts_with("HTTP/1.1 200"));
    let mut silent = socket.connect().await;
    let mut http2 = socket.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    http2.write_all(preface).await.unwrap();
    let mut slow = socket.connect().await;
    slow.write_all(b"GET /v1/nodes HTT").await.unwrap();
    for stream in [&mut silent, &mut http2, &mut slow] {
        rest(stream).await;
    }
    assert!(answer(&mut known).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let socket = Socket::start(Duration::from_secs(60)).await;
    let long = "x".repeat(80_000);
    let answer = socket
        .ask(&format!("GET / HTTP/1.1\r\na: {long}"), "")
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..200).map(|number| format!("\r\na{number}: b")).collect();
    let answer = socket.ask(&format!("GET / HTTP/1.1{many}"), "").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_sign_of_life_goes_the_short_way_and_what_is_refused_the_long_one() {
    let socket = Socket::start(Duration::from_secs(60)).await;
    let with = |line: &str, token: &str| {
        format!(
            "{line} HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-type: application/json"
        )
    };
    for upstream in ["orders", "users"] {
        let created = socket
            .ask(&with(&format!("PUT /v1/upstreams/{upstream}"), TOKEN), "{}")
            .await;
        assert!(created.starts_with("HTTP/1.1 201"), "{created}");
    }
    let one = "/v1/upstreams/orders/registrations/a";
    let joined = socket
        .ask(
            &with(&format!("PUT {one}"), AGENT),
            "{\"address\": \"a:80\"}",
        )
        .await;
    assert!(joined.starts_with("HTTP/1.1 201"), "{joined}");
    let other = "/v1/upstreams/users/registrations/a";
    for (line, token, status) in [
        (format!("POST {one}/heartbeat"), AGENT, 204),
        (format!("POST {one}/heartbeat?x=y"), TOKEN, 204),
        (format!("POST {one}/heartbeat"), "a-token-of-nobody", 401),
        (format!("POST {one}b/heartbeat"), AGENT, 404),
        (format!("POST {other}/heartbeat"), AGENT, 403),
        (format!("POST {other}/heartbeat"), TOKEN, 404),
        (format!("GET {one}/heartbeat"), AGENT, 405),
        // The long way, which decodes.
        (
            "POST /v1/upstreams/orders/registrations/%61/heartbeat".to_owned(),
            AGENT,
            204,
        ),
    ] {
        let answer = socket.ask(&with(&line, token), "null").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{line}: {answer}"
        );
        assert!(answer.contains("x-request-id: "), "{line}: {answer}");
    }
    let metrics = socket.ask("GET /metrics HTTP/1.1", "").await;
    let path = "/v1/upstreams/{name}/registrations/{instance}/heartbeat";
    for line in [
        "gatewright_heartbeats_total 3".to_owned(),
        "gatewright_heartbeats_unknown_total 2".to_owned(),
        format!(
            "gatewright_admin_requests_total{{method=\"POST\",path=\"{path}\",status=\"204\"}} 3"
        ),
    ] {
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}
