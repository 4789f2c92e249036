//! When credentials were last used, in SQLite. Rows travel as one document, since there are no arrays.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::json;

use super::{
    super::{
        StoreError,
        credential_use::{CredentialUses, FORGET, Used, last_used},
    },
    Sqlite,
};

const USED: &str = "
    insert into credential_use (credential, last_used_at)
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each($1)
    where json_extract(value, '$[0]') in (select name from resource where kind = 'credential')
    on conflict (credential) do update set last_used_at = excluded.last_used_at
    where credential_use.last_used_at < excluded.last_used_at";

const LAST_USED: &str = "
    select u.credential, u.last_used_at
    from json_each($1) as wanted join credential_use u on u.credential = wanted.value";

#[async_trait]
impl CredentialUses for Sqlite {
    async fn used(&self, uses: &[Used]) -> Result<(), StoreError> {
        self.file.check()?;
        let rows = uses.iter().map(|it| json!([it.credential, it.at_ms]));
        let rows = serde_json::Value::Array(rows.collect()).to_string();
        let work = async {
            sqlx::query(USED).bind(rows).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn last_used(&self, credentials: &[&str]) -> Result<HashMap<String, u64>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(LAST_USED).bind(json!(credentials).to_string());
            let rows: Vec<(String, i64)> = rows.fetch_all(&self.readers).await?;
            rows.into_iter().map(last_used).collect()
        };
        self.short(work).await
    }

    async fn forget_uses(&self) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            sqlx::query(FORGET).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }
}
