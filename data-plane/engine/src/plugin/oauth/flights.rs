//! Questions that several requests wait for at a time: each is asked once, and all of them get its answer.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt as _, future::Shared};

type Flight<T> = Shared<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Questions that are on their way, by what they are about.
pub(in crate::plugin) struct Flights<K, T: Clone>(Mutex<HashMap<K, (Flight<T>, usize)>>);

/// One of those that wait for an answer. When the last one goes, the question is given up.
struct Passenger<'a, K: Hash + Eq + Clone, T: Clone> {
    flights: &'a Flights<K, T>,
    key: K,
    flight: Flight<T>,
}

impl<K: Hash + Eq + Clone, T: Clone> Flights<K, T> {
    /// Waits for the answer to what is asked already, or asks. None where so many others are being asked.
    pub(in crate::plugin) async fn join(
        self: Arc<Self>,
        key: K,
        most: usize,
        ask: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Option<T> {
        let flight = {
            let mut all = self.all();
            let full = all.len() >= most;
            match all.get_mut(&key) {
                Some((flight, passengers)) => {
                    *passengers += 1;
                    flight.clone()
                }
                None if full => return None,
                None => {
                    let flight = ask().shared();
                    all.insert(key.clone(), (flight.clone(), 1));
                    flight
                }
            }
        };
        let passenger = Passenger {
            flights: &self,
            key,
            flight,
        };
        Some(passenger.flight.clone().await)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<K, (Flight<T>, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone, T: Clone> Drop for Passenger<'_, K, T> {
    fn drop(&mut self) {
        let mut all = self.flights.all();
        let over = all.get_mut(&self.key).is_some_and(|(flight, passengers)| {
            // Another one may have begun since.
            if !flight.ptr_eq(&self.flight) {
                return false;
            }
            *passengers -= 1;
            // Who comes after the answer asks anew: the answer may be one that is not to be kept.
            *passengers == 0 || flight.peek().is_some()
        });
        if over {
            all.remove(&self.key);
        }
    }
}

impl<K, T: Clone> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T: Clone> fmt::Debug for Flights<K, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Flights")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
    };

    use futures_util::{
        FutureExt as _,
        future::{join, join_all},
    };

    use super::Flights;

    #[tokio::test]
    async fn what_several_ask_at_a_time_is_asked_once_and_then_anew() {
        let (flights, asked) = (Arc::new(Flights::default()), Arc::new(AtomicU32::new(0)));
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let gate = gate.shared();
        let ask = |key: &'static str| {
            let (asked, gate) = (Arc::clone(&asked), gate.clone());
            Arc::clone(&flights).join(key, 10, move || {
                asked.fetch_add(1, Ordering::Relaxed);
                Box::pin(async move {
                    let _ = gate.await;
                    key
                })
            })
        };
        let begun = join_all(["a", "a", "b", "a"].map(ask));
        let opened = async { open.send(()) };
        let (answers, _) = join(begun, opened).await;
        assert_eq!(answers, [Some("a"), Some("a"), Some("b"), Some("a")]);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(ask("a").await, Some("a"));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert!(flights.all().is_empty());
    }

    #[tokio::test]
    async fn there_is_a_bound_and_those_who_give_up_leave_their_place() {
        let flights: Arc<Flights<u32, ()>> = Arc::default();
        let ask = |key| {
            let waiting = Arc::clone(&flights).join(key, 2, || Box::pin(pending()));
            Box::pin(waiting)
        };
        let (mut one, mut other) = (ask(1), ask(2));
        assert!((&mut one).now_or_never().is_none());
        assert!((&mut other).now_or_never().is_none());
        assert_eq!(ask(3).await, None);
        let mut same = ask(1);
        assert!((&mut same).now_or_never().is_none());
        drop(one);
        assert_eq!(ask(3).await, None, "somebody still waits");
        drop(same);
        assert!(ask(3).now_or_never().is_none(), "there is a place");
    }
}
