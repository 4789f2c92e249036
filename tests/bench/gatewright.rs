//! Gatewright under test: a control plane on the other core, and one node with one worker.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use crate::{
    process::Pinned,
    scenario::{GATEWAY, Scenario},
};

const ADMIN: &str = "127.0.0.1:19080";
const DISCOVERY: &str = "127.0.0.1:19090";
const TOKEN: &str = "bench-token-that-is-long-enough";

/// Both processes.
pub(crate) struct Gatewright {
    /// The one that is measured.
    pub(crate) node: Pinned,
    _control_plane: Pinned,
}

/// Starts it with the scenario's configuration in force.
pub(crate) fn start(
    binaries: &Path,
    folder: &Path,
    scenario: Scenario,
) -> anyhow::Result<Gatewright> {
    let binary = |name: &str| -> PathBuf { binaries.join(name) };
    let log = |name: &str| folder.join(name).display().to_string();
    let mut control = Command::new(binary("gatewright-control-plane"));
    control
        .env(
            "GATEWRIGHT_DATABASE_URL",
            format!("sqlite:{}", folder.join("bench.db").display()),
        )
        .env("GATEWRIGHT_ADMIN_LISTEN", ADMIN)
        .env("GATEWRIGHT_DISCOVERY_LISTEN", DISCOVERY)
        .env("GATEWRIGHT_ADMIN_TOKEN", TOKEN);
    let mut control_plane = Pinned::start("1", &mut control, &log("control-plane.log"))?;
    control_plane.listens(ADMIN.parse()?)?;
    let mut command = node(binaries, folder);
    command.env("GATEWRIGHT_CONTROL_PLANE", format!("http://{DISCOVERY}"));
    let mut node = Pinned::start("0", &mut command, &log("data-plane.log"))?;
    node.listens(GATEWAY.parse()?)?;
    apply(scenario).context("the configuration was not applied")?;
    Ok(Gatewright {
        node,
        _control_plane: control_plane,
    })
}

/// A node with one worker that keeps its configuration in a folder.
pub(crate) fn node(binaries: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binaries.join("gatewright-data-plane"));
    command
        .env("GATEWRIGHT_HTTP_LISTEN", GATEWAY)
        .env("GATEWRIGHT_HTTPS_LISTEN", "127.0.0.1:0")
        .env("GATEWRIGHT_STATUS_LISTEN", "127.0.0.1:0")
        .env("GATEWRIGHT_STATE_DIR", folder.join("state"))
        .env("GATEWRIGHT_WORKERS", "1")
        .env("GATEWRIGHT_ACCESS_LOG", "off");
    command
}

fn apply(scenario: Scenario) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let request = reqwest::Client::new()
            .post(format!("http://{ADMIN}/v1/apply?wait=30s"))
            .bearer_auth(TOKEN)
            .timeout(Duration::from_secs(60))
            .json(&scenario.resources());
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{status}: {text}");
        Ok(())
    })
}
