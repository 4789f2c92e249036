//! A body on its way out: as fast as the peer's windows allow, and no further ahead of them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body as _, Frame};

use crate::{
    body::{Body, BodyError},
    http1::deadline::Deadline,
};

/// Sends a body on a stream.
pub(super) struct Outflow {
    stream: SendStream<Bytes>,
    body: Body,
    /// The part of it that has no place in the window yet.
    waiting: Bytes,
    /// Whether nothing comes after `waiting`.
    last: bool,
    ended: bool,
    announced: Option<u64>,
    taken: u64,
    sent: u64,
    deadline: Deadline,
}

/// Why a body does not go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// It failed itself.
    Body(BodyError),
    /// The peer wants no more of it, or is gone.
    Peer(h2::Error),
    /// The peer took nothing for too long.
    Stalled,
}

impl Outflow {
    /// With a length that has been announced, a body of another one is broken.
    pub(super) fn new(stream: SendStream<Bytes>, body: Body, announced: Option<u64>) -> Self {
        Self {
            stream,
            body,
            waiting: Bytes::new(),
            last: false,
            ended: false,
            announced,
            taken: 0,
            sent: 0,
            deadline: Deadline::default(),
        }
    }

    /// Bytes sent so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether nothing waits for the peer, and the body has not ended.
    pub(super) fn waits_for_body(&self) -> bool {
        self.waiting.is_empty() && !self.ended
    }

    /// Tells the peer that the rest does not come.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.ended = true;
        self.stream.send_reset(reason);
    }

    /// The stream, for another protocol.
    pub(super) fn into_stream(self) -> SendStream<Bytes> {
        self.stream
    }

    /// Sends what can be sent. Ready when all is, or when no more will be. The peer may take nothing for
    /// `patience`; none is forever.
    pub(super) fn poll(
        &mut self,
        patience: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if !self.waiting.is_empty() {
                match self.poll_send(context) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => return self.stalled(patience, context),
                }
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => self.take(frame)?,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Broken::Body(error))),
                Poll::Ready(None) => self.finish()?,
                Poll::Pending => return self.gone(context),
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), Broken> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let Ok(trailers) = frame.into_trailers() else {
                    return Ok(());
                };
                self.check_length()?;
                self.ended = true;
                return self.stream.send_trailers(trailers).map_err(Broken::Peer);
            }
        };
        self.taken += data.len() as u64;
        if self.announced.is_some_and(|length| self.taken > length) {
            let more = BodyError::Malformed("more bytes than announced");
            return Err(Broken::Body(more));
        }
        if self.body.is_end_stream() {
            self.check_length()?;
            self.last = true;
        }
        if data.is_empty() && self.last {
            return self.finish();
        }
        self.stream.reserve_capacity(data.len());
        self.waiting = data;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Broken> {
        self.check_length()?;
        self.ended = true;
        self.stream
            .send_data(Bytes::new(), true)
            .map_err(Broken::Peer)
    }

    fn check_length(&self) -> Result<(), Broken> {
        match self.announced {
            Some(length) if length != self.taken => Err(Broken::Body(BodyError::Closed)),
            _ => Ok(()),
        }
    }

    /// Sends a part of what waits.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut room = self.stream.capacity();
        if room == 0 {
            room = match ready!(self.stream.poll_capacity(context)) {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Poll::Ready(Err(Broken::Peer(error))),
                None => return Poll::Ready(Err(Broken::Peer(Reason::CANCEL.into()))),
            };
        }
        self.deadline.stop();
        let part = self.waiting.split_to(room.min(self.waiting.len()));
        self.sent += part.len() as u64;
        self.ended = self.last && self.waiting.is_empty();
        let sent = self.stream.send_data(part, self.ended);
        Poll::Ready(sent.map_err(Broken::Peer))
    }

    fn stalled(
        &mut self,
        patience: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if let Poll::Ready(gone) = self.gone(context) {
            return Poll::Ready(gone);
        }
        match patience {
            Some(patience) => self
                .deadline
                .poll(patience, context)
                .map(|()| Err(Broken::Stalled)),
            None => Poll::Pending,
        }
    }

    /// Ready when the peer has reset the stream.
    fn gone(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let error = match ready!(self.stream.poll_reset(context)) {
            Ok(reason) => reason.into(),
            Err(error) => error,
        };
        Poll::Ready(Err(Broken::Peer(error)))
    }
}
