//! The list of nodes in SQLite. There is one control plane, as a rule, and it tells itself.

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        document::signed,
        open::bounded,
        plan::now_ms,
        roster::{Applied, Member, NodeElsewhere, NodeRow, Roster},
        sql,
    },
    Sqlite,
};

const TELL: &str = "
    insert into node (node_id, stream, instance, connected, applied_revision, changed_at, body, facts)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (node_id) do update set
        facts = case when excluded.facts = '' and node.stream = excluded.stream
            then node.facts else excluded.facts end,
        body = case when excluded.body = '' then node.body else excluded.body end,
        stream = excluded.stream, instance = excluded.instance, connected = excluded.connected,
        applied_revision = excluded.applied_revision, changed_at = excluded.changed_at
    where node.stream < excluded.stream
        or (node.stream = excluded.stream and node.instance = excluded.instance)";

impl Sqlite {
    pub(super) async fn short<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        bounded(self.timeout * 2, work).await
    }
}

#[async_trait]
impl Roster for Sqlite {
    async fn beat(&self, member: &Member) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            let now = now_ms();
            let mut transaction = self.roster.begin_with("begin immediate").await?;
            let beat = sqlx::query(sql::BEAT).bind(&member.instance);
            let beat = beat.bind(&member.name).bind(now);
            beat.execute(&mut *transaction).await?;
            for statement in [sql::FORGET_CONTROL_PLANES, sql::FORGET_NODES] {
                let forget = sqlx::query(statement).bind(now - sql::FORGET_AFTER_MS);
                forget.execute(&mut *transaction).await?;
            }
            Ok(transaction.commit().await?)
        };
        self.short(work).await
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            let leave = sqlx::query(sql::LEAVE).bind(&member.instance);
            leave.execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await?;
        self.told.notify_one();
        Ok(())
    }

    async fn tell(&self, instance: &str, rows: &[NodeRow]) -> Result<(), StoreError> {
        self.file.check()?;
        let work = async {
            let now = now_ms();
            let mut transaction = self.roster.begin_with("begin immediate").await?;
            for row in rows {
                sqlx::query(TELL)
                    .bind(&row.node_id)
                    .bind(signed(row.stream))
                    .bind(instance)
                    .bind(row.connected)
                    .bind(signed(row.applied_revision))
                    .bind(now)
                    .bind(&row.body)
                    .bind(&row.facts)
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(transaction.commit().await?)
        };
        self.short(work).await?;
        self.told.notify_one();
        Ok(())
    }

    async fn applied_elsewhere(
        &self,
        instance: &str,
        alive_ms: i64,
    ) -> Result<Vec<Applied>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(sql::APPLIED_ELSEWHERE).bind(instance);
            let rows = rows.bind(now_ms() - alive_ms).fetch_all(&self.readers);
            let rows: Vec<sql::AppliedRow> = rows.await?;
            rows.into_iter().map(sql::applied).collect()
        };
        self.short(work).await
    }

    async fn nodes_elsewhere(
        &self,
        instance: &str,
        alive_ms: i64,
    ) -> Result<Vec<NodeElsewhere>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(sql::NODES_ELSEWHERE).bind(instance);
            let rows = rows.bind(now_ms() - alive_ms).fetch_all(&self.readers);
            let rows: Vec<sql::ElsewhereRow> = rows.await?;
            rows.into_iter().map(sql::elsewhere).collect()
        };
        self.short(work).await
    }

    async fn told(&self) {
        self.told.notified().await;
    }
}
