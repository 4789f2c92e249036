//! What is sent again over HTTP/2: refused streams, and statuses of gRPC.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    fleet::resources,
    gateway::{Gateway, status},
};

/// What the target does with a request.
#[derive(Clone, Copy)]
enum Deed {
    /// Refuses the stream.
    Refuse,
    /// Answers with trailers only, and this status of gRPC.
    Grpc(u32),
}

/// A target that does this once, and then answers each request with its body.
struct Target {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// `grpc-timeout` of each request.
    timeouts: Arc<Mutex<Vec<Option<String>>>>,
}

async fn target(first: Deed) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        address: listener.local_addr().unwrap(),
        asked: Arc::default(),
        timeouts: Arc::default(),
    };
    let (asked, timeouts) = (Arc::clone(&target.asked), Arc::clone(&target.timeouts));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (asked, timeouts) = (Arc::clone(&asked), Arc::clone(&timeouts));
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, respond))) = frames.accept().await {
                    let timeout = request.headers().get("grpc-timeout");
                    let timeout = timeout.map(|it| it.to_str().unwrap().to_owned());
                    timeouts.lock().unwrap().push(timeout);
                    let deed = (asked.fetch_add(1, Ordering::Relaxed) == 0).then_some(first);
                    tokio::spawn(answer(request, respond, deed));
                }
            });
        }
    });
    target
}

async fn answer(
    mut request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    deed: Option<Deed>,
) {
    match deed {
        Some(Deed::Refuse) => respond.send_reset(Reason::REFUSED_STREAM),
        Some(Deed::Grpc(code)) => {
            while request.body_mut().data().await.is_some() {}
            let head = Response::builder().header("grpc-status", code);
            let _ = respond.send_response(head.body(()).unwrap(), true);
        }
        None => {
            let mut body = Vec::new();
            while let Some(Ok(data)) = request.body_mut().data().await {
                body.extend_from_slice(&data);
            }
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(body.into(), true).unwrap();
        }
    }
}

async fn gateway_to(target: &Target, mut service: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    service["protocol"] = json!("http2");
    gateway.apply(&resources(&[target.address], service));
    gateway
}

const CALL: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/grpc\r\n\
    TE: trailers\r\nGrpc-Timeout: 2S\r\nContent-Length: 4\r\n\r\ncall";

#[tokio::test]
async fn by_default_a_refused_stream_is_sent_again_with_its_body() {
    let target = target(Deed::Refuse).await;
    let gateway = gateway_to(&target, json!({})).await;
    let answer = gateway.raw(CALL).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("call"), "{answer}");
    assert_eq!(target.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_call_is_sent_again_at_the_statuses_that_are_listed() {
    for (code, attempts) in [(14, 2), (13, 1)] {
        let target = target(Deed::Grpc(code)).await;
        let policy = json!({"retry": {"on": ["grpc_unavailable"]}});
        let gateway = gateway_to(&target, policy).await;
        let answer = gateway.raw(CALL).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(answer.contains("call"), attempts == 2, "{code}: {answer}");
        assert_eq!(target.asked.load(Ordering::Relaxed), attempts, "{code}");
    }
}

#[tokio::test]
async fn a_target_is_told_what_is_left_of_the_time_of_a_call() {
    let target = target(Deed::Grpc(14)).await;
    let policy = json!({"deadline": {}, "retry": {"on": ["grpc_unavailable"]}});
    let gateway = gateway_to(&target, policy).await;
    assert_eq!(status(&gateway.raw(CALL).await), 200);
    let told = target.timeouts.lock().unwrap().clone();
    let left = |text: &Option<String>| -> u32 {
        let text = text.as_deref().and_then(|it| it.strip_suffix('m'));
        text.unwrap().parse().unwrap()
    };
    assert_eq!(told.len(), 2);
    assert!(left(&told[0]) <= 2000, "{told:?}");
    assert!(left(&told[1]) <= left(&told[0]), "{told:?}");
}
