//! What a write changes: lines with signs for people, differences in YAML, JSON for programs.

use serde_json::Value;
use similar::TextDiff;

use crate::{Client, Terminal, client::Failure, file::Bundle, output};

/// How much a plan shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// A line a resource.
    Lines,
    /// A line a resource, and the differences of each.
    Differences,
}

/// What a write changes.
#[derive(Debug)]
pub(super) struct Plan {
    /// The answer of the API.
    answer: Value,
}

/// Parameters of `POST /v1/apply`; those without a value are left out.
pub(super) type Parameters<'a> = [(&'a str, Option<&'a str>)];

/// Sends files. Mistakes that the server finds are shown in the files.
///
/// # Errors
/// What is wrong with the files, all at once; or the server.
pub(super) async fn send(
    client: &Client,
    bundle: &Bundle,
    parameters: &Parameters<'_>,
) -> anyhow::Result<Plan> {
    let sound = bundle.is_sound();
    // What is wrong already is not to be applied, but the server may find more.
    let only_check: &Parameters<'_> = &[("dry_run", Some("true"))];
    let parameters = if sound { parameters } else { only_check };
    let answer = client
        .send("/v1/apply", parameters, &bundle.document())
        .await;
    match answer {
        Ok(answer) if sound => Ok(Plan { answer }),
        Err(error) if sound => match error.downcast::<Failure>() {
            Ok(failure) if !failure.errors.is_empty() => {
                Err(bundle.problems(&failure.errors).into())
            }
            Ok(failure) => Err(failure.into()),
            Err(error) => Err(error),
        },
        Ok(_) => Err(bundle.problems(&[]).into()),
        Err(error) => {
            let failure = error.downcast::<Failure>().unwrap_or_default();
            Err(bundle.problems(&failure.errors).into())
        }
    }
}

impl Plan {
    /// Of changes, as the API lists them.
    pub(super) const fn of(answer: Value) -> Self {
        Self { answer }
    }

    /// The answer of the API.
    pub(super) const fn answer(&self) -> &Value {
        &self.answer
    }

    /// The revision that it speaks of.
    pub(super) fn revision(&self) -> &Value {
        &self.answer["revision"]
    }

    fn changes(&self) -> impl Iterator<Item = &Value> {
        self.answer["changes"].as_array().into_iter().flatten()
    }

    fn count(&self, action: &str) -> usize {
        self.changes()
            .filter(|change| change["action"] == action)
            .count()
    }

    /// Whether it changes anything.
    pub(super) fn is_empty(&self) -> bool {
        self.changes().all(|change| change["action"] == "unchanged")
    }

    /// In numbers.
    pub(super) fn summary(&self) -> String {
        let parts = ["create", "update", "delete", "unchanged"].map(|action| {
            let count = self.count(action);
            let word = if action == "unchanged" {
                action.to_owned()
            } else {
                format!("{action}d")
            };
            (count > 0).then(|| format!("{count} {word}"))
        });
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => "nothing to do".to_owned(),
            false => parts.join(", "),
        }
    }

    /// Writes what changes.
    ///
    /// # Errors
    /// Nobody reads it.
    pub(super) fn write(&self, terminal: &mut Terminal<'_>, detail: Detail) -> anyhow::Result<()> {
        for change in self.changes() {
            let text = |field: &str| change[field].as_str().unwrap_or_default();
            let key = format!("{}/{}", text("kind"), text("name"));
            let line = match text("action") {
                "create" => terminal.green(&format!("+ {key}")),
                "update" => terminal.yellow(&format!("~ {key}")),
                "delete" => terminal.red(&format!("- {key}")),
                _ => continue,
            };
            terminal.line(&line)?;
            if detail == Detail::Differences {
                differences(terminal, change)?;
            }
        }
        Ok(())
    }
}

/// Writes the difference between what a resource is and what it becomes.
fn differences(terminal: &mut Terminal<'_>, change: &Value) -> anyhow::Result<()> {
    let side = |side: &str| match &change[side] {
        Value::Null => Ok(String::new()),
        value => output::yaml(value),
    };
    let (before, after) = (side("before")?, side("after")?);
    let diff = TextDiff::from_lines(&before, &after);
    for line in diff.unified_diff().context_radius(2).to_string().lines() {
        let line = match line.as_bytes().first() {
            Some(b'+') => terminal.green(line),
            Some(b'-') => terminal.red(line),
            Some(b'@') => terminal.cyan(line),
            _ => line.to_owned(),
        };
        terminal.line(&format!("    {line}"))?;
    }
    for field in change["hidden"].as_array().into_iter().flatten() {
        let field = output::cell(field);
        let line = format!("    {field}: differs, and is never shown");
        terminal.line(&terminal.yellow(&line))?;
    }
    Ok(())
}
