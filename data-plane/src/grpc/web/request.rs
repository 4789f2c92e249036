//! The body of a call in base64, as bytes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body::Frame;

use crate::body::{Body, BodyError};

const BROKEN: BodyError = BodyError::Malformed("it is not base64");
/// Characters that stand for three bytes.
const GROUP: usize = 4;

pub(super) fn decoded(body: Body) -> Body {
    match body {
        Body::Empty => Body::Empty,
        body => Body::Stream(Box::pin(Decoded {
            body,
            held: Vec::new(),
        })),
    }
}

/// Decodes as it comes.
struct Decoded {
    body: Body,
    /// The beginning of a group: fewer characters than it has.
    held: Vec<u8>,
}

impl Decoded {
    fn decode(&mut self, data: &[u8]) -> Result<Bytes, BodyError> {
        self.held.extend_from_slice(data);
        let whole = self.held.len() / GROUP * GROUP;
        let mut out = Vec::with_capacity(whole / GROUP * 3);
        let mut begin = 0;
        for end in (GROUP..=whole).step_by(GROUP) {
            // Clients encode piece by piece: after padding, another piece begins.
            let padded = self.held[end - 1] == b'=';
            if padded || end == whole {
                let piece = &self.held[begin..end];
                STANDARD.decode_vec(piece, &mut out).map_err(|_| BROKEN)?;
                begin = end;
            }
        }
        self.held.drain(..whole);
        Ok(out.into())
    }
}

impl http_body::Body for Decoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                let cut = !self.held.is_empty();
                return Poll::Ready(cut.then(|| Err(BROKEN)));
            };
            let data = match frame?.into_data() {
                Ok(data) => self.decode(&data)?,
                // A browser has none to send.
                Err(_) => continue,
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }
}
