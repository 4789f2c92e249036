//! Requests on their way through a node.

use std::io::Write as _;

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

async fn echo_with(route: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::echo();
    let mut route = route;
    route["name"] = json!("r");
    route["service"] = json!("s");
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}/base")}),
        ),
        (Kind::Route, route),
    ]);
    gateway
}

#[tokio::test]
async fn a_request_is_forwarded_with_what_an_upstream_must_know_and_nothing_of_the_hop() {
    let gateway = echo_with(json!({})).await;
    let request = "GET /a/./b?x=1 HTTP/1.1\r\nHost: Shop.Test\r\nConnection: close, hop\r\nHop: 1\r\nKeep-Alive: 5\r\n\
                   X-Forwarded-For: 1.2.3.4\r\nUpgrade: websocket\r\nAccept: */*\r\n\r\n";
    let answer = gateway.raw(request.as_bytes()).await;
    assert_eq!(status(&answer), 200);
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\nvia: 1.1 gatewright\r\n"),
        "{answer}"
    );
    let seen = body(&answer).to_ascii_lowercase();
    assert!(
        seen.starts_with("get /base/a/b?x=1 http/1.1\r\nhost: 127.0.0.1:"),
        "{seen}"
    );
    for field in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: shop.test",
        "x-forwarded-proto: http",
        "via: 1.1 gatewright",
        "accept: */*",
    ] {
        assert!(
            seen.contains(&format!("\r\n{field}\r\n")),
            "{field} in {seen}"
        );
    }
    assert!(seen.contains("\r\nx-request-id: "));
    for field in ["hop:", "keep-alive", "upgrade", "1.2.3.4", "connection:"] {
        assert!(!seen.contains(field), "{field} in {seen}");
    }
}

#[tokio::test]
async fn a_prefix_is_stripped_and_a_template_fills_the_rewrite() {
    let gateway = echo_with(
        json!({"paths": [{"prefix": "/api"}], "strip_prefix": true, "preserve_host": true}),
    )
    .await;
    let answer = gateway.get("/api/x").await;
    assert!(
        body(&answer).starts_with("GET /base/x HTTP/1.1\r\nhost: test"),
        "{answer}"
    );
    assert!(body(&gateway.get("/api").await).starts_with("GET /base/ HTTP/1.1"));
    let gateway =
        echo_with(json!({"paths": [{"template": "/o/{id}"}], "rewrite": "/orders/{id}/view"}))
            .await;
    assert!(body(&gateway.get("/o/7?q").await).starts_with("GET /base/orders/7/view?q HTTP/1.1"));
}

#[tokio::test]
async fn a_body_is_streamed_by_length_and_in_chunks() {
    let gateway = echo_with(json!({})).await;
    let length =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.raw(length.as_bytes()).await;
    assert!(
        body(&answer).ends_with("content-length: 5\r\n\r\nhello"),
        "{answer}"
    );
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Sum: 5\r\n\r\n";
    let answer = gateway.raw(chunked.as_bytes()).await;
    assert_eq!(status(&answer), 200);
    let seen = body(&answer).to_ascii_lowercase();
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    assert!(
        seen.contains("hel") && seen.ends_with("0\r\nx-sum: 5\r\n\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    let gateway = echo_with(json!({})).await;
    let requests = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
                    HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = gateway.raw(requests.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "{answer}");
    let places: Vec<usize> = ["GET /base/1", "POST /base/2", "GET /base/4"]
        .iter()
        .map(|it| answer.find(it).unwrap())
        .collect();
    assert!(places.is_sorted());
    assert!(
        !answer.contains("HEAD /base/3"),
        "an answer to HEAD has no body"
    );
}

#[tokio::test]
async fn nothing_there_is_404_another_method_405_and_a_dead_upstream_503() {
    let mut gateway = echo_with(json!({"paths": [{"prefix": "/a"}], "methods": ["PUT"]})).await;
    assert_eq!(status(&gateway.get("/b").await), 404);
    let answer = gateway.get("/a").await;
    assert_eq!(status(&answer), 405);
    assert!(answer.contains("allow: PUT"), "{answer}");
    assert!(body(&answer).contains("\"code\":\"method_not_allowed\""));
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "dead", "url": format!("http://{dead}")}),
        ),
        (
            Kind::Route,
            json!({"name": "dead", "service": "dead", "paths": [{"exact": "/dead"}]}),
        ),
    ]);
    let answer = gateway.get("/dead").await;
    assert_eq!(status(&answer), 503);
    assert!(body(&answer).contains("upstream_unreachable"));
}

#[tokio::test]
async fn redirects_and_fixed_answers_need_no_upstream() {
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Route, json!({"name": "to", "paths": [{"exact": "/old"}], "redirect": {"scheme": "https", "host": "new.test", "path": "/new"}})),
        (Kind::Route, json!({"name": "fixed", "paths": [{"exact": "/robots.txt"}], "direct_response": {"body": "no", "status": 203}})),
    ]);
    let answer = gateway.get("/old?a=1").await;
    assert_eq!(status(&answer), 308);
    assert!(
        answer.contains("location: https://new.test/new?a=1\r\n"),
        "{answer}"
    );
    let answer = gateway.get("/robots.txt").await;
    assert_eq!((status(&answer), body(&answer)), (203, "no"));
}

#[tokio::test]
async fn interim_answers_and_100_continue_pass_through() {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::scripted(|mut socket| {
        let _ = socket.write_all(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        );
        let _ = read_request(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let request = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let answer = gateway.raw(request.as_bytes()).await;
    let count = |what: &str| answer.matches(what).count();
    assert_eq!(
        (
            count("100 Continue"),
            count("103 Early Hints"),
            count("200 OK")
        ),
        (1, 1, 1),
        "{answer}"
    );
    assert!(answer.contains("link: </a>"));
}

#[tokio::test]
async fn a_protocol_is_switched_only_where_the_route_allows_it() {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::scripted(|mut socket| {
        let request = read_request(&mut socket).unwrap_or_default();
        if String::from_utf8_lossy(&request).contains("upgrade: websocket") {
            let _ = socket.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfrom the upstream");
        } else {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        }
    });
    gateway.apply(&[
        (Kind::Service, json!({"name": "s", "url": format!("http://{upstream}")})),
        (Kind::Route, json!({"name": "ws", "service": "s", "paths": [{"exact": "/ws"}], "upgrades": ["websocket"]})),
        (Kind::Route, json!({"name": "no", "service": "s", "paths": [{"exact": "/no"}]})),
    ]);
    let request = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
    };
    let answer = gateway.raw(request("/ws").as_bytes()).await;
    assert_eq!(status(&answer), 101);
    assert!(answer.ends_with("\r\n\r\nfrom the upstream"), "{answer}");
    let answer = gateway
        .raw(
            request("/no")
                .replace("upgrade\r\nU", "upgrade, close\r\nU")
                .as_bytes(),
        )
        .await;
    assert_eq!((status(&answer), body(&answer)), (200, "plain"));
}

#[tokio::test]
async fn a_silent_upstream_is_given_up_in_time_and_a_broken_one_is_502() {
    let mut gateway = Gateway::start().await;
    let silent = upstream::scripted(|mut socket| while read_request(&mut socket).is_some() {});
    let broken = upstream::scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let _ = socket.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
    });
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "silent", "url": format!("http://{silent}"), "request_timeout_ms": 50}),
        ),
        (
            Kind::Service,
            json!({"name": "broken", "url": format!("http://{broken}")}),
        ),
        (
            Kind::Route,
            json!({"name": "silent", "service": "silent", "paths": [{"exact": "/silent"}]}),
        ),
        (
            Kind::Route,
            json!({"name": "broken", "service": "broken", "paths": [{"exact": "/broken"}]}),
        ),
    ]);
    assert_eq!(status(&gateway.get("/silent").await), 504);
    assert_eq!(status(&gateway.get("/broken").await), 502);
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_is_not_an_error() {
    let mut gateway = Gateway::start().await;
    let once = upstream::scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{once}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    for _ in 0..50 {
        assert_eq!(status(&gateway.get("/").await), 200);
    }
}

#[tokio::test]
async fn a_change_of_routes_and_a_drain_lose_no_request() {
    let mut gateway = echo_with(json!({})).await;
    let address = gateway.node.http;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                use std::io::Read as _;
                let mut answered = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut socket = std::net::TcpStream::connect(address).unwrap();
                    socket
                        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                        .unwrap();
                    let mut answer = String::new();
                    socket.read_to_string(&mut answer).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for round in 0..500 {
        gateway.apply(&[(Kind::Route, json!({"name": format!("r{}", round % 250), "service": "s", "paths": [{"exact": format!("/{round}")}]}))]);
        tokio::task::yield_now().await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let answered: usize = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum();
    assert!(answered > 0);
    gateway.node.drain().await;
}
