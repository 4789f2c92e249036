//! The client side of the gateway: a connection whose streams send requests.
//!
//! One task a connection runs all its streams: every answer that is ready in one turn of the loop leaves
//! with one write.

mod answer;
mod body;
mod head;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream as _, stream::FuturesUnordered};
use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use http::{Method, Request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::patient::Patient;
use crate::{
    exchange::{Answer, Connection, Exchange, Incoming, InterimQueue},
    http1::deadline::Deadline,
    proxy::Limits,
};

/// What a client may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What of an answer may wait in the connection, a stream.
const MAX_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Streams a client may reset before half of all being reset ends the connection (CVE-2023-44487).
const MAX_RESETS: u64 = 1000;
/// Time for a client to close after it was told that no more streams are taken.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It was answered, or broke on our side.
    Answered,
    /// The client reset it.
    Reset,
}

/// Serves a connection until it ends. After `drain` is cancelled it sends GOAWAY and closes when
/// its streams are over.
pub async fn serve<Io, E>(
    io: Io,
    connection: Arc<Connection>,
    exchange: Arc<E>,
    drain: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    E: Exchange,
{
    let limits = exchange.limits();
    let io = Patient::new(io, limits.body_timeout);
    let handshake = builder(limits).handshake::<_, Bytes>(io);
    let Ok(Ok(frames)) = timeout(limits.head_timeout, handshake).await else {
        return;
    };
    let mut server = Server {
        frames,
        limits,
        begun: 0,
        reset: 0,
        leaving: false,
        deadline: Deadline::default(),
    };
    let mut streams = FuturesUnordered::new();
    let mut cancelled = pin!(drain.cancelled());
    let answer = |(request, respond)| stream(&*exchange, &connection, &drain, request, respond);
    poll_fn(|context| {
        if !server.leaving && cancelled.as_mut().poll(context).is_ready() {
            server.leave();
        }
        loop {
            while let Poll::Ready(Some(ended)) = Pin::new(&mut streams).poll_next(context) {
                server.ended(ended);
            }
            let before = streams.len();
            while let Poll::Ready(accepted) = server.frames.poll_accept(context) {
                let Some(Ok(accepted)) = accepted else {
                    return Poll::Ready(());
                };
                server.begun += 1;
                streams.push(answer(accepted));
            }
            if streams.len() == before {
                return server.rest(before, context);
            }
        }
    })
    .await;
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits.concurrent_streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(MAX_SEND_BUFFER_BYTES)
        .enable_connect_protocol();
    builder
}

struct Server<'a, Io> {
    frames: h2::server::Connection<Patient<Io>, Bytes>,
    limits: &'a Limits,
    begun: u64,
    reset: u64,
    /// Whether the client has been told that no more streams are taken.
    leaving: bool,
    deadline: Deadline,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Server<'_, Io> {
    fn leave(&mut self) {
        self.leaving = true;
        self.deadline.stop();
        self.frames.graceful_shutdown();
    }

    /// Counts. A client that opens streams only to reset them makes us work for nothing.
    fn ended(&mut self, ended: Ended) {
        self.reset += u64::from(ended == Ended::Reset);
        if self.reset > MAX_RESETS && self.reset > self.begun / 2 {
            self.frames.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Waits for more streams, for so long. Ready when the connection is over.
    fn rest(&mut self, streams: usize, context: &mut Context<'_>) -> Poll<()> {
        if streams > 0 {
            self.deadline.stop();
            return Poll::Pending;
        }
        if self.leaving {
            return self.deadline.poll(LEAVE_TIMEOUT, context);
        }
        if self
            .deadline
            .poll(self.limits.idle_timeout, context)
            .is_ready()
        {
            self.leave();
            // Polled again at once, the connection says so.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// One request and its answer.
async fn stream<E: Exchange>(
    exchange: &E,
    connection: &Arc<Connection>,
    drain: &CancellationToken,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Ended {
    let head_only = *request.method() == Method::HEAD;
    let interim = Arc::new(InterimQueue::default());
    let (answer, tunnel) = match head::read(request, exchange.limits(), &interim) {
        Ok(head::Read { incoming, tunnel }) => {
            let served = serve_one(exchange, connection, incoming, (&mut respond, &interim));
            let Some(answer) = served.await else {
                return Ended::Reset;
            };
            (answer, tunnel)
        }
        Err(rejection) => (exchange.refuse(connection, &rejection), None),
    };
    let writer = answer::Writer {
        respond,
        limits: exchange.limits(),
        drain,
    };
    writer.write(answer, head_only, tunnel).await
}

/// Runs the request path. None where the client reset the stream.
async fn serve_one<E: Exchange>(
    exchange: &E,
    connection: &Arc<Connection>,
    incoming: Box<Incoming>,
    (respond, interim): (&mut SendResponse<Bytes>, &InterimQueue),
) -> Option<Answer> {
    let mut served = pin!(exchange.serve(connection, incoming));
    poll_fn(|context| {
        let polled = served.as_mut().poll(context);
        answer::pass_on(interim, respond);
        match polled {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => respond.poll_reset(context).map(|_| None),
        }
    })
    .await
}
