//! A write to Postgres: holds the row lock on `revision`.
//!
//! The number of statements does not depend on the number of edits: rows travel as arrays.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gatewright_proto::Key;
use sqlx::{PgConnection, PgPool, Postgres as Backend};

use super::{
    super::{
        Authorship, Change, Edit, Head, StoreError, Transaction, audit,
        document::{self, HeadRow, signed},
        open::bounded,
        plan::{self, Current, Write},
        sql,
    },
    LOAD_FACTOR,
    listen::CHANNEL,
};
use crate::secrets::Keyring;

/// A write under way.
struct Pending {
    transaction: sqlx::Transaction<'static, Backend>,
    head: Head,
    timeout: Duration,
    keyring: Arc<Keyring>,
}

/// Takes the lock.
pub(super) async fn begin(
    writer: &PgPool,
    timeout: Duration,
    keyring: Arc<Keyring>,
) -> Result<impl Transaction + 'static, StoreError> {
    let mut transaction = writer.begin().await?;
    let (head, _) = lock(&mut transaction).await?;
    Ok(Pending {
        transaction,
        head,
        timeout: timeout * LOAD_FACTOR,
        keyring,
    })
}

/// Waits until no other write is under way. Must be the first statement of a transaction: with "read
/// committed", what is read after it is what the last writer left.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(Head, u64), StoreError> {
    let statement = "select epoch, revision, trimmed from revision for update";
    let row: HeadRow = sqlx::query_as(statement).fetch_one(connection).await?;
    document::head(row)
}

#[async_trait]
impl Transaction for Pending {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn changes_after(&mut self, revision: u64) -> Result<Option<Vec<Change>>, StoreError> {
        let work = super::changes_after(&mut self.transaction, revision, &self.keyring);
        bounded(self.timeout, work).await
    }

    async fn commit(
        self: Box<Self>,
        edits: Vec<Edit>,
        by: Authorship,
    ) -> Result<(u64, Vec<Change>), StoreError> {
        bounded(self.timeout, self.write(edits, by)).await
    }
}

impl Pending {
    async fn write(
        mut self,
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
        record(&mut self.transaction, next, &writes).await?;
        replace(&mut self.transaction, next, &writes).await?;
        let advance = sqlx::query(sql::ADVANCE).bind(signed(next));
        advance.execute(&mut *self.transaction).await?;
        // Sent by the server when, and only if, this commits.
        let notify = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL);
        let notify = notify.bind(next.to_string());
        notify.execute(&mut *self.transaction).await?;
        self.transaction.commit().await?;
        Ok((next, plan::changes(writes)))
    }
}

async fn current(
    connection: &mut PgConnection,
    keys: impl Iterator<Item = &Key>,
) -> Result<BTreeMap<Key, Current>, StoreError> {
    let mut wanted = BTreeMap::new();
    let (mut kinds, mut names) = (Vec::new(), Vec::new());
    for key in keys {
        kinds.push(key.kind.as_str());
        names.push(key.name.as_str());
        wanted.insert((key.kind.as_str(), key.name.as_str()), key);
    }
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "select r.kind, r.name, r.body::text, r.created_revision
         from unnest($1::text[], $2::text[]) as wanted (kind, name)
         join resource r on r.kind = wanted.kind and r.name = wanted.name",
    )
    .bind(&kinds)
    .bind(&names)
    .fetch_all(connection)
    .await?;
    let found = rows
        .into_iter()
        .filter_map(|(kind, name, body, created_revision)| {
            let key = *wanted.get(&(kind.as_str(), name.as_str()))?;
            let row = Current {
                body,
                created_revision,
            };
            Some((key.clone(), row))
        });
    Ok(found.collect())
}

async fn log(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    next: u64,
    writes: &[Write],
) -> Result<(), StoreError> {
    let column = |of: fn(&Write) -> &str| writes.iter().map(of).collect::<Vec<_>>();
    let bodies = |of: fn(&Write) -> Option<&str>| writes.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "insert into change (revision, position, kind, name, before, after, sealed_with)
         select $1, position - 1, kind, name, before::json, after::json, sealed_with
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
             with ordinality as written (kind, name, before, after, sealed_with, position)",
    )
    .bind(signed(next))
    .bind(column(|write| write.change.key.kind.as_str()))
    .bind(column(|write| &write.change.key.name))
    .bind(bodies(Write::text_before))
    .bind(bodies(Write::text_after))
    .bind(bodies(Write::sealed_with))
    .execute(connection)
    .await?;
    Ok(())
}

async fn replace(
    connection: &mut PgConnection,
    next: u64,
    writes: &[Write],
) -> Result<(), StoreError> {
    let kind = |write: &Write| write.change.key.kind.as_str();
    let deleted = || writes.iter().filter(|write| write.after.is_none());
    sqlx::query(
        "delete from resource r using unnest($1::text[], $2::text[]) as gone (kind, name)
         where r.kind = gone.kind and r.name = gone.name",
    )
    .bind(deleted().map(kind).collect::<Vec<_>>())
    .bind(
        deleted()
            .map(|write| write.change.key.name.as_str())
            .collect::<Vec<_>>(),
    )
    .execute(&mut *connection)
    .await?;
    let kept = || writes.iter().filter(|write| write.after.is_some());
    let version = |write: &Write| {
        write
            .change
            .after
            .as_ref()
            .map(|(_, hash)| hash.to_string())
    };
    sqlx::query(
        "insert into resource
             (kind, name, body, version, revision, created_revision, updated_at, sealed_with)
         select kind, name, body::json, version, $6, created_revision, $7, sealed_with
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $8::text[])
             as written (kind, name, body, version, created_revision, sealed_with)
         on conflict (kind, name) do update set
             body = excluded.body, version = excluded.version, revision = excluded.revision,
             created_revision = excluded.created_revision, updated_at = excluded.updated_at,
             sealed_with = excluded.sealed_with",
    )
    .bind(kept().map(kind).collect::<Vec<_>>())
    .bind(
        kept()
            .map(|write| write.change.key.name.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(kept().map(Write::text_after).collect::<Vec<_>>())
    .bind(kept().map(version).collect::<Vec<_>>())
    .bind(
        kept()
            .map(|write| write.created_revision)
            .collect::<Vec<_>>(),
    )
    .bind(signed(next))
    .bind(writes[0].change.at_ms)
    .bind(kept().map(Write::after_sealed_with).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
