//! What makes a request cheap: few calls, few allocations.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{
    super::pace::Pace,
    peer::{Peer, answer, echo, limits},
    target::{Target, get},
};
use crate::body::Body;

/// Counts calls.
struct Counting {
    io: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[tokio::test]
async fn head_and_body_of_an_answer_go_out_in_one_write() {
    let writes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&writes);
    let mut peer = Peer::through(
        limits(),
        |incoming| {
            if incoming.request.uri().path() == "/echo" {
                return echo(incoming);
            }
            let frames = ["one", "two"];
            let frames = frames.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
            let body = Body::Stream(Box::pin(StreamBody::new(tokio_stream::iter(frames))));
            Box::pin(async { answer(Response::new(body)) })
        },
        |io| Counting { io, writes: count },
    );
    peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    peer.until("\r\n\r\nhello").await;
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    peer.until("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(writes.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_chunked_answer_that_comes_whole_is_whole_and_one_in_pieces_is_not_lost() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, body, whole) in [
        ("2\r\nok\r\n0\r\n\r\n", "ok", true),
        ("0\r\n\r\n", "", true),
        ("2\r\nok\r\n3\r\nay!\r\n0\r\n\r\n", "okay!", false),
        ("2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", "ok", false),
    ] {
        let wire = format!("{head}{chunks}").into_bytes();
        let target = Target::answering(vec![wire]).await;
        for _ in 0..2 {
            let received = target.pool.send(&target.origin, &mut get()).await.unwrap();
            let streamed = matches!(received.response.body(), Body::Stream(_));
            assert_eq!(streamed, !whole, "{chunks}");
            let read = received.response.into_body().collect().await.unwrap();
            assert_eq!(read.to_bytes(), body, "{chunks}");
        }
        assert_eq!(target.accepted(), 1, "{chunks}");
    }
}

fn fill(pace: &mut Pace, mut wire: &[u8], input: &mut BytesMut) {
    let mut context = Context::from_waker(Waker::noop());
    let read = pace.poll_fill((&mut wire, input), &mut context);
    assert!(read.is_ready());
}

#[test]
fn the_buffer_is_used_up_behind_a_head_that_lives_and_used_again_after_it() {
    let (mut pace, mut input) = (Pace::new(), BytesMut::new());
    fill(&mut pace, &[b'x'; 500], &mut input);
    let start = input.as_ptr();
    let head = input.split().freeze();
    let left = input.capacity();
    fill(&mut pace, &[b'y'; 10], &mut input);
    assert_eq!(input.as_ptr(), head.as_ptr().wrapping_add(500));
    assert_eq!(input.capacity(), left, "nothing was allocated");
    drop(head);
    input.clear();
    for _ in 0..100 {
        fill(&mut pace, &[b'z'; 500], &mut input);
        drop(input.split());
    }
    fill(&mut pace, b"z", &mut input);
    let moved = input.as_ptr().addr().wrapping_sub(start.addr());
    assert!(moved < 8192, "the same buffer, over and over");
}

#[test]
fn a_buffer_grows_with_large_bodies_and_is_given_back_after_them() {
    let (mut pace, mut input) = (Pace::new(), BytesMut::new());
    let wire = vec![b'x'; 1024 * 1024];
    for _ in 0..8 {
        fill(&mut pace, &wire, &mut input);
        input.clear();
    }
    assert!(input.capacity() >= 256 * 1024);
    pace.rest(&mut input);
    assert_eq!(input.capacity(), 0);
    pace.expect(10 * 1024 * 1024);
    fill(&mut pace, &wire, &mut input);
    assert!(input.len() >= 256 * 1024, "known to be large, it begins so");
}
