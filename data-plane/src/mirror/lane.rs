//! What is on its way from a request's body to one copy of it: bounded, so that who is slow is given up.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::body::BodyError;

/// Pieces that may wait, one for so many bytes of the bound, and a few more.
const PIECE_BYTES: usize = 64;
const MIN_PIECES: usize = 64;

/// What is on its way to one copy.
pub(super) struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    most: usize,
    trailers: Option<HeaderMap>,
    end: Option<End>,
    reader: Option<Waker>,
    /// Whether nobody reads it any more.
    left: bool,
}

/// How a copy ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All of it has come.
    Whole,
    /// The request ended before its body.
    Broken,
    /// Too much waited.
    Behind,
}

impl Lane {
    /// With so many bytes that may wait.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            most,
            ..State::default()
        })))
    }

    /// Whether it was given up because it fell behind.
    pub(super) fn fell_behind(&self) -> bool {
        self.state().end == Some(End::Behind)
    }

    /// Passes a piece on; over the bound, the copy is given up.
    pub(super) fn pass(&self, frame: &Frame<Bytes>) {
        let mut state = self.state();
        if state.end.is_some() || state.left {
            return;
        }
        if let Some(data) = frame.data_ref() {
            let most_pieces = state.most / PIECE_BYTES + MIN_PIECES;
            if state.bytes + data.len() > state.most || state.waiting.len() >= most_pieces {
                state.finish(End::Behind);
                return;
            }
            state.bytes += data.len();
            state.waiting.push_back(data.clone());
        } else if let Some(trailers) = frame.trailers_ref() {
            state.trailers = Some(trailers.clone());
        }
        state.wake();
    }

    /// Nothing more comes.
    pub(super) fn end(&self, end: End) {
        let mut state = self.state();
        if state.end.is_none() {
            state.finish(end);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn finish(&mut self, end: End) {
        self.end = Some(end);
        if end != End::Whole {
            self.waiting = VecDeque::new();
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The body as a mirror sends it.
pub(super) struct Reader {
    lane: Arc<Lane>,
    given: u64,
    length: Option<u64>,
}

impl Reader {
    /// Of a body of this length, if it is known.
    pub(super) const fn new(lane: Arc<Lane>, length: Option<u64>) -> Self {
        Self {
            lane,
            given: 0,
            length,
        }
    }
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut state = this.lane.state();
        if let Some(data) = state.waiting.pop_front() {
            state.bytes -= data.len();
            this.given += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match state.end {
            Some(End::Whole) => {
                let trailers = state.trailers.take();
                Poll::Ready(trailers.map(|it| Ok(Frame::trailers(it))))
            }
            Some(End::Broken | End::Behind) => Poll::Ready(Some(Err(BodyError::Closed))),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.lane.state();
        let empty = state.waiting.is_empty() && state.trailers.is_none();
        empty && state.end == Some(End::Whole)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.length.map(|length| length.saturating_sub(self.given));
        left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.lane.state();
        state.left = true;
        state.waiting = VecDeque::new();
    }
}
