//! Writing an answer.

use std::{
    future::poll_fn,
    io,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    super::{
        deadline::Deadline,
        encode::{self, Framing, Persistence},
        spare,
    },
    Asked, Server, lock,
    tunnel::Client,
    watch,
};
use crate::{
    body::{Body, BodyError},
    exchange::{Answer, Exchange},
    tunnel::{self, Bounds},
};

type Polled = Option<Result<Frame<Bytes>, BodyError>>;

impl<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static, E: Exchange> Server<Io, E> {
    /// Writes an answer. Breaks where the connection is not kept.
    pub(super) async fn write(&mut self, answer: Answer, asked: Asked) -> ControlFlow<()> {
        let Answer {
            mut response,
            request_id,
            tunnel,
            close,
            record,
        } = answer;
        if let Some(upstream) = tunnel {
            let (parts, _) = response.into_parts();
            return self.switch((&parts, request_id), upstream, record).await;
        }
        let framing = framing(&response, asked);
        let keep = asked.keep
            && !close
            && framing != Framing::Close
            && !self.drain.is_cancelled()
            && self.will_end(response.body());
        let persistence = match (keep, asked.version) {
            (false, _) => Persistence::Close,
            (true, Version::HTTP_11) => Persistence::Default,
            (true, _) => Persistence::KeepAlive,
        };
        let head = self.outbox.front();
        let said = (response.status(), response.headers());
        encode::response(head, said, request_id.as_ref(), (framing, persistence));
        let silent = matches!(framing, Framing::None | Framing::Described(_));
        let written = if silent {
            self.flush()
                .await
                .map(|()| 0)
                .map_err(|error| (0, error.into()))
        } else {
            self.body(response.body_mut(), framing).await
        };
        spare::keep(std::mem::take(response.headers_mut()));
        drop(response);
        match written {
            Ok(bytes) => self.answered = record.sent(bytes),
            Err((bytes, error)) => {
                record.failed(bytes, &error);
                return ControlFlow::Break(());
            }
        }
        if keep && self.discard().await {
            return ControlFlow::Continue(());
        }
        let unread = {
            let state = lock(&self.state);
            !state.decoder.is_end() || !state.input.is_empty()
        };
        if asked.refused || unread {
            self.linger().await;
        } else {
            self.shutdown().await;
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
                Some(Err(error)) => {
                    // What came before it is the client's all the same.
                    let _ = self.flush().await;
                    return Err((bytes, error));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        let all = bytes + data.len() as u64;
                        // What is over the announced length would be read as the next response.
                        if matches!(framing, Framing::Length(length) if all > length) {
                            return Err((bytes, BodyError::Malformed("more bytes than announced")));
                        }
                        bytes = all;
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
        let (state, limits) = (&self.state, self.exchange.limits());
        poll_fn(|context| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
                return Poll::Ready(frame);
            }
            let mut state = lock(state);
            if !state.decoder.is_end() {
                return Poll::Pending;
            }
            watch::<_, ()>(&mut state, limits, context).map(|_| Some(Err(BodyError::Closed)))
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

    /// Lets bytes flow both ways from now on.
    async fn switch(
        &mut self,
        (response, request_id): (&http::response::Parts, Option<HeaderValue>),
        upstream: Box<dyn crate::exchange::Tunnel>,
        record: crate::telemetry::Record,
    ) -> ControlFlow<()> {
        let head = self.outbox.front();
        let ends = (Framing::None, Persistence::Default);
        let said = (response.status, &response.headers);
        encode::response(head, said, request_id.as_ref(), ends);
        if let Err(error) = self.flush().await {
            record.failed(0, &error.into());
            return ControlFlow::Break(());
        }
        let limits = self.exchange.limits();
        let bounds = Bounds {
            idle: limits.idle_timeout,
            grace: limits.tunnel_grace,
            drain: &self.drain,
        };
        let client = Client(Arc::clone(&self.state));
        let bytes = tunnel::run(client, upstream, bounds).await;
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
