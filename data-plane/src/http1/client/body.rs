//! The body of a response, as it arrives, while the request may still be on its way.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{
    super::decoder::{Decoded, Decoder, hint},
    connection::Upstream,
    shelf::Shelf,
    upload::Upload,
};
use crate::{
    body::BodyError,
    connect::{Origin, SendError},
};

/// Owns the connection; puts it back on the shelf when the body has ended well.
pub(super) struct ResponseBody {
    pub(super) upstream: Option<Box<Upstream>>,
    pub(super) decoder: Decoder,
    /// What came with the head.
    pub(super) first: Option<Result<Frame<Bytes>, BodyError>>,
    pub(super) upload: Option<Upload>,
    pub(super) keep: bool,
    pub(super) home: (Arc<Shelf>, Origin),
    pub(super) idle_timeout: Option<Duration>,
}

impl ResponseBody {
    /// Takes what has come; none where more must be read.
    fn take(&mut self) -> Option<Option<Result<Frame<Bytes>, BodyError>>> {
        let upstream = self.upstream.as_mut()?;
        let frame = match self.decoder.decode(&mut upstream.input) {
            Ok(Decoded::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Decoded::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Decoded::End) => None,
            Ok(Decoded::More) => return None,
            Err(what) => {
                self.upstream = None;
                return Some(Some(Err(BodyError::Malformed(what))));
            }
        };
        upstream.deadline.stop();
        if self.decoder.is_end() {
            self.go_home();
        }
        Some(frame)
    }

    /// Goes on sending the request, where the response came before its end.
    fn send(&mut self, context: &mut Context<'_>) -> Result<(), BodyError> {
        let (Some(upload), Some(upstream)) = (&mut self.upload, &mut self.upstream) else {
            return Ok(());
        };
        match upload.poll(upstream, context) {
            Poll::Pending => {}
            Poll::Ready(Ok(moved)) => {
                if moved {
                    upstream.deadline.stop();
                }
                if upload.is_done() {
                    self.upload = None;
                }
            }
            Poll::Ready(Err(SendError::RequestBody(error))) => return Err(error),
            Poll::Ready(Err(_)) => return Err(BodyError::Closed),
        }
        Ok(())
    }

    fn go_home(&mut self) {
        if let Some(upstream) = self.upstream.take()
            && self.keep
            && self.upload.is_none()
            && upstream.input.is_empty()
        {
            self.home.0.put(&self.home.1, upstream, Instant::now());
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Err(error) = this.send(context) {
            this.upstream = None;
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            if this.upstream.is_none() {
                return Poll::Ready(None);
            }
            if let Some(frame) = this.take() {
                return Poll::Ready(frame);
            }
            let Some(upstream) = &mut this.upstream else {
                return Poll::Ready(None);
            };
            match upstream.poll_fill(context) {
                Poll::Ready(Ok(0)) => {
                    this.keep = false;
                    let ended = this.decoder.close();
                    this.upstream = None;
                    return Poll::Ready(ended.err().map(Err));
                }
                Poll::Ready(Ok(_)) => upstream.deadline.stop(),
                Poll::Ready(Err(error)) => {
                    this.upstream = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Pending => {
                    let Some(patience) = this.idle_timeout else {
                        return Poll::Pending;
                    };
                    let late = upstream.deadline.poll(patience, context);
                    return late.map(|()| Some(Err(BodyError::Timeout)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.decoder.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        hint(self.decoder.size_hint())
    }
}
