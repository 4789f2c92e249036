//! A request's body, copied for mirrors while it streams. The bytes are shared. The request itself never
//! waits for a copy: one that falls too far behind is given up.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::lane::{End, Lane, Reader};
use crate::body::{Body, BodyError};

/// Copies a body, once for each bound on how many bytes may wait for the copy. None where it is known that the copy
/// would be given up.
pub(super) fn tee(body: &mut Body, bounds: &[usize]) -> Vec<Option<Copy>> {
    let whole = |bytes: &Bytes, most: &usize| (bytes.len() <= *most).then(|| bytes.clone());
    match body {
        Body::Empty => bounds.iter().map(|_| Some(Copy::of(Body::Empty))).collect(),
        Body::Full(bytes) => {
            let copies = bounds.iter().map(|most| whole(bytes, most));
            copies
                .map(|bytes| bytes.map(|it| Copy::of(Body::Full(it))))
                .collect()
        }
        Body::Stream(_) => {
            let source = std::mem::take(body);
            let length = source.size_hint().exact();
            let lanes: Vec<Arc<Lane>> = bounds.iter().map(|most| Lane::new(*most)).collect();
            let copy = |lane: &Arc<Lane>| {
                let reader = Reader::new(Arc::clone(lane), length);
                Some(Copy {
                    body: Body::Stream(Box::pin(reader)),
                    lane: Some(Arc::clone(lane)),
                })
            };
            let copies = lanes.iter().map(copy).collect();
            *body = Body::Stream(Box::pin(Tee {
                source,
                left: length,
                lanes,
            }));
            copies
        }
    }
}

/// A copy for one mirror.
pub(super) struct Copy {
    pub(super) body: Body,
    lane: Option<Arc<Lane>>,
}

impl Copy {
    const fn of(body: Body) -> Self {
        Self { body, lane: None }
    }

    /// What tells later whether it was given up.
    pub(super) fn lane(&self) -> Option<Arc<Lane>> {
        self.lane.clone()
    }
}

/// The body as the request itself sends it.
struct Tee {
    source: Body,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    lanes: Vec<Arc<Lane>>,
}

impl Tee {
    /// Whether all of it has come. Whoever knows the length need not ask for the end.
    fn is_whole(&self) -> bool {
        self.left == Some(0) || self.source.is_end_stream()
    }

    fn end(&self, end: End) {
        for lane in &self.lanes {
            lane.end(end);
        }
    }
}

impl http_body::Body for Tee {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.source).poll_frame(context);
        match &polled {
            Poll::Pending => return polled,
            Poll::Ready(Some(Ok(frame))) => {
                for lane in &self.lanes {
                    lane.pass(frame);
                }
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(bytes));
                if self.is_whole() {
                    self.end(End::Whole);
                }
            }
            Poll::Ready(Some(Err(_))) => self.end(End::Broken),
            Poll::Ready(None) => self.end(End::Whole),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.end(if self.is_whole() {
            End::Whole
        } else {
            End::Broken
        });
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn body(pieces: &[&'static [u8]]) -> Body {
        let data = |it: &&'static [u8]| Ok(Frame::data(Bytes::from_static(it)));
        let frames: Vec<_> = pieces.iter().map(data).collect();
        Body::Stream(Box::pin(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }

    #[tokio::test]
    async fn a_copy_is_read_as_the_original_is() {
        let mut original = body(&[b"one", b"two"]);
        let mut copies = tee(&mut original, &[100, 100]).into_iter().flatten();
        let (copy, other) = (copies.next().unwrap(), copies.next().unwrap());
        let first = original.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        let rest = original.collect().await.unwrap().to_bytes();
        assert_eq!(rest, "two");
        for copy in [copy, other] {
            assert_eq!(copy.body.collect().await.unwrap().to_bytes(), "onetwo");
        }
    }

    #[tokio::test]
    async fn the_original_does_not_wait_for_a_copy_that_falls_behind() {
        let mut original = body(&[b"one", b"two", b"six"]);
        let copies = tee(&mut original, &[6, 100]);
        let lanes: Vec<_> = copies
            .iter()
            .flatten()
            .map(|it| it.lane().unwrap())
            .collect();
        assert_eq!(original.collect().await.unwrap().to_bytes(), "onetwosix");
        assert_eq!(
            [lanes[0].fell_behind(), lanes[1].fell_behind()],
            [true, false]
        );
        let mut copies = copies.into_iter().flatten();
        assert!(copies.next().unwrap().body.collect().await.is_err());
        let whole = copies.next().unwrap().body.collect().await.unwrap();
        assert_eq!(whole.to_bytes(), "onetwosix");
    }

    #[tokio::test]
    async fn a_copy_ends_with_an_original_that_is_given_up() {
        let mut original = body(&[b"one", b"two"]);
        let copy = tee(&mut original, &[100]).remove(0).unwrap();
        original.frame().await.unwrap().unwrap();
        drop(original);
        assert!(copy.body.collect().await.is_err());
    }

    #[test]
    fn a_body_that_is_whole_is_shared_unless_it_is_over_the_bound() {
        let mut original = Body::Full(Bytes::from_static(b"whole"));
        let copies = tee(&mut original, &[4, 5]);
        assert!(copies[0].is_none() && copies[1].is_some());
    }
}
