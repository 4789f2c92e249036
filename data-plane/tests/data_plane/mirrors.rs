//! Copies of requests.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::mpsc,
    time::Duration,
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, eventually, status},
    upstream::{echo, named, read_request, scripted},
};

/// An upstream that hands on what it reads.
fn listening() -> (SocketAddr, mpsc::Receiver<String>) {
    let (sender, receiver) = mpsc::sync_channel(16);
    let address = scripted(move |mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshadow");
        }
    });
    (address, receiver)
}

/// A route to an upstream that echoes, with mirrors at these addresses.
async fn mirrored(mirrors: &[(SocketAddr, Value)]) -> Gateway {
    let mut gateway = Gateway::start().await;
    let mut resources = vec![(
        Kind::Service,
        json!({"name": "s", "url": format!("http://{}", echo())}),
    )];
    let mut list = Vec::new();
    for (place, (address, mirror)) in mirrors.iter().enumerate() {
        let name = format!("m{place}");
        resources.push((
            Kind::Service,
            json!({"name": name, "url": format!("http://{address}")}),
        ));
        let mut mirror = mirror.clone();
        mirror["service"] = json!(name);
        list.push(mirror);
    }
    resources.push((
        Kind::Route,
        json!({"name": "r", "service": "s", "mirrors": list}),
    ));
    gateway.apply(&resources);
    gateway
}

async fn post(gateway: &Gateway, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST /a?b=c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    gateway.raw(request.as_bytes()).await
}

async fn counted(gateway: &Gateway, service: &str, result: &str) -> u64 {
    let labels = format!("route=\"r\",service=\"{service}\",result=\"{result}\"");
    gateway
        .metric(&format!("gatewright_mirrored_requests_total{{{labels}}}"))
        .await
}

#[tokio::test]
async fn each_mirror_gets_the_request_and_its_answer_is_dropped() {
    let (one, seen_by_one) = listening();
    let (other, seen_by_other) = listening();
    let gateway = mirrored(&[(one, json!({})), (other, json!({}))]).await;
    let answer = post(&gateway, "the order").await;
    assert_eq!(status(&answer), 200);
    assert!(
        body(&answer).ends_with("the order") && !answer.contains("shadow"),
        "{answer}"
    );
    for seen in [seen_by_one, seen_by_other] {
        let seen = seen.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(seen.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.to_lowercase().contains("gatewright-mirror: true\r\n"),
            "{seen}"
        );
        assert!(seen.ends_with("\r\n\r\nthe order"), "{seen}");
    }
    for service in ["m0", "m1"] {
        eventually("it is counted", async || {
            counted(&gateway, service, "answered").await == 1
        })
        .await;
    }
    assert!(
        !body(&answer).to_lowercase().contains("gatewright-mirror"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_chunked_body_is_copied_as_it_streams() {
    let (mirror, seen) = listening();
    let gateway = mirrored(&[(mirror, json!({}))]).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    assert_eq!(status(&gateway.raw(request.as_bytes()).await), 200);
    let seen = seen.recv_timeout(Duration::from_secs(10)).unwrap();
    let (_, body) = seen.split_once("\r\n\r\n").unwrap();
    let data: String = body.lines().skip(1).step_by(2).collect();
    assert_eq!(data, "onetwo", "{seen}");
}

#[tokio::test]
async fn a_mirror_that_hangs_refuses_or_fails_changes_nothing_for_the_client() {
    let hangs = scripted(|mut socket| {
        // Until the gateway gives up.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refuses = closed.local_addr().unwrap();
    drop(closed);
    let fails = named(500, "no");
    let brief = json!({"timeout_ms": 50});
    let gateway = mirrored(&[(hangs, brief), (refuses, json!({})), (fails, json!({}))]).await;
    for _ in 0..3 {
        assert_eq!(status(&post(&gateway, "body").await), 200);
    }
    for service in ["m0", "m1", "m2"] {
        eventually("they are counted", async || {
            counted(&gateway, service, "failed").await == 3
        })
        .await;
    }
    assert_eq!(gateway.metric("gatewright_mirrors_in_flight").await, 0);
}

#[tokio::test]
async fn a_copy_that_falls_behind_is_given_up() {
    let (mirror, _seen) = listening();
    let gateway = mirrored(&[(mirror, json!({"max_body_bytes": 4}))]).await;
    let answer = post(&gateway, "over the bound").await;
    assert!(body(&answer).ends_with("over the bound"), "{answer}");
    eventually("it is given up", async || {
        counted(&gateway, "m0", "dropped").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_share_of_none_is_none() {
    let (mirror, seen) = listening();
    let gateway = mirrored(&[(mirror, json!({"percent": 0}))]).await;
    for _ in 0..20 {
        assert_eq!(status(&post(&gateway, "").await), 200);
    }
    assert!(seen.try_recv().is_err());
    assert_eq!(counted(&gateway, "m0", "answered").await, 0);
}

#[tokio::test]
async fn a_mirror_that_sends_events_without_end_keeps_its_place_for_its_time_only() {
    let endless = scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let mut sent = socket.write_all(head);
        while sent.is_ok() {
            std::thread::yield_now();
            sent = socket.write_all(b"data: more\n\n");
        }
    });
    let gateway = mirrored(&[(endless, json!({"timeout_ms": 100}))]).await;
    assert_eq!(status(&post(&gateway, "the order").await), 200);
    eventually("it is given up", async || {
        counted(&gateway, "m0", "failed").await == 1
    })
    .await;
}
