//! Encryption of what SQLite stores.

use async_trait::async_trait;
use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    super::{
        StoreError, document,
        open::bounded,
        sealing::{BodiesRow, BodyRow, KEYS_IN_USE, Outdated, Sealing, again, both_again, kinds},
    },
    Sqlite,
};
use crate::secrets::Keyring;

/// Rows that are to be encrypted again. $1: kinds; $2: the key that is right; $3: whether only those in clear are.
const OUTDATED: &str = "
    kind in (select value from json_each($1))
        and (sealed_with is null or ($3 = 0 and sealed_with <> '' and sealed_with <> $2))";

#[async_trait]
impl Sealing for Sqlite {
    fn master_key(&self) -> Option<&str> {
        self.keyring.current()
    }

    async fn keys_in_use(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(KEYS_IN_USE)
            .fetch_all(&self.readers)
            .await?)
    }

    async fn outdated(&self) -> Result<u64, StoreError> {
        let statement = format!(
            "select (select count(*) from resource where {OUTDATED})
                + (select count(*) from change where {OUTDATED})"
        );
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(json!(kinds()).to_string())
            .bind(self.keyring.current())
            .bind(0);
        document::number("resource", count.fetch_one(&self.readers).await?)
    }

    async fn reseal(&self, which: Outdated, limit: u32) -> Result<u64, StoreError> {
        self.file.check()?;
        let work = async {
            let mut transaction = self.writer.begin_with("begin immediate").await?;
            let mut done = resources(&mut transaction, which, limit, &self.keyring).await?;
            if done < limit {
                done += changes(&mut transaction, which, limit - done, &self.keyring).await?;
            }
            transaction.commit().await?;
            if (1..limit).contains(&done) {
                // The last ones: so that the log beside the file has nothing of before either.
                let truncate = sqlx::query("pragma wal_checkpoint(truncate)");
                truncate.execute(&self.writer).await?;
            }
            Ok(u64::from(done))
        };
        bounded(self.timeout * 12, work).await
    }
}

async fn resources(
    connection: &mut SqliteConnection,
    which: Outdated,
    limit: u32,
    keyring: &Keyring,
) -> Result<u32, StoreError> {
    let statement = format!("select kind, name, body from resource where {OUTDATED} limit $4");
    let rows: Vec<BodyRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(json!(kinds()).to_string())
        .bind(keyring.current())
        .bind(which == Outdated::Plain)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    for (kind, name, body) in &rows {
        let body = again((kind, name), body, keyring)?;
        sqlx::query(
            "update resource set body = $3, sealed_with = $4 where kind = $1 and name = $2",
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
    connection: &mut SqliteConnection,
    which: Outdated,
    limit: u32,
    keyring: &Keyring,
) -> Result<u32, StoreError> {
    let statement = format!(
        "select revision, position, kind, name, before, after from change where {OUTDATED} limit $4"
    );
    let rows: Vec<BodiesRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(json!(kinds()).to_string())
        .bind(keyring.current())
        .bind(which == Outdated::Plain)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let (before, after, with) = both_again(row, keyring)?;
        sqlx::query(
            "update change set before = $3, after = $4, sealed_with = $5
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
