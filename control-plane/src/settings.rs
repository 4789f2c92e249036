//! Every flag and environment variable of a control plane.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    registration::{Limits, Room},
    secrets::{
        InvalidMasterKey, Keyring,
        vault::{Vault, VaultError, VaultSettings},
    },
};

/// Settings of a control plane. Flags go before variables.
#[derive(Args, Clone, Debug)]
pub struct ControlSettings {
    /// The database: `postgres://...`, or `sqlite:PATH`, a file that is created when missing.
    #[arg(long, env = "GATEWRIGHT_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    pub database_url: SecretString,
    /// Master keys that secrets are encrypted with in the database, separated by commas: 32 bytes in base64, or
    /// `file:PATH`. The first one encrypts, all decrypt. Without any, no secret can be stored.
    #[arg(long, env = "GATEWRIGHT_MASTER_KEY", hide_env_values = true, value_parser = secret)]
    pub master_key: Option<SecretString>,
    /// URL of HashiCorp Vault, for secrets that are referred to as `vault:MOUNT/PATH#FIELD` (KV version 2).
    #[arg(long, env = "GATEWRIGHT_VAULT_ADDRESS", requires = "vault_token")]
    pub vault_address: Option<String>,
    /// Token for Vault, or `file:PATH`, which is read again for each call.
    #[arg(long, env = "GATEWRIGHT_VAULT_TOKEN", hide_env_values = true, value_parser = secret)]
    pub vault_token: Option<SecretString>,
    /// Namespace of Vault.
    #[arg(long, env = "GATEWRIGHT_VAULT_NAMESPACE")]
    pub vault_namespace: Option<String>,
    /// How often Vault is asked whether secrets have changed, in milliseconds.
    #[arg(
        long,
        env = "GATEWRIGHT_VAULT_REFRESH_MS",
        default_value_t = 30_000,
        value_parser = clap::value_parser!(u32).range(100..=86_400_000)
    )]
    pub vault_refresh_ms: u32,
    /// Where the admin API, its documentation and metrics are.
    #[arg(
        long,
        env = "GATEWRIGHT_ADMIN_LISTEN",
        default_value = "127.0.0.1:9080"
    )]
    pub admin_listen: SocketAddr,
    /// Tokens that the admin API accepts, separated by commas: `TOKEN`, or `NAME=TOKEN` for a name in
    /// the history; `NAME:register=TOKEN` or `NAME:register:UPSTREAM=TOKEN` may only register targets. At least 16
    /// characters each. Better as a variable: flags can be seen by others.
    #[arg(long, env = "GATEWRIGHT_ADMIN_TOKEN", hide_env_values = true, value_parser = secret)]
    pub admin_token: SecretString,
    /// Allows the admin API in plain text on an address that is not of this machine alone.
    #[arg(long, env = "GATEWRIGHT_ADMIN_INSECURE")]
    pub admin_insecure: bool,
    /// PEM of the admin API's certificate and its chain. Without it, plain text.
    #[arg(long, env = "GATEWRIGHT_ADMIN_CERT", requires = "admin_key")]
    pub admin_cert: Option<PathBuf>,
    /// PEM of its private key.
    #[arg(long, env = "GATEWRIGHT_ADMIN_KEY", requires = "admin_cert")]
    pub admin_key: Option<PathBuf>,
    /// Where nodes fetch the configuration.
    #[arg(
        long,
        env = "GATEWRIGHT_DISCOVERY_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    pub discovery_listen: SocketAddr,
    /// Allows the stream to the nodes in plain text on an address that is not of this machine alone.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_INSECURE")]
    pub discovery_insecure: bool,
    /// PEM of the certificate shown to nodes, and its chain. Without it, plain text.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CERT", requires_all = ["discovery_key", "discovery_ca"])]
    pub discovery_cert: Option<PathBuf>,
    /// PEM of its private key.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_KEY", requires = "discovery_cert")]
    pub discovery_key: Option<PathBuf>,
    /// PEM of the authorities that nodes' certificates are checked against.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CA", requires = "discovery_cert")]
    pub discovery_ca: Option<PathBuf>,
    /// Name of this control plane, unique in the fleet. Default: a random one at every start.
    #[arg(long, env = "GATEWRIGHT_CONTROL_PLANE_ID")]
    pub control_plane_id: Option<String>,
    /// How long history is kept, in hours; the newest revisions, below, are kept in any case.
    #[arg(long, env = "GATEWRIGHT_HISTORY_HOURS", default_value_t = 24 * 30)]
    pub history_hours: u32,
    /// How many of the newest revisions are kept, however old.
    #[arg(long, env = "GATEWRIGHT_HISTORY_REVISIONS", default_value_t = 100_000)]
    pub history_revisions: u64,
    #[command(flatten)]
    pub registrations: RegistrationSettings,
    /// Over how long nodes come back when this control plane ends, in milliseconds.
    #[arg(
        long,
        env = "GATEWRIGHT_GOAWAY_SPREAD_MS",
        default_value_t = 5000,
        value_parser = clap::value_parser!(u32).range(0..=600_000)
    )]
    pub goaway_spread_ms: u32,
    /// Time for requests in flight to end after SIGTERM, in milliseconds.
    #[arg(
        long,
        env = "GATEWRIGHT_DRAIN_TIMEOUT_MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(0..=600_000)
    )]
    pub drain_timeout_ms: u32,
}

/// How much may register by itself.
#[derive(Args, Clone, Copy, Debug)]
pub struct RegistrationSettings {
    /// Most targets that register themselves with one upstream.
    #[arg(long, env = "GATEWRIGHT_REGISTRATIONS_PER_UPSTREAM", default_value_t = Limits::default().upstream.targets)]
    pub registrations_per_upstream: u64,
    /// Most bytes of their labels, names and values.
    #[arg(long, env = "GATEWRIGHT_REGISTRATION_LABEL_BYTES_PER_UPSTREAM", default_value_t = Limits::default().upstream.label_bytes)]
    pub registration_label_bytes_per_upstream: u64,
    /// Most targets that are registered with one token.
    #[arg(long, env = "GATEWRIGHT_REGISTRATIONS_PER_TOKEN", default_value_t = Limits::default().token.targets)]
    pub registrations_per_token: u64,
    /// Most bytes of their labels, names and values.
    #[arg(long, env = "GATEWRIGHT_REGISTRATION_LABEL_BYTES_PER_TOKEN", default_value_t = Limits::default().token.label_bytes)]
    pub registration_label_bytes_per_token: u64,
}

impl RegistrationSettings {
    /// The limits that they say.
    pub const fn limits(&self) -> Limits {
        Limits {
            upstream: Room {
                targets: self.registrations_per_upstream,
                label_bytes: self.registration_label_bytes_per_upstream,
            },
            token: Room {
                targets: self.registrations_per_token,
                label_bytes: self.registration_label_bytes_per_token,
            },
        }
    }
}

impl ControlSettings {
    /// The master keys.
    ///
    /// # Errors
    /// A key that is none; a file that cannot be read.
    pub fn keyring(&self) -> Result<Keyring, InvalidMasterKey> {
        let keys = self.master_key.as_ref().map(ExposeSecret::expose_secret);
        Keyring::parse(keys.unwrap_or_default())
    }

    /// The Vault, where there is one.
    ///
    /// # Errors
    /// An address that is none.
    pub fn vault(&self) -> Result<Option<Vault>, VaultError> {
        let (Some(address), Some(token)) = (&self.vault_address, &self.vault_token) else {
            return Ok(None);
        };
        Vault::new(VaultSettings {
            address: address.clone(),
            token: token.clone(),
            namespace: self.vault_namespace.clone(),
        })
        .map(Some)
    }
}

// Clap's parsers are functions of this form.
#[allow(clippy::unnecessary_wraps)]
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.into())
}
