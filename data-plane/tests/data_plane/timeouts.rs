//! How long what may take, and what the client sees when it takes longer.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    time::Duration,
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    fleet::{Fleet, resources},
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

async fn gateway_to(target: SocketAddr, service: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    gateway.apply(&resources(&[target], service));
    gateway
}

#[tokio::test]
async fn the_time_of_a_request_includes_all_attempts() {
    let service = json!({
        "request_timeout_ms": 250,
        "retry": {"on": ["reset"], "attempts": 10, "per_try_timeout_ms": 100,
            "backoff": {"base_ms": 1, "max_ms": 1}},
    });
    let fleet = Fleet::start(&[Fault::Hang], service).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!(status(&answer), 504);
    assert!(answer.contains("upstream_timeout"), "{answer}");
    assert!(answer.contains("within 250 ms"), "{answer}");
    assert!((2..=3).contains(&fleet.total()), "{}", fleet.total());
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_504_where_there_is_no_other() {
    let service = json!({"retry": {"attempts": 0, "per_try_timeout_ms": 50}});
    let fleet = Fleet::start(&[Fault::Hang], service).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!(status(&answer), 504);
    assert!(answer.contains("within 50 ms"), "{answer}");
}

#[tokio::test]
async fn the_time_of_an_attempt_ends_with_the_head_and_its_silence_with_the_body() {
    let halves = upstream::scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        // The client gives up.
        let _ = socket.read(&mut [0]);
    });
    let service = json!({"retry": {"per_try_timeout_ms": 100, "per_try_idle_timeout_ms": 200}});
    let gateway = gateway_to(halves, service).await;
    let answer = gateway.get("/").await;
    assert_eq!((status(&answer), body(&answer)), (200, "half"));
}

/// Sends a request whose end comes after this time, and returns the answer.
async fn slow_upload(gateway: &Gateway, seen: mpsc::Receiver<()>, after: Duration) -> String {
    let address = gateway.node.http;
    let sending = move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(b"ab").unwrap();
        // Nobody tells us: that is the time that passes.
        let _ = seen.recv_timeout(after);
        let _ = socket.write_all(b"cd");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(sending).await.unwrap()
}

#[tokio::test]
async fn the_time_of_a_request_begins_when_all_of_it_is_there() {
    let service = json!({
        "request_timeout_ms": 100, "retry": {"per_try_timeout_ms": 100},
    });
    let gateway = gateway_to(upstream::echo(), service).await;
    let (_never, seen) = mpsc::sync_channel(1);
    let answer = slow_upload(&gateway, seen, Duration::from_millis(300)).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("abcd"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let mut gateway = Gateway::start_with(&["--body-timeout-ms", "100"]).await;
    gateway.apply(&resources(&[upstream::echo()], json!({})));
    let (_never, seen) = mpsc::sync_channel(1);
    let answer = slow_upload(&gateway, seen, Duration::from_millis(400)).await;
    assert_eq!(status(&answer), 408, "{answer}");
}

/// Sends a byte again and again, until the other side has enough.
fn chatty() -> SocketAddr {
    upstream::scripted(|mut socket| {
        let request = read_request(&mut socket).unwrap_or_default();
        let upgrade = String::from_utf8_lossy(&request).contains("pgrade");
        let head: &[u8] = match upgrade {
            true => b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        };
        let _ = socket.write_all(head);
        let (_never, tick) = mpsc::sync_channel::<()>(1);
        while socket.write_all(b"x").is_ok() {
            let _ = tick.recv_timeout(Duration::from_millis(5));
        }
    })
}

#[tokio::test]
async fn a_stream_ends_when_its_time_is_over_however_busy_it_is() {
    let service = json!({
        "request_timeout_ms": 0, "idle_timeout_ms": 0, "max_stream_duration_ms": 200,
    });
    let gateway = gateway_to(chatty(), service).await;
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 200);
    assert!(body(&answer).contains('x'), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it was cut off: {answer}");
}

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_tunnel_ends_when_its_time_is_over_or_when_it_is_silent() {
    let silent = upstream::scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let head = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = socket.write_all(head.as_bytes());
        let _ = socket.read(&mut [0]);
    });
    for (target, service, route) in [
        (chatty(), json!({"max_stream_duration_ms": 150}), json!({})),
        (
            chatty(),
            json!({"max_stream_duration_ms": 3_600_000}),
            json!({"max_stream_duration_ms": 150}),
        ),
        (silent, json!({}), json!({"idle_timeout_ms": 150})),
    ] {
        let mut gateway = gateway_to(target, service).await;
        let mut route = route;
        route["name"] = json!("r");
        route["service"] = json!("s");
        route["upgrades"] = json!(["websocket"]);
        gateway.apply(&[(Kind::Route, route)]);
        // Ends only when the gateway closes.
        let answer = gateway.raw(UPGRADE).await;
        assert_eq!(status(&answer), 101, "{answer}");
    }
}

#[tokio::test]
async fn a_client_says_how_long_it_waits_and_the_target_hears_of_it() {
    let service = json!({"deadline": {"header": "x-wait-ms", "offset_ms": 20}});
    let fleet = Fleet::start(&[Fault::None], service).await;
    let ask = async |wait: &str| {
        let request =
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Wait-Ms: {wait}\r\n\r\n");
        fleet.gateway.raw(request.as_bytes()).await
    };
    let answer = ask("5000").await;
    let told = body(&answer).split("x-wait-ms: ").nth(1).unwrap();
    let told: u64 = told.split("\r\n").next().unwrap().parse().unwrap();
    assert!((4000..=4980).contains(&told), "{told}");
    assert_eq!(status(&ask("20").await), 504, "no time at all");
    assert_eq!(fleet.total(), 1);
    fleet.targets[0].set(Fault::Hang);
    let answer = ask("120").await;
    assert_eq!(status(&answer), 504);
    assert!(answer.contains("within 100 ms"), "{answer}");
}

#[tokio::test]
async fn a_client_may_wait_longer_than_the_request_s_timeout_only_where_it_may_ask_for_that() {
    let slow = Fault::Slow(Duration::from_millis(300));
    for (deadline, expected) in [
        (json!({"header": "x-wait-ms"}), 504),
        (json!({"header": "x-wait-ms", "max_ms": 10_000}), 200),
    ] {
        let service = json!({"request_timeout_ms": 100, "deadline": deadline});
        let fleet = Fleet::start(&[slow], service).await;
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Wait-Ms: 60000\r\n\r\n";
        let answer = fleet.gateway.raw(request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{deadline}");
    }
}
