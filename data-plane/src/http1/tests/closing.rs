use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};

use super::peer::{Peer, answer, limits};
use crate::{
    body::{Body, BodyError},
    exchange::Interim,
    proxy::Limits,
};

const CLOSES: &str = "\r\nconnection: close\r\n";

/// Says that it is three bytes long, and is longer.
struct Longer(Body);

impl http_body::Body for Longer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(3)
    }
}

#[tokio::test]
async fn more_than_the_announced_length_never_goes_out() {
    let mut peer = Peer::of(limits(), |_| {
        let frames = ["abc", "HTTP/1.1 200 smuggled"];
        let frames = frames.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        let whole = Body::Stream(Box::pin(StreamBody::new(tokio_stream::iter(frames))));
        let body = Body::Stream(Box::pin(Longer(whole)));
        Box::pin(async { answer(Response::new(body)) })
    });
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let seen = peer.rest().await;
    assert!(!seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn a_client_that_sends_a_long_body_in_vain_is_told_so_and_may_finish() {
    let mut peer = Peer::of(limits(), |_| {
        let mut response = Response::new(Body::Full(Bytes::from_static(b"too large")));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        Box::pin(async { answer(response) })
    });
    let bytes = 4 * 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
    peer.send(head.as_bytes()).await;
    peer.send(&vec![b'x'; bytes]).await;
    let seen = peer.rest().await;
    assert!(seen.starts_with("HTTP/1.1 413 "), "{seen}");
    assert!(
        seen.contains(CLOSES) && seen.ends_with("too large"),
        "{seen}"
    );
}

#[tokio::test]
async fn an_answer_to_a_broken_body_says_that_the_connection_closes() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            let read = incoming.request.into_body().collect().await;
            assert!(matches!(read, Err(BodyError::Malformed(_))), "{read:?}");
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        .await;
    let seen = peer.rest().await;
    assert!(seen.contains(CLOSES), "{seen}");
}

#[tokio::test]
async fn a_client_that_was_not_told_to_send_its_body_is_told_that_the_connection_closes() {
    let mut peer = Peer::of(limits(), |_| {
        Box::pin(async { answer(Response::new(Body::Empty)) })
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    peer.send(head.as_bytes()).await;
    let seen = peer.until("\r\n\r\n").await;
    assert!(
        seen.starts_with("HTTP/1.1 200 ") && seen.contains(CLOSES),
        "{seen}"
    );
}

#[tokio::test]
async fn a_switch_of_protocols_with_a_body_in_between_is_not_offered() {
    for (length, offered) in [(0, true), (2, false)] {
        let mut peer = Peer::of(limits(), move |incoming| {
            assert_eq!(incoming.upgrade.is_some(), offered);
            Box::pin(async { answer(Response::new(Body::Empty)) })
        });
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: {length}\r\n\r\n"
        );
        peer.send(head.as_bytes()).await;
        peer.send(&b"hi"[..length]).await;
        peer.until("\r\n\r\n").await;
    }
}

#[tokio::test]
async fn an_answer_to_a_body_that_came_too_late_says_that_the_connection_closes() {
    let bounds = Limits {
        body_timeout: Duration::from_millis(30),
        ..limits()
    };
    let mut peer = Peer::of(bounds, |incoming| {
        Box::pin(async move {
            let read = incoming.request.into_body().collect().await;
            assert!(matches!(read, Err(BodyError::Timeout)), "{read:?}");
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi")
        .await;
    let seen = peer.until("\r\n\r\n").await;
    assert!(seen.contains(CLOSES), "{seen}");
    // What comes after all is not read as a request.
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(peer.io);
    peer.task.await.unwrap();
}

#[tokio::test]
async fn an_interim_answer_that_comes_after_the_answer_is_not_given_to_the_next_request() {
    let kept = Arc::new(Mutex::new(None));
    let keeps = Arc::clone(&kept);
    let mut peer = Peer::of(limits(), move |incoming| {
        keeps.lock().unwrap().replace(incoming.interim);
        Box::pin(async { answer(Response::new(Body::Empty)) })
    });
    for _ in 0..2 {
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let seen = peer.until("\r\n\r\n").await;
        assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
        let late: Interim = kept.lock().unwrap().take().unwrap();
        late.send(StatusCode::EARLY_HINTS, HeaderMap::new());
    }
}
