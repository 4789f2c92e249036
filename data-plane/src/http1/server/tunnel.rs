//! The client's side of a connection that has switched protocols: a plain stream of bytes, what had been
//! read ahead first.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Buf as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::{State, lock};

/// The connection, without its framing.
pub(super) struct Client<Io>(pub(super) Arc<Mutex<State<Io>>>);

impl<Io: AsyncRead + Unpin> AsyncRead for Client<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &mut *lock(&self.0);
        if state.input.is_empty() {
            return Pin::new(&mut state.io).poll_read(context, buffer);
        }
        let len = state.input.len().min(buffer.remaining());
        buffer.put_slice(&state.input[..len]);
        state.input.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Client<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut lock(&self.0).io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_shutdown(context)
    }
}
