//! `gatewright dev`: both planes and a sample upstream in one process, on the embedded store.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::{Args, Command};
use gatewright_control_plane::{ControlPlane, ControlSettings, secrets::generate};
use gatewright_data_plane::{Node, NodeSettings};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Client, client::Server, output};

/// Start control plane, node and a sample upstream in this process, to try things out.
#[derive(Debug, Args)]
pub struct Dev {
    /// Where traffic is taken.
    #[arg(long, default_value = "127.0.0.1:8080", env = "GATEWRIGHT_HTTP_LISTEN")]
    pub http_listen: SocketAddr,
    /// Where TLS is taken.
    #[arg(
        long,
        default_value = "127.0.0.1:8443",
        env = "GATEWRIGHT_HTTPS_LISTEN"
    )]
    pub https_listen: SocketAddr,
    /// Where the admin API listens.
    #[arg(
        long,
        default_value = "127.0.0.1:9080",
        env = "GATEWRIGHT_ADMIN_LISTEN"
    )]
    pub admin_listen: SocketAddr,
    /// Where the database and the node's state are kept.
    #[arg(long, default_value = ".gatewright", env = "GATEWRIGHT_DEV_DIR")]
    pub dir: PathBuf,
    /// Token of the admin API. Default: a new one, printed.
    #[arg(long, env = "GATEWRIGHT_ADMIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Running {
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The node.
    pub node: Node,
    /// Where the sample upstream is.
    pub upstream: SocketAddr,
    /// Token of the admin API.
    pub token: String,
    stop: CancellationToken,
}

pub(super) async fn run(dev: &Dev, stop: CancellationToken) -> anyhow::Result<()> {
    let running = start(dev).await?;
    introduce(&running);
    stop.cancelled().await;
    output::line("ending");
    running.stop().await;
    Ok(())
}

/// Starts everything, with the sample configuration in force.
///
/// # Errors
/// An address is taken, or the folder cannot be written to.
pub async fn start(dev: &Dev) -> anyhow::Result<Running> {
    std::fs::create_dir_all(&dev.dir)
        .with_context(|| format!("cannot create `{}`", dev.dir.display()))?;
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?;
    tokio::spawn(crate::echo::serve(
        listener,
        "sample".to_owned(),
        stop.clone(),
    ));
    let token = dev
        .token
        .clone()
        .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let control_plane = start_control_plane(dev, &token).await?;
    let node = start_node(dev, control_plane.discovery).await?;
    let running = Running {
        control_plane,
        node,
        upstream,
        token,
        stop,
    };
    running
        .sample()
        .await
        .context("the sample configuration was not applied")?;
    Ok(running)
}

async fn start_control_plane(dev: &Dev, token: &str) -> anyhow::Result<ControlPlane> {
    let database = format!("sqlite:{}", dev.dir.join("gatewright.db").display());
    let admin = dev.admin_listen.to_string();
    let master_key = format!("file:{}", master_key(dev)?.display());
    let command = ControlSettings::augment_args(Command::new("dev"));
    let flags = [
        ("--database-url", database.as_str()),
        ("--admin-token", token),
        ("--master-key", &master_key),
        ("--admin-listen", &admin),
        ("--discovery-listen", "127.0.0.1:0"),
        ("--goaway-spread-ms", "100"),
    ];
    let settings: ControlSettings = settings(command, &flags)?;
    let started = ControlPlane::start(&settings).await;
    started.context("the control plane did not start")
}

/// The file of the master key beside the database; made, for its owner alone, where there is none.
fn master_key(dev: &Dev) -> anyhow::Result<PathBuf> {
    let path = dev.dir.join("master.key");
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => file.write_all(generate()?.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot make `{}`", path.display()))?;
    Ok(path)
}

async fn start_node(dev: &Dev, discovery: SocketAddr) -> anyhow::Result<Node> {
    let (http, https) = (dev.http_listen.to_string(), dev.https_listen.to_string());
    let state = dev.dir.join("state").display().to_string();
    let log = dev.dir.join("access.log").display().to_string();
    let discovery = format!("http://{discovery}");
    let command = NodeSettings::augment_args(Command::new("dev"));
    let flags = [
        ("--http-listen", http.as_str()),
        ("--https-listen", &https),
        ("--status-listen", "127.0.0.1:0"),
        ("--control-plane", &discovery),
        ("--state-dir", &state),
        ("--access-log", &log),
        ("--node-id", "dev"),
    ];
    let settings: NodeSettings = settings(command, &flags)?;
    Node::start(&settings)
        .await
        .context("the node did not start")
}

fn settings<S: clap::FromArgMatches>(
    command: Command,
    flags: &[(&str, &str)],
) -> anyhow::Result<S> {
    let flags = flags.iter().flat_map(|(name, value)| [*name, *value]);
    let arguments = std::iter::once("dev").chain(flags);
    let matches = command.try_get_matches_from(arguments)?;
    Ok(S::from_arg_matches(&matches)?)
}

impl Running {
    /// Applies the sample configuration and waits until the node serves it.
    async fn sample(&self) -> anyhow::Result<()> {
        let client = Client::new(&Server {
            server: format!("http://{}", self.control_plane.admin),
            token: Some(self.token.clone()),
        })?;
        let document = json!({
            "services": [{"name": "sample", "url": format!("http://{}", self.upstream)}],
            "routes": [
                {"name": "sample-public", "service": "sample", "paths": [{"prefix": "/public"}]},
                {"name": "sample-private", "service": "sample", "paths": [{"prefix": "/private"}]},
            ],
            "plugins": [
                {"name": "sample-key", "type": "key-auth", "attach": {"route": "sample-private"}},
                {"name": "sample-limit", "type": "rate-limit", "attach": {"route": "sample-private"},
                 "settings": {"limits": [{"requests": 5, "per": "10s"}], "key": "consumer"}},
            ],
            "consumers": [{"name": "alice"}],
            "credentials": [{"name": "alice-key", "consumer": "alice", "key": "alice-secret-key"}],
        });
        client.post("/v1/apply", &document).await?;
        let revision = client.get("/v1/nodes").await?["revision"]
            .as_u64()
            .unwrap_or(0);
        // A node that has not connected yet is not waited for by `?wait`: ask until it is there.
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let nodes = self.control_plane.nodes.list();
            if nodes.iter().any(|node| node.applied_revision >= revision) {
                return Ok(());
            }
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "the node did not connect"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.control_plane.stop().await;
        self.node.drain().await;
        self.stop.cancel();
    }
}

fn introduce(running: &Running) {
    let (http, admin, token) = (
        running.node.http,
        running.control_plane.admin,
        &running.token,
    );
    output::line(&format!(
        "Gatewright is running.

  traffic    http://{http}
  admin API  http://{admin}   (its pages: http://{admin}/docs)
  token      {token}

Try:

  curl http://{http}/public/hello                                    # 200
  curl -i http://{http}/private/hello                                # 401
  curl -i http://{http}/private/hello -H 'X-Api-Key: alice-secret-key'   # 200, and 429 after five in ten seconds

  curl -X PUT http://{admin}/v1/routes/mine -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{{\"service\": \"sample\", \"paths\": [{{\"prefix\": \"/mine\"}}]}}'
  curl http://{http}/mine                                            # 200, at once

  export GATEWRIGHT_SERVER=http://{admin} GATEWRIGHT_ADMIN_TOKEN={token}
  gatewright get routes                                              # the command line; here, `cargo run -- get routes`

Ctrl-C ends it."
    ));
}
