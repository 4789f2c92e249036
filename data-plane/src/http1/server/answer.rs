//! Writing an answer.

use std::{
    future::poll_fn,
    io,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, Version, header};
use http_body::{Body as _, Frame};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    super::{
        deadline::Deadline,
        decoder::Decoded,
        encode::{self, Framing, Persistence},
    },
    Asked, Server, lock, tunnel, watch,
};
use crate::{
    body::{Body, BodyError},
    exchange::{Answer, Exchange},
};

/// What of an unread body is read away so that the connection can be kept, and how long it may take.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;
/// What is read away after the answer, so that the client gets to read it before it is reset.
const MAX_LINGER_BYTES: usize = 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

type Polled = Option<Result<Frame<Bytes>, BodyError>>;

impl<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static, E: Exchange> Server<Io, E> {
    /// Writes an answer. Breaks where the connection is not kept.
    pub(super) async fn write(&mut self, answer: Answer, asked: Asked) -> ControlFlow<()> {
        let Answer {
            response,
            tunnel,
            close,
            record,
        } = answer;
        if let Some(upstream) = tunnel {
            let (parts, _) = response.into_parts();
            return self.switch(&parts, upstream, record).await;
        }
        let framing = framing(&response, asked);
        let keep = asked.keep && !close && framing != Framing::Close && !self.drain.is_cancelled();
        let persistence = match (keep, asked.version) {
            (false, _) => Persistence::Close,
            (true, Version::HTTP_11) => Persistence::Default,
            (true, _) => Persistence::KeepAlive,
        };
        let (parts, mut body) = response.into_parts();
        let head = self.outbox.front();
        encode::response(head, parts.status, &parts.headers, framing, persistence);
        let silent = matches!(framing, Framing::None | Framing::Described(_));
        let written = if silent {
            self.flush()
                .await
                .map(|()| 0)
                .map_err(|error| (0, error.into()))
        } else {
            self.body(&mut body, framing).await
        };
        drop(body);
        match written {
            Ok(bytes) => record.sent(bytes),
            Err((bytes, error)) => {
                record.failed(bytes, &error);
                return ControlFlow::Break(());
            }
        }
        if keep && self.discard().await {
            return ControlFlow::Continue(());
        }
        if lock(&self.state).decoder.is_end() {
            self.shutdown().await;
        } else {
            self.linger().await;
        }
        ControlFlow::Break(())
    }

    /// Streams a body. Returns how many bytes of it were written.
    async fn body(&mut self, body: &mut Body, framing: Framing) -> Result<u64, (u64, BodyError)> {
        let mut bytes = 0;
        let mut trailers = None;
        loop {
            let frame = match now(body).await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.flush().await.map_err(|error| (bytes, error.into()))?;
                    self.frame(body).await
                }
            };
            match frame {
                None => break,
                Some(Err(error)) => return Err((bytes, error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        bytes += data.len() as u64;
                        self.push(data, framing);
                    }
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
            }
            if !self.outbox.has_room() {
                self.flush().await.map_err(|error| (bytes, error.into()))?;
            }
        }
        if framing == Framing::Chunked {
            encode::last_chunk(self.outbox.front(), trailers.as_ref());
        }
        self.flush().await.map_err(|error| (bytes, error.into()))?;
        match framing {
            Framing::Length(length) if length != bytes => Err((bytes, BodyError::Closed)),
            _ => Ok(bytes),
        }
    }

    fn push(&mut self, data: Bytes, framing: Framing) {
        if framing == Framing::Chunked {
            encode::chunk_head(self.outbox.front(), data.len());
            self.outbox.push(data, b"\r\n");
        } else {
            self.outbox.push(data, b"");
        }
    }

    /// The next frame, unless the client goes away first.
    async fn frame(&mut self, body: &mut Body) -> Polled {
        let (state, most) = (&self.state, self.exchange.limits().head_bytes);
        poll_fn(|context| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
                return Poll::Ready(frame);
            }
            let mut state = lock(state);
            if !state.decoder.is_end() {
                return Poll::Pending;
            }
            watch::<_, ()>(&mut state, most, context).map(|_| Some(Err(BodyError::Closed)))
        })
        .await
    }

    /// Sends what waits to be sent. A client that takes nothing in time is given up.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let (state, outbox) = (&self.state, &mut self.outbox);
        let (patience, mut deadline) = (self.exchange.limits().body_timeout, Deadline::default());
        let mut left = outbox.len();
        poll_fn(|context| {
            let polled = outbox.poll_send(&mut lock(state).io, context);
            if polled.is_pending() {
                if outbox.len() < left {
                    left = outbox.len();
                    deadline.stop();
                }
                let late = deadline.poll(patience, context);
                return late.map(|()| Err(io::ErrorKind::TimedOut.into()));
            }
            polled
        })
        .await
    }

    /// Reads away what is left of the request's body. Whether the next request begins then.
    async fn discard(&mut self) -> bool {
        if lock(&self.state).decoder.is_end() {
            return true;
        }
        if lock(&self.state).expects {
            // The client was never told to send it: whether it does is anybody's guess.
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
    pub(super) async fn linger(&mut self) {
        self.shutdown().await;
        let state = &self.state;
        let emptied = poll_fn(|context| {
            let state = &mut *lock(state);
            let mut read = 0;
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
        let _ = timeout(DISCARD_TIMEOUT, emptied).await;
    }

    /// Lets bytes flow both ways from now on.
    async fn switch(
        &mut self,
        response: &http::response::Parts,
        upstream: Box<dyn crate::exchange::Tunnel>,
        record: crate::telemetry::Record,
    ) -> ControlFlow<()> {
        let head = self.outbox.front();
        let (status, headers) = (response.status, &response.headers);
        encode::response(head, status, headers, Framing::None, Persistence::Default);
        if let Err(error) = self.flush().await {
            record.failed(0, &error.into());
            return ControlFlow::Break(());
        }
        let patience = self.exchange.limits().idle_timeout;
        let bytes = tunnel::run(&self.state, upstream, patience, &self.drain).await;
        record.sent(bytes);
        ControlFlow::Break(())
    }
}

/// Polls a body once.
async fn now(body: &mut Body) -> Poll<Polled> {
    poll_fn(|context: &mut Context<'_>| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await
}

fn framing(response: &Response<Body>, asked: Asked) -> Framing {
    let status = response.status();
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return Framing::None;
    }
    let exact = response.body().size_hint().exact();
    if asked.head || status == StatusCode::NOT_MODIFIED {
        let described = response.headers().get(header::CONTENT_LENGTH);
        let described = described.and_then(|length| length.to_str().ok()?.parse().ok());
        return Framing::Described(described);
    }
    match (exact, asked.version) {
        (Some(length), _) => Framing::Length(length),
        (None, Version::HTTP_11) => Framing::Chunked,
        (None, _) => Framing::Close,
    }
}
