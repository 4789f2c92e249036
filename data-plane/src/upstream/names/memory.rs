//! What names stood for when they were last asked for, and when they are asked for again. Kept by the upstream's
//! name: a change of its settings asks for nothing that is known.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::{Duration, Instant},
};

use gatewright_engine::{Target, dns::DnsSpec};

use super::{Place, literal};

/// How long a name is taken not to exist where the answer does not say.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// Whether for services, or else for addresses.
    pub(super) srv: bool,
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

impl Question {
    /// The name that is asked for.
    pub(super) fn host(&self) -> Box<str> {
        self.host.clone()
    }

    fn of(target: &Target) -> Self {
        Self {
            srv: target.srv,
            host: target.host.clone(),
            port: target.port,
        }
    }
}

/// What came of a lookup.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It stands for these, for so long.
    Found(Vec<Place>, Duration),
    /// It stands for nothing, for so long, where that was told.
    Nothing(Option<Duration>),
    /// Nobody could say.
    Failed(String),
    /// Nobody said anything in time.
    Late,
}

/// The names of the results of lookups, in the order of their counters.
pub(crate) const RESULTS: [&str; 4] = ["found", "nothing", "failed", "late"];

/// What names of an upstream's targets stand for.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
    counts: [AtomicU64; RESULTS.len()],
}

#[derive(Debug, Default)]
struct Inner {
    /// How they were asked for.
    spec: Option<DnsSpec>,
    known: HashMap<Question, Known>,
}

#[derive(Debug)]
struct Known {
    places: Vec<Place>,
    /// Until when the last good answer holds; none where there was none.
    good_until: Option<Instant>,
    /// When it is asked for again.
    due: Instant,
    /// In a row.
    failures: u32,
}

/// How the names fare.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Names that are looked up.
    pub(crate) names: usize,
    /// Names whose last lookup failed.
    pub(crate) failing: usize,
    /// For how long the oldest answer in use is beyond its time.
    pub(crate) stale: Duration,
}

impl Memory {
    /// What is to be asked now. Forgets what no target asks for any more; where the manner of asking has
    /// changed, everything is asked for again.
    pub(super) fn due(&self, targets: &[Target], spec: &DnsSpec, now: Instant) -> Vec<Question> {
        let inner = &mut *self.inner();
        let again = inner.spec.as_ref() != Some(spec);
        inner.spec = Some(spec.clone());
        let mut known = std::mem::take(&mut inner.known);
        let mut due = Vec::new();
        for target in targets.iter().filter(|it| literal(it).is_none()) {
            let question = Question::of(target);
            if inner.known.contains_key(&question) || due.contains(&question) {
                continue;
            }
            match known.remove(&question) {
                Some(it) => {
                    if again || it.due <= now {
                        due.push(question.clone());
                    }
                    inner.known.insert(question, it);
                }
                None => due.push(question),
            }
        }
        due
    }

    /// Learns what came of a lookup. Returns the reason where it is the first failure in a row, and whether it is the first
    /// success after one.
    pub(super) fn learn(
        &self,
        question: Question,
        answer: Answer,
        (spec, now): (&DnsSpec, Instant),
    ) -> (Option<String>, bool) {
        let mut inner = self.inner();
        let known = inner.known.entry(question).or_insert_with(|| Known {
            places: Vec::new(),
            good_until: None,
            due: now,
            failures: 0,
        });
        let (places, ttl, result) = match answer {
            Answer::Found(places, ttl) => (places, ttl, 0),
            Answer::Nothing(ttl) => (Vec::new(), ttl.unwrap_or(NEGATIVE_TTL), 1),
            Answer::Failed(reason) => {
                self.count(2);
                return (known.fail(spec, now).then_some(reason), false);
            }
            Answer::Late => {
                self.count(3);
                let reason = "no answer in time".to_owned();
                return (known.fail(spec, now).then_some(reason), false);
            }
        };
        self.count(result);
        known.places = places;
        known.places.sort_unstable();
        known.due = now + spec.holds(ttl);
        known.good_until = Some(known.due);
        (None, std::mem::take(&mut known.failures) > 0)
    }

    /// What a target stands for, as far as is known.
    pub(crate) fn places(&self, target: &Target) -> Vec<Place> {
        if let Some(place) = literal(target) {
            return vec![place];
        }
        let inner = self.inner();
        let known = inner.known.get(&Question::of(target));
        known.map(|it| it.places.clone()).unwrap_or_default()
    }

    /// Whether every one of these has been asked for.
    pub(crate) fn knows(&self, targets: &[Target]) -> bool {
        let inner = self.inner();
        let is_known = |it: &Target| inner.known.contains_key(&Question::of(it));
        let mut targets = targets.iter();
        targets.all(|it| literal(it).is_some() || is_known(it))
    }

    /// When the next is to be asked.
    pub(super) fn next(&self) -> Option<Instant> {
        self.inner().known.values().map(|it| it.due).min()
    }

    /// How the names fare.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let inner = self.inner();
        let failing = inner.known.values().filter(|it| it.failures > 0);
        let in_use = failing.clone().filter(|it| !it.places.is_empty());
        let stale = in_use.filter_map(|it| it.good_until);
        let stale = stale.map(|until| now.saturating_duration_since(until));
        Standing {
            names: inner.known.len(),
            failing: failing.count(),
            stale: stale.max().unwrap_or_default(),
        }
    }

    /// How often each of [`RESULTS`] came.
    pub(crate) fn counts(&self) -> [u64; RESULTS.len()] {
        self.counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }

    fn count(&self, result: usize) {
        self.counts[result].fetch_add(1, Ordering::Relaxed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Keeps what it was, unless that is too old. Returns whether this is the first failure in a row.
    fn fail(&mut self, spec: &DnsSpec, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.due = now + spec.pause(self.failures);
        let beyond = self.good_until.map(|it| now.saturating_duration_since(it));
        if beyond.is_some_and(|beyond| spec.is_too_stale(beyond)) {
            self.places.clear();
        }
        self.failures == 1
    }
}

#[cfg(test)]
mod tests;
