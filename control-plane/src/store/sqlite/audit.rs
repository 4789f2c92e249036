//! The list of writes in SQLite.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{
    super::{
        StoreError,
        audit::{self, AuditLog, AuditRow, Audited, MAX_SHOWN, Sought},
        document::signed,
        open::bounded,
        plan,
    },
    Sqlite,
};

const ADD: &str = "
    insert into audit (at, author, action, address, request_id, comment, outcome, revision)
    values ($1, $2, $3, $4, $5, $6, $7, $8)";

const ADD_RESOURCE: &str = "insert or ignore into audit_resource (audit, resource) values ($1, $2)";

const LIST: &str = "
    select a.id, a.at, a.author, a.action, a.address, a.request_id, a.comment, a.outcome, a.revision,
        (select group_concat(resource, ' ') from (
            select resource from audit_resource where audit = a.id order by resource limit $4
        )) as resources
    from audit a
    where a.id < $1 and ($2 = '' or exists (
        select 1 from audit_resource r where r.resource = $2 and r.audit = a.id))
    order by a.id desc limit $3";

/// Adds a write.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    entry: &Audited,
) -> Result<(), StoreError> {
    let added = sqlx::query(ADD)
        .bind(entry.at_ms)
        .bind(&entry.by.author)
        .bind(&entry.by.action)
        .bind(&entry.by.address)
        .bind(&entry.by.request_id)
        .bind(&entry.by.comment)
        .bind(&entry.outcome)
        .bind(entry.revision.map(signed))
        .execute(&mut *connection)
        .await?;
    for resource in &entry.resources {
        let add = sqlx::query(ADD_RESOURCE).bind(added.last_insert_rowid());
        add.bind(resource).execute(&mut *connection).await?;
    }
    Ok(())
}

#[async_trait]
impl AuditLog for Sqlite {
    async fn audit(&self, entry: Audited) -> Result<(), StoreError> {
        self.file.check()?;
        let entry = Audited {
            at_ms: plan::now_ms(),
            ..entry
        };
        let work = async {
            let mut transaction = self.writer.begin_with("begin immediate").await?;
            add(&mut transaction, &entry).await?;
            Ok(transaction.commit().await?)
        };
        bounded(self.timeout * 2, work).await
    }

    async fn audited(&self, sought: Sought) -> Result<Vec<Audited>, StoreError> {
        let rows = sqlx::query_as(LIST)
            .bind(signed(sought.before.unwrap_or(u64::MAX)))
            .bind(sought.resource.unwrap_or_default())
            .bind(i64::from(sought.limit))
            .bind(i64::from(MAX_SHOWN))
            .fetch_all(&self.readers);
        let rows: Vec<AuditRow> = rows.await?;
        rows.into_iter().map(audit::audited).collect()
    }
}
