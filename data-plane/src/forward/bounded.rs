//! A tunnel that ends when its time is over, or when nothing has flowed for too long.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{exchange::Tunnel, http1::deadline::Deadline};

pub(super) struct Bounded {
    tunnel: Box<dyn Tunnel>,
    by: Option<Instant>,
    end: Deadline,
    patience: Option<Duration>,
    silence: Deadline,
}

impl Bounded {
    /// Until then, and with no longer silence than this.
    pub(super) fn wrap(
        tunnel: Box<dyn Tunnel>,
        by: Option<Instant>,
        patience: Option<Duration>,
    ) -> Box<dyn Tunnel> {
        if by.is_none() && patience.is_none() {
            return tunnel;
        }
        Box::new(Self {
            tunnel,
            by,
            end: Deadline::default(),
            patience,
            silence: Deadline::default(),
        })
    }

    /// What comes of a poll. Whoever waits on either side keeps the clocks going.
    fn timed<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if let Some(by) = self.by
            && self.end.poll_at(by, context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if polled.is_ready() {
            self.silence.stop();
            return polled;
        }
        match self.patience {
            Some(patience) => {
                let silent = self.silence.poll(patience, context);
                silent.map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Bounded({:?})", self.tunnel)
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.tunnel).poll_read(context, buffer);
        self.timed(polled, context)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tunnel).poll_write(context, bytes);
        self.timed(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tunnel).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tunnel).poll_shutdown(context)
    }
}
