//! What is asked for of one registration, and what came of it.

use gatewright_proto::{Key, Resource};

use super::Full;
use crate::{
    store::{Authorship, StoreError},
    write::{Mistake, WriteError},
};

/// A change of one registration.
#[derive(Clone, Debug)]
pub struct Change {
    /// The target.
    pub key: Key,
    /// What it becomes; none is that it leaves.
    pub target: Option<Resource>,
    /// Whether it leaves because it gave no sign of life. Not if it gives one before that is carried out.
    pub expired: bool,
    /// Who asks.
    pub by: Authorship,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The revision that it is in; the present one where nothing changed.
    pub revision: u64,
    /// Whether the target is new.
    pub created: bool,
}

/// Why it was not done.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// It has these mistakes.
    Invalid(Vec<Mistake>),
    /// There is no room for it.
    Full(Full),
    /// Too many wait to register.
    Crowded,
    /// Other writers took too long.
    Busy,
    /// The database.
    Unavailable,
    /// A defect; the log says more.
    Internal,
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Invalid(mistakes) | WriteError::StillReferenced(mistakes) => {
                Self::Invalid(mistakes)
            }
            WriteError::Busy => Self::Busy,
            WriteError::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "registrations cannot be carried out");
                Self::Internal
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "registrations cannot be written");
        Self::Unavailable
    }
}
