//! Bodies of messages, as they stream through.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A body on its way, of a request or a response. Trailers are its last frame.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// All of it.
    Full(Bytes),
    /// One that arrives piece by piece.
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The sender closed or reset.
    #[error("the sender closed before the end of the body")]
    Closed,
    /// The sender's framing is broken.
    #[error("malformed body: {0}")]
    Malformed(&'static str),
    /// It is over the limit.
    #[error("the body is over {0} bytes")]
    TooLarge(u64),
    /// No byte arrived in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The HTTP/2 stream failed.
    #[error("the stream failed")]
    Http2(#[from] h2::Error),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(_) => {
                let Self::Full(bytes) = std::mem::take(&mut *self) else {
                    return Poll::Ready(None);
                };
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("Empty"),
            Self::Full(bytes) => write!(out, "Full({})", bytes.len()),
            Self::Stream(_) => out.write_str("Stream"),
        }
    }
}

/// A body of unknown length that is counted, and fails once it is over a bound.
pub(crate) struct Metered {
    body: Body,
    most: u64,
    bytes: Arc<AtomicU64>,
}

impl Metered {
    /// At most this many bytes, counted in `bytes`.
    pub(crate) const fn new(body: Body, most: u64, bytes: Arc<AtomicU64>) -> Self {
        Self { body, most, bytes }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let more = data.len() as u64;
            let bytes = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
            if bytes > self.most {
                return Poll::Ready(Some(Err(BodyError::TooLarge(self.most))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
