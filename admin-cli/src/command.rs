//! The commands, one file each.

mod apply;
pub mod dev;
mod echo;
mod entry;
mod export;
mod node;
mod plugin;
mod resource;
mod revision;

use std::process::ExitCode;

use clap::{CommandFactory as _, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{Client, client::Server, output::Format};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start control plane, node and a sample upstream in this process, to try things out.
    Dev(dev::Dev),
    /// Write the resources of a file, a folder or standard input, all or none.
    Apply(apply::Apply),
    /// Print everything in the form that `apply` takes.
    Export(export::Export),
    /// Show what `apply` would change; ends with 2 where there are differences.
    Diff(apply::Diff),
    /// List resources of a kind, or show one.
    Get(resource::Get),
    /// Delete a resource.
    Delete(resource::Delete),
    /// Show the nodes, what they have applied and refused.
    Nodes,
    /// Show history, one revision, or the difference of two.
    Revisions(revision::Revisions),
    /// List plugin types, or print a type's page.
    Plugins(plugin::Plugins),
    /// Check a file without a control plane.
    Validate(apply::Validate),
    /// Run the sample upstream.
    Echo(echo::Echo),
    /// Forward TCP connections to all addresses of a name.
    Entry(entry::Entry),
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

pub(crate) async fn run(
    command: Command,
    server: &Server,
    format: Format,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let client = || Client::new(server);
    match command {
        Command::Dev(dev) => dev::run(&dev, stop).await?,
        Command::Apply(apply) => apply::run(&client()?, &apply).await?,
        Command::Diff(diff) => return apply::diff(&client()?, &diff).await,
        Command::Validate(validate) => return apply::validate(&validate),
        Command::Export(export) => export::run(&client()?, &export, format).await?,
        Command::Get(get) => resource::get(&client()?, &get, format).await?,
        Command::Delete(delete) => resource::delete(&client()?, &delete).await?,
        Command::Nodes => node::run(&client()?, format).await?,
        Command::Revisions(revisions) => revision::run(&client()?, &revisions, format).await?,
        Command::Plugins(plugins) => plugin::run(&plugins, format)?,
        Command::Echo(echo) => echo::run(&echo, stop).await?,
        Command::Entry(entry) => entry::run(&entry, stop).await?,
        Command::Completion { shell } => {
            let mut command = crate::Arguments::command();
            clap_complete::generate(shell, &mut command, "gatewright", &mut std::io::stdout());
        }
    }
    Ok(ExitCode::SUCCESS)
}
