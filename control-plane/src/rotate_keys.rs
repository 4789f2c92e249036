//! `gatewright-control-plane rotate-keys`.

use std::{convert::Infallible, io::Write as _, sync::Arc};

use anyhow::ensure;
use clap::Parser;
use gatewright_control_plane::{
    StartError,
    secrets::{Keyring, Rotated, rotate},
    store::{StoreSettings, open},
};
use secrecy::{ExposeSecret as _, SecretString};

/// Encrypts everything that is secret again with the first master key, history included.
///
/// Give the new key first and the old ones after it, to all control planes before. They may go on running. When this
/// ends well the old keys are needed no longer. It may be interrupted and run again.
#[derive(Parser)]
#[command(name = "gatewright-control-plane rotate-keys")]
pub(crate) struct RotateKeys {
    /// The database: `postgres://...`, or `sqlite:PATH`.
    #[arg(long, env = "GATEWRIGHT_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    database_url: SecretString,
    /// Master keys, separated by commas, the new one first: 32 bytes in base64, or `file:PATH`.
    #[arg(long, env = "GATEWRIGHT_MASTER_KEY", hide_env_values = true, value_parser = secret)]
    master_key: SecretString,
}

impl RotateKeys {
    /// What it is called.
    pub(crate) const NAME: &'static str = "rotate-keys";

    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        // Nobody else has installed one in this process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keyring = Keyring::parse(self.master_key.expose_secret());
        let keyring = keyring.map_err(StartError::from)?;
        let Some(current) = keyring.current().map(ToOwned::to_owned) else {
            ensure!(false, "GATEWRIGHT_MASTER_KEY has no key");
            return Ok(());
        };
        let settings = StoreSettings {
            keyring: Arc::new(keyring),
            ..StoreSettings::default()
        };
        let url = self.database_url.expose_secret();
        let store = open(url, &settings).await.map_err(StartError::from)?;
        let done = rotate(&*store, tell).await?;
        say(&format!(
            "{} rows encrypted; all are with the key `{current}` now",
            done.done
        ));
        Ok(())
    }
}

fn tell(rotated: Rotated) {
    say(&format!(
        "{} rows done, {} left",
        rotated.done, rotated.left
    ));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

// Clap's parsers are functions of this form.
#[allow(clippy::unnecessary_wraps)]
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.into())
}
