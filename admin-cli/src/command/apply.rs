//! `gatewright apply`, `diff` and `validate`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use gatewright_control_plane::{
    catalog::State,
    check::Checker,
    document,
    write::{Operation, Plan, Precondition, Write, WriteError},
};
use gatewright_proto::Kind;
use serde_json::Value;

use crate::{Client, file, output};

/// Write the resources of a file, a folder or standard input, all or none.
#[derive(Debug, Args)]
pub struct Apply {
    /// File, folder, or `-`.
    #[arg(short, long)]
    file: PathBuf,
    /// Only print the plan.
    #[arg(long)]
    dry_run: bool,
    /// Return once every connected node has applied it, or after 30 seconds.
    #[arg(long)]
    wait: bool,
}

/// Show what `apply` would change.
#[derive(Debug, Args)]
pub struct Diff {
    /// File, folder, or `-`.
    #[arg(short, long)]
    file: PathBuf,
}

/// Check a file without a control plane.
#[derive(Debug, Args)]
pub struct Validate {
    /// File, folder, or `-`.
    #[arg(short, long)]
    file: PathBuf,
}

pub(super) async fn run(client: &Client, apply: &Apply) -> anyhow::Result<()> {
    let document = file::read(&apply.file)?;
    let wait = if apply.wait { "&wait=30s" } else { "" };
    let path = format!("/v1/apply?dry_run={}{wait}", apply.dry_run);
    let answer = client.post(&path, &document).await?;
    plan(&answer);
    output::line(&format!("revision {}", answer["revision"]));
    Ok(())
}

pub(super) async fn diff(client: &Client, diff: &Diff) -> anyhow::Result<ExitCode> {
    let document = file::read(&diff.file)?;
    let answer = client.post("/v1/apply?dry_run=true", &document).await?;
    let differs = plan(&answer);
    Ok(ExitCode::from(if differs { 2 } else { 0 }))
}

/// Prints the plan. Whether anything would change.
fn plan(answer: &Value) -> bool {
    let mut differs = false;
    for change in answer["changes"].as_array().into_iter().flatten() {
        let action = change["action"].as_str().unwrap_or_default();
        let sign = match action {
            "create" => "+",
            "update" => "~",
            "delete" => "-",
            _ => continue,
        };
        differs = true;
        let (kind, name) = (change["kind"].as_str(), change["name"].as_str());
        output::line(&format!(
            "{sign} {}/{}",
            kind.unwrap_or_default(),
            name.unwrap_or_default()
        ));
        if action == "update" {
            let text = |side: &str| serde_json::to_string_pretty(&change[side]).unwrap_or_default();
            let (before, after) = (text("before"), text("after"));
            let diff = similar::TextDiff::from_lines(&before, &after);
            for line in diff
                .iter_all_changes()
                .filter(|line| line.tag() != similar::ChangeTag::Equal)
            {
                output::line(&format!("    {}{}", line.tag(), line.value().trim_end()));
            }
        }
    }
    if !differs {
        output::line("no changes");
    }
    differs
}

/// Checks with the same code that the control plane checks writes with.
pub(super) fn validate(validate: &Validate) -> anyhow::Result<ExitCode> {
    let document = file::read(&validate.file)?;
    let (mut operations, mut mistakes) = (Vec::new(), Vec::new());
    for (plural, items) in document.as_object().into_iter().flatten() {
        let kind: Kind = plural
            .parse()
            .map_err(|_| anyhow::anyhow!("unknown kind `{plural}`"))?;
        for (place, item) in items.as_array().into_iter().flatten().enumerate() {
            let reading = document::read(kind, item.clone(), &format!("{plural}[{place}]"));
            mistakes.extend(reading.mistakes);
            operations.extend(
                reading
                    .resource
                    .map(|it| Operation::Put(it, Precondition::default())),
            );
        }
    }
    let write = Write {
        operations,
        mistakes,
        ..Write::default()
    };
    let checker = Checker::default();
    let judged = Plan::of(&State::default(), write).and_then(|plan| {
        let errors = checker.check(&plan.would_be);
        plan.judge(errors, checker.registry())
    });
    match judged {
        Ok(plan) => {
            output::line(&format!("{} resources, no mistakes", plan.touched.len()));
            Ok(ExitCode::SUCCESS)
        }
        Err(WriteError::Invalid(mistakes) | WriteError::StillReferenced(mistakes)) => {
            for mistake in &mistakes {
                output::error(&format!(
                    "{}: {}: {}: {}",
                    validate.file.display(),
                    mistake.resource,
                    mistake.field,
                    mistake.reason
                ));
            }
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}
