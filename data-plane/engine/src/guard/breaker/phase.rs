//! Closed, open and half-open.

use std::time::Duration;

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They do.
    Closed,
    /// They do not.
    Open,
    /// Probes do.
    HalfOpen,
}

impl Phase {
    /// Its name in logs, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    pub(super) const fn of(number: u32) -> Self {
        match number {
            0 => Self::Closed,
            1 => Self::Open,
            _ => Self::HalfOpen,
        }
    }
}

/// That the phase has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: Phase,
    /// What it is.
    pub to: Phase,
    /// How long it is open.
    pub open_for: Option<Duration>,
}
