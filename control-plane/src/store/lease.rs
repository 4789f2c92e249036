//! When targets that registered themselves last gave a sign of life. Nothing of it is configuration.

use std::collections::HashMap;

use async_trait::async_trait;

use super::StoreError;

/// For how long the row of a target that is gone is kept, in milliseconds: longer than a target can be in the
/// making.
pub(super) const FORGET_AFTER_MS: i64 = 2 * 3600 * 1000;

/// Forgets rows older than $1 of targets that are gone.
pub(super) const FORGET: &str = "
    delete from lease where seen_at < $1
        and target not in (select name from resource where kind = 'target')";

/// A sign of life of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// Its name.
    pub target: String,
    /// How long ago it was, in milliseconds.
    pub age_ms: u64,
}

/// Signs of life of targets, as all control planes share them.
#[async_trait]
pub trait Leases {
    /// Writes signs of life, each target once, in one statement. A later one that is known stays.
    async fn renew(&self, signs: &[SignOfLife]) -> Result<(), StoreError>;

    /// How long ago each of these targets last gave a sign of life, in milliseconds; without those that are not known.
    async fn ages(&self, targets: &[String]) -> Result<HashMap<String, u64>, StoreError>;

    /// Forgets targets that have been gone for hours. Returns how many.
    async fn forget(&self) -> Result<u64, StoreError>;
}

/// An age, from a row. A clock that was set back makes it negative: as if it were just now.
pub(super) fn age((target, age_ms): (String, i64)) -> (String, u64) {
    (target, u64::try_from(age_ms).unwrap_or(0))
}
