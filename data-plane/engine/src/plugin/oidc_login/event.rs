//! What has happened, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A browser was sent to the provider.
    Begun,
    /// It came back and has a session.
    Completed,
    /// It came back and was refused.
    Refused,
    /// It came back, and nobody could tell.
    Unavailable,
    /// Tokens were refreshed.
    Renewed,
    /// The provider would not refresh them.
    RenewalRefused,
    /// The provider did not answer.
    RenewalUnavailable,
    /// A browser logged out.
    LoggedOut,
}

/// All of them, in their order, with their names.
const NAMES: [&str; 8] = [
    "begun",
    "completed",
    "refused",
    "unavailable",
    "renewed",
    "renewal_refused",
    "renewal_unavailable",
    "logged_out",
];

/// How often each has happened.
#[derive(Debug, Default)]
pub(super) struct Events([AtomicU64; NAMES.len()]);

impl Events {
    /// Counts one.
    pub(super) fn count(&self, event: Event) {
        if let Some(count) = self.0.get(event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that have happened, and how often.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
    }
}
