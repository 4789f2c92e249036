//! `gatewright rollout`: where a rollout stands, and what a person wants of it.

use std::{io::Write as _, time::Duration};

use clap::{Args, Subcommand};
use gatewright_proto::Key;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Settings, revisions::utc};
use crate::{
    Client, Terminal,
    output::{self, Format},
};

/// How often a rollout that is watched is looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Exit code of a watch whose rollout ended otherwise than promoted.
const NOT_PROMOTED: u8 = 1;

/// Shows where a rollout stands, or says what becomes of it.
#[derive(Args, Debug)]
pub(crate) struct Rollout {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show where it stands.
    Status {
        /// Its name.
        #[arg(value_parser = name)]
        name: String,
        /// Print what happens until it ends; ends with 1 where the canary is not promoted.
        #[arg(long)]
        watch: bool,
    },
    /// Leave the canary its share. It is watched all the same.
    Pause(Named),
    /// Go on with the present step; one that has ended begins anew.
    Resume(Named),
    /// Give the canary all requests now.
    Promote(Named),
    /// Take all requests from the canary now.
    Abort(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// Its name.
    #[arg(value_parser = name)]
    name: String,
}

fn name(text: &str) -> Result<String, String> {
    // It becomes part of a path.
    let checked = Key::check_name(text);
    checked.map_err(|error| format!("`{text}` is not the name of a rollout: {error}"))?;
    Ok(text.to_owned())
}

impl Rollout {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        stop: CancellationToken,
    ) -> anyhow::Result<u8> {
        let client = settings.client()?;
        let (action, name) = match &self.what {
            What::Status { name, watch: true } => {
                let watch = watch(&client, name, (settings.format, terminal));
                return tokio::select! {
                    code = watch => code,
                    () = stop.cancelled() => Ok(0),
                };
            }
            What::Status { name, .. } => ("", name),
            What::Pause(of) => ("pause", &of.name),
            What::Resume(of) => ("resume", &of.name),
            What::Promote(of) => ("promote", &of.name),
            What::Abort(of) => ("abort", &of.name),
        };
        let status = match action {
            "" => client.get(&format!("/v1/rollouts/{name}/status")).await?,
            action => {
                let path = format!("/v1/rollouts/{name}/{action}");
                client.post(&path, &json!({})).await?
            }
        };
        match settings.format {
            Format::Table => write(&status, terminal)?,
            Format::Name => terminal.line(&format!("rollout/{name}"))?,
            format => output::value(terminal, format, &status)?,
        }
        Ok(0)
    }
}

/// Prints what happens until the rollout ends.
async fn watch(
    client: &Client,
    name: &str,
    (format, terminal): (Format, &mut Terminal<'_>),
) -> anyhow::Result<u8> {
    let path = format!("/v1/rollouts/{name}/status");
    let mut told = String::new();
    loop {
        let status = client.get(&path).await?;
        // Only what counts: not every look.
        let news = match format {
            Format::Table => line(&status),
            _ => status.to_string(),
        };
        if news != told {
            terminal.line(&news)?;
            terminal.out.flush()?;
            told = news;
        }
        match status["phase"].as_str() {
            Some("promoted") => return Ok(0),
            Some("rolled_back" | "aborted" | "superseded") => return Ok(NOT_PROMOTED),
            _ => sleep(LOOK_PAUSE).await,
        }
    }
}

/// Where it stands, on one line.
fn line(status: &Value) -> String {
    let text = |field: &str| output::cell(&status[field]);
    let (phase, percent, reason) = (text("phase"), text("percent"), text("reason"));
    let [canary, baseline] = ["canary", "baseline"].map(|of| seen(&status["seen"][of]));
    let mut line = format!("{phase}, {percent} %");
    if !reason.is_empty() {
        line = format!("{line}: {reason}");
    }
    if phase == "running" {
        line = format!("{line}; canary {canary}, baseline {baseline}");
    }
    line
}

/// What was seen of a service.
fn seen(of: &Value) -> String {
    let number = |field: &str| of[field].as_f64();
    let requests = output::cell(&of["requests"]);
    let errors = number("error_percent").unwrap_or(0.0);
    let noun = if requests == "1" {
        "request"
    } else {
        "requests"
    };
    let mut text = format!("{requests} {noun}, {errors:.1} % errors");
    if let Some(p99_ms) = number("p99_ms") {
        text = format!("{text}, p99 {p99_ms:.1} ms");
    }
    text
}

fn write(status: &Value, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let text = |field: &str| output::cell(&status[field]);
    let mut lines = vec![
        format!(
            "route `{}`: `{}` to `{}`",
            text("route"),
            text("baseline"),
            text("canary")
        ),
        format!(
            "phase {}, {} %, step {} of {}",
            text("phase"),
            text("percent"),
            text("step"),
            text("steps")
        ),
        text("reason"),
    ];
    for of in ["canary", "baseline"] {
        lines.push(format!("{of}, in this step: {}", seen(&status["seen"][of])));
    }
    if status["enabled"] == false {
        lines.push("it is disabled: nobody watches its canary".to_owned());
    }
    if !status["wish"].is_null() {
        lines.push(format!(
            "{} has been asked for and is not done yet",
            text("wish")
        ));
    }
    let title = format!("rollout/{}", text("name"));
    terminal.line(&terminal.bold(&title))?;
    for line in lines.iter().filter(|it| !it.is_empty()) {
        terminal.line(&format!("  {line}"))?;
    }
    let events = status["events"].as_array().cloned().unwrap_or_default();
    let row = |event: &Value| {
        let at = event["at_ms"].as_i64().unwrap_or(0);
        let revision = match &event["revision"] {
            Value::Number(number) if number.as_u64() == Some(0) => String::new(),
            other => output::cell(other),
        };
        let cell = |field: &str| output::cell(&event[field]);
        vec![
            utc(at / 1000),
            revision,
            cell("phase"),
            cell("percent"),
            cell("reason"),
        ]
    };
    if events.is_empty() {
        return Ok(());
    }
    let columns = ["at", "revision", "phase", "percent", "reason"];
    Ok(output::table(
        terminal,
        &columns,
        events.iter().map(row).collect(),
    )?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{line, seen};

    #[test]
    fn a_rollout_that_is_watched_is_one_line() {
        let seen = json!({"requests": 200, "errors": 3, "error_percent": 1.5, "p99_ms": 12.34});
        let status = json!({
            "phase": "running", "percent": 5, "reason": "step 1 of 2: 5 %",
            "seen": {"canary": seen, "baseline": {"requests": 7, "errors": 0, "error_percent": 0.0}},
        });
        let expected = "running, 5 %: step 1 of 2: 5 %; canary 200 requests, 1.5 % errors, \
                        p99 12.3 ms, baseline 7 requests, 0.0 % errors";
        assert_eq!(line(&status), expected);
    }

    #[test]
    fn a_rollout_that_has_not_begun_has_no_reason_yet_and_one_request_is_one() {
        let status = json!({"phase": "pending", "percent": 0, "reason": ""});
        assert_eq!(line(&status), "pending, 0 %");
        assert_eq!(seen(&json!({"requests": 1})), "1 request, 0.0 % errors");
    }
}
