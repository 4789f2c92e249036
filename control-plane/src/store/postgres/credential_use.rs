//! When credentials were last used, in Postgres.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        credential_use::{CredentialUses, FORGET, Used, last_used},
        document::signed,
    },
    Postgres,
};

/// In order of name, so that two control planes never wait for each other.
const USED: &str = "
    insert into credential_use (credential, last_used_at)
    select given.credential, given.at
    from unnest($1::text[], $2::bigint[]) as given (credential, at)
    join resource r on r.kind = 'credential' and r.name = given.credential
    order by given.credential
    on conflict (credential) do update set last_used_at = excluded.last_used_at
    where credential_use.last_used_at < excluded.last_used_at";

const LAST_USED: &str =
    "select credential, last_used_at from credential_use where credential = any($1)";

#[async_trait]
impl CredentialUses for Postgres {
    async fn used(&self, uses: &[Used]) -> Result<(), StoreError> {
        let credentials: Vec<&str> = uses.iter().map(|it| &*it.credential).collect();
        let at: Vec<i64> = uses.iter().map(|it| signed(it.at_ms)).collect();
        let work = async {
            let used = sqlx::query(USED).bind(credentials).bind(at);
            used.execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn last_used(&self, credentials: &[&str]) -> Result<HashMap<String, u64>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(LAST_USED).bind(credentials);
            let rows: Vec<(String, i64)> = rows.fetch_all(&self.readers).await?;
            rows.into_iter().map(last_used).collect()
        };
        self.short(work).await
    }

    async fn forget_uses(&self) -> Result<(), StoreError> {
        let work = async {
            sqlx::query(FORGET).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }
}
