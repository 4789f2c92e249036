//! An exchange that has switched protocols: bytes both ways, until both ends close, nothing flows for
//! too long, or the node has drained for long enough.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::exchange::Tunnel;

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

/// The client's side, counted.
struct Counted<'a, Io> {
    io: Io,
    flow: &'a Flow,
}

/// When a tunnel ends that its ends would keep.
pub(crate) struct Bounds<'a> {
    /// Longest time that nothing may flow.
    pub(crate) idle: Duration,
    /// Time that is left when the node drains.
    pub(crate) grace: Duration,
    pub(crate) drain: &'a CancellationToken,
}

/// Runs it. Returns how many bytes went to the client.
pub(crate) async fn run<Io: AsyncRead + AsyncWrite + Unpin>(
    client: Io,
    mut upstream: Box<dyn Tunnel>,
    bounds: Bounds<'_>,
) -> u64 {
    let flow = Flow::default();
    let mut client = Counted {
        io: client,
        flow: &flow,
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut *upstream) => {}
        () = silence(&flow, bounds.idle) => {}
        () = bounds.drained() => {}
    }
    flow.to_client.load(Ordering::Relaxed)
}

impl Bounds<'_> {
    /// Returns when the node drains and the time for it is over.
    async fn drained(&self) {
        self.drain.cancelled().await;
        sleep(self.grace).await;
    }
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

impl<Io: AsyncRead + Unpin> AsyncRead for Counted<'_, Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        self.flow.from_client.fetch_add(read, Ordering::Relaxed);
        polled
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Counted<'_, Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = written {
            let written = written as u64;
            self.flow.to_client.fetch_add(written, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
