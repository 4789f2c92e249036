//! How the fetching of key sets goes, in Sqlite.

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        key_set::{
            CLAIM, CLAIM_MS, ClaimedFetch, FORGET, HASTEN, KeySetFetches, SAVE, SHOW, ShownFetch,
            WAITING, shown,
        },
        plan::now_ms,
    },
    Sqlite,
};

#[async_trait]
impl KeySetFetches for Sqlite {
    async fn waiting_fetches(&self) -> Result<Vec<(String, String)>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(WAITING).bind(now_ms());
            Ok(rows.fetch_all(&self.roster).await?)
        };
        self.short(work).await
    }

    async fn shown_fetch(&self, name: &str) -> Result<Option<ShownFetch>, StoreError> {
        let work = async {
            let found = sqlx::query_as(SHOW).bind(name);
            let found: Option<(String, i64, i64, String)> =
                found.fetch_optional(&self.roster).await?;
            Ok(found.map(shown))
        };
        self.short(work).await
    }

    async fn claim_fetch(
        &self,
        name: &str,
        source: &str,
        instance: &str,
    ) -> Result<Option<ClaimedFetch>, StoreError> {
        self.file.check()?;
        let work = async {
            let now_ms = now_ms();
            let claim = sqlx::query_as(CLAIM).bind(now_ms).bind(name).bind(instance);
            let claim = claim.bind(now_ms + CLAIM_MS).bind(source);
            let claimed: Option<(String,)> = claim.fetch_optional(&self.roster).await?;
            Ok(claimed.map(|(body,)| ClaimedFetch { body, now_ms }))
        };
        self.short(work).await
    }

    async fn save_fetch(
        &self,
        name: &str,
        instance: &str,
        body: &str,
        next_ms: i64,
    ) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            let now_ms = now_ms();
            let due_at = now_ms.saturating_add(next_ms);
            let save = sqlx::query(SAVE).bind(name).bind(instance);
            save.bind(body).bind(due_at).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn hasten_fetch(&self, name: &str, after_ms: i64) -> Result<bool, StoreError> {
        self.file.check()?;
        let work = async {
            let hasten = sqlx::query(HASTEN).bind(name).bind(after_ms);
            Ok(hasten.execute(&self.roster).await?.rows_affected() > 0)
        };
        self.short(work).await
    }

    async fn forget_fetches(&self) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            sqlx::query(FORGET).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }
}
