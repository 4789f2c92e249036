//! What is not a request, and is not taken for one.

use h2::Reason;
use http::{HeaderValue, Method, Request};

use super::peer::{Peer, describe, get, limits, whole};

async fn status(request: http::request::Builder) -> u16 {
    let mut peer = Peer::of(limits(), describe).await;
    peer.ask(request.body(()).unwrap()).await.status
}

#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_refused() {
    assert_eq!(status(get("/").header("host", "shop.test")).await, 200);
    assert_eq!(status(get("/").header("host", "SHOP.test")).await, 200);
    assert_eq!(status(get("/").header("host", "other.test")).await, 400);
    let twice = get("/")
        .header("host", "shop.test")
        .header("host", "shop.test");
    assert_eq!(status(twice).await, 400);
    let userinfo = Request::get("http://user@shop.test/");
    assert_eq!(status(userinfo).await, 400);
}

#[tokio::test]
async fn targets_that_others_would_read_differently_are_refused() {
    let star = Request::options("http://shop.test").uri(
        http::Uri::builder()
            .scheme("http")
            .authority("shop.test")
            .path_and_query("*")
            .build()
            .unwrap(),
    );
    assert_eq!(status(star).await, 200);
    assert_eq!(status(Request::get("ftp://shop.test/")).await, 400);
    assert_eq!(status(get("/a{b}")).await, 200);
}

#[tokio::test]
async fn white_space_around_a_value_is_refused() {
    let value = HeaderValue::from_bytes(b"a ").unwrap();
    assert_eq!(status(get("/").header("x-key", value)).await, 400);
    assert_eq!(status(get("/").header("x-key", "a b")).await, 200);
}

#[tokio::test]
async fn an_unknown_expectation_is_refused() {
    assert_eq!(status(get("/").header("expect", "200-ok")).await, 400);
}

#[tokio::test]
async fn a_tunnel_to_anywhere_is_not_offered() {
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri("shop.test:80");
    assert_eq!(status(connect).await, 501);
}

#[tokio::test]
async fn too_many_fields_and_too_large_ones_are_refused() {
    let mut many = get("/");
    for number in 0..21 {
        many = many.header(format!("x-{number}"), "1");
    }
    assert_eq!(status(many).await, 431);
    assert_eq!(
        status(get("/").header("x-long", "x".repeat(4096))).await,
        431
    );
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_resets_the_stream() {
    let mut peer = Peer::of(limits(), super::peer::echo).await;
    for data in ["ab", "abcd"] {
        let request = Request::post("http://shop.test/").header("content-length", "3");
        let request = request.body(()).unwrap();
        let (response, mut stream) = peer.requests.send_request(request, false).unwrap();
        stream.send_data(data.into(), true).unwrap();
        let reset = whole(response).await.unwrap_err();
        assert_eq!(reset.reason(), Some(Reason::PROTOCOL_ERROR), "{data}");
    }
}
