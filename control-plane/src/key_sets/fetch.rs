//! One fetch of a key set: where its keys are, what they are, and whether that is new.

use std::{sync::Arc, time::Duration};

use gatewright_engine::key_set::Remote;
use gatewright_proto::{Key, Kind, Resource, v1};

use super::{
    Shared, Standing,
    answer::{self, FetchError},
    canonical, discovery, source,
};
use crate::{
    catalog::State,
    store::{Authorship, StoreError},
    write::{Operation, Write, WriteError},
};

const DEFAULT_TIMEOUT_MS: u32 = 5000;
/// What is asked of `min_refresh_ms` and `max_refresh_ms` where they are not given.
const REFRESH_MS: (u32, u32) = (60_000, 600_000);
/// After this time an issuer is asked again where its JWKS is, in milliseconds.
const DISCOVERY_HOLDS_MS: i64 = 3600 * 1000;
/// Pause after a failure, in milliseconds; doubled with each that follows.
const RETRY_MS: i64 = 5000;
/// Longest pause while there are no keys at all, in milliseconds: nobody gets in meanwhile.
const MAX_RETRY_WITHOUT_KEYS_MS: i64 = 30_000;
/// What stands before the name of a secret.
const SECRET: &str = "secret:";
/// Who writes, in the history.
const AUTHOR: &str = "gatewright";

/// What a fetch came to.
struct Fetched {
    /// The keys; none where they are still what they were.
    jwks: Option<String>,
    /// Where logins go, where the issuer was asked.
    endpoints: Option<v1::FetchedEndpoints>,
    /// For how long that holds, where the answer says so.
    max_age: Option<Duration>,
}

impl Shared {
    /// Fetches a key set, unless another control plane does or it is not yet time.
    pub(super) async fn fetch(&self, state: Arc<State>, set: v1::KeySet) -> Result<(), StoreError> {
        let (state, set) = (&*state, &set);
        let store = &self.catalog.store;
        let claimed = store.claim_fetch(&set.name, source(set), &self.instance);
        let Some(claimed) = claimed.await? else {
            return Ok(());
        };
        let mut standing = Standing::read(&claimed.body);
        let next_ms = match self
            .attempt(state, set, &mut standing, claimed.now_ms)
            .await
        {
            Ok(next_ms) => {
                if standing.failures > 0 {
                    tracing::info!(
                        key_set = set.name,
                        "the keys of `{}` are fetched again",
                        set.name
                    );
                }
                standing.succeeded_at_ms = claimed.now_ms;
                standing.failures = 0;
                standing.error.clear();
                self.metrics.succeeded(&set.name);
                next_ms
            }
            Err(FetchError(error)) => {
                self.metrics.failed(&set.name);
                if standing.failures == 0 {
                    tracing::warn!(
                        key_set = set.name,
                        error,
                        "the keys of `{}` cannot be fetched; those known stay in force",
                        set.name
                    );
                }
                let pause = pause(set, standing.failures);
                standing.failures = standing.failures.saturating_add(1);
                // Where it says that its JWKS is may be what is wrong.
                standing.jwks_url.clear();
                standing.error = error;
                pause
            }
        };
        let body = standing.write();
        store
            .save_fetch(&set.name, &self.instance, &body, next_ms)
            .await
    }

    /// Returns when the next one is due, in milliseconds.
    async fn attempt(
        &self,
        state: &State,
        set: &v1::KeySet,
        standing: &mut Standing,
        now_ms: i64,
    ) -> Result<i64, FetchError> {
        let fetched = download(state, set, standing, now_ms).await?;
        let max_age = fetched.max_age;
        self.keep(set, fetched, now_ms).await?;
        let (least, most) = refresh(set);
        let asked = max_age.map_or(i64::from(most), |age| {
            i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
        });
        Ok(asked.clamp(least.into(), most.into()))
    }

    /// Writes what is new into the resource.
    async fn keep(&self, set: &v1::KeySet, found: Fetched, now_ms: i64) -> Result<(), FetchError> {
        let known = stored(set).cloned().unwrap_or_default();
        let fetched = v1::FetchedKeys {
            source: source(set).to_owned(),
            jwks: found.jwks.unwrap_or_else(|| known.jwks.clone()),
            changed_at_ms: known.changed_at_ms,
            endpoints: found.endpoints.or_else(|| known.endpoints.clone()),
        };
        if fetched == known {
            return Ok(());
        }
        let fetched = v1::FetchedKeys {
            changed_at_ms: u64::try_from(now_ms).ok(),
            ..fetched
        };
        let key = Key::new(Kind::KeySet, &set.name);
        let write = Write {
            operations: vec![Operation::Fetched(key, fetched)],
            by: Authorship {
                author: AUTHOR.to_owned(),
                comment: format!("what was fetched from {} has changed", source(set)),
                action: "key set".to_owned(),
                ..Authorship::default()
            },
            ..Write::default()
        };
        match self.writer.write(write).await {
            // It was deleted meanwhile.
            Ok(_) | Err(WriteError::NotFound(_)) => Ok(()),
            Err(error) => {
                tracing::warn!(key_set = set.name, %error, "fetched keys cannot be written");
                Err(FetchError(
                    "the keys were fetched and could not be written".to_owned(),
                ))
            }
        }
    }
}

/// Asks for the keys.
async fn download(
    state: &State,
    set: &v1::KeySet,
    standing: &mut Standing,
    now_ms: i64,
) -> Result<Fetched, FetchError> {
    let timeout = set.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    let timeout = Duration::from_millis(timeout.into());
    let client = answer::client(authorities(state, set)?, timeout)?;
    let mut endpoints = None;
    let url = match Remote::of(set) {
        Some(Remote::Jwks(url)) => url.to_owned(),
        Some(Remote::Issuer(issuer)) => {
            let holds = now_ms - standing.discovered_at_ms < DISCOVERY_HOLDS_MS;
            let complete = stored(set).is_none_or(|known| known.endpoints.is_some());
            if standing.jwks_url.is_empty() || !holds || !complete {
                let allow_http = set.allow_http.unwrap_or(false);
                let discovered = discovery::ask(&client, issuer, allow_http).await?;
                standing.jwks_url = discovered.jwks_url;
                endpoints = Some(discovered.endpoints);
                standing.discovered_at_ms = now_ms;
            }
            standing.jwks_url.clone()
        }
        None => return Err(FetchError("nothing is to be fetched".to_owned())),
    };
    let known = match stored(set) {
        Some(_) => (&*standing.etag, &*standing.last_modified),
        None => ("", ""),
    };
    let answer = answer::ask(&client, &url, known).await?;
    let Some(body) = answer.body else {
        return Ok(Fetched {
            jwks: None,
            endpoints,
            max_age: answer.max_age,
        });
    };
    let (jwks, skipped) = canonical::keys(&body)
        .map_err(|FetchError(reason)| FetchError(format!("{url}: {reason}")))?;
    standing.skipped = skipped;
    standing.etag = answer.etag;
    standing.last_modified = answer.last_modified;
    Ok(Fetched {
        jwks: Some(jwks),
        endpoints,
        max_age: answer.max_age,
    })
}

/// The keys that are in force, if they are of this source.
fn stored(set: &v1::KeySet) -> Option<&v1::FetchedKeys> {
    let fetched = set.fetched.as_ref();
    fetched.filter(|it| it.source == source(set))
}

/// The PEM of the authorities; empty where they are the system's.
fn authorities<'s>(state: &'s State, set: &'s v1::KeySet) -> Result<&'s str, FetchError> {
    let Some(name) = set.ca_certificates.strip_prefix(SECRET) else {
        return Ok(&set.ca_certificates);
    };
    let entry = state.entries.get(&Key::new(Kind::Secret, name));
    match entry.map(|entry| &*entry.held.resource) {
        Some(Resource::Secret(secret)) => Ok(&secret.value),
        _ => Err(FetchError(format!("there is no secret `{name}`"))),
    }
}

/// How long to wait after a failure that so many came before, in milliseconds.
fn pause(set: &v1::KeySet, failures: u32) -> i64 {
    let most = match stored(set) {
        Some(_) => i64::from(refresh(set).1),
        None => MAX_RETRY_WITHOUT_KEYS_MS,
    };
    RETRY_MS.saturating_mul(1 << failures.min(16)).min(most)
}

/// Least and most time between two fetches, in milliseconds.
fn refresh(set: &v1::KeySet) -> (u32, u32) {
    let least = set.min_refresh_ms.unwrap_or(REFRESH_MS.0);
    let most = set.max_refresh_ms.unwrap_or(REFRESH_MS.1).max(least);
    (least, most)
}

#[cfg(test)]
mod tests {
    use gatewright_proto::v1;

    use super::pause;

    #[test]
    fn failures_bring_longer_pauses_but_not_long_ones_while_there_are_no_keys() {
        let mut set = v1::KeySet {
            url: "https://login/keys".to_owned(),
            ..v1::KeySet::default()
        };
        let pauses =
            |set: &v1::KeySet| [0, 1, 2, 3, 9, u32::MAX].map(|failures| pause(set, failures));
        assert_eq!(pauses(&set), [5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
        set.fetched = Some(v1::FetchedKeys {
            source: set.url.clone(),
            ..v1::FetchedKeys::default()
        });
        assert_eq!(
            pauses(&set),
            [5000, 10_000, 20_000, 40_000, 600_000, 600_000]
        );
        // Keys of where it was fetched from before are none.
        set.url.push('2');
        assert_eq!(pause(&set, 9), 30_000);
    }
}
