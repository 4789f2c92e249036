//! What a node says of itself and of each request.

use std::{io::Write as _, path::Path};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

async fn logged(folder: &Path, more: &[&str]) -> Gateway {
    let log = folder.join("access.log").display().to_string();
    let mut flags = vec!["--access-log", &log];
    flags.extend(more);
    let mut gateway = Gateway::start_with(&flags).await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (
            Kind::Route,
            json!({"name": "r", "service": "s", "paths": [{"prefix": "/a"}]}),
        ),
    ]);
    gateway
}

/// The access lines, once the node has ended.
async fn lines(gateway: Gateway, folder: &Path) -> Vec<Value> {
    gateway.node.drain().await;
    let text = std::fs::read_to_string(folder.join("access.log")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn each_request_is_one_line_that_says_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = logged(folder.path(), &[]).await;
    let post = "POST /a/./b?secret=1 HTTP/1.1\r\nHost: Shop.test:80\r\nUser-Agent: me\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n\
                3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(status(&gateway.raw(post.as_bytes()).await), 200);
    assert_eq!(status(&gateway.get("/nowhere").await), 404);
    assert_eq!(status(&gateway.raw(b"GET / HTTP/1.1\r\n\r\n").await), 400);
    let lines = lines(gateway, folder.path()).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    let expected = json!({
        "client": "127.0.0.1", "protocol": "http1", "method": "POST", "host": "shop.test",
        "path": "/a/b", "status": 200, "stage": "respond", "route": "r", "service": "s",
        "upstream_status": 200, "request_bytes": 3, "revision": 1, "user_agent": "me",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&lines[0][name], value, "{name}: {}", lines[0]);
    }
    for name in ["time", "request_id", "target", "duration_ms", "upstream_ms"] {
        assert!(!lines[0][name].is_null(), "{name}: {}", lines[0]);
    }
    assert!(!lines[0].to_string().contains("secret"));
    let why = |line: &Value| {
        (
            line["code"].clone(),
            line["side"].clone(),
            line["stage"].clone(),
        )
    };
    assert_eq!(
        why(&lines[1]),
        (json!("no_route"), json!("client"), json!("match"))
    );
    assert_eq!(
        why(&lines[2]),
        (json!("bad_request"), json!("client"), json!("read"))
    );
}

#[tokio::test]
async fn a_refusal_in_shadow_is_recorded_and_not_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = logged(folder.path(), &[]).await;
    gateway.apply(&[(
        Kind::Plugin,
        json!({"name": "key", "type": "key-auth", "attach": {"global": true}, "mode": "shadow"}),
    )]);
    assert_eq!(status(&gateway.get("/a").await), 200);
    let metrics = gateway.status("/metrics").await;
    let refusals =
        "gatewright_plugin_refusals_total{plugin=\"key\",code=\"unauthorized\",mode=\"shadow\"} 1";
    assert!(metrics.contains(refusals), "{metrics}");
    let lines = lines(gateway, folder.path()).await;
    let refusal = json!([{"plugin": "key", "code": "unauthorized", "mode": "shadow"}]);
    assert_eq!(lines[0]["refusals"], refusal);
}

#[tokio::test]
async fn why_a_token_was_refused_is_in_the_line_and_counted_and_the_client_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = logged(folder.path(), &[]).await;
    let settings = json!({"providers": [{"key_set": "login"}]});
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let keys = json!({"keys": [key]});
    gateway.apply(&[
        (Kind::KeySet, json!({"name": "login", "jwks": keys})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "jwt", "attach": {"route": "r"}, "settings": settings}),
        ),
    ]);
    let ask = async |fields: &str| {
        let request = format!("GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
        gateway.raw(request.as_bytes()).await
    };
    // {"alg":"EdDSA","kid":"other"} and {}
    let unknown = "eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.e30.AA";
    let cases = ["", "Authorization: Bearer x\r\n"].map(str::to_owned);
    let unknown = format!("Authorization: Bearer {unknown}\r\n");
    for fields in cases.iter().chain([&unknown]) {
        let answer = ask(fields).await;
        assert_eq!(status(&answer), 401, "{answer}");
        assert!(!answer.contains("malformed") && !answer.contains("unknown_key"));
    }
    let metrics = gateway.status("/metrics").await;
    for reason in ["malformed", "unknown_key"] {
        let labels = format!("plugin=\"p\",reason=\"{reason}\",mode=\"enforce\"");
        let line = format!("gatewright_authentication_refusals_total{{{labels}}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let lines = lines(gateway, folder.path()).await;
    let reasons: Vec<&Value> = lines
        .iter()
        .map(|it| &it["refusals"][0]["reason"])
        .collect();
    assert_eq!(
        reasons,
        [&Value::Null, &json!("malformed"), &json!("unknown_key")]
    );
}

#[tokio::test]
async fn counters_belong_to_the_route_and_outlive_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = logged(folder.path(), &[]).await;
    gateway.get("/a").await;
    gateway.apply(&[
        (
            Kind::Route,
            json!({"name": "a", "service": "s", "paths": [{"exact": "/x"}]}),
        ),
        (
            Kind::Route,
            json!({"name": "z", "service": "s", "paths": [{"exact": "/y"}]}),
        ),
    ]);
    gateway.get("/a").await;
    gateway.get("/nowhere").await;
    let metrics = gateway.status("/metrics").await;
    for line in [
        "gatewright_requests_total{route=\"r\",service=\"s\",status=\"2xx\"} 2",
        "gatewright_requests_total{route=\"\",service=\"\",status=\"4xx\"} 1",
        "gatewright_request_duration_seconds_count{service=\"s\"} 2",
        "gatewright_upstream_duration_seconds_bucket{le=\"+Inf\",service=\"s\"} 2",
        "gatewright_rejections_total{stage=\"match\",code=\"no_route\"} 1",
        "gatewright_requests_in_flight 0",
        "gatewright_config_revision 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("route=\"z\""), "a route without requests");
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_node_is_ready_from_the_first_publish_on() {
    let mut gateway = Gateway::start().await;
    assert!(gateway.status("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(gateway.status("/readyz").await.starts_with("HTTP/1.1 503"));
    gateway.apply(&[]);
    let answer = gateway.status("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stale = "ready\nrevision 1; no control plane for ";
    assert!(body(&answer).starts_with(stale), "{answer}");
    let answer = gateway.status("/config").await;
    let config: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(config["revision"], 1);
    assert_eq!(config["digest"], "0".repeat(32));
    assert_eq!(config["refused"], json!({}));
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded_as_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = logged(folder.path(), &[]).await;
    let (seen, arrived) = std::sync::mpsc::sync_channel(1);
    let silent = upstream::scripted(move |mut socket| {
        let _ = read_request(&mut socket);
        let _ = seen.send(());
        let _ = read_request(&mut socket);
    });
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "silent", "url": format!("http://{silent}")}),
        ),
        (
            Kind::Route,
            json!({"name": "silent", "service": "silent", "paths": [{"exact": "/silent"}]}),
        ),
    ]);
    let mut socket = std::net::TcpStream::connect(gateway.node.http).unwrap();
    socket
        .write_all(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    tokio::task::spawn_blocking(move || arrived.recv().unwrap())
        .await
        .unwrap();
    drop(socket);
    let lines = lines(gateway, folder.path()).await;
    let line = &lines[0];
    assert_eq!(
        (
            &line["status"],
            &line["code"],
            &line["stage"],
            &line["route"]
        ),
        (
            &json!(499),
            &json!("client_closed"),
            &json!("forward"),
            &json!("silent")
        )
    );
}

#[tokio::test]
async fn a_trace_goes_through_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = logged(folder.path(), &[]).await;
    let send = async |parent: &str| {
        let request = format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: {parent}\r\ntracestate: a=b\r\n\r\n"
        );
        body(&gateway.raw(request.as_bytes()).await).to_owned()
    };
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let seen = send(valid).await;
    assert!(
        seen.contains(&format!("traceparent: {valid}\r\n")),
        "{seen}"
    );
    assert!(seen.contains("tracestate: a=b\r\n"), "{seen}");
    let seen = send("00-nonsense").await;
    assert!(
        !seen.contains("traceparent") && !seen.contains("tracestate"),
        "{seen}"
    );
}

#[tokio::test]
async fn where_spans_are_exported_the_upstream_is_a_child_of_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there: exporting fails, and hurts no request.
    let flags = ["--otlp-endpoint", "http://127.0.0.1:9"];
    let gateway = logged(folder.path(), &flags).await;
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    let answer = gateway.raw(request.as_bytes()).await;
    let seen = body(&answer);
    assert!(
        seen.contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"),
        "{seen}"
    );
    assert!(!seen.contains("00f067aa0ba902b7"), "{seen}");
    assert!(body(&gateway.get("/a").await).contains("traceparent: 00-"));
    gateway.node.drain().await;
}
