//! Where rollouts stand, as control planes share it. Nothing of it is configuration.
//!
//! A control plane that wants to look at a rollout claims it, for a short time, so that exactly one does. Times are
//! those of the database's clock.

use async_trait::async_trait;

use super::StoreError;

/// For how long a claim lasts, in milliseconds: longer than a look and its write take.
pub(super) const CLAIM_MS: i64 = 30_000;

/// A [`ListedRow`] each, in order of name; $1 is now.
pub(super) const LIST: &str = "
    select name, identity, phase, percent,
        cast(case when held_until > $1 or due_at > $1 then 1 else 0 end as bigint)
    from rollout order by name";

/// Identity, wish and body of $1.
pub(super) const SHOW: &str = "select identity, wish, body from rollout where name = $1";

/// Claims $2 for $3 at $1 until $4, if it is free and due, or not the rollout $5. Returns wish and body.
pub(super) const CLAIM: &str = "
    insert into rollout (name, identity, holder, held_until, due_at, phase, percent, wish, body)
    values ($2, $5, $3, $4, 0, 'pending', 0, '', '')
    on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until,
        wish = case when rollout.identity = excluded.identity then rollout.wish else '' end,
        body = case when rollout.identity = excluded.identity then rollout.body else '' end,
        identity = excluded.identity
    where rollout.held_until <= $1 and (rollout.due_at <= $1 or rollout.identity <> excluded.identity)
    returning wish, body";

/// Writes body $3, phase $4 and percent $5 of $1, claimed by $2; then held until $6, due at $7. Wish $8 has been heard;
/// with another one since, it is due at once.
pub(super) const SAVE: &str = "
    update rollout set body = $3, phase = $4, percent = $5, held_until = $6,
        due_at = case when wish = $8 then $7 else 0 end,
        wish = case when wish = $8 then '' else wish end
    where name = $1 and holder = $2 and held_until > 0";

/// Somebody wants $3 of $1, which is the rollout $2.
pub(super) const WISH: &str = "
    insert into rollout (name, identity, holder, held_until, due_at, phase, percent, wish, body)
    values ($1, $2, '', 0, 0, 'pending', 0, $3, '')
    on conflict (name) do update set wish = excluded.wish, due_at = 0
    where rollout.identity = excluded.identity";

/// Forgets those that are gone.
pub(super) const FORGET: &str = "
    delete from rollout where name not in (select name from resource where kind = 'rollout')";

/// Name, identity, phase, percent, whether it waits.
pub(super) type ListedRow = (String, String, String, i64, i64);

/// A rollout, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRollout {
    /// Its name.
    pub name: String,
    /// Which rollout of this name.
    pub identity: String,
    /// How it goes.
    pub phase: String,
    /// Share of the requests that its canary has.
    pub percent: i64,
    /// Whether it is not to be looked at now: somebody does, or it is not yet time.
    pub waits: bool,
}

/// A rollout, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRollout {
    /// Which rollout of this name.
    pub identity: String,
    /// What a person wants of it and nobody has done yet; empty: nothing.
    pub wish: String,
    /// Where it stands, as JSON; empty: nowhere yet.
    pub body: String,
}

/// A rollout that is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What a person wants of it; empty: nothing.
    pub wish: String,
    /// Where it stands; empty: nowhere yet.
    pub body: String,
    /// Now, by the database's clock, in Unix milliseconds.
    pub now_ms: i64,
}

/// Where a claimed rollout stands now.
#[derive(Clone, Copy, Debug)]
pub struct SavedRollout<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who claimed it.
    pub instance: &'a str,
    /// The wish that has been heard.
    pub wish: &'a str,
    /// Where it stands, as JSON.
    pub body: &'a str,
    /// How it goes.
    pub phase: &'a str,
    /// Share of the requests that its canary has.
    pub percent: u32,
    /// It is given back, to be looked at that much later, in milliseconds; none: it stays claimed for another 30 s.
    pub next_ms: Option<i64>,
}

impl SavedRollout<'_> {
    /// Until when it is held, and when it is due.
    pub(super) fn times(&self, now_ms: i64) -> (i64, i64) {
        match self.next_ms {
            Some(next_ms) => (0, now_ms.saturating_add(next_ms)),
            None => (now_ms + CLAIM_MS, 0),
        }
    }
}

/// Where rollouts stand.
#[async_trait]
pub trait Rollouts {
    /// All that are known, in order of name.
    async fn rollouts(&self) -> Result<Vec<ListedRollout>, StoreError>;

    /// One of them.
    async fn rollout(&self, name: &str) -> Result<Option<ShownRollout>, StoreError>;

    /// Claims one for a control plane, for 30 s; none where somebody else has it, or it is not yet time.
    async fn claim_rollout(
        &self,
        name: &str,
        identity: &str,
        instance: &str,
    ) -> Result<Option<Claimed>, StoreError>;

    /// Writes where a claimed one stands. Returns whether it was still claimed.
    async fn save_rollout(&self, saved: SavedRollout<'_>) -> Result<bool, StoreError>;

    /// Says what a person wants of one, which is then due. Returns whether it is this rollout that is known.
    async fn wish_rollout(
        &self,
        name: &str,
        identity: &str,
        wish: &str,
    ) -> Result<bool, StoreError>;

    /// Forgets those that are gone.
    async fn forget_rollouts(&self) -> Result<(), StoreError>;
}

/// A rollout, from its row.
pub(super) fn listed((name, identity, phase, percent, waits): ListedRow) -> ListedRollout {
    ListedRollout {
        name,
        identity,
        phase,
        percent,
        waits: waits != 0,
    }
}

/// A rollout, from its identity, wish and body.
pub(super) fn shown((identity, wish, body): (String, String, String)) -> ShownRollout {
    ShownRollout {
        identity,
        wish,
        body,
    }
}
