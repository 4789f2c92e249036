//! Clients that wait for less than a service may take: what targets say of it is not held against them.

use std::net::SocketAddr;

use gatewright_proto::Kind;
use http::Response;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    gateway::{Gateway, status},
    upstream,
};

/// A target that answers each call with DEADLINE_EXCEEDED, at once.
async fn hurried() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = frames.accept().await {
                    let head = Response::builder().header("grpc-status", "4");
                    let _ = respond.send_response(head.body(()).unwrap(), true);
                }
            });
        }
    });
    address
}

async fn to(targets: [SocketAddr; 2], protocol: &str) -> Gateway {
    let mut gateway = Gateway::start().await;
    let outlier = json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"});
    let service = json!({
        "name": "s", "upstream": "u", "protocol": protocol, "request_timeout_ms": "30s",
        "deadline": {"header": "x-wait-ms"}, "breaker": {"min_requests": 4, "open_ms": "1h"},
    });
    let mut resources = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "outlier_detection": outlier}),
        ),
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    for (name, address) in ["t0", "t1"].into_iter().zip(targets) {
        let target = json!({"name": name, "upstream": "u", "address": address.to_string()});
        resources.push((Kind::Target, target));
    }
    gateway.apply(&resources);
    gateway
}

#[tokio::test]
async fn a_deadline_of_the_client_that_a_target_keeps_ejects_none_and_opens_no_breaker() {
    let slow = || upstream::named(504, "too late");
    for (gateway, expected) in [
        (to([hurried().await, hurried().await], "http2").await, 200),
        (to([slow(), slow()], "http1").await, 504),
    ] {
        let ask = async |field: &str| {
            let request =
                format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n");
            status(&gateway.raw(request.as_bytes()).await)
        };
        let ejected = async || {
            let targets = gateway.targets().await;
            targets.values().filter(|it| it["ejected"] == true).count()
        };
        for field in ["Grpc-Timeout: 10S", "X-Wait-Ms: 10000"] {
            for _ in 0..6 {
                assert_eq!(ask(field).await, expected, "{field}");
            }
        }
        assert_eq!(ejected().await, 0);
        // Who waits as long as the service may take is not the one who gave up.
        ask("Grpc-Timeout: 1H").await;
        assert_eq!(ejected().await, 1);
        let statuses = [ask("").await, ask("").await, ask("").await, ask("").await];
        assert_eq!(statuses[3], 503, "the breaker is open: {statuses:?}");
    }
}
