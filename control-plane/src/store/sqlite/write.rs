//! A write to SQLite: holds the database's write lock.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatewright_proto::Key;
use sqlx::{Sqlite as Backend, SqliteConnection, SqlitePool};
use tokio::sync::Notify;

use super::super::{
    Authorship, Change, Edit, Head, StoreError, Transaction, audit,
    document::signed,
    plan::{self, Current, Write},
    sql,
};
use crate::secrets::Keyring;

/// A write under way.
struct Pending {
    transaction: sqlx::Transaction<'static, Backend>,
    head: Head,
    committed: Arc<Notify>,
    keyring: Arc<Keyring>,
}

/// Takes the write lock.
pub(super) async fn begin(
    writer: &SqlitePool,
    committed: Arc<Notify>,
    keyring: Arc<Keyring>,
) -> Result<impl Transaction + 'static, StoreError> {
    let mut transaction = writer.begin_with("begin immediate").await?;
    let (head, _) = super::head(&mut transaction).await?;
    Ok(Pending {
        transaction,
        head,
        committed,
        keyring,
    })
}

#[async_trait]
impl Transaction for Pending {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn changes_after(&mut self, revision: u64) -> Result<Option<Vec<Change>>, StoreError> {
        super::changes_after(&mut self.transaction, revision, &self.keyring).await
    }

    async fn commit(
        mut self: Box<Self>,
        edits: Vec<Edit>,
        by: Authorship,
    ) -> Result<(u64, Vec<Change>), StoreError> {
        let next = self.head.revision + 1;
        let edits = plan::by_key(edits);
        let current = current(&mut self.transaction, edits.keys()).await?;
        let writes = plan::plan(edits, current, next, &self.keyring)?;
        if writes.is_empty() {
            return Ok((self.head.revision, Vec::new()));
        }
        log(&mut self.transaction, next, &writes, &by).await?;
        let entry = audit::committed(next, &writes, &by);
        super::audit::add(&mut self.transaction, &entry).await?;
        for (position, write) in (0_i32..).zip(&writes) {
            record(&mut self.transaction, position, write).await?;
            replace(&mut self.transaction, write).await?;
        }
        let advance = sqlx::query(sql::ADVANCE).bind(signed(next));
        advance.execute(&mut *self.transaction).await?;
        self.transaction.commit().await?;
        self.committed.notify_one();
        Ok((next, plan::changes(writes)))
    }
}

async fn current(
    connection: &mut SqliteConnection,
    keys: impl Iterator<Item = &Key>,
) -> Result<BTreeMap<Key, Current>, StoreError> {
    let mut current = BTreeMap::new();
    for key in keys {
        let row = sqlx::query_as(
            "select body, created_revision from resource where kind = $1 and name = $2",
        );
        let row = row.bind(key.kind.as_str()).bind(&key.name);
        if let Some((body, created_revision)) = row.fetch_optional(&mut *connection).await? {
            let row = Current {
                body,
                created_revision,
            };
            current.insert(key.clone(), row);
        }
    }
    Ok(current)
}

async fn log(
    connection: &mut SqliteConnection,
    next: u64,
    writes: &[Write],
    by: &Authorship,
) -> Result<(), StoreError> {
    sqlx::query(sql::LOG)
        .bind(signed(next))
        .bind(writes[0].change.at_ms)
        .bind(&by.author)
        .bind(&by.comment)
        .bind(i32::try_from(writes.len()).unwrap_or(i32::MAX))
        .execute(connection)
        .await?;
    Ok(())
}

async fn record(
    connection: &mut SqliteConnection,
    position: i32,
    write: &Write,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into change (revision, position, kind, name, before, after, sealed_with)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(signed(write.change.revision))
    .bind(position)
    .bind(write.change.key.kind.as_str())
    .bind(&write.change.key.name)
    .bind(write.text_before())
    .bind(write.text_after())
    .bind(write.sealed_with())
    .execute(connection)
    .await?;
    Ok(())
}

async fn replace(connection: &mut SqliteConnection, write: &Write) -> Result<(), StoreError> {
    let key = &write.change.key;
    let (Some(body), Some((_, version))) = (&write.after, &write.change.after) else {
        let delete = sqlx::query("delete from resource where kind = $1 and name = $2");
        let delete = delete.bind(key.kind.as_str()).bind(&key.name);
        delete.execute(connection).await?;
        return Ok(());
    };
    sqlx::query(
        "insert or replace into resource
             (kind, name, body, version, revision, created_revision, updated_at, sealed_with)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key.kind.as_str())
    .bind(&key.name)
    .bind(&body.text)
    .bind(version.to_string())
    .bind(signed(write.change.revision))
    .bind(write.created_revision)
    .bind(write.change.at_ms)
    .bind(write.after_sealed_with())
    .execute(connection)
    .await?;
    Ok(())
}
