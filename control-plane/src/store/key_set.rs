//! How the fetching of key sets goes, as control planes share it. Nothing of it is configuration.
//!
//! A control plane that wants to fetch claims the key set, for a short time, so that exactly one does. Times are those
//! of the database's clock.

use async_trait::async_trait;

use super::StoreError;

/// For how long a claim lasts, in milliseconds: longer than two fetches and a write take.
pub(super) const CLAIM_MS: i64 = 90_000;

/// Name and source of those that are not to be fetched at $1.
pub(super) const WAITING: &str = "
    select name, source from key_set_fetch where held_until > $1 or due_at > $1";

/// Source, time of the last attempt, time of the next and body of $1.
pub(super) const SHOW: &str =
    "select source, attempted_at, due_at, body from key_set_fetch where name = $1";

/// Claims $2 for $3 at $1 until $4, if it is free and due, or of another source than $5. Returns the body.
pub(super) const CLAIM: &str = "
    insert into key_set_fetch (name, source, holder, held_until, attempted_at, due_at, body)
    values ($2, $5, $3, $4, $1, 0, '')
    on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until,
        attempted_at = excluded.attempted_at,
        body = case when key_set_fetch.source = excluded.source then key_set_fetch.body else '' end,
        source = excluded.source
    where key_set_fetch.source <> excluded.source
        or (key_set_fetch.held_until <= $1 and key_set_fetch.due_at <= $1)
    returning body";

/// Writes body $3 of $1, claimed by $2; it is due at $4.
pub(super) const SAVE: &str = "
    update key_set_fetch set body = $3, held_until = 0, due_at = $4
    where name = $1 and holder = $2 and held_until > 0";

/// Has $1 fetched again, no earlier than $2 milliseconds after the last time.
pub(super) const HASTEN: &str = "
    update key_set_fetch set due_at = attempted_at + $2
    where name = $1 and due_at > attempted_at + $2 and held_until = 0";

/// Forgets those that are gone.
pub(super) const FORGET: &str = "
    delete from key_set_fetch where name not in (select name from resource where kind = 'key_set')";

/// A key set that is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedFetch {
    /// What came of the fetches before, as JSON; empty: there were none.
    pub body: String,
    /// Now, by the database's clock, in Unix milliseconds.
    pub now_ms: i64,
}

/// How the fetching of a key set goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownFetch {
    /// What it is fetched from.
    pub source: String,
    /// When it was last asked for, in Unix milliseconds.
    pub attempted_at_ms: i64,
    /// When it is to be asked for next, in Unix milliseconds.
    pub due_at_ms: i64,
    /// What came of it, as JSON; empty: nothing yet.
    pub body: String,
}

/// How the fetching of key sets goes.
#[async_trait]
pub trait KeySetFetches {
    /// Name and source of those that need not be fetched now: it is not time, or somebody does.
    async fn waiting_fetches(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// That of one of them.
    async fn shown_fetch(&self, name: &str) -> Result<Option<ShownFetch>, StoreError>;

    /// Claims one for a control plane, for 90 s; none where somebody else has it, or it is not yet time.
    async fn claim_fetch(
        &self,
        name: &str,
        source: &str,
        instance: &str,
    ) -> Result<Option<ClaimedFetch>, StoreError>;

    /// Writes what came of a claimed one and when the next is due, in milliseconds from now, and gives it back.
    async fn save_fetch(
        &self,
        name: &str,
        instance: &str,
        body: &str,
        next_ms: i64,
    ) -> Result<(), StoreError>;

    /// Has one fetched again soon, but no earlier than so many milliseconds after the last time. Returns whether that
    /// changed anything.
    async fn hasten_fetch(&self, name: &str, after_ms: i64) -> Result<bool, StoreError>;

    /// Forgets those that are gone.
    async fn forget_fetches(&self) -> Result<(), StoreError>;
}

/// From its row.
pub(super) fn shown(
    (source, attempted_at_ms, due_at_ms, body): (String, i64, i64, String),
) -> ShownFetch {
    ShownFetch {
        source,
        attempted_at_ms,
        due_at_ms,
        body,
    }
}
