//! The list of writes in Postgres.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{
    super::{
        StoreError,
        audit::{self, AuditLog, AuditRow, Audited, MAX_SHOWN, Sought},
        document::signed,
        plan,
    },
    Postgres,
};

const ADD: &str = "
    with entry as (
        insert into audit (at, author, action, address, request_id, comment, outcome, revision)
        values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
    )
    insert into audit_resource (audit, resource)
    select distinct entry.id, resource from entry, unnest($9::text[]) as given (resource)";

const LIST: &str = "
    select a.id, a.at, a.author, a.action, a.address, a.request_id, a.comment, a.outcome, a.revision,
        (select string_agg(resource, ' ') from (
            select resource from audit_resource where audit = a.id order by resource limit $4
        ) as shown) as resources
    from audit a
    where a.id < $1 and ($2 = '' or exists (
        select 1 from audit_resource r where r.resource = $2 and r.audit = a.id))
    order by a.id desc limit $3";

/// Adds a write.
pub(super) async fn add(connection: &mut PgConnection, entry: &Audited) -> Result<(), StoreError> {
    sqlx::query(ADD)
        .bind(entry.at_ms)
        .bind(&entry.by.author)
        .bind(&entry.by.action)
        .bind(&entry.by.address)
        .bind(&entry.by.request_id)
        .bind(&entry.by.comment)
        .bind(&entry.outcome)
        .bind(entry.revision.map(signed))
        .bind(&entry.resources)
        .execute(connection)
        .await?;
    Ok(())
}

#[async_trait]
impl AuditLog for Postgres {
    async fn audit(&self, entry: Audited) -> Result<(), StoreError> {
        let entry = Audited {
            at_ms: plan::now_ms(),
            ..entry
        };
        let work = async {
            let mut connection = self.readers.acquire().await?;
            add(&mut connection, &entry).await
        };
        self.short(work).await
    }

    async fn audited(&self, sought: Sought) -> Result<Vec<Audited>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(LIST)
                .bind(signed(sought.before.unwrap_or(u64::MAX)))
                .bind(sought.resource.unwrap_or_default())
                .bind(i64::from(sought.limit))
                .bind(i64::from(MAX_SHOWN))
                .fetch_all(&self.readers);
            let rows: Vec<AuditRow> = rows.await?;
            rows.into_iter().map(audit::audited).collect()
        };
        self.short(work).await
    }
}
