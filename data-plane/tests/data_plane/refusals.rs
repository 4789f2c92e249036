//! Requests that two recipients could read differently are refused, and the connection is closed.

use gatewright_proto::Kind;
use serde_json::json;

use crate::{
    gateway::{Gateway, status},
    upstream,
};

fn unescape(text: &str) -> Vec<u8> {
    let marked = text.replace("\\\\", "\u{1}");
    let plain = marked
        .replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\\0", "\0");
    plain.replace('\u{1}', "\\").into_bytes()
}

#[tokio::test]
async fn each_malformed_or_ambiguous_request_gets_its_status_and_the_end() {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let mut wrong = Vec::new();
    for row in include_str!("refusals.tsv").lines().skip(1) {
        let (expected, request) = row.split_once('\t').unwrap();
        let answer = gateway.raw(&unescape(request)).await;
        let found = status(&answer);
        if found.to_string() != expected || answer.matches("HTTP/1.1 ").count() != 1 {
            wrong.push(format!("{request}: {found} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_over_a_limit_gets_the_limit_s_own_status() {
    let mut gateway = Gateway::start_with(&[
        "--max-head-bytes",
        "2048",
        "--max-headers",
        "10",
        "--max-body-bytes",
        "10",
    ])
    .await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let long = "a".repeat(3000);
    let target = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&gateway.raw(target.as_bytes()).await), 414);
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n");
    assert_eq!(status(&gateway.raw(field.as_bytes()).await), 431);
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(10));
    assert_eq!(status(&gateway.raw(fields.as_bytes()).await), 431);
    let body =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 11\r\n\r\n12345678901";
    assert_eq!(status(&gateway.raw(body.as_bytes()).await), 413);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n";
    assert_eq!(status(&gateway.raw(chunked.as_bytes()).await), 413);
}
