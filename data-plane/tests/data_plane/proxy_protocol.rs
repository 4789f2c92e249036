//! The PROXY protocol, from load balancers and to targets.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use gatewright_proto::Kind;
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    gateway::{Gateway, body, eventually, status},
    http2::{PATIENCE, ask as ask_http2, gateway_to, speak},
    tls::{certificate, handshake_over},
    upstream,
};

const BEHIND: [&str; 4] = [
    "--proxy-protocol",
    "http,https",
    "--trusted-proxies",
    "127.0.0.0/8",
];
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
const VERSION1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n";
const VERSION1_IPV6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 4660 443\r\n";
const VERSION2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x34\x01\xbb";
const VERSION2_IPV6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\x01\xbb";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

async fn echo(flags: &[&str]) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    gateway.apply(&gateway_to(upstream::echo(), &json!({}), &json!({})));
    gateway
}

/// Sends bytes, and returns what comes; nothing where the connection is closed or reset.
async fn sent(address: SocketAddr, bytes: Vec<u8>) -> String {
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = socket.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    exchanged.await.unwrap()
}

/// Whom a target hears of in `X-Forwarded-For`.
fn forwarded(answer: &str) -> &str {
    let value = body(answer).split("x-forwarded-for: ").nth(1);
    value
        .and_then(|it| it.split("\r\n").next())
        .unwrap_or(answer)
}

#[tokio::test]
async fn the_client_is_who_the_load_balancer_says() {
    let gateway = echo(&BEHIND).await;
    for (header, client) in [
        (VERSION1, "192.0.2.7"),
        (VERSION2, "192.0.2.7"),
        (VERSION1_IPV6, "2001:db8::7"),
        (VERSION2_IPV6, "2001:db8::7"),
    ] {
        let answer = sent(gateway.node.http, [header, REQUEST].concat()).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let seen = answer.to_ascii_lowercase();
        assert_eq!(forwarded(&seen), client);
        assert!(seen.contains("x-forwarded-port: 443\r\n"), "{seen}");
    }
    // The load balancer itself, as it checks whether the node is there.
    for header in [&b"PROXY UNKNOWN\r\n"[..], LOCAL] {
        let own = [header, REQUEST].concat();
        let seen = sent(gateway.node.http, own).await.to_ascii_lowercase();
        assert_eq!(forwarded(&seen), "127.0.0.1");
    }
}

#[tokio::test]
async fn filters_and_access_lines_are_about_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log").display().to_string();
    let flags = [&BEHIND[..], &["--access-log", &log]].concat();
    let mut gateway = echo(&flags).await;
    let filter = json!({
        "name": "f", "type": "ip-filter", "attach": {"route": "r"}, "settings": {"deny": ["192.0.2.0/24"]},
    });
    gateway.apply(&[(Kind::Plugin, filter)]);
    let address = gateway.node.http;
    let refused = sent(address, [VERSION2, REQUEST].concat()).await;
    assert_eq!(status(&refused), 403, "{refused}");
    let taken = sent(address, [VERSION2_IPV6, REQUEST].concat()).await;
    assert_eq!(status(&taken), 200, "{taken}");
    gateway.node.drain().await;
    let text = std::fs::read_to_string(log).unwrap();
    let line = |line| serde_json::from_str::<Value>(line).unwrap()["client"].clone();
    let clients: Vec<Value> = text.lines().map(line).collect();
    assert_eq!(clients, ["192.0.2.7", "2001:db8::7"]);
}

#[tokio::test]
async fn tls_and_http2_begin_after_the_header() {
    let mut gateway = echo(&BEHIND).await;
    let (resource, der) = certificate("c", &["shop.test"]);
    gateway.apply(&[(Kind::Certificate, resource)]);
    let connect = async |address| {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(VERSION2).await.unwrap();
        socket
    };
    let socket = connect(gateway.node.https).await;
    let connected = handshake_over(socket, std::slice::from_ref(&der), "shop.test", b"http/1.1");
    let mut stream = connected.await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(forwarded(&answer.to_ascii_lowercase()), "192.0.2.7");
    let requests = speak(connect(gateway.node.http).await).await;
    let request = Request::get("http://shop.test/").body(()).unwrap();
    let (_, seen) = ask_http2(&requests, request).await;
    assert!(seen.contains("x-forwarded-for: 192.0.2.7\r\n"), "{seen}");
}

async fn refused(gateway: &Gateway, reason: &str) -> u64 {
    let line = format!("gatewright_proxy_headers_refused_total{{reason=\"{reason}\"}}");
    gateway.metric(&line).await
}

#[tokio::test]
async fn what_does_not_begin_with_a_header_is_closed() {
    let flags = [&BEHIND[..], &["--head-timeout-ms", "100"]].concat();
    let gateway = echo(&flags).await;
    let long = [b"PROXY TCP4 ", &[b'1'; 200][..]].concat();
    for (bytes, reason) in [
        (REQUEST.to_vec(), "malformed"),
        (long, "malformed"),
        (VERSION2[..20].to_vec(), "timeout"),
        (b"PROXY TCP4".to_vec(), "timeout"),
        (Vec::new(), "timeout"),
    ] {
        let before = refused(&gateway, reason).await;
        assert_eq!(sent(gateway.node.http, bytes).await, "");
        assert_eq!(refused(&gateway, reason).await, before + 1, "{reason}");
    }
    let address = gateway.node.http;
    drop(tokio::net::TcpStream::connect(address).await.unwrap());
    eventually("it is counted", async || {
        refused(&gateway, "closed").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_header_that_comes_slowly_has_the_time_of_a_head_in_all() {
    let flags = [&BEHIND[..], &["--head-timeout-ms", "300"]].concat();
    let gateway = echo(&flags).await;
    let mut socket = tokio::net::TcpStream::connect(gateway.node.http)
        .await
        .unwrap();
    // One byte after the other, each long before the time is over; the whole would take longer.
    let trickle = async {
        for byte in VERSION2 {
            let mut answer = [0];
            let pause = std::time::Duration::from_millis(20);
            let read = tokio::time::timeout(pause, socket.read(&mut answer)).await;
            if read.is_ok() || socket.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        panic!("the whole header was taken");
    };
    tokio::time::timeout(PATIENCE, trickle).await.unwrap();
    assert_eq!(refused(&gateway, "timeout").await, 1);
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_may_say_who_it_is() {
    let flags = [
        "--proxy-protocol",
        "http",
        "--trusted-proxies",
        "10.0.0.0/8",
    ];
    let gateway = echo(&flags).await;
    let answer = sent(gateway.node.http, [VERSION2, REQUEST].concat()).await;
    assert_eq!(answer, "");
    assert_eq!(refused(&gateway, "untrusted").await, 1);
}

#[tokio::test]
async fn a_port_that_is_not_named_expects_no_header() {
    let flags = [
        "--proxy-protocol",
        "https",
        "--trusted-proxies",
        "127.0.0.0/8",
    ];
    let gateway = echo(&flags).await;
    let answer = sent(gateway.node.http, REQUEST.to_vec()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let answer = sent(gateway.node.http, [VERSION1, REQUEST].concat()).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert_eq!(sent(gateway.node.https, REQUEST.to_vec()).await, "");
}

/// Answers each request with what its connection began with: a line.
fn told() -> SocketAddr {
    upstream::scripted(|mut socket| {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            if socket.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            line.push(byte[0]);
        }
        while upstream::read_request(&mut socket).is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", line.len());
            if socket
                .write_all(&[head.as_bytes(), &line].concat())
                .is_err()
            {
                return;
            }
        }
    })
}

/// Sends a request on this connection and reads an answer that ends in a line.
fn ask(socket: &mut TcpStream) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    let is_whole = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer);
        text.split_once("\r\n\r\n")
            .is_some_and(|(_, body)| body.ends_with("\r\n"))
    };
    while !is_whole(&answer) {
        assert!(socket.read(&mut byte).unwrap() > 0);
        answer.push(byte[0]);
    }
    body(&String::from_utf8(answer).unwrap()).to_owned()
}

#[tokio::test]
async fn a_target_is_told_of_each_client_on_connections_of_its_own() {
    let mut gateway = Gateway::start().await;
    let service = json!({"proxy_protocol": "v1"});
    gateway.apply(&gateway_to(told(), &service, &json!({})));
    let address = gateway.node.http;
    let asked = tokio::task::spawn_blocking(move || {
        let mut clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        for _ in 0..2 {
            for client in &mut clients {
                let expected = format!(
                    "PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n",
                    client.local_addr().unwrap().port(),
                    address.port()
                );
                assert_eq!(ask(client), expected);
            }
        }
    });
    asked.await.unwrap();
    let opened = "gatewright_upstream_connections_opened_total{service=\"s\"}";
    assert_eq!(gateway.metric(opened).await, 2);
}

#[tokio::test]
async fn a_target_is_told_before_tls_begins() {
    // A gateway behind a gateway behind a load balancer.
    let flags = [
        "--proxy-protocol",
        "https",
        "--trusted-proxies",
        "127.0.0.0/8",
    ];
    let mut behind = echo(&flags).await;
    let (resource, der) = certificate("c", &["shop.test"]);
    let pem = resource["certificate"].clone();
    behind.apply(&[(Kind::Certificate, resource)]);
    drop(der);
    for (version, header, client) in [
        ("v1", VERSION1, "192.0.2.7"),
        ("v2", VERSION1, "192.0.2.7"),
        ("v2", VERSION2_IPV6, "2001:db8::7"),
    ] {
        let mut gateway = Gateway::start_with(&BEHIND).await;
        let url = format!("https://{}", behind.node.https);
        let tls = json!({"ca_certificates": pem, "server_name": "shop.test"});
        gateway.apply(&[
            (
                Kind::Service,
                json!({"name": "s", "url": url, "tls": tls, "proxy_protocol": version}),
            ),
            (
                Kind::Route,
                json!({"name": "r", "service": "s", "preserve_host": true}),
            ),
        ]);
        let answer = sent(gateway.node.http, [header, REQUEST].concat()).await;
        assert_eq!(status(&answer), 200, "{version}: {answer}");
        assert_eq!(forwarded(&answer.to_ascii_lowercase()), client, "{version}");
    }
}

#[tokio::test]
async fn checks_of_health_tell_of_no_client() {
    let mut gateway = Gateway::start().await;
    let target = told();
    let check: Value = json!({
        "http": {"body_contains": "PROXY UNKNOWN"}, "interval_ms": 100, "timeout_ms": 5000,
    });
    gateway.apply(&[
        (Kind::Upstream, json!({"name": "u", "health_check": check})),
        (
            Kind::Target,
            json!({"name": "t", "upstream": "u", "address": target.to_string()}),
        ),
        (
            Kind::Service,
            json!({"name": "s", "upstream": "u", "proxy_protocol": "v1"}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    eventually("it is healthy", async || {
        let targets = gateway.targets().await;
        targets
            .get("t")
            .is_some_and(|row| row["healthy"] == true && row["reason"] == "")
    })
    .await;
    assert!(gateway.get("/").await.contains("PROXY TCP4 127.0.0.1"));
}
