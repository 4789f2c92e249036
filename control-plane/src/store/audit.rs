//! Who asked for which change, and what came of it.

use async_trait::async_trait;

use super::{Authorship, StoreError, document, plan::Write};

/// What came of a write that made a revision.
pub const COMMITTED: &str = "committed";

/// Most resources of a write that are shown in a list.
pub(super) const MAX_SHOWN: u32 = 100;

/// A write that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Its number; larger for later ones.
    pub id: u64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// Who, what for, and from where.
    pub by: Authorship,
    /// `committed`, `unchanged`, or the code of the refusal.
    pub outcome: String,
    /// The revision it made.
    pub revision: Option<u64>,
    /// The resources it was about, as `route/orders`; the first hundred.
    pub resources: Vec<String>,
}

/// Which writes are listed.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// Only those with smaller numbers.
    pub before: Option<u64>,
    /// Only those about this resource, as `route/orders`.
    pub resource: Option<String>,
    /// Most of them.
    pub limit: u32,
}

/// The list of writes. Those that are committed are added by the commit.
#[async_trait]
pub trait AuditLog {
    /// Adds a write that made no revision. Its number and time are given to it.
    async fn audit(&self, entry: Audited) -> Result<(), StoreError>;

    /// Writes, newest first.
    async fn audited(&self, sought: Sought) -> Result<Vec<Audited>, StoreError>;
}

/// What a commit adds.
pub(super) fn committed(revision: u64, writes: &[Write], by: &Authorship) -> Audited {
    let resources = writes.iter().map(|it| it.change.key.to_string());
    Audited {
        id: 0,
        at_ms: writes.first().map_or(0, |it| it.change.at_ms),
        by: by.clone(),
        outcome: COMMITTED.to_owned(),
        revision: Some(revision),
        resources: resources.collect(),
    }
}

/// Number and time, then what was asked for and what came of it.
pub(super) type AuditRow = (
    i64,
    i64,
    String,
    String,
    String,
    String,
    String,
    String,
    Option<i64>,
    Option<String>,
);

/// A write, from its row. Its resources are separated by spaces, which no name has.
pub(super) fn audited(row: AuditRow) -> Result<Audited, StoreError> {
    let (id, at_ms, author, action, address, request_id, comment, outcome, revision, resources) =
        row;
    let revision = revision.map(|it| document::number("audit", it));
    let resources = resources.unwrap_or_default();
    Ok(Audited {
        id: document::number("audit", id)?,
        at_ms,
        by: Authorship {
            author,
            comment,
            action,
            address,
            request_id,
        },
        outcome,
        revision: revision.transpose()?,
        resources: resources
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect(),
    })
}
