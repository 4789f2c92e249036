//! What is known of one target. Read and written where something changes, never by a request that goes well.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use gatewright_engine::health::{
    check::{Judge, Verdict},
    ejection::Record,
    outlier::Detector,
    rate::Window,
};

/// What is known of one target.
#[derive(Debug)]
pub(super) struct Standing {
    /// What checks say; none where it is not checked.
    pub(super) judge: Option<Judge>,
    /// Whether it has joined just now: it then waits for the first check.
    pub(super) fresh: bool,
    pub(super) ejection: Option<Ejection>,
    pub(super) record: Record,
    /// Requests of the last interval.
    pub(super) window: Window,
    /// What the last check that did not pass has seen.
    pub(super) reason: Cow<'static, str>,
    /// When it became usable or not; none is since it is known.
    pub(super) since: Option<SystemTime>,
}

/// That a target is left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ejection {
    /// What found it.
    pub(super) detector: Detector,
    /// Until when; for a target that is tried, until when the answer to that is waited for.
    pub(super) until: Instant,
    pub(super) trial: Trial,
}

/// Whether one request may find out how an ejected target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// Not yet.
    No,
    /// The next one may.
    Open,
    /// One is on its way.
    Taken,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            judge: None,
            fresh: true,
            ejection: None,
            record: Record::default(),
            window: Window::default(),
            reason: Cow::Borrowed(""),
            since: None,
        }
    }
}

impl Standing {
    /// Whether requests may be sent to it.
    pub(super) fn usable(&self) -> bool {
        let admitted = self.ejection.is_none_or(|it| it.trial == Trial::Open);
        self.condition_of_checks() == Condition::Healthy && admitted
    }

    /// How it is.
    pub(super) fn condition(&self) -> Condition {
        match (self.condition_of_checks(), &self.ejection) {
            (Condition::Healthy, Some(_)) => Condition::Ejected,
            (condition, _) => condition,
        }
    }

    fn condition_of_checks(&self) -> Condition {
        match self.judge.map(|judge| judge.verdict()) {
            None | Some(Verdict::Healthy) => Condition::Healthy,
            Some(Verdict::Unhealthy) => Condition::Unhealthy,
            // One that has served until now goes on until it is known better.
            Some(Verdict::Unknown) if self.fresh => Condition::Unknown,
            Some(Verdict::Unknown) => Condition::Healthy,
        }
    }

    pub(super) fn told(&self) -> Told {
        let condition = self.condition();
        let reason = match (condition, self.ejection) {
            (Condition::Unknown, _) => Cow::Borrowed("not checked yet"),
            (Condition::Unhealthy, _) => self.reason.clone(),
            (_, Some(ejection)) => Cow::Borrowed(ejection.detector.as_str()),
            (_, None) => Cow::Borrowed(""),
        };
        let since = self.since.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        let since_ms = since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        Told {
            condition,
            ejected: self.ejection.is_some(),
            reason,
            since_ms,
        }
    }
}

/// How a target is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It gets requests.
    Healthy,
    /// Checks say that it must not.
    Unhealthy,
    /// It fails requests, and is left out for a while.
    Ejected,
    /// It waits for its first check.
    Unknown,
}

impl Condition {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] =
        [Self::Healthy, Self::Unhealthy, Self::Ejected, Self::Unknown];

    /// Its name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Unknown => "unchecked",
        }
    }
}

/// What is told of a target.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) condition: Condition,
    /// Also where it is unhealthy as well.
    pub(crate) ejected: bool,
    /// Why it is not healthy; empty where it is.
    pub(crate) reason: Cow<'static, str>,
    /// Since when it has been usable or not, in Unix milliseconds; 0: since it is known.
    pub(crate) since_ms: u64,
}
