//! The present token, and the one that is being fetched.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures_util::{FutureExt as _, future::Shared};
use http::HeaderValue;

use crate::plugin::oauth::Failure;

/// For how long nobody asks again after a failure.
const BACK_OFF: Duration = Duration::from_secs(1);
/// For how long a token that replaced a refused one is not replaced again.
const RENEWED_FOR: Duration = Duration::from_secs(30);

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// As in `Authorization`.
    pub(super) field: HeaderValue,
    /// When it was asked for.
    pub(super) began: Instant,
    /// When the next one is to be fetched.
    pub(super) refresh: Instant,
    /// From when on it is of no use.
    pub(super) expires: Instant,
}

/// What comes of fetching one.
pub(super) type Fetched = Result<Arc<Token>, Failure>;
/// One that is being fetched.
pub(super) type Flight = Shared<Pin<Box<dyn Future<Output = Fetched> + Send>>>;

/// The present token, and the one that is being fetched. Reading the present one takes no lock.
#[derive(Default)]
pub(super) struct Tokens {
    present: ArcSwapOption<Token>,
    next: Mutex<Next>,
}

#[derive(Default)]
struct Next {
    flight: Option<Flight>,
    failed: Option<(Instant, Failure)>,
    /// When a token was dropped that an upstream had refused.
    renewed: Option<Instant>,
}

impl Tokens {
    /// The present one, if it can be used.
    pub(super) fn present(&self, now: Instant) -> Option<Arc<Token>> {
        let present = self.present.load();
        let usable = present.as_ref().filter(|it| now < it.expires);
        usable.map(Arc::clone)
    }

    /// What is being fetched, or begins to be.
    ///
    /// # Errors
    /// It has failed just now.
    pub(super) fn flight(
        &self,
        now: Instant,
        begin: impl FnOnce() -> Pin<Box<dyn Future<Output = Fetched> + Send>>,
    ) -> Result<Flight, Failure> {
        let mut next = self.next();
        if let Some(flight) = &next.flight {
            return Ok(flight.clone());
        }
        if let Some((at, failure)) = next.failed
            && now.saturating_duration_since(at) < BACK_OFF
        {
            return Err(failure);
        }
        let flight = begin().shared();
        next.flight = Some(flight.clone());
        Ok(flight)
    }

    /// Takes in what has come of it. All that have waited may say so; the first one counts.
    pub(super) fn landed(&self, flight: &Flight, fetched: &Fetched, now: Instant) {
        let mut next = self.next();
        if !next.flight.as_ref().is_some_and(|it| it.ptr_eq(flight)) {
            return;
        }
        next.flight = None;
        match fetched {
            Ok(token) => {
                next.failed = None;
                self.present.store(Some(Arc::clone(token)));
            }
            Err(failure) => next.failed = Some((now, *failure)),
        }
    }

    /// Drops a token that an upstream has refused. Whether another one can be had.
    pub(super) fn refused(&self, field: &HeaderValue, now: Instant) -> bool {
        let mut next = self.next();
        let present = self.present.load();
        let Some(present) = present.as_ref().filter(|it| it.field == *field) else {
            // Somebody else has dropped it.
            return true;
        };
        let lately = |at: Instant| now.saturating_duration_since(at) < RENEWED_FOR;
        if next.renewed.is_some_and(lately) && lately(present.began) {
            return false;
        }
        next.renewed = Some(now);
        self.present.store(None);
        true
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use http::HeaderValue;

    use super::{BACK_OFF, Failure, Fetched, RENEWED_FOR, Token, Tokens};

    const LIFETIME: Duration = Duration::from_secs(100);

    fn token(field: &'static str, began: Instant) -> Fetched {
        Ok(Arc::new(Token {
            field: HeaderValue::from_static(field),
            began,
            refresh: began + LIFETIME / 2,
            expires: began + LIFETIME,
        }))
    }

    fn fetch(tokens: &Tokens, fetched: &Fetched, now: Instant) {
        let begin = || Box::pin(std::future::ready(fetched.clone())) as _;
        let flight = tokens.flight(now, begin).unwrap();
        tokens.landed(&flight, fetched, now);
    }

    #[test]
    fn a_token_is_used_until_it_expires_and_a_failure_is_not_repeated_at_once() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        fetch(&tokens, &Err(Failure::Timeout), now);
        let again = |now: Instant| {
            let begin = || Box::pin(std::future::pending()) as _;
            tokens.flight(now, begin).map(|_| ())
        };
        assert_eq!(again(now + BACK_OFF / 2), Err(Failure::Timeout));
        fetch(&tokens, &token("a", now), now + BACK_OFF);
        assert!(tokens.present(now + LIFETIME / 2).is_some());
        assert!(tokens.present(now + LIFETIME).is_none());
    }

    #[test]
    fn what_one_has_waited_for_comes_in_once() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let begin = || Box::pin(std::future::pending()) as _;
        let (one, other) = (
            tokens.flight(now, begin).unwrap(),
            tokens.flight(now, begin).unwrap(),
        );
        assert!(one.ptr_eq(&other), "one at a time");
        tokens.landed(&one, &token("a", now), now);
        tokens.landed(&other, &token("late", now), now);
        assert_eq!(tokens.present(now).unwrap().field, "a");
    }

    #[test]
    fn a_refused_token_is_dropped_and_what_replaced_it_not_for_a_while() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let [a, b] = ["a", "b"].map(HeaderValue::from_static);
        fetch(&tokens, &token("a", now), now);
        assert!(tokens.refused(&a, now));
        assert!(tokens.present(now).is_none());
        fetch(&tokens, &token("b", now), now);
        assert!(tokens.refused(&a, now), "somebody else has replaced it");
        assert!(!tokens.refused(&b, now + RENEWED_FOR / 2));
        assert!(tokens.present(now).is_some());
        assert!(tokens.refused(&b, now + RENEWED_FOR));
    }
}
