//! Services that speak gRPC.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;
use tokio::net::TcpListener;

use super::{is_healthy, pool};
use crate::gateway::{Gateway, eventually};

/// A health service whose status can be set; it knows the service `orders` only.
async fn grpc(status: Arc<AtomicI32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let status = Arc::clone(&status);
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((mut request, mut respond))) = frames.accept().await {
                    let mut question = Vec::new();
                    while let Some(data) = request.body_mut().data().await {
                        question.extend_from_slice(&data.unwrap());
                    }
                    let known = request.uri().path() == "/grpc.health.v1.Health/Check"
                        && question == b"\0\0\0\0\x08\x0a\x06orders";
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    if known {
                        let status = u8::try_from(status.load(Ordering::Relaxed)).unwrap();
                        let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
                        stream.send_data(message, false).unwrap();
                        trailers.insert("grpc-status", HeaderValue::from_static("0"));
                    } else {
                        trailers.insert("grpc-status", HeaderValue::from_static("5"));
                    }
                    stream.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_grpc_service_says_whether_it_is_serving() {
    let serving = Arc::new(AtomicI32::new(1));
    let address = grpc(Arc::clone(&serving)).await;
    let mut gateway = Gateway::start().await;
    let check = |service: &str| {
        let grpc = json!({"service": service});
        let check = json!({"grpc": grpc, "interval_ms": 100, "no_traffic_interval_ms": 100});
        pool(&check, &[("a", address)])
    };
    gateway.apply(&check("orders"));
    eventually("it is serving", async || is_healthy(&gateway, "a").await).await;
    serving.store(2, Ordering::Relaxed);
    let reason = async |reason: &str| gateway.targets().await["a"]["reason"] == reason;
    eventually("it is not", async || reason("NOT_SERVING").await).await;
    serving.store(1, Ordering::Relaxed);
    eventually("it is serving", async || is_healthy(&gateway, "a").await).await;
    gateway.apply(&check("others"));
    let told = async || gateway.targets().await["a"]["reason"] == "gRPC status 5";
    eventually("nobody knows it", told).await;
}
