//! Every flag and environment variable of a control plane.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Settings of a control plane. Flags go before variables.
#[derive(Args, Clone)]
pub struct ControlSettings {
    /// The database: `postgres://user:password@host/name`, or `sqlite:PATH`, created when missing.
    #[arg(long, env = "GATEWRIGHT_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Bearer tokens of the admin API, as `token` or `name=token`, separated by commas. 16 characters at least.
    #[arg(long, env = "GATEWRIGHT_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: String,
    /// Where the admin API listens.
    #[arg(
        long,
        env = "GATEWRIGHT_ADMIN_LISTEN",
        default_value = "127.0.0.1:9080"
    )]
    pub admin_listen: SocketAddr,
    /// Allows the admin API, which is plain HTTP, to listen beyond this machine: behind a proxy that
    /// speaks TLS, or on a private network.
    #[arg(long, env = "GATEWRIGHT_ADMIN_INSECURE")]
    pub admin_insecure: bool,
    /// Where nodes connect.
    #[arg(
        long,
        env = "GATEWRIGHT_DISCOVERY_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    pub discovery_listen: SocketAddr,
    /// Allows plain text to nodes beyond this machine.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_INSECURE")]
    pub discovery_insecure: bool,
    /// PEM of the certificate towards nodes.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CERT", requires = "discovery_key")]
    pub discovery_cert: Option<PathBuf>,
    /// PEM of its private key.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_KEY", requires = "discovery_cert")]
    pub discovery_key: Option<PathBuf>,
    /// PEM of the authorities that nodes' certificates are checked against.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CA", requires = "discovery_cert")]
    pub discovery_ca: Option<PathBuf>,
    /// Over how long nodes come back to another control plane when this one ends, in milliseconds.
    #[arg(long, env = "GATEWRIGHT_GOAWAY_SPREAD_MS", default_value_t = 5_000)]
    pub goaway_spread_ms: u64,
    /// How long history is kept at least, in hours; and the newest revisions below.
    #[arg(long, env = "GATEWRIGHT_HISTORY_HOURS", default_value_t = 24 * 30)]
    pub history_hours: u32,
    /// How many of the newest revisions are kept, however old.
    #[arg(long, env = "GATEWRIGHT_HISTORY_REVISIONS", default_value_t = 100_000)]
    pub history_revisions: u64,
}
