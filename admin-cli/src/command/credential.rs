//! `gatewright credential`: gives consumers credentials, and takes them away.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gatewright_proto::json::{parse_milliseconds, parse_moment, write_moment};
use serde_json::{Map, Value, json};

use super::{Settings, apply::Wait};
use crate::{
    Client, Terminal,
    output::{self, Format},
};

const MS_A_DAY: u64 = 24 * 3600 * 1000;

/// Gives consumers credentials, and takes them away.
#[derive(Args, Debug)]
pub(crate) struct Credential {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give a consumer a credential. Its key is made by the control plane and shown this once.
    Create(Create),
    /// Give its consumer a new one in place of a credential, which goes on to be accepted for a while.
    Rotate(Rotate),
    /// Delete a credential: no node accepts it a moment later.
    Revoke(Revoke),
    /// List credentials, with when they were last used and until when they hold.
    List(List),
}

#[derive(Args, Debug)]
struct Create {
    /// Name of the consumer.
    consumer: String,
    /// Name of the credential. Default: the consumer's and eight characters.
    #[arg(long)]
    name: Option<String>,
    /// Until when it holds: a time from now, as `90d` or `12h`, or a moment, as `2027-01-31T00:00:00Z`.
    #[arg(long, value_parser = moment)]
    expires: Option<u64>,
    /// SHA-256 of a key that exists already, as `sha256:` and 64 hexadecimal digits.
    #[arg(long)]
    digest: Option<String>,
    /// Beginning of that key, to find it by; at most 10 characters.
    #[arg(long, requires = "digest")]
    prefix: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Args, Debug)]
struct Rotate {
    /// Name of the credential.
    name: String,
    /// For how long the old one goes on to be accepted, as `24h`.
    #[arg(long, default_value = "24h", value_parser = span)]
    grace: u64,
    /// Until when the new one holds, as for `create`.
    #[arg(long, value_parser = moment)]
    expires: Option<u64>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Args, Debug)]
struct Revoke {
    /// Names of credentials.
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Args, Debug)]
struct List {
    /// Only those of this consumer.
    #[arg(long)]
    consumer: Option<String>,
    /// Only those whose key may begin like this.
    #[arg(long, conflicts_with = "consumer")]
    prefix: Option<String>,
}

impl Credential {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let client = settings.client()?;
        match &self.action {
            Action::Create(create) => {
                let created = create.run(&client).await?;
                show(settings, terminal, &created)
            }
            Action::Rotate(rotate) => {
                let created = rotate.run(&client).await?;
                show(settings, terminal, &created)
            }
            Action::Revoke(revoke) => revoke.run(&client, terminal).await,
            Action::List(list) => list.run(&client, settings, terminal).await,
        }
    }
}

impl Create {
    async fn run(&self, client: &Client) -> anyhow::Result<Value> {
        let mut body = Map::new();
        let texts = [
            ("name", &self.name),
            ("digest", &self.digest),
            ("prefix", &self.prefix),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                body.insert(field.to_owned(), value.as_str().into());
            }
        }
        if let Some(expires) = self.expires {
            body.insert("expires_at_ms".to_owned(), expires.into());
        }
        issue(client, &self.consumer, body, &self.wait).await
    }
}

impl Rotate {
    async fn run(&self, client: &Client) -> anyhow::Result<Value> {
        let path = format!("/v1/credentials/{}", self.name);
        let old = client.get(&path).await?;
        let consumer = old["consumer"].as_str();
        let consumer = consumer.context("the credential has no consumer")?;
        if old["type"] == "basic" {
            bail!("the credential is a password: give it a new one with `apply`");
        }
        let mut body = Map::new();
        // What it allows must not change.
        for field in ["labels", "scopes"] {
            if !old[field].is_null() {
                body.insert(field.to_owned(), old[field].clone());
            }
        }
        if let Some(expires) = self.expires {
            body.insert("expires_at_ms".to_owned(), expires.into());
        }
        let created = issue(client, consumer, body, &self.wait).await?;
        let end = now_ms() + self.grace;
        // One that would have ended before still does.
        let end = old["expires_at_ms"].as_u64().map_or(end, |it| it.min(end));
        client.patch(&path, &json!({"expires_at_ms": end})).await?;
        Ok(created)
    }
}

impl Revoke {
    async fn run(&self, client: &Client, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        for name in &self.names {
            let wait = [("wait", self.wait.wait.as_deref())];
            client
                .delete(&format!("/v1/credentials/{name}"), &wait)
                .await?;
            terminal.line(&terminal.red(&format!("- credential/{name}")))?;
        }
        Ok(())
    }
}

impl List {
    async fn run(
        &self,
        client: &Client,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let path = match &self.consumer {
            Some(consumer) => format!("/v1/consumers/{consumer}/credentials"),
            None => "/v1/credentials".to_owned(),
        };
        let prefix = [("prefix", self.prefix.as_deref())];
        let mut items = client.all(&path, &prefix).await?;
        if settings.format == Format::Table {
            items.iter_mut().for_each(tell);
        }
        let columns = &[
            "name",
            "consumer",
            "prefix",
            "last_used",
            "expires",
            "enabled",
        ];
        let list = output::List {
            title: "credentials",
            items,
            columns,
        };
        list.write(terminal, settings.format)
    }
}

/// Moments, for people.
fn tell(credential: &mut Value) {
    let text = |field: &str| credential[field].as_u64().map(write_moment);
    let (used, expires) = (text("last_used_at_ms"), text("expires_at_ms"));
    let past = credential["expires_at_ms"]
        .as_u64()
        .is_some_and(|it| it <= now_ms());
    let expires = expires.map(|it| if past { format!("{it} (expired)") } else { it });
    credential["last_used"] = used.into();
    credential["expires"] = expires.into();
}

async fn issue(
    client: &Client,
    consumer: &str,
    body: Map<String, Value>,
    wait: &Wait,
) -> anyhow::Result<Value> {
    let path = format!("/v1/consumers/{consumer}/credentials");
    let wait = [("wait", wait.wait.as_deref())];
    client.send(&path, &wait, &body.into()).await
}

fn show(settings: &Settings, terminal: &mut Terminal<'_>, created: &Value) -> anyhow::Result<()> {
    if settings.format != Format::Table {
        return output::value(terminal, settings.format, created);
    }
    let name = output::cell(&created["name"]);
    terminal.line(&terminal.green(&format!("+ credential/{name}")))?;
    if let Some(expires) = created["expires_at_ms"].as_u64() {
        terminal.line(&format!("  expires {}", write_moment(expires)))?;
    }
    if let Some(key) = created["key"].as_str() {
        terminal.line(&format!("  key     {key}"))?;
        terminal.line("  The key is not stored and cannot be shown again.")?;
    }
    Ok(())
}

/// A time from now, or a moment.
fn moment(text: &str) -> Result<u64, String> {
    let from_now = span(text).ok().map(|span| now_ms() + span);
    from_now.or_else(|| parse_moment(text)).ok_or_else(|| {
        "not a time from now such as `90d`, nor a moment such as `2027-01-31T00:00:00Z`".to_owned()
    })
}

/// A length of time, in days too.
fn span(text: &str) -> Result<u64, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    let days = days.and_then(|days| days.checked_mul(MS_A_DAY));
    let span = days.or_else(|| parse_milliseconds(text));
    span.filter(|it| *it < 100_000 * MS_A_DAY)
        .ok_or_else(|| "not a time such as `24h` or `7d`".to_owned())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}
