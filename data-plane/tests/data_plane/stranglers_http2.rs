//! Routes whose service takes over from a legacy one, with HTTP/2 on all sides.

use std::net::SocketAddr;

use bytes::Bytes;
use gatewright_proto::Kind;
use h2::{RecvStream, client::SendRequest, server::SendResponse};
use http::{HeaderMap, Request, Response, response::Builder};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    gateway::Gateway,
    http2::{PATIENCE, speak},
};

/// What a service does with a call, once it has its body.
#[derive(Clone, Copy)]
enum Deed {
    /// Answers with this status, before it has read anything.
    Status(u16),
    /// Answers with this status of gRPC, all in its head.
    Grpc(&'static str),
    /// Answers with method, path and body, and a trailer.
    Echo,
}

async fn service(deed: Deed) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, respond))) = frames.accept().await {
                    tokio::spawn(answer(request, respond, deed));
                }
            });
        }
    });
    address
}

async fn answer(mut request: Request<RecvStream>, mut respond: SendResponse<Bytes>, deed: Deed) {
    let head = |head: Builder| head.body(()).unwrap();
    match deed {
        Deed::Status(status) => {
            let mut stream = respond
                .send_response(head(Response::builder().status(status)), false)
                .unwrap();
            stream.send_data(Bytes::from_static(b"new"), true).unwrap();
        }
        Deed::Grpc(code) => {
            let head = head(Response::builder().header("grpc-status", code));
            respond.send_response(head, true).unwrap();
        }
        Deed::Echo => {
            let mut seen = format!("{} {} ", request.method(), request.uri().path()).into_bytes();
            while let Some(Ok(data)) = request.body_mut().data().await {
                seen.extend_from_slice(&data);
                let _ = request
                    .body_mut()
                    .flow_control()
                    .release_capacity(data.len());
            }
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(seen.into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
    }
}

async fn strangled(new: Deed) -> (Gateway, SendRequest<Bytes>) {
    let mut gateway = Gateway::start().await;
    let to = |name: &str, address: SocketAddr| {
        let url = format!("http://{address}");
        (
            Kind::Service,
            json!({"name": name, "url": url, "protocol": "http2"}),
        )
    };
    gateway.apply(&[
        to("new", service(new).await),
        to("old", service(Deed::Echo).await),
        (
            Kind::Route,
            json!({"name": "r", "service": "new", "strangler": {"legacy": "old"}}),
        ),
    ]);
    let client = speak(TcpStream::connect(gateway.node.http).await.unwrap()).await;
    (gateway, client)
}

/// Calls with a body that comes in two parts, and returns what comes, with `grpc-status` of the trailers.
async fn call(client: &SendRequest<Bytes>) -> (u16, String, String) {
    let mut client = client.clone().ready().await.unwrap();
    let request = Request::post("http://shop.test/orders.Orders/Get").header("te", "trailers");
    let (response, mut stream) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    stream
        .send_data(Bytes::from_static(b"the "), false)
        .unwrap();
    // Who answers without the body may have reset the stream by now.
    let _ = stream.send_data(Bytes::from_static(b"order"), true);
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    let mut text = Vec::new();
    while let Some(data) = response.body_mut().data().await {
        text.extend_from_slice(&data.unwrap());
    }
    let trailers = response
        .body_mut()
        .trailers()
        .await
        .unwrap()
        .unwrap_or_default();
    let code = trailers
        .get("grpc-status")
        .map(|it| it.to_str().unwrap().to_owned());
    (
        response.status().as_u16(),
        String::from_utf8(text).unwrap(),
        code.unwrap_or_default(),
    )
}

#[tokio::test]
async fn a_call_that_the_new_service_has_not_got_is_made_whole_of_the_legacy() {
    for missing in [Deed::Status(404), Deed::Status(501), Deed::Grpc("12")] {
        let (gateway, client) = strangled(missing).await;
        for _ in 0..3 {
            let (status, seen, trailer) = call(&client).await;
            assert_eq!((status, &*trailer), (200, "0"));
            assert_eq!(seen, "POST /orders.Orders/Get the order");
        }
        let labels = "route=\"r\",method=\"POST\",result=\"fell_through\"";
        let line = format!("gatewright_strangler_requests_total{{{labels}}}");
        assert_eq!(gateway.metric(&line).await, 3);
    }
}

#[tokio::test]
async fn what_the_new_service_answers_stays_its_answer() {
    let (_gateway, client) = strangled(Deed::Status(500)).await;
    assert_eq!(call(&client).await, (500, "new".to_owned(), String::new()));
    let (_gateway, client) = strangled(Deed::Echo).await;
    let (status, seen, trailer) = call(&client).await;
    assert_eq!((status, &*trailer), (200, "0"));
    assert!(seen.ends_with("the order"), "{seen}");
}
