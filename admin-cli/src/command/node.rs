//! `gatewright nodes`.

use crate::{
    Client,
    output::{self, Format},
};

pub(super) async fn run(client: &Client, format: Format) -> anyhow::Result<()> {
    let answer = client.get("/v1/nodes").await?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    let columns = [
        "node_id",
        "group",
        "version",
        "address",
        "applied_revision",
        "rejects",
    ];
    output::objects(format, &items, &columns)
}
