use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use super::peer::{Peer, answer, echo, limits};
use crate::{
    body::{Body, BodyError},
    exchange::Answer,
    proxy::{HalfClose, Limits},
};

const SOON: Duration = Duration::from_millis(30);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Tells when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_408_and_silence_is_closed_without_a_word() {
    let bounds = Limits {
        head_timeout: SOON,
        ..limits()
    };
    let mut peer = Peer::of(bounds, echo);
    peer.send(b"GET / HTTP/1.1\r\n").await;
    assert!(peer.rest().await.starts_with("HTTP/1.1 408 "));
    let bounds = Limits {
        idle_timeout: SOON,
        ..limits()
    };
    let mut peer = Peer::of(bounds, echo);
    peer.send(GET).await;
    peer.until("\r\n\r\n").await;
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_fails_in_time_and_the_connection_ends() {
    let bounds = Limits {
        body_timeout: SOON,
        ..limits()
    };
    let mut peer = Peer::of(bounds, |incoming| {
        Box::pin(async move {
            let read = incoming.request.into_body().collect().await;
            assert!(matches!(read, Err(BodyError::Timeout)), "{read:?}");
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            Answer {
                close: true,
                ..answer(response)
            }
        })
    });
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi")
        .await;
    assert!(peer.rest().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn the_time_for_a_body_does_not_run_on_into_the_idle_time_after_it() {
    let bounds = Limits {
        body_timeout: SOON,
        ..limits()
    };
    let mut peer = Peer::of(bounds, |incoming| {
        Box::pin(async move {
            let mut body = incoming.request.into_body();
            if let Body::Stream(stream) = &mut body {
                // Asked for once, so that its time begins to run, and then left.
                let now = tokio::time::timeout(Duration::ZERO, stream.frame()).await;
                assert!(now.is_err());
            }
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        .await;
    peer.until("\r\n\r\n").await;
    peer.send(b"hi").await;
    let outlived = tokio::time::timeout(SOON * 4, peer.rest()).await;
    assert!(outlived.is_err(), "{outlived:?}");
    peer.send(GET).await;
    peer.until("\r\n\r\n").await;
}

#[tokio::test]
async fn an_exchange_ends_when_its_client_goes_away_before_or_after_its_body() {
    for request in [
        GET,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (served, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begun, ended) = (Arc::clone(&served), Arc::clone(&dropped));
        let mut peer = Peer::of(limits(), move |incoming| {
            let (begun, guard) = (Arc::clone(&begun), Dropped(Arc::clone(&ended)));
            Box::pin(async move {
                let _ = incoming.request.into_body().collect().await;
                begun.notify_one();
                std::future::pending::<()>().await;
                drop(guard);
                answer(Response::new(Body::Empty))
            })
        });
        peer.send(request).await;
        served.notified().await;
        drop(peer.io);
        tokio::time::timeout(Duration::from_secs(10), dropped.notified())
            .await
            .unwrap();
        peer.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_only_ends_its_side_gets_its_answer_where_that_is_wanted() {
    let bounds = Limits {
        half_close: HalfClose::Answer,
        ..limits()
    };
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waits, begins) = (Arc::clone(&go_on), Arc::clone(&begun));
    let mut peer = Peer::of(bounds, move |_| {
        let (waits, begins) = (Arc::clone(&waits), Arc::clone(&begins));
        Box::pin(async move {
            begins.notify_one();
            waits.notified().await;
            answer(Response::new(Body::Full(Bytes::from_static(b"late"))))
        })
    });
    peer.send(GET).await;
    peer.io.shutdown().await.unwrap();
    begun.notified().await;
    // The server sees the end now, at the latest.
    tokio::task::yield_now().await;
    go_on.notify_one();
    let late = peer.rest().await;
    assert!(late.ends_with("\r\n\r\nlate"), "{late}");
    peer.gone().await;
}

#[tokio::test]
async fn a_client_that_sends_just_when_a_node_drains_is_answered_and_told_to_leave() {
    let mut peer = Peer::of(limits(), echo);
    peer.send(GET).await;
    peer.until("\r\n\r\n").await;
    peer.drain.cancel();
    // The server notices, since there is nothing else to run.
    tokio::task::yield_now().await;
    peer.send(GET).await;
    let last = peer.rest().await;
    assert!(last.starts_with("HTTP/1.1 200 "), "{last}");
    assert!(last.contains("\r\nconnection: close\r\n"), "{last}");
}

#[tokio::test]
async fn a_draining_server_closes_idle_connections_and_says_so_on_busy_ones() {
    let mut idle = Peer::of(limits(), echo);
    idle.send(GET).await;
    idle.until("\r\n\r\n").await;
    idle.drain.cancel();
    assert_eq!(idle.rest().await, "");
    let go_on = Arc::new(Notify::new());
    let (begun, waits) = (Arc::new(Notify::new()), Arc::clone(&go_on));
    let begins = Arc::clone(&begun);
    let mut busy = Peer::of(limits(), move |_| {
        let (waits, begins) = (Arc::clone(&waits), Arc::clone(&begins));
        Box::pin(async move {
            begins.notify_one();
            waits.notified().await;
            answer(Response::new(Body::Empty))
        })
    });
    busy.send(GET).await;
    begun.notified().await;
    busy.drain.cancel();
    go_on.notify_one();
    let last = busy.rest().await;
    assert!(last.contains("\r\nconnection: close\r\n"), "{last}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let bounds = Limits {
        body_timeout: SOON,
        ..limits()
    };
    let mut peer = Peer::of(bounds, |_| {
        let whole = Bytes::from(vec![b'x'; 1024 * 1024]);
        Box::pin(async { answer(Response::new(Body::Full(whole))) })
    });
    peer.send(GET).await;
    tokio::time::timeout(Duration::from_secs(10), peer.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_unread_body_is_read_away_up_to_a_bound_and_the_answer_arrives_either_way() {
    for (bytes, kept) in [(60_000, true), (100_000, false)] {
        let mut peer = Peer::of(limits(), |_| {
            Box::pin(async { answer(Response::new(Body::Full(Bytes::from_static(b"early")))) })
        });
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
        peer.send(head.as_bytes()).await;
        peer.until("\r\n\r\nearly").await;
        peer.send(&vec![b'x'; bytes]).await;
        if kept {
            peer.send(GET).await;
            peer.until("\r\n\r\nearly").await;
        } else {
            assert_eq!(peer.rest().await, "");
        }
    }
}

#[tokio::test]
async fn nothing_behind_a_broken_body_is_taken_for_a_request() {
    let count = Arc::new(AtomicU8::new(0));
    let seen = Arc::clone(&count);
    let mut peer = Peer::of(limits(), move |incoming| {
        seen.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let _ = incoming.request.into_body().collect().await;
            // Not asked to close: the codec knows by itself.
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n5gxxx\r\n0\r\n\r\n\
          GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    .await;
    assert_eq!(peer.rest().await.matches("HTTP/1.1 ").count(), 1);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_the_connection_and_not_the_body() {
    let mut peer = Peer::of(limits(), |_| {
        let frames = [
            Ok(http_body::Frame::data(Bytes::from_static(b"abc"))),
            Err(BodyError::Closed),
        ];
        let body = Body::Stream(Box::pin(StreamBody::new(tokio_stream::iter(frames))));
        Box::pin(async { answer(Response::new(body)) })
    });
    peer.send(GET).await;
    let broken = peer.rest().await;
    assert!(!broken.ends_with("0\r\n\r\n"), "{broken}");
}
