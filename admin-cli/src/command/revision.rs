//! `gatewright revisions`.

use clap::{Args, Subcommand};

use crate::{
    Client,
    output::{self, Format},
};

/// Show history, one revision, or the difference of two.
#[derive(Debug, Args)]
pub struct Revisions {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What one revision changed.
    Show {
        /// Its number.
        revision: u64,
    },
    /// What differs between two revisions.
    Diff {
        /// From this one.
        from: u64,
        /// To this one.
        to: u64,
    },
}

pub(super) async fn run(
    client: &Client,
    revisions: &Revisions,
    format: Format,
) -> anyhow::Result<()> {
    let (path, list, columns): (String, _, &[&str]) = match revisions.what {
        None => (
            "/v1/revisions".to_owned(),
            "items",
            &["revision", "at_ms", "author", "comment", "changed"],
        ),
        Some(What::Show { revision }) => (
            format!("/v1/revisions/{revision}"),
            "changes",
            &["action", "kind", "name"],
        ),
        Some(What::Diff { from, to }) => (
            format!("/v1/revisions/diff?from={from}&to={to}"),
            "changes",
            &["action", "kind", "name"],
        ),
    };
    let answer = client.get(&path).await?;
    let items = answer[list].as_array().cloned().unwrap_or_default();
    output::objects(format, &items, columns)
}
