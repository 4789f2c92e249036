//! The statements that both back ends understand as they stand.

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

/// Forgets changes up to $1.
pub(super) const TRIM_CHANGES: &str = "delete from change where revision <= $1";

/// Remembers that everything up to $1 was forgotten.
pub(super) const TRIMMED: &str = "update revision set trimmed = $1";
