//! Which control plane to talk to, and as whom: flags, then variables, then a context of the config file,
//! then, for the server, the default of `gatewright dev`.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Server;

const DEFAULT_SERVER: &str = "http://127.0.0.1:9080";

/// Which control plane to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// URL of the admin API. Default: that of the context, or http://127.0.0.1:9080.
    #[arg(long, global = true, env = "GATEWRIGHT_SERVER")]
    pub(crate) server: Option<String>,
    /// Bearer token. Default: that of the context.
    #[arg(
        long,
        global = true,
        env = "GATEWRIGHT_ADMIN_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// Name of a context in the config file. Default: its current one.
    #[arg(long, global = true, env = "GATEWRIGHT_CONTEXT")]
    pub(crate) context: Option<String>,
    /// Config file. Default: gatewright/config.yaml in $XDG_CONFIG_HOME or ~/.config.
    #[arg(long, global = true, env = "GATEWRIGHT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The config file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the context that is used where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// Contexts by name.
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A control plane and a token for it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Context {
    /// URL of the admin API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

impl Connection {
    /// The server and the token that count.
    ///
    /// # Errors
    /// A config file that cannot be read, or a context that it does not have.
    pub(crate) fn resolve(&self) -> anyhow::Result<Server> {
        let context = match (&self.server, &self.token, &self.context) {
            // Nothing is left for a context to say.
            (Some(_), Some(_), None) => Context::default(),
            _ => self.read()?.context(self.context.as_deref())?,
        };
        let server = self.server.clone().or(context.server);
        Ok(Server {
            server: server.unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
            token: self.token.clone().or(context.token),
        })
    }

    /// The config file; empty where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is not one.
    pub(crate) fn read(&self) -> anyhow::Result<Config> {
        let path = self.path()?;
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
            read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
        };
        if text.trim().is_empty() {
            return Ok(Config::default());
        }
        serde_saphyr::from_str(&text).with_context(|| format!("`{}` is not usable", path.display()))
    }

    /// Replaces the config file, readable for its owner only.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, config: &Config) -> anyhow::Result<()> {
        let path = self.path()?;
        let write = || -> anyhow::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let beside = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let text = serde_saphyr::to_string(config)?;
            options.open(&beside)?.write_all(text.as_bytes())?;
            Ok(fs::rename(&beside, &path)?)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.config {
            return Ok(path.clone());
        }
        let folder = env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let folder = folder.map(PathBuf::from).or_else(home);
        let folder = folder.context("no HOME; name the config file with --config")?;
        Ok(folder.join("gatewright/config.yaml"))
    }
}

impl Config {
    /// The context of this name, or the current one; an empty one where none is current.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn context(&self, name: Option<&str>) -> anyhow::Result<Context> {
        let Some(name) = name.or(self.current.as_deref()) else {
            return Ok(Context::default());
        };
        let known = || self.contexts.keys().cloned().collect::<Vec<_>>().join(", ");
        let context = self.contexts.get(name).cloned();
        context.with_context(|| match known() {
            none if none.is_empty() => format!("there is no context `{name}`, nor any other"),
            known => format!("there is no context `{name}`; known are: {known}"),
        })
    }
}
