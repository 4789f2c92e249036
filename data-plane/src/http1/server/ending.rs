//! What becomes of a connection after an answer: whether another request can follow, and how it is closed.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{super::decoder::Decoded, Server, lock};
use crate::{body::Body, exchange::Exchange};

/// What of an unread body is read away so that the connection can be kept, and how long it may take.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;
/// What is read away after the answer, so that the client gets to read it before it is reset.
const MAX_LINGER_BYTES: usize = 16 * 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

impl<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static, E: Exchange> Server<Io, E> {
    /// Whether the request's body can be expected to be read by the time the answer is written. If not, the
    /// client is told that the connection closes.
    pub(super) fn will_end(&self, answer: &Body) -> bool {
        if !self.has_body {
            return true;
        }
        let state = lock(&self.state);
        if state.decoder.is_end() {
            return true;
        }
        // Of a streamed answer the body may still be part, so it will be read with it.
        let streamed = matches!(answer, Body::Stream(_));
        let left = state.decoder.size_hint();
        let short = left.is_some_and(|left| left <= MAX_DISCARDED_BYTES as u64);
        !state.broken && !state.expects && (streamed || short)
    }

    /// Reads away what is left of the request's body. Whether the next request begins then.
    pub(super) async fn discard(&mut self) -> bool {
        if !self.has_body || lock(&self.state).decoder.is_end() {
            return true;
        }
        let hopeless = {
            let state = lock(&self.state);
            // A client that was never told to send it may or may not do so.
            state.broken || state.expects
        };
        if hopeless {
            return false;
        }
        let state = &self.state;
        let mut discarded = 0;
        let emptied = poll_fn(|context| {
            let state = &mut *lock(state);
            loop {
                match state.decoder.decode(&mut state.input) {
                    Ok(Decoded::Data(data)) => discarded += data.len(),
                    Ok(Decoded::Trailers(_) | Decoded::End) => return Poll::Ready(true),
                    Ok(Decoded::More) => match state.poll_fill(context) {
                        Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                        Poll::Ready(Ok(_)) => {}
                        Poll::Pending => return Poll::Pending,
                    },
                    Err(_) => return Poll::Ready(false),
                }
                if discarded > MAX_DISCARDED_BYTES {
                    return Poll::Ready(false);
                }
            }
        });
        timeout(DISCARD_TIMEOUT, emptied).await.unwrap_or(false)
    }

    /// Ends the sending side.
    pub(super) async fn shutdown(&self) {
        let state = &self.state;
        let closed = poll_fn(|context| Pin::new(&mut lock(state).io).poll_shutdown(context));
        let _ = timeout(DISCARD_TIMEOUT, closed).await;
    }

    /// Closes so that the client still gets the answer: what it goes on sending is read away, within
    /// bounds (RFC 9112, 9.6).
    pub(super) async fn linger(&self) {
        self.shutdown().await;
        let state = &self.state;
        let mut read = 0;
        let emptied = poll_fn(|context| {
            let state = &mut *lock(state);
            loop {
                state.input.clear();
                match state.poll_fill(context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(more)) => read += more,
                    Poll::Pending => return Poll::Pending,
                }
                if read > MAX_LINGER_BYTES {
                    return Poll::Ready(());
                }
            }
        });
        let _ = timeout(LINGER_TIMEOUT, emptied).await;
    }
}
