//! The commands, one file each.

mod apply;
mod audit;
mod context;
mod credential;
mod delete;
mod describe;
pub mod dev;
mod diff;
mod echo;
mod entry;
mod explain;
mod export;
mod get;
mod nodes;
mod plan;
mod plugins;
mod register;
mod revisions;
mod rollout;
mod subject;
mod sync;
mod validate;
mod version;
mod why;

use std::io::Write as _;

use clap::{CommandFactory as _, Subcommand};
use gatewright_proto::Kind;
use tokio_util::sync::CancellationToken;

use crate::{Client, Terminal, context::Connection, output::Format};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start control plane, node and a sample upstream in this process, to try things out.
    Dev(dev::Dev),
    /// Create and replace the resources of files, all or none.
    Apply(apply::Apply),
    /// Apply files and delete what is not in them, within a set of labels.
    Sync(sync::Sync),
    /// Show what `apply` would change; ends with 2 where there are differences.
    Diff(diff::Diff),
    /// Check files without a control plane.
    Validate(validate::Validate),
    /// Print everything in the form that `apply` takes.
    Export(export::Export),
    /// List resources of a kind, or show some.
    Get(get::Get),
    /// Show a resource with what it refers to, what refers to it, and the plugins in force; of a service also how it
    /// fares on each node.
    Describe(describe::Describe),
    /// Delete resources, one after the other.
    Delete(delete::Delete),
    /// Give consumers credentials, rotate and revoke them.
    Credential(credential::Credential),
    /// Explain a kind, a plugin type, or a field of one.
    Explain(explain::Explain),
    /// Show which route a request takes, and why the others do not. Nothing is sent.
    Why(why::Why),
    /// Show the nodes, what they have applied and refused.
    Nodes,
    /// Show history, one revision, or the difference of two.
    Revisions(revisions::Revisions),
    /// Show who asked for which change, and what came of it.
    Audit(audit::Audit),
    /// Register this instance as a target of an upstream for as long as it runs, or a command does.
    Register(register::Register),
    /// Show where a rollout stands, or pause, resume, promote or abort it.
    Rollout(rollout::Rollout),
    /// List plugin types, or print a type's page.
    Plugins(plugins::Plugins),
    /// List, choose or set contexts: servers and tokens by name.
    Context(context::Context),
    /// Print the version.
    Version,
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Run the sample upstream.
    Echo(echo::Echo),
    /// Forward TCP connections to all addresses of a name.
    Entry(entry::Entry),
}

/// What every command may need.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) connection: Connection,
    pub(crate) format: Format,
}

impl Settings {
    fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.connection.resolve()?)
    }
}

/// Runs a command; its exit code.
pub(crate) async fn run(
    command: Command,
    settings: &Settings,
    terminal: &mut Terminal<'_>,
    stop: CancellationToken,
) -> anyhow::Result<u8> {
    match command {
        Command::Dev(dev) => dev::run(&dev, stop).await?,
        Command::Apply(apply) => apply.run(settings, terminal).await?,
        Command::Sync(sync) => return sync.run(settings, terminal).await,
        Command::Diff(diff) => return diff.run(settings, terminal).await,
        Command::Validate(validate) => validate.run(terminal)?,
        Command::Export(export) => export.run(settings, terminal).await?,
        Command::Get(get) => get.run(settings, terminal).await?,
        Command::Describe(describe) => describe.run(settings, terminal, stop).await?,
        Command::Delete(delete) => delete.run(settings, terminal).await?,
        Command::Credential(credential) => credential.run(settings, terminal).await?,
        Command::Explain(explain) => explain.run(settings, terminal)?,
        Command::Why(why) => why.run(settings, terminal).await?,
        Command::Nodes => nodes::run(settings, terminal).await?,
        Command::Revisions(revisions) => revisions.run(settings, terminal).await?,
        Command::Audit(audit) => audit.run(settings, terminal).await?,
        Command::Register(register) => return register.run(settings, terminal, stop).await,
        Command::Rollout(rollout) => return rollout.run(settings, terminal, stop).await,
        Command::Plugins(plugins) => plugins.run(settings, terminal)?,
        Command::Context(context) => context.run(settings, terminal)?,
        Command::Version => version::run(settings, terminal)?,
        Command::Completion { shell } => {
            let mut command = crate::Arguments::command();
            // Into memory first: it takes a pipe that nobody reads any more for a defect.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "gatewright", &mut script);
            terminal.out.write_all(&script)?;
        }
        Command::Echo(echo) => echo::run(&echo, stop).await?,
        Command::Entry(entry) => entry::run(&entry, stop).await?,
    }
    Ok(0)
}

/// Reads a kind, in singular or plural.
fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|_| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        let instead = gatewright_control_plane::document::instead(text, &known);
        format!("not a kind{instead}")
    })
}
