//! Tokens that are refreshed before they expire: one question to the provider for all requests of a session.
//!
//! Providers give a new refresh token with each answer, and take one that is shown twice for stolen. So what came of a
//! refresh is remembered for a minute: requests that were on their way with the cookies from before, as of other tabs, get
//! the new ones too, and the provider is not asked again. Across nodes nothing is shared: a node that is refused goes
//! on with tokens that still count, and the browser soon shows it those of the other node.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::{FutureExt as _, Shared};

use super::{
    Login,
    cookies::Fields,
    event::Event,
    now,
    provider::{Expected, Failure},
    session::Held,
};
use crate::key_set::KeySet;

/// How long what came of a refresh is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long a provider that did not answer is not asked again for one session.
const PAUSE: Duration = Duration::from_secs(5);
/// Most refreshes that are remembered or under way.
const MAX_REFRESHES: usize = 20_000;

/// What came of a refresh.
pub(super) enum Outcome {
    /// New tokens, and what the browser is to keep.
    Renewed(Arc<Held>, Fields),
    /// The provider will not.
    Refused,
    /// Nobody can tell.
    Unavailable,
}

type Refreshing = Shared<Pin<Box<dyn Future<Output = Arc<Outcome>> + Send>>>;

/// Refreshes that are under way, or were a moment ago, by the digest of the refresh token.
#[derive(Default)]
pub(super) struct Refreshes(Mutex<HashMap<[u8; 32], Entry>>);

struct Entry {
    refreshing: Refreshing,
    since: Instant,
}

impl Entry {
    fn counts(&self, now: Instant) -> bool {
        let outcome = self.refreshing.peek();
        let holds = match outcome.map(|outcome| &**outcome) {
            Some(Outcome::Unavailable) => PAUSE,
            _ => REMEMBERED,
        };
        now.duration_since(self.since) < holds
    }
}

impl Refreshes {
    /// The refresh of this token, which begins if there is none; none where too many are under way.
    fn join(
        &self,
        token: &str,
        begin: impl FnOnce() -> Pin<Box<dyn Future<Output = Arc<Outcome>> + Send>>,
    ) -> Option<Refreshing> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = Instant::now();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key)
            && entry.counts(now)
        {
            return Some(entry.refreshing.clone());
        }
        if entries.len() >= MAX_REFRESHES {
            entries.retain(|_, entry| entry.counts(now));
        }
        if entries.len() >= MAX_REFRESHES {
            return None;
        }
        let refreshing = begin().shared();
        let entry = Entry {
            refreshing: refreshing.clone(),
            since: now,
        };
        entries.insert(key, entry);
        Some(refreshing)
    }
}

impl fmt::Debug for Refreshes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Refreshes")
    }
}

impl Login {
    /// Refreshes the tokens of a session.
    pub(super) async fn refreshed(
        self: Arc<Self>,
        held: Arc<Held>,
        set: Arc<KeySet>,
    ) -> Arc<Outcome> {
        let login = Arc::clone(&self);
        let token = held.session.refresh_token.clone().unwrap_or_default();
        let refreshing = self.refreshes.join(&token, || {
            Box::pin(async move { Arc::new(login.refresh(&held, &set).await) })
        });
        match refreshing {
            Some(refreshing) => refreshing.await,
            None => Arc::new(Outcome::Unavailable),
        }
    }

    async fn refresh(&self, held: &Held, set: &KeySet) -> Outcome {
        let (outcome, event) = match self.renewed(held, set).await {
            Ok((held, fields)) => (Outcome::Renewed(Arc::new(held), fields), Event::Renewed),
            Err(Failure::Refused(..)) => (Outcome::Refused, Event::RenewalRefused),
            Err(Failure::Unavailable(_)) => (Outcome::Unavailable, Event::RenewalUnavailable),
        };
        self.events.count(event);
        outcome
    }

    /// New tokens (RFC 6749 section 6), and an ID token like the one before where there is one (OpenID Connect Core 1.0,
    /// section 12.2).
    async fn renewed(&self, held: &Held, set: &KeySet) -> Result<(Held, Fields), Failure> {
        let session = &held.session;
        let token = session.refresh_token.as_deref().unwrap_or_default();
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let tokens = self.provider.tokens(set, &parameters).await?;
        let now = now();
        if let Some(id_token) = &tokens.id_token {
            let expected = Expected::Like(&session.id_token);
            let both = (&**id_token, &*tokens.access_token);
            self.provider.check(set, both, &expected, now)?;
        }
        let session = session.clone().with(tokens, self.upstream_token, now);
        let too_large = Failure::Unavailable("session_too_large");
        let fields = self.keep(&session, held.parts).ok_or(too_large)?;
        let held = self.hold(session, held.parts, held.seen);
        let missing = Failure::Refused("claim", "the ID token does not say what is asked".into());
        Ok((held.ok_or(missing)?, fields))
    }
}
