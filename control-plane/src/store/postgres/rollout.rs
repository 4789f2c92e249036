//! Where rollouts stand, in Postgres.

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        rollout::{
            CLAIM, CLAIM_MS, Claimed, FORGET, LIST, ListedRollout, ListedRow, Rollouts, SAVE, SHOW,
            SavedRollout, ShownRollout, WISH, listed, shown,
        },
    },
    Postgres,
};

#[async_trait]
impl Rollouts for Postgres {
    async fn rollouts(&self) -> Result<Vec<ListedRollout>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(LIST).bind(self.now().await?);
            let rows: Vec<ListedRow> = rows.fetch_all(&self.roster).await?;
            Ok(rows.into_iter().map(listed).collect())
        };
        self.short(work).await
    }

    async fn rollout(&self, name: &str) -> Result<Option<ShownRollout>, StoreError> {
        let work = async {
            let found = sqlx::query_as(SHOW).bind(name);
            let found: Option<(String, String, String)> =
                found.fetch_optional(&self.roster).await?;
            Ok(found.map(shown))
        };
        self.short(work).await
    }

    async fn claim_rollout(
        &self,
        name: &str,
        identity: &str,
        instance: &str,
    ) -> Result<Option<Claimed>, StoreError> {
        let work = async {
            let now_ms = self.now().await?;
            let claim = sqlx::query_as(CLAIM).bind(now_ms).bind(name).bind(instance);
            let claim = claim.bind(now_ms + CLAIM_MS).bind(identity);
            let claimed: Option<(String, String)> = claim.fetch_optional(&self.roster).await?;
            Ok(claimed.map(|(wish, body)| Claimed { wish, body, now_ms }))
        };
        self.short(work).await
    }

    async fn save_rollout(&self, saved: SavedRollout<'_>) -> Result<bool, StoreError> {
        let work = async {
            let (held_until, due_at) = saved.times(self.now().await?);
            let save = sqlx::query(SAVE).bind(saved.name).bind(saved.instance);
            let save = save.bind(saved.body).bind(saved.phase);
            let save = save.bind(i64::from(saved.percent));
            let save = save.bind(held_until).bind(due_at).bind(saved.wish);
            Ok(save.execute(&self.roster).await?.rows_affected() > 0)
        };
        self.short(work).await
    }

    async fn wish_rollout(
        &self,
        name: &str,
        identity: &str,
        wish: &str,
    ) -> Result<bool, StoreError> {
        let work = async {
            let wish = sqlx::query(WISH).bind(name).bind(identity).bind(wish);
            Ok(wish.execute(&self.roster).await?.rows_affected() > 0)
        };
        self.short(work).await
    }

    async fn forget_rollouts(&self) -> Result<(), StoreError> {
        let work = async {
            sqlx::query(FORGET).execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }
}
