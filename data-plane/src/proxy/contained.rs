//! Keeps a defect to the exchange that met it.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

/// Runs a future; none where it panics. What it was given may be left half changed, and is to be dropped.
pub(super) async fn contained<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(std::task::Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::contained;

    #[tokio::test]
    async fn a_panic_ends_nothing_but_its_own_future() {
        assert_eq!(contained(pin!(async { 7 })).await, Some(7));
        let defect = async { assert!(std::hint::black_box(false), "a defect") };
        assert_eq!(contained(pin!(defect)).await, None);
    }
}
