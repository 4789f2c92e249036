//! The statements that both back ends understand as they stand.

use super::{
    StoreError, document,
    roster::{Applied, NodeElsewhere, NodeRow},
};

/// Epoch, revision, trimmed.
pub(super) const HEAD: &str = "select epoch, revision, trimmed from revision";

/// A [`super::document::ResourceRow`] each.
pub(super) const RESOURCES: &str = "
    select kind, name, cast(body as text), revision, created_revision, updated_at
    from resource order by kind, name";

/// A [`super::document::ChangeRow`] each, after revision $1.
pub(super) const CHANGES_AFTER: &str = "
    select c.revision, c.kind, c.name, cast(c.before as text), cast(c.after as text), r.at
    from change c join revision_log r on r.revision = c.revision
    where c.revision > $1 order by c.revision, c.position";

/// A [`super::document::ChangeRow`] each, of revision $1.
pub(super) const CHANGES_OF: &str = "
    select c.revision, c.kind, c.name, cast(c.before as text), cast(c.after as text), r.at
    from change c join revision_log r on r.revision = c.revision
    where c.revision = $1 order by c.position";

/// A [`super::document::RevisionRow`], of revision $1.
pub(super) const REVISION: &str = "
    select revision, at, author, comment, changes from revision_log where revision = $1";

/// A [`super::document::RevisionRow`] each, below $1, at most $2.
pub(super) const REVISIONS: &str = "
    select revision, at, author, comment, changes from revision_log
    where revision < $1 order by revision desc limit $2";

/// Logs a commit: revision, at, author, comment, changes.
pub(super) const LOG: &str = "
    insert into revision_log (revision, at, author, comment, changes) values ($1, $2, $3, $4, $5)";

/// Moves the head to $1.
pub(super) const ADVANCE: &str = "update revision set revision = $1";

/// The oldest revision that is not older than $1.
pub(super) const OLDEST_SINCE: &str = "select min(revision) from revision_log where at >= $1";

/// Forgets revisions up to $1.
pub(super) const TRIM_LOG: &str = "delete from revision_log where revision <= $1";

/// Forgets who asked for what before $1, in Unix milliseconds.
pub(super) const TRIM_AUDIT: &str = "delete from audit where at < $1";

/// Forgets changes up to $1.
pub(super) const TRIM_CHANGES: &str = "delete from change where revision <= $1";

/// Remembers that everything up to $1 was forgotten.
pub(super) const TRIMMED: &str = "update revision set trimmed = $1";

/// How long control planes and nodes that are gone are remembered, so that a late word of them is known to be late.
pub(super) const FORGET_AFTER_MS: i64 = 24 * 3600 * 1000;

/// A control plane lives: instance, name, now.
pub(super) const BEAT: &str = "
    insert into control_plane (instance, name, seen_at) values ($1, $2, $3)
    on conflict (instance) do update set seen_at = excluded.seen_at";

/// A control plane ends.
pub(super) const LEAVE: &str = "delete from control_plane where instance = $1";

/// Forgets control planes that have not lived since $1.
pub(super) const FORGET_CONTROL_PLANES: &str = "delete from control_plane where seen_at < $1";

/// Forgets nodes that have not been heard of since $1 and are not connected.
pub(super) const FORGET_NODES: &str = "
    delete from node where changed_at < $1
        and (not connected or instance not in (select instance from control_plane))";

/// Node, stream, applied revision.
pub(super) type AppliedRow = (String, i64, i64);

/// An [`AppliedRow`] each, of nodes that are not of instance $1 and whose control plane has lived since $2.
pub(super) const APPLIED_ELSEWHERE: &str = "
    select n.node_id, n.stream, n.applied_revision
    from node n join control_plane c on c.instance = n.instance
    where n.connected and n.instance <> $1 and c.seen_at >= $2";

/// Control plane, node, stream, applied revision, body, facts.
pub(super) type ElsewhereRow = (String, String, i64, i64, String, String);

/// An [`ElsewhereRow`] each, of the same nodes.
pub(super) const NODES_ELSEWHERE: &str = "
    select c.name, n.node_id, n.stream, n.applied_revision, n.body, n.facts
    from node n join control_plane c on c.instance = n.instance
    where n.connected and n.instance <> $1 and c.seen_at >= $2
    order by n.node_id";

/// What a node has applied, from its row.
pub(super) fn applied((node_id, stream, revision): AppliedRow) -> Result<Applied, StoreError> {
    Ok(Applied {
        stream: document::number(&node_id, stream)?,
        revision: document::number(&node_id, revision)?,
        node_id,
    })
}

/// A node, from its row.
pub(super) fn elsewhere(row: ElsewhereRow) -> Result<NodeElsewhere, StoreError> {
    let (control_plane, node_id, stream, revision, body, facts) = row;
    let row = NodeRow {
        stream: document::number(&node_id, stream)?,
        connected: true,
        applied_revision: document::number(&node_id, revision)?,
        node_id,
        body,
        facts,
    };
    Ok(NodeElsewhere { control_plane, row })
}
