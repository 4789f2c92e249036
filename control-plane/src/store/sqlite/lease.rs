//! Signs of life in SQLite. Rows travel as one document, since there are no arrays.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::json;

use super::{
    super::{
        StoreError,
        lease::{FORGET, FORGET_AFTER_MS, Leases, SignOfLife, age},
        plan::now_ms,
    },
    Sqlite,
};

// `where true` tells `on conflict` from a join.
const RENEW: &str = "
    insert into lease (target, seen_at)
    select json_extract(value, '$[0]'), $2 - json_extract(value, '$[1]') from json_each($1)
    where true
    on conflict (target) do update set seen_at = excluded.seen_at
    where lease.seen_at < excluded.seen_at";

const AGES: &str = "
    select l.target, $2 - l.seen_at from json_each($1) as wanted join lease l on l.target = wanted.value";

#[async_trait]
impl Leases for Sqlite {
    async fn renew(&self, signs: &[SignOfLife]) -> Result<(), StoreError> {
        self.file.check()?;
        let rows = signs.iter().map(|it| json!([it.target, it.age_ms]));
        let rows = serde_json::Value::Array(rows.collect()).to_string();
        let work = async {
            let renew = sqlx::query(RENEW).bind(rows).bind(now_ms());
            renew.execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn ages(&self, targets: &[String]) -> Result<HashMap<String, u64>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(AGES).bind(json!(targets).to_string());
            let rows = rows.bind(now_ms()).fetch_all(&self.readers);
            let rows: Vec<(String, i64)> = rows.await?;
            Ok(rows.into_iter().map(age).collect())
        };
        self.short(work).await
    }

    async fn forget(&self) -> Result<u64, StoreError> {
        self.file.check()?;
        let work = async {
            let forget = sqlx::query(FORGET).bind(now_ms() - FORGET_AFTER_MS);
            Ok(forget.execute(&self.roster).await?.rows_affected())
        };
        self.short(work).await
    }
}
