//! Bounds on how long something may take, without a new timer of the runtime for each.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use super::limit::Limit;
use crate::http1::deadline::Deadline;

/// Timers kept for the next ones.
const MAX_IDLE: usize = 1024;

/// The timers of one worker. A request borrows one; that it stays registered with the runtime in between
/// is what makes it cheap: it is moved when it fires too early, not with every request.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Vec<Deadline>>);

impl Timers {
    /// Runs a future within this limit; none where time was up.
    pub(super) async fn within<F: Future>(
        &self,
        limit: &Limit,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let mut deadline = self.idle().pop().unwrap_or_default();
        let output = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => match limit.at() {
                Some(at) => deadline.poll_at(at.into(), context).map(|()| None),
                None => Poll::Pending,
            },
        })
        .await;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(deadline);
        }
        output
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Deadline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        assert_eq!(timers.idle().len(), 1);
    }
}
