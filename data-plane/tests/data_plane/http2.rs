//! HTTP/2 through a node, on both sides and over TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_proto::Kind;
use h2::{client::SendRequest, ext::Protocol};
use http::{Method, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    gateway::{Gateway, status},
    upstream,
};

const PATIENCE: Duration = Duration::from_secs(10);

fn gateway_to(upstream: SocketAddr, service: &Value, route: &Value) -> Vec<(Kind, Value)> {
    let (mut service, mut route) = (service.clone(), route.clone());
    service["name"] = json!("s");
    service["url"] = json!(format!("http://{upstream}"));
    route["name"] = json!("r");
    route["service"] = json!("s");
    vec![(Kind::Service, service), (Kind::Route, route)]
}

async fn speak<Io>(io: Io) -> SendRequest<Bytes>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, frames) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(frames);
    requests
}

async fn ask(requests: &SendRequest<Bytes>, request: Request<()>) -> (u16, String) {
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
async fn http2_upstream() -> SocketAddr {
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
async fn the_certificate_is_picked_by_name_and_alpn_picks_the_version() {
    let mut gateway = Gateway::start().await;
    let mut resources = gateway_to(upstream::echo(), &json!({}), &json!({}));
    let mut pems = Vec::new();
    for (name, host) in [("exact", "a.shop.test"), ("wildcard", "*.shop.test")] {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        pems.push(made.cert.der().clone());
        let certificate = json!({
            "name": name,
            "certificate": made.cert.pem(),
            "private_key": made.signing_key.serialize_pem(),
        });
        resources.push((Kind::Certificate, certificate));
    }
    gateway.apply(&resources);
    for (name, expected) in [
        ("a.shop.test", Some(0)),
        ("b.shop.test", Some(1)),
        ("other.test", None),
    ] {
        let stream = handshake(gateway.node.https, &pems, name).await;
        let Some(expected) = expected else {
            assert!(stream.is_err());
            continue;
        };
        let stream = stream.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, pems[expected], "{name}");
        let requests = speak(stream).await;
        let request = Request::get(format!("https://{name}/")).body(()).unwrap();
        let (status, seen) = ask(&requests, request).await;
        assert_eq!(status, 200);
        assert!(seen.contains("x-forwarded-proto: https"), "{seen}");
    }
}

async fn handshake(
    address: SocketAddr,
    trusted: &[CertificateDer<'static>],
    name: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket);
    timeout(PATIENCE, connected).await.unwrap()
}

#[tokio::test]
async fn websocket_of_http1_reaches_an_upstream_of_http2() {
    let mut gateway = Gateway::start().await;
    let (service, route) = (
        json!({"protocol": "http2"}),
        json!({"upgrades": ["websocket"]}),
    );
    gateway.apply(&gateway_to(http2_upstream().await, &service, &route));
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
    socket.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    timeout(PATIENCE, socket.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"hello");
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
        use std::io::Write as _;
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
