//! `gatewright audit`: who asked for which change.

use clap::Args;
use serde_json::json;

use super::{Settings, revisions::utc};
use crate::{
    Terminal,
    output::{Format, List},
};

/// Shows who asked for which change, from where, and what came of it; newest first.
#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// Only what was asked of this resource, as `route/orders`.
    resource: Option<String>,
    /// How many of the newest, 1 to 500.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Only those before this one.
    #[arg(long)]
    before: Option<u64>,
}

impl Audit {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let (limit, before) = (self.limit.to_string(), self.before.map(|it| it.to_string()));
        let parameters = [
            ("limit", Some(limit.as_str())),
            ("before", before.as_deref()),
            ("resource", self.resource.as_deref()),
        ];
        let answer = settings.client()?.query("/v1/audit", &parameters).await?;
        let mut items = answer["items"].as_array().cloned().unwrap_or_default();
        if settings.format == Format::Table {
            for item in &mut items {
                item["at"] = json!(utc(item["at_ms"].as_i64().unwrap_or_default() / 1000));
            }
        }
        let list = List {
            title: "audit",
            items,
            columns: &[
                "id",
                "at",
                "author",
                "address",
                "action",
                "outcome",
                "revision",
                "request_id",
            ],
        };
        list.write(terminal, settings.format)
    }
}
