//! A request's body that can be sent more than once: what has been read of it is kept, up to a bound. The
//! bytes are shared with the attempts, not copied.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use crate::body::{Body, BodyError};

/// Pieces that are kept, one for so many bytes of the bound, and a few more: many small ones must not cost many
/// times what they hold.
const PIECE_BYTES: usize = 64;
const MIN_PIECES: usize = 64;

/// The body, of which attempts get readers. One task polls them all, so its lock is never waited for.
pub(crate) struct Replay(Mutex<State>);

struct State {
    source: Body,
    kept: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// Pieces that have come, kept or not.
    pieces: usize,
    bytes: usize,
    most: usize,
    /// Whether what came first is gone.
    over: bool,
    failed: bool,
    ended: Option<Instant>,
    /// The length, where it was known from the beginning.
    length: Option<u64>,
}

impl Replay {
    /// Keeps up to `most` bytes.
    pub(crate) fn new(source: Body, most: usize) -> Arc<Self> {
        let length = source.size_hint().exact();
        Arc::new(Self(Mutex::new(State {
            source,
            kept: Vec::new(),
            trailers: None,
            pieces: 0,
            bytes: 0,
            most,
            over: false,
            failed: false,
            ended: None,
            length,
        })))
    }

    /// The body from its beginning, for one attempt.
    pub(crate) fn reader(self: &Arc<Self>) -> Body {
        Body::Stream(Box::pin(Reader {
            shared: Arc::clone(self),
            place: 0,
            given: 0,
            trailed: false,
        }))
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        let state = self.state();
        !state.over && !state.failed
    }

    /// When its end came from the client.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.state().ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(out, "Replay({} of {} bytes)", state.bytes, state.most)
    }
}

impl State {
    /// The next piece from the client.
    fn poll_source(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.source).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.failed = true;
                return Poll::Ready(Some(Err(error)));
            }
            None => {
                self.end();
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            self.keep(data);
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            self.end();
        }
        if self.source.is_end_stream() {
            self.end();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn keep(&mut self, data: &Bytes) {
        self.pieces += 1;
        self.bytes += data.len();
        let most_pieces = self.most / PIECE_BYTES + MIN_PIECES;
        self.over |= self.bytes > self.most || self.pieces > most_pieces;
        if self.over {
            self.kept = Vec::new();
        } else {
            self.kept.push(data.clone());
        }
    }

    fn end(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
    }
}

/// The body as one attempt sends it.
struct Reader {
    shared: Arc<Replay>,
    /// Pieces given.
    place: usize,
    /// Bytes given.
    given: u64,
    /// Whether the trailers were given.
    trailed: bool,
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut state = this.shared.state();
        if let Some(data) = state.kept.get(this.place) {
            this.place += 1;
            this.given += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if this.place != state.pieces || state.failed {
            // Another attempt has taken what was not kept.
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        if state.ended.is_some() {
            let trailers = state.trailers.as_ref().filter(|_| !this.trailed);
            let frame = trailers.cloned().map(|it| Ok(Frame::trailers(it)));
            this.trailed = true;
            return Poll::Ready(frame);
        }
        let polled = state.poll_source(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            match frame.data_ref() {
                Some(data) => {
                    this.place += 1;
                    this.given += data.len() as u64;
                }
                None => this.trailed = true,
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.state();
        let trailed = self.trailed || state.trailers.is_none();
        self.place == state.pieces
            && trailed
            && (state.ended.is_some() || state.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.shared.state().length;
        let left = length.map(|length| length.saturating_sub(self.given));
        left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn body(pieces: &[&'static [u8]], trailers: Option<HeaderMap>) -> Body {
        let data = |it: &&'static [u8]| Ok(Frame::data(Bytes::from_static(it)));
        let frames: Vec<_> = pieces.iter().map(data).collect();
        let trailers = trailers.map(|it| Ok(Frame::trailers(it)));
        let frames = frames.into_iter().chain(trailers);
        Body::Stream(Box::pin(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }

    #[tokio::test]
    async fn each_attempt_gets_the_whole_body_trailers_included() {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("a"),
            http::HeaderValue::from_static("b"),
        )]);
        let replay = Replay::new(body(&[b"one", b"two"], Some(trailers.clone())), 1024);
        for _ in 0..3 {
            let collected = replay.reader().collect().await.unwrap();
            assert_eq!(collected.trailers(), Some(&trailers));
            assert_eq!(collected.to_bytes(), "onetwo");
        }
        assert!(replay.is_whole() && replay.ended().is_some());
    }

    #[tokio::test]
    async fn an_attempt_goes_on_with_the_body_where_the_one_before_it_stopped() {
        let replay = Replay::new(body(&[b"one", b"two"], None), 1024);
        let mut first = replay.reader();
        first.frame().await.unwrap().unwrap();
        drop(first);
        assert!(replay.is_whole() && replay.ended().is_none());
        let collected = replay.reader().collect().await.unwrap();
        assert_eq!(collected.to_bytes(), "onetwo");
    }

    #[tokio::test]
    async fn what_is_over_the_bound_is_streamed_once_and_not_kept() {
        let replay = Replay::new(body(&[b"one", b"two"], None), 5);
        assert!(replay.is_whole());
        let collected = replay.reader().collect().await.unwrap();
        assert_eq!(collected.to_bytes(), "onetwo");
        assert!(!replay.is_whole());
        assert!(replay.reader().collect().await.is_err());
    }

    #[tokio::test]
    async fn the_length_is_told_to_each_attempt() {
        let replay = Replay::new(Body::Full(Bytes::from_static(b"whole")), 5);
        for _ in 0..2 {
            let reader = replay.reader();
            assert_eq!(reader.size_hint().exact(), Some(5));
            assert_eq!(reader.collect().await.unwrap().to_bytes(), "whole");
        }
    }
}
