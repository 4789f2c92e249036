//! Whoever is asked whether requests may go on, and is down, slow or hostile: one table for all of them. Nothing passes,
//! in bounded time, with a code of its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use gatewright_proto::Kind;
use serde_json::json;

use crate::{
    gateway::{Gateway, status},
    upstream::{echo, scripted},
};

/// What is asked, by the type of the plugin and its URL.
const ASKED: [(&str, &str); 3] = [
    ("ext-authz", "http://ADDRESS/check"),
    ("ext-authz", "grpc://ADDRESS"),
    ("opa", "http://ADDRESS/v1/data/allow"),
];

fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Reads what comes, and never answers.
fn black_hole(mut socket: TcpStream) {
    while socket.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
}

/// One byte after the other of an answer that has no end, as fast as is still slow.
fn drip(mut socket: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n".iter();
    for byte in head.chain(std::iter::repeat_n(&b' ', 10_000)) {
        if socket.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn garbage(mut socket: TcpStream) {
    let _ = socket.read(&mut [0; 1024]);
    let _ = socket.write_all(b"\x16\x03\x01\x02 what is this\r\n\r\n");
}

/// Allows, in an answer that is too large.
fn too_large(mut socket: TcpStream) {
    let _ = socket.read(&mut [0; 4096]);
    let text = format!(
        "{{\"result\": true, \"more\": \"{}\"}}",
        "x".repeat(100_000)
    );
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    let _ = socket.write_all(&[head.as_bytes(), text.as_bytes()].concat());
    black_hole(socket);
}

async fn answers(gateway: &mut Gateway, kind: &str, url: &str) -> String {
    let settings = json!({"url": url, "timeout_ms": 100});
    let plugin = json!({"name": "p", "type": kind, "attach": {"route": "r"}, "settings": settings});
    gateway.apply(&[(Kind::Plugin, plugin)]);
    let asked = tokio::time::timeout(Duration::from_secs(10), gateway.get("/"));
    asked.await.unwrap()
}

#[tokio::test]
async fn while_nobody_can_tell_nothing_passes_and_the_code_says_so() {
    let mut gateway = Gateway::start().await;
    let service = json!({"name": "s", "url": format!("http://{}", echo())});
    gateway.apply(&[
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let faults = [
        ("nobody listens", nobody()),
        ("it never answers", scripted(black_hole)),
        ("it answers too slowly", scripted(drip)),
        ("it speaks something else", scripted(garbage)),
        ("it says too much", scripted(too_large)),
    ];
    for (kind, url) in ASKED {
        for (fault, address) in faults {
            let url = url.replace("ADDRESS", &address.to_string());
            let answer = answers(&mut gateway, kind, &url).await;
            assert_eq!(status(&answer), 503, "{kind} {url}: {fault}: {answer}");
            let code = "\"authorizer_unavailable\"";
            assert!(answer.contains(code), "{kind} {url}: {fault}: {answer}");
        }
    }
}
