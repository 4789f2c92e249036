//! Signs of life in Postgres. Times are those of its clock, so that clocks of control planes may differ.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        document::signed,
        lease::{FORGET, FORGET_AFTER_MS, Leases, SignOfLife, age},
    },
    Postgres,
};

/// In order of name, so that two control planes never wait for each other.
const RENEW: &str = "
    insert into lease (target, seen_at)
    select target, (extract(epoch from clock_timestamp()) * 1000)::bigint - age
    from unnest($1::text[], $2::bigint[]) as given (target, age)
    order by target
    on conflict (target) do update set seen_at = excluded.seen_at
    where lease.seen_at < excluded.seen_at";

const AGES: &str = "
    select l.target, (extract(epoch from clock_timestamp()) * 1000)::bigint - l.seen_at
    from unnest($1::text[]) as wanted (target) join lease l on l.target = wanted.target";

#[async_trait]
impl Leases for Postgres {
    async fn renew(&self, signs: &[SignOfLife]) -> Result<(), StoreError> {
        let targets: Vec<&str> = signs.iter().map(|it| &*it.target).collect();
        let ages: Vec<i64> = signs.iter().map(|it| signed(it.age_ms)).collect();
        let work = async {
            let renew = sqlx::query(RENEW).bind(targets).bind(ages);
            renew.execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn ages(&self, targets: &[String]) -> Result<HashMap<String, u64>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(AGES).bind(targets);
            let rows: Vec<(String, i64)> = rows.fetch_all(&self.roster).await?;
            Ok(rows.into_iter().map(age).collect())
        };
        self.short(work).await
    }

    async fn forget(&self) -> Result<u64, StoreError> {
        let work = async {
            let before = self.now().await? - FORGET_AFTER_MS;
            let forget = sqlx::query(FORGET).bind(before);
            Ok(forget.execute(&self.roster).await?.rows_affected())
        };
        self.short(work).await
    }
}
