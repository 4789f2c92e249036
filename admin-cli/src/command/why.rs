//! `gatewright why`: which route a request takes, and why the others do not. Nothing is sent.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_control_plane::{
    document,
    explain::{Asked, explain},
};
use gatewright_engine::{Explainer, ResourceSet, plugin::Registry};
use gatewright_proto::Resource;
use serde_json::{Value, json};

use super::Settings;
use crate::{
    Terminal,
    file::{self, Files},
    output::{self, Format},
};

const COLUMNS: [&str; 3] = ["route", "result", "reason"];

/// Shows which route a request takes, and why the others do not.
#[derive(Args, Debug)]
pub(crate) struct Why {
    /// Its method, as GET.
    method: String,
    /// As https://host/path?query.
    url: String,
    /// A header field, as `Name: value`. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Its body.
    #[arg(short = 'd', long = "data")]
    body: Option<String>,
    /// The client's address, as it is trusted.
    #[arg(long)]
    client: Option<IpAddr>,
    /// The address at the other end of the connection. Default: the client's.
    #[arg(long)]
    peer: Option<IpAddr>,
    /// The name sent in TLS. Default: the host of the URL.
    #[arg(long)]
    server_name: Option<String>,
    /// Ask of these files instead of a control plane. May be repeated.
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
}

impl Why {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let asked = json!({
            "method": self.method,
            "url": self.url,
            "headers": self.headers()?,
            "client": self.client,
            "peer": self.peer,
            "server_name": self.server_name,
            "body": self.body,
        });
        let answer = if self.files.is_empty() {
            settings.client()?.post("/v1/explain", &asked).await?
        } else {
            self.of_files(asked, terminal)?
        };
        if settings.format != Format::Table {
            return output::value(terminal, settings.format, &answer);
        }
        show(&answer, terminal)
    }

    /// Several of one name joined, as they mean (RFC 9110, 5.2; RFC 9113, 8.2.3).
    fn headers(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for field in &self.headers {
            let Some((name, value)) = field.split_once(':') else {
                bail!("`{field}` is not a header field, as `Name: value`");
            };
            let name = name.trim().to_ascii_lowercase();
            let between = if name == "cookie" { "; " } else { ", " };
            let joined = headers.entry(name).or_default();
            if !joined.is_empty() {
                joined.push_str(between);
            }
            joined.push_str(value.trim());
        }
        Ok(headers)
    }

    fn of_files(&self, asked: Value, terminal: &mut Terminal<'_>) -> anyhow::Result<Value> {
        let asked: Asked = serde_json::from_value(asked)?;
        let bundle = file::read(&Files::at(&self.files), &mut *terminal.input)?;
        let mut resources: Vec<Resource> = Vec::new();
        for entry in bundle.entries() {
            let reading = document::read(entry.kind, entry.json(), entry.kind.plural());
            resources.extend(reading.resource);
        }
        let set: ResourceSet = resources.into_iter().collect();
        explain(&asked, &Explainer::compile(&set, &Registry::default()))
            .map_err(anyhow::Error::msg)
            .context("the request")
    }
}

fn show(answer: &Value, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let text = |field: &str| output::cell(&answer[field]);
    let heading = match answer["route"].as_str() {
        Some(route) => format!("{route}: {}", text("action")),
        None => format!(
            "no route: {} {}: {}",
            text("status"),
            text("code"),
            text("reason")
        ),
    };
    terminal.line(&terminal.bold(&heading))?;
    let plugins = answer["plugins"].as_array().into_iter().flatten();
    let plugins: Vec<_> = plugins.map(|it| output::cell(&it["name"])).collect();
    if !plugins.is_empty() {
        terminal.line(&format!("plugins: {}", plugins.join(", ")))?;
    }
    let routes = answer["routes"].as_array().into_iter().flatten();
    let row = |route: &Value| {
        let cells = COLUMNS.iter().map(|column| output::cell(&route[*column]));
        cells.collect()
    };
    let rows: Vec<Vec<String>> = routes.map(row).collect();
    if !rows.is_empty() {
        terminal.line("")?;
        output::table(terminal, &COLUMNS, rows)?;
    }
    match answer["more_routes"].as_u64() {
        None | Some(0) => Ok(()),
        Some(more) => Ok(terminal.line(&format!("and {more} routes of other hosts or paths"))?),
    }
}
