//! A policy agent that is asked over HTTP.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::{echo, read_request, scripted},
};

/// Decides by the field `x-want`, and keeps what it was asked.
fn agent() -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let address = scripted(move |mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let request = String::from_utf8(request).unwrap();
            assert!(
                request.starts_with("POST /v1/data/shop/allow HTTP/1.1\r\n"),
                "{request}"
            );
            let question: Value = serde_json::from_str(body(&request)).unwrap();
            let result = match question["input"]["headers"]["x-want"].as_str() {
                Some("true") => json!({"result": true}),
                Some("fields") => json!({"result": {"allow": true,
                    "headers": {"x-role": "admin", "x-other": "no"}}}),
                Some("who") => {
                    json!({"result": {"allow": false, "status": 401, "reason": "sign in"}})
                }
                Some("slow-down") => json!({"result": {"status": 429,
                    "headers": {"retry-after": 7}, "reason": "too \"many\""}}),
                Some("nonsense") => json!({"result": 7}),
                Some("undefined") => json!({}),
                _ => json!({"result": false}),
            };
            seen.lock().unwrap().push(question);
            let text = result.to_string();
            let length = text.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    (address, asked)
}

async fn guarded(address: SocketAddr, mut settings: Value, mode: &str) -> Gateway {
    let mut gateway = Gateway::start().await;
    let target = echo();
    settings["url"] = format!("http://{address}/v1/data/shop/allow").into();
    settings["timeout_ms"] = 5000.into();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{target}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "opa", "mode": mode, "attach": {"route": "r"},
                "settings": settings}),
        ),
    ]);
    gateway
}

async fn ask(gateway: &Gateway, fields: &str, content: &str) -> String {
    let length = content.len();
    let request = format!(
        "POST /orders/a%2Fb?tag=x+y&tag=z HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{fields}\r\n{content}"
    );
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_policy_decides_what_passes_and_what_clients_are_told() {
    let (address, _) = agent();
    let settings = json!({"upstream_headers": ["x-role"], "challenge": "Bearer realm=\"shop\""});
    let gateway = guarded(address, settings.clone(), "enforce").await;
    for (want, expected, texts) in [
        ("true", 200, vec![]),
        ("fields", 200, vec!["x-role: admin"]),
        ("false", 403, vec!["\"forbidden\"", "\"request_id\""]),
        ("undefined", 403, vec!["\"forbidden\""]),
        (
            "who",
            401,
            vec![
                "\"unauthorized\"",
                "sign in",
                "www-authenticate: bearer realm=\"shop\"",
            ],
        ),
        (
            "slow-down",
            429,
            vec![
                "\"forbidden\"",
                "retry-after: 7",
                "too \\\"many\\\"",
                "problem+json",
            ],
        ),
        ("nonsense", 503, vec!["\"authorizer_unavailable\""]),
    ] {
        let fields = format!("X-Want: {want}\r\nX-Role: forged\r\n");
        let answer = ask(&gateway, &fields, "").await;
        assert_eq!(status(&answer), expected, "{want} {answer}");
        let answer = answer.to_lowercase();
        for text in texts {
            assert!(answer.contains(text), "{want}: {text} in {answer}");
        }
        assert!(
            !answer.contains("forged") && !answer.contains("x-other"),
            "{answer}"
        );
    }
    let shadow = guarded(address, settings, "shadow").await;
    assert_eq!(status(&ask(&shadow, "X-Want: false\r\n", "").await), 200);
}

#[tokio::test]
async fn a_policy_sees_the_request_and_its_body_but_no_credentials() {
    let (address, asked) = agent();
    let settings = json!({"body": {"max_bytes": 20, "partial": true}});
    let gateway = guarded(address, settings, "enforce").await;
    let fields = "X-Want: true\r\nContent-Type: application/json\r\nAuthorization: Bearer a\r\nCookie: b=c\r\nX-A: 1\r\nX-A: 2\r\n";
    let answer = ask(&gateway, fields, r#"{"total": 7}"#).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let input = asked.lock().unwrap().last().unwrap()["input"].clone();
    for (name, expected) in [
        ("method", json!("POST")),
        ("path", json!("/orders/a%2Fb")),
        ("segments", json!(["orders", "a/b"])),
        ("parameters", json!({"tag": ["x y", "z"]})),
        ("host", json!("shop.test")),
        ("client_address", json!("127.0.0.1")),
        ("route", json!("r")),
        ("service", json!("s")),
        ("consumer", json!(null)),
        ("body", json!({"total": 7})),
        ("body_is_whole", json!(true)),
    ] {
        assert_eq!(input[name], expected, "{name}");
    }
    assert_eq!(input["headers"]["x-a"], "1, 2");
    for name in ["authorization", "cookie"] {
        assert!(input["headers"].get(name).is_none(), "{name}");
    }
    let answer = ask(&gateway, fields, &"x".repeat(50)).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let input = asked.lock().unwrap().last().unwrap()["input"].clone();
    assert_eq!(
        (&input["body"], &input["body_is_whole"]),
        (&json!("x".repeat(20)), &json!(false))
    );
}
