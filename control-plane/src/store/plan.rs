//! From edits to what a commit writes: the same for both back ends.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use gatewright_proto::Key;

use super::{
    Change, Edit, StoreError,
    document::{self, Body},
};
use crate::secrets::Keyring;

/// A row of `resource`, before a commit.
pub(super) struct Current {
    pub(super) body: String,
    pub(super) created_revision: i64,
}

/// What a commit writes about one resource.
pub(super) struct Write {
    pub(super) change: Change,
    /// The body that was there.
    pub(super) before: Option<Body>,
    /// The body to store; none deletes.
    pub(super) after: Option<Body>,
    pub(super) created_revision: i64,
}

impl Write {
    /// The body that was there.
    pub(super) fn text_before(&self) -> Option<&str> {
        self.before.as_ref().map(|body| &*body.text)
    }

    /// The body to store.
    pub(super) fn text_after(&self) -> Option<&str> {
        self.after.as_ref().map(|body| &*body.text)
    }

    /// Id of the master key of the body to store, as in [`Body`].
    pub(super) fn after_sealed_with(&self) -> Option<&str> {
        self.after.as_ref()?.sealed_with.as_deref()
    }

    /// Id of the master key of both bodies.
    pub(super) fn sealed_with(&self) -> Option<&str> {
        let sides = [&self.before, &self.after].into_iter().flatten();
        let mut with = "";
        for body in sides {
            match body.sealed_with.as_deref()? {
                "" => {}
                id => with = id,
            }
        }
        Some(with)
    }
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
    keyring: &Keyring,
) -> Result<Vec<Write>, StoreError> {
    let at_ms = now_ms();
    let mut writes = Vec::with_capacity(edits.len());
    for (key, edit) in edits {
        let existing = current.remove(&key);
        let before = existing
            .as_ref()
            .map(|row| document::parse(&key, &row.body, keyring));
        let before = before.transpose()?;
        let rendered = edit
            .after
            .map(|resource| document::render(&key, &resource, keyring));
        let (body, after) = rendered.transpose()?.unzip();
        let version =
            |side: &Option<document::Versioned>| side.as_ref().map(|(_, version)| *version);
        if version(&before) == version(&after) {
            continue;
        }
        let created = existing.as_ref().map(|row| row.created_revision);
        let was = existing.zip(before.as_ref());
        let was =
            was.map(|(row, (resource, _))| document::rewrite(&key, row.body, resource, keyring));
        let was = was.transpose()?;
        let change = Change {
            revision: next,
            key,
            before,
            after,
            at_ms,
        };
        writes.push(Write {
            change,
            before: was,
            after: body,
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
