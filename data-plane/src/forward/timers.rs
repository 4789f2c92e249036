//! Bounds on how long something may take, without a new timer of the runtime for each.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::limit::Limit;
use crate::http1::deadline::Deadline;

/// Places for timers, as a power of two: about as many as a worker has requests under way at a time.
const PLACES_BITS: u32 = 10;

/// The timers of one worker. A request borrows one; that it stays registered with the runtime in between
/// is what makes it cheap: it is moved when it fires too early, not with every request. Each task has a place
/// of its own, unless it shares it by chance: so it mostly gets the one that wakes it already.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Vec<Option<Deadline>>>);

impl Timers {
    /// Runs a future within this limit; none where time was up.
    pub(super) async fn within<F: Future>(
        &self,
        limit: &Limit,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let mut borrowed: Option<(usize, Deadline)> = None;
        let output = poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let Some(at) = limit.at() else {
                return Poll::Pending;
            };
            let borrow = || self.borrow(place(context.waker()));
            let (_, deadline) = borrowed.get_or_insert_with(borrow);
            deadline.poll_at(at.into(), context).map(|()| None)
        })
        .await;
        if let Some((place, deadline)) = borrowed {
            self.places()[place] = Some(deadline);
        }
        output
    }

    fn borrow(&self, place: usize) -> (usize, Deadline) {
        let mut places = self.places();
        if places.is_empty() {
            places.resize_with(1 << PLACES_BITS, || None);
        }
        (place, places[place].take().unwrap_or_default())
    }

    fn places(&self) -> MutexGuard<'_, Vec<Option<Deadline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That of a task, by what its waker points to.
fn place(waker: &Waker) -> usize {
    // The golden ratio spreads what differs in a few bits only over all of them (Knuth, 6.4).
    let spread = (waker.data().addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> (u64::BITS - PLACES_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        pin::pin,
        time::{Duration, Instant},
    };

    use super::*;

    #[tokio::test]
    async fn a_timer_is_used_again_and_means_the_time_it_is_asked_for() {
        let timers = Timers::default();
        let (short, long) = (Duration::from_millis(5), Duration::from_millis(50));
        for time in [long, short, long] {
            let began = Instant::now();
            let limit = Limit {
                since: began,
                body: None,
                time: Some(time),
                by: None,
                impatient: false,
            };
            assert_eq!(timers.within(&limit, pin!(pending::<()>())).await, None);
            assert!(began.elapsed() >= time);
            assert_eq!(timers.within(&limit, pin!(ready(7))).await, Some(7));
        }
        assert_eq!(timers.places().iter().flatten().count(), 1);
    }
}
