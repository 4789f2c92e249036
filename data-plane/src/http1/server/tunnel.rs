//! A connection that has switched protocols: bytes both ways, until either end closes, nothing flows for
//! too long, or the node drains.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::state::{State, lock};
use crate::exchange::Tunnel;

/// The client's side of a tunnel.
struct Client<'a, Io> {
    state: &'a Arc<Mutex<State<Io>>>,
    flow: &'a Flow,
}

/// What has flowed so far, which counts also where the tunnel ends by force.
#[derive(Default)]
struct Flow {
    from_client: AtomicU64,
    to_client: AtomicU64,
}

impl Flow {
    fn bytes(&self) -> u64 {
        self.from_client.load(Ordering::Relaxed) + self.to_client.load(Ordering::Relaxed)
    }
}

/// Runs it. Returns how many bytes went to the client.
pub(super) async fn run<Io: AsyncRead + AsyncWrite + Unpin>(
    state: &Arc<Mutex<State<Io>>>,
    mut upstream: Box<dyn Tunnel>,
    patience: Duration,
    drain: &CancellationToken,
) -> u64 {
    let flow = Flow::default();
    let mut client = Client { state, flow: &flow };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut *upstream) => {}
        () = silence(&flow, patience) => {}
        () = drain.cancelled() => {}
    }
    flow.to_client.load(Ordering::Relaxed)
}

/// Returns when nothing has flowed for this long.
async fn silence(flow: &Flow, patience: Duration) {
    let mut seen = flow.bytes();
    loop {
        let since = Instant::now();
        sleep(patience).await;
        let now = flow.bytes();
        if now == seen && since.elapsed() >= patience {
            return;
        }
        seen = now;
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Client<'_, Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &mut *lock(self.state);
        let before = buffer.filled().len();
        if state.input.is_empty() {
            std::task::ready!(Pin::new(&mut state.io).poll_read(context, buffer))?;
        } else {
            let len = state.input.len().min(buffer.remaining());
            buffer.put_slice(&state.input[..len]);
            state.input.advance(len);
        }
        let read = buffer.filled().len() - before;
        let read = read as u64;
        self.flow.from_client.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Client<'_, Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut lock(self.state).io).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = written {
            let written = written as u64;
            self.flow.to_client.fetch_add(written, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(self.state).io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(self.state).io).poll_shutdown(context)
    }
}
