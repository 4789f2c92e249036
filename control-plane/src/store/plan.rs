//! From edits to what a commit writes: the same for both back ends.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use gatewright_proto::Key;

use super::{Change, Edit, StoreError, document};

/// A row of `resource`, before a commit.
pub(super) struct Current {
    pub(super) body: String,
    pub(super) created_revision: i64,
}

/// What a commit writes about one resource.
pub(super) struct Write {
    pub(super) change: Change,
    /// The body that was there.
    pub(super) before: Option<String>,
    /// The body to store; none deletes.
    pub(super) after: Option<String>,
    pub(super) created_revision: i64,
}

/// Edits by key: parents before children, the last one of a key counts.
pub(super) fn by_key(edits: Vec<Edit>) -> BTreeMap<Key, Edit> {
    let keyed = |edit: Edit| (edit.key.clone(), edit);
    edits.into_iter().map(keyed).collect()
}

/// What to write so that edits come into force as revision `next`. Those that change nothing are left out.
pub(super) fn plan(
    edits: BTreeMap<Key, Edit>,
    mut current: BTreeMap<Key, Current>,
    next: u64,
) -> Result<Vec<Write>, StoreError> {
    let at_ms = now_ms();
    let mut writes = Vec::with_capacity(edits.len());
    for (key, edit) in edits {
        let existing = current.remove(&key);
        let before = existing
            .as_ref()
            .map(|row| document::parse(&key, &row.body));
        let before = before.transpose()?;
        let rendered = edit.after.map(|resource| document::render(&key, &resource));
        let (text, after) = rendered.transpose()?.unzip();
        let version =
            |side: &Option<document::Versioned>| side.as_ref().map(|(_, version)| *version);
        if version(&before) == version(&after) {
            continue;
        }
        let change = Change {
            revision: next,
            key,
            before,
            after,
            at_ms,
        };
        let created = existing.as_ref().map(|row| row.created_revision);
        writes.push(Write {
            change,
            before: existing.map(|row| row.body),
            after: text,
            created_revision: created.unwrap_or_else(|| document::signed(next)),
        });
    }
    Ok(writes)
}

/// The changes of a commit, for its caller.
pub(super) fn changes(writes: Vec<Write>) -> Vec<Change> {
    writes.into_iter().map(|write| write.change).collect()
}

/// Now, in Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// Up to which revision `trim` forgets: older than both bounds.
pub(super) fn cut(head: u64, oldest_recent: Option<i64>, keep_revisions: u64) -> u64 {
    let by_age = match oldest_recent {
        Some(revision) => u64::try_from(revision).unwrap_or(0).saturating_sub(1),
        None => head,
    };
    by_age.min(head.saturating_sub(keep_revisions))
}
