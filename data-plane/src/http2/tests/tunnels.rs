//! Extended CONNECT on the client side.

use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::timeout,
};

use super::peer::{Answered, PATIENCE, Peer, answer, drained, limits};
use crate::{
    body::Body,
    exchange::{Answer, Incoming},
    proxy::Limits,
};

/// Switches to a protocol that answers every message with itself in capitals.
fn shout(incoming: Incoming) -> Answered {
    Box::pin(async move {
        assert_eq!(incoming.upgrade.as_deref(), Some("websocket"));
        assert_eq!(incoming.request.method(), Method::GET);
        let (near, mut far) = duplex(1024);
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            while let Ok(len @ 1..) = far.read(&mut buffer).await {
                let loud = buffer[..len].to_ascii_uppercase();
                far.write_all(&loud).await.unwrap();
            }
        });
        Answer {
            tunnel: Some(Box::new(near)),
            ..answer(Response::new(Body::Empty))
        }
    })
}

async fn connect(peer: &mut Peer) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let allowed = async {
        while !peer.requests.is_extended_connect_protocol_enabled() {
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
    peer.requests.send_request(request, false).unwrap()
}

#[tokio::test]
async fn bytes_flow_both_ways_until_both_ends_close() {
    let mut peer = Peer::of(limits(), shout).await;
    let (response, mut stream) = connect(&mut peer).await;
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    stream.send_data("hello ".into(), false).unwrap();
    let heard = timeout(PATIENCE, response.body_mut().data()).await.unwrap();
    assert_eq!(heard.unwrap().unwrap(), "HELLO ");
    stream.send_data("there".into(), true).unwrap();
    let rest = timeout(PATIENCE, drained(response.body_mut()))
        .await
        .unwrap();
    assert_eq!(rest.unwrap().0, "THERE");
}

#[tokio::test]
async fn a_tunnel_goes_on_while_a_node_drains() {
    let mut peer = Peer::of(limits(), shout).await;
    let (response, mut stream) = connect(&mut peer).await;
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    peer.drain.cancel();
    stream.send_data("still".into(), true).unwrap();
    let rest = timeout(PATIENCE, drained(response.body_mut()))
        .await
        .unwrap();
    assert_eq!(rest.unwrap().0, "STILL");
    timeout(PATIENCE, peer.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_tunnel_ends_when_the_time_for_draining_is_over() {
    let bounds = Limits {
        tunnel_grace: Duration::ZERO,
        ..limits()
    };
    let mut peer = Peer::of(bounds, shout).await;
    let (response, _stream) = connect(&mut peer).await;
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    peer.drain.cancel();
    let ended = timeout(PATIENCE, response.body_mut().data()).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    timeout(PATIENCE, peer.server).await.unwrap().unwrap();
}
