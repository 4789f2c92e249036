//! The signs of life that this control plane knows of.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatewright_proto::{Key, Kind};

use super::{SLACK, registrations};
use crate::{catalog::State, store::SignOfLife};

/// How long a sign of life is kept of a target that is not there (yet).
const KEEP: Duration = Duration::from_secs(60);

/// The signs of life that this control plane knows of, by name of the target.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    leases: HashMap<String, Lease>,
    /// Those that the database has not been told of.
    unsaved: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    /// The last sign of life that is known here, or when it was first seen.
    seen: Instant,
    /// Whether it is in the list of those to be saved.
    unsaved: bool,
}

impl Known {
    /// Notes a sign of life.
    pub(super) fn note(&self, target: &str, now: Instant) {
        let inner = &mut *self.inner();
        match inner.leases.get_mut(target) {
            Some(lease) => {
                lease.seen = now;
                if !lease.unsaved {
                    lease.unsaved = true;
                    inner.unsaved.push(target.to_owned());
                }
            }
            None => {
                let unsaved = true;
                let lease = Lease { seen: now, unsaved };
                inner.leases.insert(target.to_owned(), lease);
                inner.unsaved.push(target.to_owned());
            }
        }
    }

    /// Takes over what the database says.
    pub(super) fn learn(&self, target: &str, age_ms: u64, now: Instant) {
        let seen = now.checked_sub(Duration::from_millis(age_ms));
        if let Some((lease, seen)) = self.inner().leases.get_mut(target).zip(seen) {
            lease.seen = lease.seen.max(seen);
        }
    }

    /// How long ago the last sign of life was.
    pub(super) fn age_ms(&self, target: &str, now: Instant) -> Option<u64> {
        let seen = self.inner().leases.get(target)?.seen;
        let age = now.saturating_duration_since(seen).as_millis();
        Some(u64::try_from(age).unwrap_or(u64::MAX))
    }

    /// Takes what the database has not been told of.
    pub(super) fn take_unsaved(&self, now: Instant) -> Vec<SignOfLife> {
        let inner = &mut *self.inner();
        let mut signs = Vec::with_capacity(inner.unsaved.len());
        for target in std::mem::take(&mut inner.unsaved) {
            if let Some(lease) = inner.leases.get_mut(&target) {
                lease.unsaved = false;
                let age = now.saturating_duration_since(lease.seen).as_millis();
                let age_ms = u64::try_from(age).unwrap_or(u64::MAX);
                signs.push(SignOfLife { target, age_ms });
            }
        }
        signs
    }

    /// Gives back what the database did not take.
    pub(super) fn put_back(&self, signs: Vec<SignOfLife>) {
        let inner = &mut *self.inner();
        for sign in signs {
            if let Some(lease) = inner.leases.get_mut(&sign.target)
                && !lease.unsaved
            {
                lease.unsaved = true;
                inner.unsaved.push(sign.target);
            }
        }
    }

    /// The targets that have given no sign of life for as long as they may, with that time. Forgets those that are
    /// gone.
    pub(super) fn due(&self, state: &State, now: Instant) -> Vec<(String, Duration)> {
        let inner = &mut *self.inner();
        let (mut due, mut present) = (Vec::new(), 0);
        for (key, target) in registrations(state) {
            present += 1;
            let allowed = Duration::from_millis(target.ttl_ms.unwrap_or_default().into()) + SLACK;
            match inner.leases.get(&key.name) {
                Some(lease) if now.saturating_duration_since(lease.seen) >= allowed => {
                    due.push((key.name.clone(), allowed));
                }
                Some(_) => {}
                None => {
                    let (seen, unsaved) = (now, false);
                    inner
                        .leases
                        .insert(key.name.clone(), Lease { seen, unsaved });
                }
            }
        }
        if inner.leases.len() > present {
            inner.leases.retain(|name, lease| {
                let key = Key::new(Kind::Target, name.as_str());
                state.entries.contains_key(&key) || now.saturating_duration_since(lease.seen) < KEEP
            });
        }
        due
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
