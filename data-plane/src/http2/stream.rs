//! A stream that carries another protocol (RFC 8441): bytes in DATA frames, both ways.

use std::{
    fmt,
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream as a pair of byte streams, with what must live as long as it.
pub(super) struct Stream<G> {
    sender: SendStream<Bytes>,
    receiver: RecvStream,
    unread: Bytes,
    _guard: G,
}

impl<G> Stream<G> {
    pub(super) const fn new(sender: SendStream<Bytes>, receiver: RecvStream, guard: G) -> Self {
        Self {
            sender,
            receiver,
            unread: Bytes::new(),
            _guard: guard,
        }
    }
}

impl<G> fmt::Debug for Stream<G> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Stream({:?})", self.sender.stream_id())
    }
}

impl<G: Unpin> AsyncRead for Stream<G> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receiver.poll_data(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(data)) => self.unread = data,
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
            }
        }
        let len = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        // The peer may send as much again.
        let released = self.receiver.flow_control().release_capacity(len);
        Poll::Ready(released.map_err(failed))
    }
}

impl<G: Unpin> AsyncWrite for Stream<G> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.sender.reserve_capacity(bytes.len());
        let mut room = self.sender.capacity();
        if room == 0 {
            room = match ready!(self.sender.poll_capacity(context)) {
                Some(room) => room.map_err(failed)?,
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            };
        }
        let len = room.min(bytes.len());
        let data = Bytes::copy_from_slice(&bytes[..len]);
        let sent = self.sender.send_data(data, false);
        Poll::Ready(sent.map(|()| len).map_err(failed))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What has been handed over is sent by the connection's own task.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.sender.send_data(Bytes::new(), true);
        Poll::Ready(ended.map_err(failed))
    }
}

fn failed(error: h2::Error) -> io::Error {
    match error.reason() {
        Some(Reason::NO_ERROR | Reason::CANCEL) => ErrorKind::ConnectionReset.into(),
        _ => error
            .into_io()
            .unwrap_or_else(|| ErrorKind::ConnectionAborted.into()),
    }
}
