//! `gatewright context`: servers and tokens by name.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Settings;
use crate::{
    Terminal,
    output::{Format, List},
};

/// Lists, chooses or sets contexts.
#[derive(Args, Debug)]
pub(crate) struct Context {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List contexts; tokens are not shown.
    List,
    /// Make a context the current one.
    Use {
        /// Its name.
        name: String,
    },
    /// Create or change a context, with --server and --token, and make it the current one.
    Set {
        /// Its name.
        name: String,
    },
    /// Remove a context.
    Remove {
        /// Its name.
        name: String,
    },
}

impl Context {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let connection = &settings.connection;
        let mut config = connection.read()?;
        match &self.what {
            What::List => {
                let current = config.current.as_deref();
                let item = |(name, context): (&String, &crate::context::Context)| {
                    json!({
                        "name": name,
                        "current": current == Some(name),
                        "server": context.server,
                        "token": if context.token.is_some() { "set" } else { "" },
                    })
                };
                let list = List {
                    title: "contexts",
                    items: config.contexts.iter().map(item).collect(),
                    columns: &["name", "current", "server", "token"],
                };
                return list.write(terminal, settings.format);
            }
            What::Use { name } => {
                config.context(Some(name))?;
                config.current = Some(name.clone());
            }
            What::Set { name } => {
                let context = config.contexts.entry(name.clone()).or_default();
                context.server = connection.server.clone().or(context.server.take());
                context.token = connection.token.clone().or(context.token.take());
                config.current = Some(name.clone());
            }
            What::Remove { name } => {
                config.context(Some(name))?;
                config.contexts.remove(name);
                config.current = config.current.filter(|current| current != name);
            }
        }
        connection.write(&config)?;
        let said = match (&config.current, settings.format) {
            (Some(current), Format::Name) => current.clone(),
            (Some(current), _) => format!("the current context is `{current}`"),
            (None, Format::Name) => return Ok(()),
            (None, _) => "no context is current".to_owned(),
        };
        Ok(terminal.line(&said)?)
    }
}
