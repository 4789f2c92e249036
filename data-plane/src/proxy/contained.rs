//! Keeps a defect to the exchange that met it.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// Runs a future; none where it panics. What it was given may be left half changed, and is to be dropped.
pub(super) async fn contained<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        // Put here and not returned: what goes through `catch_unwind` is moved each time.
        let mut output = None;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                output = Some(ready);
            }
        }));
        match (ended, output) {
            (Ok(()), None) => Poll::Pending,
            (_, output) => Poll::Ready(output),
        }
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
