//! HTTP/2 through a node, on both sides.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_proto::Kind;
use h2::client::SendRequest;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    gateway::{Gateway, status},
    upstream,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn gateway_to(
    upstream: SocketAddr,
    service: &Value,
    route: &Value,
) -> Vec<(Kind, Value)> {
    let (mut service, mut route) = (service.clone(), route.clone());
    service["name"] = json!("s");
    service["url"] = json!(format!("http://{upstream}"));
    route["name"] = json!("r");
    route["service"] = json!("s");
    vec![(Kind::Service, service), (Kind::Route, route)]
}

pub(crate) async fn speak<Io>(io: Io) -> SendRequest<Bytes>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, frames) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(frames);
    requests
}

pub(crate) async fn ask(requests: &SendRequest<Bytes>, request: Request<()>) -> (u16, String) {
    let mut ready = requests.clone().ready().await.unwrap();
    let (response, _) = ready.send_request(request, true).unwrap();
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    let mut text = Vec::new();
    while let Some(data) = response.body_mut().data().await {
        text.extend_from_slice(&data.unwrap());
    }
    (
        response.status().as_u16(),
        String::from_utf8(text).unwrap().to_ascii_lowercase(),
    )
}

/// An upstream that speaks HTTP/2: it echoes paths, and what comes through a tunnel.
pub(crate) async fn http2_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let handshake = builder.enable_connect_protocol().handshake(socket);
                let mut frames = handshake.await.unwrap();
                while let Some(Ok((mut request, mut respond))) = frames.accept().await {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    if *request.method() != Method::CONNECT {
                        let text = request.uri().to_string();
                        stream.send_data(text.into(), true).unwrap();
                        continue;
                    }
                    tokio::spawn(async move {
                        while let Some(Ok(data)) = request.body_mut().data().await {
                            stream.send_data(data, false).unwrap();
                        }
                        stream.send_data(Bytes::new(), true).unwrap();
                    });
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_with_prior_knowledge_reaches_an_upstream_of_http1() {
    let mut gateway = Gateway::start().await;
    gateway.apply(&gateway_to(upstream::echo(), &json!({}), &json!({})));
    let requests = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    let request = Request::get("http://shop.test/a?b").body(()).unwrap();
    let (status, seen) = ask(&requests, request).await;
    assert_eq!(status, 200);
    assert!(
        seen.starts_with("get /a?b http/1.1\r\nhost: 127.0.0.1"),
        "{seen}"
    );
    assert!(seen.contains("x-forwarded-host: shop.test"), "{seen}");
    // The same port goes on speaking HTTP/1.1.
    assert_eq!(crate::gateway::status(&gateway.get("/").await), 200);
}

#[tokio::test]
async fn both_versions_reach_an_upstream_of_http2() {
    let mut gateway = Gateway::start().await;
    let service = json!({"protocol": "http2"});
    gateway.apply(&gateway_to(http2_upstream().await, &service, &json!({})));
    let answer = gateway.get("/x?y").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("/x?y"), "{answer}");
    let requests = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    let request = Request::get("http://shop.test/x?y").body(()).unwrap();
    let (status, seen) = ask(&requests, request).await;
    assert_eq!(status, 200);
    assert!(seen.ends_with("/x?y"), "{seen}");
}

#[tokio::test]
async fn streams_end_and_clients_are_told_when_a_node_drains() {
    let mut gateway = Gateway::start().await;
    let (answer, waits) = std::sync::mpsc::sync_channel::<()>(1);
    let waits = Arc::new(std::sync::Mutex::new(waits));
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let upstream = upstream::scripted(move |mut socket| {
        use std::io::Write as _;
        upstream::read_request(&mut socket).unwrap();
        begun.blocking_send(()).unwrap();
        waits.lock().unwrap().recv().unwrap();
        let late = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
        socket.write_all(late).unwrap();
    });
    gateway.apply(&gateway_to(upstream, &json!({}), &json!({})));
    let requests = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    let asking = requests.clone();
    let asked = tokio::spawn(async move {
        ask(&asking, Request::get("http://shop.test/").body(()).unwrap()).await
    });
    timeout(PATIENCE, begins.recv()).await.unwrap().unwrap();
    let drained = tokio::spawn(gateway.node.drain());
    let told = async {
        while requests.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.unwrap();
    answer.send(()).unwrap();
    assert_eq!(asked.await.unwrap(), (200, "late".to_owned()));
    timeout(PATIENCE, drained).await.unwrap().unwrap();
}
