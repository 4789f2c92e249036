//! The list of nodes in Postgres. Times are those of its clock, so that clocks of control planes may differ.

use async_trait::async_trait;

use super::{
    super::{
        StoreError,
        document::signed,
        roster::{Applied, Member, NodeElsewhere, NodeRow, Roster},
        sql,
    },
    Postgres,
    listen::NODE_CHANNEL,
};

/// Rows travel as arrays; in order of name, so that two control planes never wait for each other.
const TELL: &str = "
    with written as (
        insert into node (node_id, stream, instance, connected, applied_revision, changed_at, body, facts)
        select node_id, stream, $1, connected, applied,
            (extract(epoch from clock_timestamp()) * 1000)::bigint, body, facts
        from unnest($2::text[], $3::bigint[], $4::boolean[], $5::bigint[], $6::text[], $7::text[])
            as given (node_id, stream, connected, applied, body, facts)
        order by node_id
        on conflict (node_id) do update set
            facts = case when excluded.facts = '' and node.stream = excluded.stream
                then node.facts else excluded.facts end,
            body = case when excluded.body = '' then node.body else excluded.body end,
            stream = excluded.stream, instance = excluded.instance, connected = excluded.connected,
            applied_revision = excluded.applied_revision, changed_at = excluded.changed_at
        where node.stream < excluded.stream
            or (node.stream = excluded.stream and node.instance = excluded.instance)
        returning node_id
    )
    select pg_notify($8, '') from (select count(*) from written) as all_of_it (count) where count > 0";

const NOW: &str = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";

impl Postgres {
    pub(super) async fn now(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(NOW).fetch_one(&self.roster).await?)
    }
}

#[async_trait]
impl Roster for Postgres {
    async fn beat(&self, member: &Member) -> Result<(), StoreError> {
        let work = async {
            let now = self.now().await?;
            let beat = sqlx::query(sql::BEAT).bind(&member.instance);
            let beat = beat.bind(&member.name).bind(now);
            beat.execute(&self.roster).await?;
            for statement in [sql::FORGET_CONTROL_PLANES, sql::FORGET_NODES] {
                let forget = sqlx::query(statement).bind(now - sql::FORGET_AFTER_MS);
                forget.execute(&self.roster).await?;
            }
            Ok(())
        };
        self.short(work).await
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        let work = async {
            let leave = sqlx::query(sql::LEAVE).bind(&member.instance);
            leave.execute(&self.roster).await?;
            let notify = sqlx::query("select pg_notify($1, '')").bind(NODE_CHANNEL);
            notify.execute(&self.roster).await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn tell(&self, instance: &str, rows: &[NodeRow]) -> Result<(), StoreError> {
        let column = |of: fn(&NodeRow) -> &str| rows.iter().map(of).collect::<Vec<_>>();
        let numbers = |of: fn(&NodeRow) -> u64| rows.iter().map(|it| signed(of(it))).collect();
        let (streams, applied): (Vec<i64>, Vec<i64>) =
            (numbers(|it| it.stream), numbers(|it| it.applied_revision));
        let connected: Vec<bool> = rows.iter().map(|it| it.connected).collect();
        let work = async {
            sqlx::query(TELL)
                .bind(instance)
                .bind(column(|it| &it.node_id))
                .bind(streams)
                .bind(connected)
                .bind(applied)
                .bind(column(|it| &it.body))
                .bind(column(|it| &it.facts))
                .bind(NODE_CHANNEL)
                .execute(&self.roster)
                .await?;
            Ok(())
        };
        self.short(work).await
    }

    async fn applied_elsewhere(
        &self,
        instance: &str,
        alive_ms: i64,
    ) -> Result<Vec<Applied>, StoreError> {
        let work = async {
            let since = self.now().await? - alive_ms;
            let rows = sqlx::query_as(sql::APPLIED_ELSEWHERE).bind(instance);
            let rows: Vec<sql::AppliedRow> = rows.bind(since).fetch_all(&self.roster).await?;
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
            let since = self.now().await? - alive_ms;
            let rows = sqlx::query_as(sql::NODES_ELSEWHERE).bind(instance);
            let rows: Vec<sql::ElsewhereRow> = rows.bind(since).fetch_all(&self.roster).await?;
            rows.into_iter().map(sql::elsewhere).collect()
        };
        self.short(work).await
    }

    async fn told(&self) {
        self.listener.told().await;
    }
}
