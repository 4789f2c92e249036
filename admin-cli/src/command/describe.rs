//! `gatewright describe`: a resource and what it is connected with.

mod fares;
mod keys;
mod watch;

use std::collections::BTreeMap;

use clap::Args;
use gatewright_engine::{
    plugin::Registry,
    reference::{Reference, references},
};
use gatewright_proto::{Key, Kind, Resource};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::fares::Fares;
use super::{Settings, subject::Subject};
use crate::{
    Client, Terminal,
    output::{self, Format},
};

/// Shows a resource with what it refers to, what refers to it, and the plugins in force; of a service also how it
/// fares on each node.
#[derive(Args, Debug)]
pub(crate) struct Describe {
    #[command(flatten)]
    subject: Subject,
    /// Of services: show how they fare once a second, until interrupted.
    #[arg(short, long)]
    watch: bool,
}

/// What is known of a resource.
struct Description {
    key: Key,
    resource: Value,
    /// What it refers to, and by which field.
    references: Vec<Reference>,
    /// What refers to it, and by which field.
    referrers: Vec<Reference>,
    /// The plugins that a route's requests run through, in order.
    chain: Vec<Value>,
    /// The same for each of its services, where it has several.
    backends: Vec<(String, Vec<Value>)>,
    /// What still goes to its legacy service.
    strangler: Value,
    /// How the fetching of its keys goes.
    fetched: Value,
    /// The nodes that refuse it, and why.
    rejects: Vec<Value>,
    /// How a service fares on each node.
    fares: Option<Fares>,
}

impl Describe {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let keys = self.subject.keys()?;
        if self.watch {
            return watch::run(&keys, settings, terminal, stop).await;
        }
        for key in keys {
            let description = Description::of(key, &settings.client()?).await?;
            match settings.format {
                Format::Table => description.write(terminal)?,
                Format::Name => terminal.line(&description.key.to_string())?,
                format => output::value(terminal, format, &description.json())?,
            }
        }
        Ok(())
    }
}

impl Description {
    async fn of(key: Key, client: &Client) -> anyhow::Result<Self> {
        let path = format!("/v1/{}/{}", key.kind.plural(), key.name);
        let resource = client.get(&path).await?;
        let all = client.get("/v1/export").await?;
        let mut chain = match key.kind {
            Kind::Route => client.get(&format!("{path}/chain")).await?,
            _ => Value::Null,
        };
        let strangler = match resource["strangler"].is_object() {
            true => client.get(&format!("{path}/strangler")).await?,
            false => Value::Null,
        };
        let fetched = match key.kind {
            Kind::KeySet => client.get(&format!("{path}/fetched")).await?,
            _ => Value::Null,
        };
        let nodes = client.get("/v1/nodes").await?;
        let fares = match key.kind {
            Kind::Service => Some(Fares::ask(&resource, &nodes, client).await?),
            _ => None,
        };
        let registry = Registry::default();
        let mut description = Self {
            resource,
            references: Vec::new(),
            referrers: Vec::new(),
            backends: backends(&chain["backends"]),
            chain: list(&chain["chain"].take()),
            strangler,
            fetched,
            rejects: rejects(&key, &nodes),
            fares,
            key,
        };
        for other in resources(&all) {
            let from = Key::of(&other);
            for reference in references(&other, &registry) {
                if from == description.key {
                    description.references.push(reference);
                } else if reference.key == description.key {
                    let key = from.clone();
                    let field = reference.field;
                    description.referrers.push(Reference { key, field });
                }
            }
        }
        Ok(description)
    }

    fn json(&self) -> Value {
        let list = |references: &[Reference]| -> Value {
            let item = |it: &Reference| json!({"resource": it.key.to_string(), "field": it.field});
            references.iter().map(item).collect()
        };
        let mut all = json!({
            "resource": self.resource,
            "references": list(&self.references),
            "referrers": list(&self.referrers),
            "chain": self.chain,
            "backends": self.backends.iter().cloned().collect::<BTreeMap<_, _>>(),
            "strangler": self.strangler,
            "fetched": self.fetched,
            "rejects": self.rejects,
        });
        if let Some(fares) = &self.fares {
            all["nodes"] = fares.json();
        }
        all
    }

    fn write(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        terminal.line(&terminal.bold(&self.key.to_string()))?;
        for line in output::yaml(&self.resource)?.lines() {
            terminal.line(&format!("  {line}"))?;
        }
        let by_field = |it: &Reference| format!("{} ({})", it.key, it.field);
        section(terminal, "Refers to", self.references.iter().map(by_field))?;
        section(
            terminal,
            "Referred to by",
            self.referrers.iter().map(by_field),
        )?;
        section(terminal, "Plugins, in order", self.chain.iter().map(link))?;
        for (service, chain) in &self.backends {
            let title = format!("Plugins to `{service}`, in order");
            section(terminal, &title, chain.iter().map(link))?;
        }
        section(
            terminal,
            "Still goes to the legacy service",
            legacy(&self.strangler).into_iter(),
        )?;
        section(terminal, "Keys", keys::lines(&self.fetched).into_iter())?;
        section(terminal, "Refused", self.rejects.iter().map(output::cell))?;
        match &self.fares {
            Some(fares) => fares.write(terminal),
            None => Ok(()),
        }
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn backends(chains: &Value) -> Vec<(String, Vec<Value>)> {
    let chains = chains.as_object().into_iter().flatten();
    chains
        .map(|(name, chain)| (name.clone(), list(chain)))
        .collect()
}

/// What still goes to a legacy service, a kind of request on each line.
fn legacy(strangler: &Value) -> Vec<String> {
    let count = |of: &Value, field: &str| of[field].as_u64().unwrap_or(0);
    let of = |it: &Value| {
        let (direct, fell) = (count(it, "legacy"), count(it, "fell_through"));
        format!("{direct} at once, {fell} fell through")
    };
    if !strangler.is_object() {
        return Vec::new();
    }
    let new = count(strangler, "new");
    let mut lines = vec![format!(
        "in all {}; {new} stayed at the new one",
        of(strangler)
    )];
    lines.extend(list(&strangler["paths"]).iter().map(|it| {
        let (method, path) = (output::cell(&it["method"]), output::cell(&it["path"]));
        format!("{method} {path}: {}", of(it))
    }));
    lines
}

/// A plugin of a chain, on one line.
fn link(plugin: &Value) -> String {
    let text = |field: &str| output::cell(&plugin[field]);
    let mut line = format!(
        "{} ({}), order {}, of {}",
        text("name"),
        text("type"),
        text("order"),
        text("scope")
    );
    if plugin["mode"] == "shadow" {
        line.push_str(", in shadow mode");
    }
    if !plugin["when"].is_null() {
        line = format!("{line}, when {}", text("when"));
    }
    line
}

fn section(
    terminal: &mut Terminal<'_>,
    title: &str,
    lines: impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        terminal.line(&terminal.bold(&format!("{title}:")))?;
    }
    for line in lines {
        terminal.line(&format!("  {line}"))?;
    }
    Ok(())
}

/// The resources of an export. Those that this version does not know are left out.
fn resources(export: &Value) -> impl Iterator<Item = Resource> {
    let lists = Kind::ALL.iter().map(|kind| (*kind, &export[kind.plural()]));
    lists.flat_map(|(kind, items)| {
        let items = items.as_array().into_iter().flatten();
        items.filter_map(move |item| kind.from_json(item).ok())
    })
}

fn rejects(key: &Key, nodes: &Value) -> Vec<Value> {
    let (wanted, mut found) = (key.to_string(), Vec::new());
    for node in nodes["items"].as_array().into_iter().flatten() {
        for reject in node["rejects"].as_array().into_iter().flatten() {
            if reject["resource"] == wanted {
                let mut reject = reject.clone();
                reject["node"] = node["node_id"].clone();
                found.push(reject);
            }
        }
    }
    found
}
