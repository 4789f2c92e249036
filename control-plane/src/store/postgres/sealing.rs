//! Encryption of what Postgres stores.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{
    super::{
        StoreError, document,
        sealing::{BodiesRow, BodyRow, KEYS_IN_USE, Outdated, Sealing, again, both_again, kinds},
    },
    Postgres, write,
};
use crate::secrets::Keyring;

/// Rows that are to be encrypted again. $1: kinds; $2: the key that is right; $3: whether only those in clear are.
const OUTDATED: &str = "
    kind = any($1) and (sealed_with is null or (not $3 and sealed_with <> '' and sealed_with <> $2))";

#[async_trait]
impl Sealing for Postgres {
    fn master_key(&self) -> Option<&str> {
        self.keyring.current()
    }

    async fn keys_in_use(&self) -> Result<Vec<String>, StoreError> {
        let work = async {
            Ok(sqlx::query_scalar(KEYS_IN_USE)
                .fetch_all(&self.readers)
                .await?)
        };
        self.long(work).await
    }

    async fn outdated(&self) -> Result<u64, StoreError> {
        let statement = format!(
            "select (select count(*) from resource where {OUTDATED})
                + (select count(*) from change where {OUTDATED})"
        );
        let work = async {
            let count = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(kinds())
                .bind(self.keyring.current())
                .bind(false);
            document::number("resource", count.fetch_one(&self.readers).await?)
        };
        self.long(work).await
    }

    /// Under the lock on revisions, as any writer, so that two never wait for each other's rows.
    async fn reseal(&self, which: Outdated, limit: u32) -> Result<u64, StoreError> {
        let work = async {
            let mut transaction = self.writer.begin().await?;
            write::lock(&mut transaction).await?;
            let mut done = resources(&mut transaction, which, limit, &self.keyring).await?;
            if done < limit {
                done += changes(&mut transaction, which, limit - done, &self.keyring).await?;
            }
            transaction.commit().await?;
            Ok(u64::from(done))
        };
        self.long(work).await
    }
}

async fn resources(
    connection: &mut PgConnection,
    which: Outdated,
    limit: u32,
    keyring: &Keyring,
) -> Result<u32, StoreError> {
    let statement =
        format!("select kind, name, body::text from resource where {OUTDATED} limit $4");
    let rows: Vec<BodyRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(kinds())
        .bind(keyring.current())
        .bind(which == Outdated::Plain)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    for (kind, name, body) in &rows {
        let body = again((kind, name), body, keyring)?;
        sqlx::query(
            "update resource set body = $3::json, sealed_with = $4 where kind = $1 and name = $2",
        )
        .bind(kind)
        .bind(name)
        .bind(body.text)
        .bind(body.sealed_with)
        .execute(&mut *connection)
        .await?;
    }
    Ok(u32::try_from(rows.len()).unwrap_or(limit))
}

async fn changes(
    connection: &mut PgConnection,
    which: Outdated,
    limit: u32,
    keyring: &Keyring,
) -> Result<u32, StoreError> {
    let statement = format!(
        "select revision, position, kind, name, before::text, after::text
         from change where {OUTDATED} limit $4"
    );
    let rows: Vec<BodiesRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(kinds())
        .bind(keyring.current())
        .bind(which == Outdated::Plain)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let (before, after, with) = both_again(row, keyring)?;
        sqlx::query(
            "update change set before = $3::json, after = $4::json, sealed_with = $5
             where revision = $1 and position = $2",
        )
        .bind(row.0)
        .bind(row.1)
        .bind(before)
        .bind(after)
        .bind(with)
        .execute(&mut *connection)
        .await?;
    }
    Ok(u32::try_from(rows.len()).unwrap_or(limit))
}
