//! Who the client is, and what it may ask for.

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream,
};

async fn echo(flags: &[&str], route: Value) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    let upstream = upstream::echo();
    let mut route = route;
    route["name"] = json!("r");
    route["service"] = json!("s");
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, route),
    ]);
    gateway
}

/// What the upstream sees of a request with these fields.
async fn seen(gateway: &Gateway, fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{fields}\r\n");
    body(&gateway.raw(request.as_bytes()).await).to_ascii_lowercase()
}

const FORGED: &str = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: bank.test\r\n\
                      X-Forwarded-Port: 443\r\nForwarded: for=1.2.3.4\r\nX-Request-Id: forged\r\n";

#[tokio::test]
async fn nobody_can_pass_for_another() {
    let gateway = echo(&[], json!({})).await;
    let seen = seen(&gateway, FORGED).await;
    for field in [
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-host: shop.test\r\n",
    ] {
        assert!(seen.contains(field), "{field} in {seen}");
    }
    let port = format!("x-forwarded-port: {}\r\n", gateway.node.http.port());
    assert!(seen.contains(&port), "{seen}");
    for forged in ["1.2.3.4", "bank.test", "forged", ": 443\r\n"] {
        assert!(!seen.contains(forged), "{forged} in {seen}");
    }
}

#[tokio::test]
async fn a_proxy_in_front_is_believed() {
    let gateway = echo(&["--trusted-proxies", "127.0.0.0/8"], json!({})).await;
    let seen = seen(&gateway, FORGED).await;
    for field in [
        "x-forwarded-for: 1.2.3.4\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-host: bank.test\r\n",
        "x-forwarded-port: 443\r\n",
        "x-request-id: forged\r\n",
    ] {
        assert!(seen.contains(field), "{field} in {seen}");
    }
}

#[tokio::test]
async fn policies_see_the_client_behind_the_proxy_in_front() {
    let mut gateway = echo(&["--trusted-hops", "1"], json!({})).await;
    gateway.apply(&[(
        Kind::Plugin,
        json!({"name": "only", "type": "ip-filter", "attach": {"global": true}, "settings": {"allow": ["9.9.9.0/24"]}}),
    )]);
    let send = async |list: &str| {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: {list}\r\n\r\n"
        );
        status(&gateway.raw(request.as_bytes()).await)
    };
    assert_eq!(send("1.1.1.1, 9.9.9.9").await, 200);
    assert_eq!(send("9.9.9.9, 1.1.1.1").await, 403);
}

#[tokio::test]
async fn the_standard_field_tells_of_the_client_where_it_is_asked_for() {
    let gateway = echo(&["--forwarded-fields", "forwarded"], json!({})).await;
    let seen = seen(&gateway, FORGED).await;
    let field = "forwarded: for=127.0.0.1;proto=http;host=\"shop.test\"\r\n";
    assert!(seen.contains(field), "{seen}");
    assert!(!seen.contains("x-forwarded"), "{seen}");
    assert!(!seen.contains("1.2.3.4"), "{seen}");
}

#[tokio::test]
async fn a_request_that_has_passed_enough_proxies_ends_here() {
    let gateway = echo(&[], json!({})).await;
    let options = async |left: u32| {
        let request = format!(
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nMax-Forwards: {left}\r\n\r\n"
        );
        gateway.raw(request.as_bytes()).await
    };
    assert_eq!(status(&options(0).await), 204);
    assert!(body(&options(3).await).contains("max-forwards: 2\r\n"));
}

#[tokio::test]
async fn a_field_that_protection_rests_on_cannot_be_taken_away() {
    let gateway = echo(&[], json!({})).await;
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: authorization\r\nAuthorization: x\r\n\r\n";
    assert_eq!(status(&gateway.raw(request.as_bytes()).await), 400);
}

#[tokio::test]
async fn tracing_back_and_open_tunnels_are_refused() {
    let gateway = echo(&[], json!({})).await;
    let trace = "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&gateway.raw(trace.as_bytes()).await), 405);
    let connect = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";
    assert!((400..=501).contains(&status(&gateway.raw(connect.as_bytes()).await)));
}

#[tokio::test]
async fn a_route_bounds_its_bodies() {
    let gateway = echo(
        &["--max-body-bytes", "2"],
        json!({"max_request_body_bytes": 4}),
    )
    .await;
    let post = async |body: &str| {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        status(&gateway.raw(request.as_bytes()).await)
    };
    assert_eq!(post("1234").await, 200);
    assert_eq!(post("12345").await, 413);
}

#[tokio::test]
async fn what_the_gateway_says_of_its_own_requests_is_not_taken_from_clients() {
    let gateway = echo(&[], json!({})).await;
    let forged = "Gatewright-Mirror: true\r\nGatewright-Attempt-Count: 2\r\nGatewrights: 3\r\n";
    let passed = seen(&gateway, forged).await;
    assert!(!passed.contains("gatewright-"), "{passed}");
    assert!(passed.contains("gatewrights: 3\r\n"), "{passed}");
}
