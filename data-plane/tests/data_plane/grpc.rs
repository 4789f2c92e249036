//! Calls of gRPC and of gRPC-Web.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatewright_proto::Kind;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    gateway::{Gateway, status},
    http2::{PATIENCE, gateway_to, speak},
};

/// A message of four bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x04call";

type Heads = Arc<Mutex<Vec<HeaderMap>>>;

/// A server of gRPC that sends back what it gets, and what it was asked with.
async fn server() -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Heads::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, respond))) = frames.accept().await {
                    seen.lock().unwrap().push(request.headers().clone());
                    tokio::spawn(echo(request, respond));
                }
            });
        }
    });
    (address, heads)
}

async fn echo(mut request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    if request.uri().path().ends_with("/Fail") {
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "5")
            .header("grpc-message", "none");
        respond.send_response(head.body(()).unwrap(), true).unwrap();
        return;
    }
    let mut body = Vec::new();
    while let Some(Ok(data)) = request.body_mut().data().await {
        body.extend_from_slice(&data);
    }
    let head = Response::builder().header("content-type", "application/grpc+proto");
    let mut stream = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    stream.send_data(body.into(), false).unwrap();
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    stream.send_trailers(trailers).unwrap();
}

#[tokio::test]
async fn calls_that_the_gateway_answers_itself_get_a_status_of_grpc() {
    let mut gateway = Gateway::start().await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let route = json!({"paths": [{"prefix": "/shop.Orders"}]});
    let mut resources = gateway_to(gone, &json!({"protocol": "http2"}), &route);
    let limited = json!({"name": "limited", "direct_response": {"body": "ok"}, "paths": [{"prefix": "/limited"}]});
    let limit = json!({
        "name": "none", "type": "key-auth", "attach": {"route": "limited"}, "settings": {},
    });
    resources.extend([(Kind::Route, limited), (Kind::Plugin, limit)]);
    gateway.apply(&resources);
    let requests = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    for (path, expected, code) in [
        ("/shop.Orders/List", "14", "upstream_unreachable"),
        ("/nowhere/List", "12", "no_route"),
        ("/limited/List", "16", "unauthorized"),
    ] {
        let request = Request::post(format!("http://shop.test{path}"))
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers");
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.body().is_end_stream(), "all in the head: {path}");
        let headers = response.headers();
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers["grpc-status"], expected, "{path}");
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.starts_with(code), "{message}");
    }
}

async fn web() -> (Gateway, Heads) {
    let (address, heads) = server().await;
    let mut gateway = Gateway::start().await;
    let service = json!({"protocol": "http2"});
    gateway.apply(&gateway_to(address, &service, &json!({"grpc_web": true})));
    (gateway, heads)
}

/// What comes of a call of a browser, which knows nothing but HTTP/1.1 and bodies: its head and its body.
async fn call(gateway: &Gateway, path: &str, content_type: &str, body: &[u8]) -> (String, Vec<u8>) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: a\r\nContent-Type: {content_type}\r\nX-Grpc-Web: 1\r\nContent-Length: {length}\r\n\r\n"
    );
    let answer = gateway.raw(&[head.as_bytes(), body].concat()).await;
    let head = answer
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .to_ascii_lowercase();
    let rest = crate::gateway::body(&answer).as_bytes().to_vec();
    (head, rest)
}

#[tokio::test]
async fn a_browser_calls_a_server_of_grpc() {
    let (gateway, heads) = web().await;
    let content_type = "application/grpc-web-text+proto";
    let sent = STANDARD.encode(MESSAGE);
    let (head, body) = call(&gateway, "/shop.Orders/List", content_type, sent.as_bytes()).await;
    assert!(
        head.contains("content-type: application/grpc-web-text+proto"),
        "{head}"
    );
    // Each piece is padded by itself.
    let text = String::from_utf8(body).unwrap();
    let (message, trailers) = text.split_at(STANDARD.encode(MESSAGE).len());
    assert_eq!(STANDARD.decode(message).unwrap(), MESSAGE);
    let trailers = STANDARD.decode(trailers).unwrap();
    assert_eq!(trailers, b"\x80\0\0\0\x10grpc-status: 0\r\n");
    let heads = heads.lock().unwrap();
    assert_eq!(heads[0]["content-type"], "application/grpc+proto");
    assert_eq!(heads[0]["te"], "trailers");
}

#[tokio::test]
async fn the_binary_form_has_its_trailers_at_the_end_of_the_body() {
    let (gateway, _) = web().await;
    // Bytes that are text, so that the test can read the answer as one.
    let (head, body) = call(&gateway, "/s.S/M", "application/grpc-web", MESSAGE).await;
    assert!(
        head.contains("content-type: application/grpc-web+proto"),
        "{head}"
    );
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(text.starts_with("\0\0\0\0\x04call"), "{text}");
    assert!(text.ends_with("\0\0\0\x10grpc-status: 0\r\n"), "{text}");
}

#[tokio::test]
async fn errors_of_server_and_gateway_are_in_the_body_where_browsers_see_them() {
    let (gateway, _) = web().await;
    let (head, body) = call(&gateway, "/s.S/Fail", "application/grpc-web", MESSAGE).await;
    assert!(!head.contains("grpc-status"), "{head}");
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(
        text.contains("grpc-status: 5\r\ngrpc-message: none\r\n"),
        "{text}"
    );
    let broken = call(&gateway, "/s.S/M", "application/grpc-web-text", b"!!!").await;
    let text = STANDARD.decode(broken.1).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("grpc-status: 13\r\n"), "{text}");
    assert!(text.contains("bad_request"), "{text}");
}

#[tokio::test]
async fn other_requests_to_the_route_pass_as_they_are() {
    let (gateway, heads) = web().await;
    let answer = gateway.get("/s.S/M").await;
    assert_eq!(status(&answer), 200);
    let head = "content-type: application/grpc+proto";
    assert!(answer.contains(head), "{answer}");
    assert!(
        !answer.contains("\u{10}grpc-status"),
        "no frame of trailers: {answer}"
    );
    assert!(heads.lock().unwrap()[0].get("te").is_none());
}
