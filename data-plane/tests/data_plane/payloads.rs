//! Routes that ask of the body: it is held back within bounds, and passed on as it came.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream as StdStream,
    time::Duration,
};

use bytes::Bytes;
use gatewright_proto::Kind;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    gateway::{Gateway, body, status},
    upstream,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// `/a` with an order in it goes to `/order`, any other to `/other`; `/plain` asks nothing.
async fn gateway(bounds: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::echo();
    let mut asked = json!({"json": [{"pointer": "/type", "value": {"exact": "order"}}]});
    for (name, value) in bounds.as_object().unwrap() {
        asked[name] = value.clone();
    }
    let route = |name: &str, path: &str, rest: Value| {
        let mut route = json!({"name": name, "service": "s", "paths": [{"exact": path}], "rewrite": format!("/{name}")});
        for (name, value) in rest.as_object().unwrap() {
            route[name] = value.clone();
        }
        (Kind::Route, route)
    };
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        route("order", "/a", json!({"body": asked})),
        route("other", "/a", json!({})),
        route("plain", "/plain", json!({})),
    ]);
    gateway
}

const ORDER: &str = r#"{"type": "order", "id": 7}"#;

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn the_body_decides_and_is_passed_on_unchanged() {
    let gateway = gateway(json!({})).await;
    let answer = gateway.raw(post("/a", ORDER).as_bytes()).await;
    let seen = body(&answer);
    assert!(seen.starts_with("POST /order HTTP/1.1\r\n"), "{answer}");
    assert!(
        seen.ends_with(&format!("content-length: 26\r\n\r\n{ORDER}")),
        "{seen}"
    );
    let other = r#"{"type": "refund"}"#;
    let answer = gateway.raw(post("/a", other).as_bytes()).await;
    assert!(
        body(&answer).starts_with("POST /other HTTP/1.1\r\n"),
        "{answer}"
    );
    assert!(body(&answer).ends_with(other), "{answer}");
    let answer = gateway
        .raw(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        body(&answer).starts_with("GET /other HTTP/1.1\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_in_chunks_is_matched_and_its_trailers_stay() {
    let gateway = gateway(json!({})).await;
    let head =
        "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = format!("{head}9\r\n{{\"type\": \r\n9\r\n\"order\"}} \r\n0\r\nX-Sum: 5\r\n\r\n");
    let answer = gateway.raw(whole.as_bytes()).await;
    let seen = body(&answer).to_ascii_lowercase();
    assert!(seen.starts_with("post /order http/1.1\r\n"), "{answer}");
    assert!(seen.contains("{\"type\": \"order\"}"), "{seen}");
    assert!(seen.ends_with("0\r\nx-sum: 5\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn a_body_over_the_bound_is_413_whether_announced_or_not() {
    let gateway = gateway(json!({"max_bytes": 32})).await;
    let long = format!(r#"{{"type": "order", "x": "{}"}}"#, "x".repeat(32));
    let answer = gateway.raw(post("/a", &long).as_bytes()).await;
    assert_eq!(status(&answer), 413);
    assert!(
        body(&answer).contains("\"code\":\"body_too_large\""),
        "{answer}"
    );
    let length = long.len();
    let chunked = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         {length:x}\r\n{long}\r\n0\r\n\r\n"
    );
    assert_eq!(status(&gateway.raw(chunked.as_bytes()).await), 413);
    // Routes that do not ask have no such bound, and other kinds of content neither.
    assert_eq!(
        status(&gateway.raw(post("/plain", &long).as_bytes()).await),
        200
    );
    let upload = post("/a", &long).replace("application/json", "image/png");
    let answer = gateway.raw(upload.as_bytes()).await;
    assert!(
        body(&answer).starts_with("POST /other HTTP/1.1\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused_and_not_led_past_the_route() {
    let gateway = gateway(json!({})).await;
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for wrong in ["{", r#"{"type": 1, "type": "order"}"#, &deep] {
        let answer = gateway.raw(post("/a", wrong).as_bytes()).await;
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(
            body(&answer).contains("\"code\":\"match_undecided\""),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_slow_body_is_408() {
    let gateway = gateway(json!({"timeout_ms": 50})).await;
    let half = post("/a", ORDER);
    let answer = gateway.raw(&half.as_bytes()[..half.len() - 1]).await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(
        body(&answer).contains("\"code\":\"request_timeout\""),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_to_go_on_unless_its_body_is_too_large() {
    let gateway = gateway(json!({"max_bytes": 64})).await;
    let expecting = |length: usize| {
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let address = gateway.node.http;
    let (interim, answer) = tokio::task::spawn_blocking(move || {
        let mut socket = StdStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(expecting(ORDER.len()).as_bytes()).unwrap();
        let mut interim = [0; 25];
        socket.read_exact(&mut interim).unwrap();
        socket.write_all(ORDER.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        (String::from_utf8_lossy(&interim).into_owned(), answer)
    })
    .await
    .unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(
        body(&answer).starts_with("POST /order HTTP/1.1\r\n"),
        "{answer}"
    );
    assert!(
        !answer.contains("expect:"),
        "the upstream need not be asked again: {answer}"
    );
    let answer = gateway.raw(expecting(65).as_bytes()).await;
    assert_eq!(status(&answer), 413, "{answer}");
}

#[tokio::test]
async fn a_body_over_http2_is_matched_and_its_trailers_stay() {
    let gateway = gateway(json!({})).await;
    let socket = TcpStream::connect(gateway.node.http).await.unwrap();
    let (requests, frames) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(frames);
    for (trailers, wanted) in [
        (false, "post /order http/1.1"),
        (true, "post /order http/1.1"),
    ] {
        let request =
            Request::post("http://shop.test/a").header("content-type", "application/json");
        let mut ready = timeout(PATIENCE, requests.clone().ready())
            .await
            .unwrap()
            .unwrap();
        let (response, mut stream) = ready
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        let (one, two) = ORDER.as_bytes().split_at(10);
        stream.send_data(Bytes::from_static(one), false).unwrap();
        stream
            .send_data(Bytes::from_static(two), !trailers)
            .unwrap();
        if trailers {
            let sum: HeaderMap = [("x-sum".parse().unwrap(), "5".parse().unwrap())]
                .into_iter()
                .collect();
            stream.send_trailers(sum).unwrap();
        }
        let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
        let mut seen = Vec::new();
        while let Some(data) = response.body_mut().data().await {
            seen.extend_from_slice(&data.unwrap());
        }
        let seen = String::from_utf8(seen).unwrap().to_ascii_lowercase();
        assert!(seen.starts_with(wanted), "{seen}");
        assert!(seen.contains(ORDER), "{seen}");
        assert_eq!(seen.contains("x-sum: 5"), trailers, "{seen}");
    }
}

#[tokio::test]
async fn the_address_of_the_peer_and_of_the_client_are_told_apart() {
    let mut gateway = Gateway::start_with(&["--trusted-hops", "1"]).await;
    let route = |name: &str, sources: Value| {
        let answer = json!({"body": name});
        (
            Kind::Route,
            json!({"name": name, "source_addresses": sources, "direct_response": answer}),
        )
    };
    gateway.apply(&[
        route("office", json!({"client": ["9.9.9.0/24"]})),
        route(
            "local",
            json!({"client": ["1.0.0.0/8"], "peer": ["127.0.0.0/8"]}),
        ),
    ]);
    let from = async |address: &str| {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: {address}\r\n\r\n"
        );
        body(&gateway.raw(request.as_bytes()).await).to_owned()
    };
    assert_eq!(from("9.9.9.1").await, "office");
    assert_eq!(from("1.2.3.4").await, "local");
    assert!(from("2.2.2.2").await.contains("no_route"));
}
