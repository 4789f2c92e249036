//! `gatewright describe --watch`: how services fare, once a second.

use std::{io::Write as _, time::Duration};

use anyhow::bail;
use gatewright_proto::{Key, Kind};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{super::Settings, fares::Fares};
use crate::{
    Client, Terminal,
    output::{self, Format},
};

/// Time between two looks. Nodes report once a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows how these services fare until it is told to stop. On a screen each look takes the place of the one before;
/// elsewhere an empty line, or what the format has for that, lies between two. A look that fails is noted, unless it
/// is the first.
pub(super) async fn run(
    keys: &[Key],
    settings: &Settings,
    terminal: &mut Terminal<'_>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(key) = keys.iter().find(|it| it.kind != Kind::Service) {
        bail!("only services can be watched, and `{key}` is none");
    }
    let client = settings.client()?;
    let mut pauses = interval(PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = false;
    loop {
        tokio::select! {
            _ = pauses.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let looked = tokio::select! {
            looked = look(keys, &client) => looked,
            () = stop.cancelled() => return Ok(()),
        };
        match looked {
            Ok(all) => {
                let between = seen && !terminal.screen;
                terminal.draw(|terminal| write(&all, settings.format, between, terminal))?;
                seen = true;
            }
            Err(error) if seen => terminal.note(&format!("{error:#}"))?,
            Err(error) => return Err(error),
        }
    }
}

async fn look(keys: &[Key], client: &Client) -> anyhow::Result<Vec<(String, Fares)>> {
    let nodes = client.get("/v1/nodes").await?;
    let mut all = Vec::new();
    for key in keys {
        let path = format!("/v1/{}/{}", key.kind.plural(), key.name);
        let service = client.get(&path).await?;
        let fares = Fares::ask(&service, &nodes, client).await?;
        all.push((key.to_string(), fares));
    }
    Ok(all)
}

fn write(
    all: &[(String, Fares)],
    format: Format,
    between: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let value = || -> Value {
        let service =
            |(key, fares): &(String, Fares)| json!({"resource": key, "nodes": fares.json()});
        all.iter().map(service).collect()
    };
    match format {
        // One line a look, for programs.
        Format::Json => return Ok(writeln!(terminal.out, "{}", value())?),
        Format::Yaml => {
            if between {
                terminal.line("---")?;
            }
            return output::value(terminal, format, &value());
        }
        Format::Table | Format::Name => {}
    }
    if between {
        terminal.line("")?;
    }
    for (key, fares) in all {
        terminal.line(&terminal.bold(key))?;
        fares.write(terminal)?;
    }
    Ok(())
}
