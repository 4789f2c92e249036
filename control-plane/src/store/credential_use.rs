//! When credentials were last used. Nothing of it is configuration.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{StoreError, document};

/// Forgets uses of credentials that are gone.
pub(super) const FORGET: &str = "
    delete from credential_use
        where credential not in (select name from resource where kind = 'credential')";

/// That a credential was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub credential: String,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// When credentials were last used, as all control planes share it.
#[async_trait]
pub trait CredentialUses {
    /// Writes uses, each credential once, in one statement. A later use that is known stays; of a credential that
    /// does not exist nothing is written.
    async fn used(&self, uses: &[Used]) -> Result<(), StoreError>;

    /// When each of these credentials was last used, in Unix milliseconds; without those that never were.
    async fn last_used(&self, credentials: &[&str]) -> Result<HashMap<String, u64>, StoreError>;

    /// Forgets credentials that are gone.
    async fn forget_uses(&self) -> Result<(), StoreError>;
}

/// A use, from its row.
pub(super) fn last_used((credential, at_ms): (String, i64)) -> Result<(String, u64), StoreError> {
    let at_ms = document::number(&credential, at_ms)?;
    Ok((credential, at_ms))
}
