//! WebSocket through a node, between both versions of HTTP.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request, Response};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Gateway, status},
    http2::{PATIENCE, gateway_to, http2_upstream, speak},
    upstream,
};

/// An upstream of HTTP/1.1 that proves that it speaks WebSocket, and then echoes until the other end closes.
fn http1_upstream() -> SocketAddr {
    upstream::scripted(|mut socket| {
        let Some(request) = upstream::read_request(&mut socket) else {
            return;
        };
        let request = String::from_utf8(request).unwrap();
        let mut lines = request.split("\r\n");
        let key = lines.find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_key = name.eq_ignore_ascii_case("sec-websocket-key");
            is_key.then_some(value)
        });
        let proved = [key.unwrap(), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
        let proof = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, proved.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            BASE64.encode(proof)
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        while let Ok(len @ 1..) = socket.read(&mut buffer) {
            socket.write_all(&buffer[..len]).unwrap();
        }
    })
}

/// A connection of HTTP/1.1 that has switched, and the head of the answer.
async fn upgraded(gateway: &Gateway) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(gateway.node.http).await.unwrap();
    let request = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap();
        head.push(char::from(byte));
    }
    assert_eq!(status(&head), 101, "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    (socket, head)
}

/// Says something, and hears it again.
async fn echoed(socket: &mut TcpStream, text: &str) {
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut heard = vec![0; text.len()];
    let read = timeout(PATIENCE, socket.read_exact(&mut heard)).await;
    read.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

#[tokio::test]
async fn websocket_of_http1_reaches_an_upstream_of_http2() {
    let mut gateway = Gateway::start().await;
    let (service, route) = (
        json!({"protocol": "http2"}),
        json!({"upgrades": ["websocket"]}),
    );
    gateway.apply(&gateway_to(http2_upstream().await, &service, &route));
    let (mut socket, _) = upgraded(&gateway).await;
    echoed(&mut socket, "hello").await;
}

#[tokio::test]
async fn websocket_of_http1_reaches_an_upstream_of_http1_until_an_end_closes() {
    let mut gateway = Gateway::start().await;
    let route = json!({"upgrades": ["websocket"]});
    gateway.apply(&gateway_to(http1_upstream(), &json!({}), &route));
    let (mut socket, head) = upgraded(&gateway).await;
    let head = head.to_ascii_lowercase();
    for field in ["upgrade: websocket", "connection: upgrade"] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
    for text in ["hello", "and", "a little more"] {
        echoed(&mut socket, text).await;
    }
    socket.shutdown().await.unwrap();
    let closed = timeout(PATIENCE, socket.read(&mut [0; 1])).await.unwrap();
    assert_eq!(closed.unwrap(), 0);
}

#[tokio::test]
async fn websocket_of_http2_reaches_an_upstream_of_http1() {
    let mut gateway = Gateway::start().await;
    let route = json!({"upgrades": ["websocket"]});
    gateway.apply(&gateway_to(http1_upstream(), &json!({}), &route));
    let (mut response, mut stream) = extended_connect(&gateway).await;
    assert_eq!(response.status(), 200);
    for field in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(field), "{response:?}");
    }
    for (text, last) in [("hello", false), ("there", true)] {
        stream.send_data(text.into(), last).unwrap();
        let heard = timeout(PATIENCE, response.body_mut().data()).await.unwrap();
        assert_eq!(heard.unwrap().unwrap(), text);
    }
    while let Some(more) = timeout(PATIENCE, response.body_mut().data()).await.unwrap() {
        assert!(more.unwrap().is_empty());
    }
}

/// Waits until a node closes its idle connections, which is when it drains.
async fn drains(mut idle: TcpStream) {
    let closed = timeout(PATIENCE, idle.read(&mut [0; 1])).await.unwrap();
    assert_eq!(closed.unwrap(), 0);
}

#[tokio::test]
async fn websocket_goes_on_while_a_node_drains() {
    let mut gateway = Gateway::start().await;
    let route = json!({"upgrades": ["websocket"]});
    gateway.apply(&gateway_to(http1_upstream(), &json!({}), &route));
    let (mut socket, _) = upgraded(&gateway).await;
    let idle = TcpStream::connect(gateway.node.http).await.unwrap();
    let drained = tokio::spawn(gateway.node.drain());
    drains(idle).await;
    echoed(&mut socket, "still here").await;
    drop(socket);
    timeout(PATIENCE, drained).await.unwrap().unwrap();
}

#[tokio::test]
async fn websocket_is_closed_when_the_time_for_draining_is_over() {
    let mut gateway = Gateway::start_with(&["--drain-timeout-ms", "100"]).await;
    let route = json!({"upgrades": ["websocket"]});
    gateway.apply(&gateway_to(http1_upstream(), &json!({}), &route));
    let (mut socket, _) = upgraded(&gateway).await;
    let drained = tokio::spawn(gateway.node.drain());
    let closed = timeout(PATIENCE, socket.read(&mut [0; 1])).await.unwrap();
    assert_eq!(closed.unwrap(), 0);
    timeout(PATIENCE, drained).await.unwrap().unwrap();
}

async fn extended_connect(gateway: &Gateway) -> (Response<h2::RecvStream>, h2::SendStream<Bytes>) {
    let mut requests = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    let allowed = async {
        while !requests.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, allowed).await.unwrap();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://shop.test/chat")
        .extension(Protocol::from("websocket"))
        .body(())
        .unwrap();
    let (response, stream) = requests.send_request(request, false).unwrap();
    (timeout(PATIENCE, response).await.unwrap().unwrap(), stream)
}

#[tokio::test]
async fn websocket_of_http2_must_be_proved_by_an_upstream_of_http1() {
    let mut gateway = Gateway::start().await;
    let route = json!({"upgrades": ["websocket"]});
    let upstream = upstream::scripted(|mut socket| {
        let request = upstream::read_request(&mut socket).unwrap();
        let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
        assert!(request.contains("sec-websocket-key: "), "{request}");
        let unproved = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        socket.write_all(unproved).unwrap();
    });
    gateway.apply(&gateway_to(upstream, &json!({}), &route));
    let (response, _stream) = extended_connect(&gateway).await;
    assert_eq!(response.status(), 502);
}

#[tokio::test]
async fn websocket_of_http2_reaches_an_upstream_of_http2() {
    let mut gateway = Gateway::start().await;
    let (service, route) = (
        json!({"protocol": "http2"}),
        json!({"upgrades": ["websocket"]}),
    );
    gateway.apply(&gateway_to(http2_upstream().await, &service, &route));
    let (mut response, mut stream) = extended_connect(&gateway).await;
    assert_eq!(response.status(), 200);
    stream.send_data("hello".into(), true).unwrap();
    let heard = timeout(PATIENCE, response.body_mut().data()).await.unwrap();
    assert_eq!(heard.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn a_route_that_allows_no_upgrade_refuses_extended_connect() {
    let mut gateway = Gateway::start().await;
    gateway.apply(&gateway_to(upstream::echo(), &json!({}), &json!({})));
    let (response, _stream) = extended_connect(&gateway).await;
    assert_eq!(response.status(), 403);
}
