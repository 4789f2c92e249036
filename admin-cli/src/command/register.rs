//! `gatewright register`: an instance as a target of an upstream, for as long as it runs.
//!
//! With a command, the target joins once the command accepts connections; told to stop, it leaves first and the
//! command is told when no node sends to it any more.

mod child;

use std::{ffi::OsString, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_proto::{Key, json::parse_milliseconds};
use serde_json::{Map, Value, json};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::{Client, Failure, Terminal};
use child::Running;

/// Pause before something that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks whether the command accepts connections.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may take that only shows that there is one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Signs of life in a time to live: two may get lost.
const BEATS: u32 = 3;

/// Registers this instance as a target of an upstream.
#[derive(Args, Debug)]
pub(crate) struct Register {
    /// Name of the upstream.
    #[arg(long)]
    upstream: String,
    /// Where this instance gets requests, as `10.0.0.7:80`.
    #[arg(long)]
    address: String,
    /// Name of this instance, its own among those of the upstream. Default: host name and port.
    #[arg(long)]
    instance: Option<String>,
    /// After how long without a sign of life it is taken away, 1s to 1h. One is given three times in that.
    #[arg(long, default_value = "15s", value_parser = time)]
    ttl: Duration,
    /// Share of the requests, relative to the other targets.
    #[arg(long)]
    weight: Option<u32>,
    /// Priority; targets of the lowest number are preferred.
    #[arg(long)]
    priority: Option<u32>,
    /// Labels, as `zone=a`. May be repeated.
    #[arg(long, value_parser = label)]
    label: Vec<(String, String)>,
    /// How long to wait, when it leaves, until no node sends to it any more; up to 60s.
    #[arg(long, default_value = "10s")]
    drain: String,
    /// A command to run; the registration lasts as long as it does.
    #[arg(last = true)]
    command: Vec<OsString>,
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time, such as `15s` or `500ms`");
    let time = parse_milliseconds(text).ok_or_else(wrong)?;
    Ok(Duration::from_millis(time))
}

fn label(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is not a label, such as `zone=a`");
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A registration under way.
struct Registration<'a> {
    client: &'a Client,
    upstream: &'a str,
    instance: String,
    target: Value,
}

impl Register {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        stop: CancellationToken,
    ) -> anyhow::Result<u8> {
        let client = settings.client()?;
        let registration = Registration {
            client: &client,
            upstream: &self.upstream,
            instance: self.instance()?,
            target: self.target(),
        };
        let mut child = Running::start(&self.command)?;
        let ended = self
            .register(&registration, &mut child, (terminal, &stop))
            .await;
        // A command that was started does not stay behind, whatever happened.
        let code = match &ended {
            Ok(Some(code)) => *code,
            _ => child.stop().await,
        };
        ended.map(|_| code)
    }

    /// Registers until it is told to stop, or the command has ended: its exit code.
    async fn register(
        &self,
        registration: &Registration<'_>,
        child: &mut Running,
        (terminal, stop): (&mut Terminal<'_>, &CancellationToken),
    ) -> anyhow::Result<Option<u8>> {
        let has_command = child.is_there();
        if has_command {
            let address = &self.address;
            terminal.note(&format!("waiting until `{address}` accepts connections"))?;
        }
        tokio::select! {
            () = self.accepts(has_command) => {}
            code = child.ended() => return Ok(Some(code)),
            () = stop.cancelled() => return Ok(None),
        }
        tokio::select! {
            joined = registration.join() => joined?,
            code = child.ended() => return Ok(Some(code)),
            () = stop.cancelled() => return Ok(None),
        }
        let (instance, upstream) = (&registration.instance, &self.upstream);
        terminal.note(&format!(
            "registered `{instance}` with `upstream/{upstream}`"
        ))?;
        let ended = tokio::select! {
            () = registration.live(self.ttl / BEATS) => None,
            code = child.ended() => Some(code),
            () = stop.cancelled() => None,
        };
        match registration.leave(&self.drain).await {
            Ok(()) => terminal.note(&format!("`{instance}` has left"))?,
            Err(error) => terminal.note(&format!("`{instance}` could not leave: {error:#}"))?,
        }
        Ok(ended)
    }

    /// Waits until the command accepts connections.
    async fn accepts(&self, has_command: bool) {
        if !has_command {
            return;
        }
        let connect = || tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address));
        while !matches!(connect().await, Ok(Ok(_))) {
            sleep(LOOK_PAUSE).await;
        }
    }

    fn instance(&self) -> anyhow::Result<String> {
        if let Some(instance) = &self.instance {
            return Ok(instance.clone());
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let port = self.address.rsplit_once(':');
        let (_, port) = port.context("the address is not `host:port`")?;
        let name = format!("{}-{port}", host.trim());
        match Key::check_name(&name) {
            Ok(()) => Ok(name),
            Err(_) => bail!("give this instance a name with --instance"),
        }
    }

    fn target(&self) -> Value {
        let mut target = Map::new();
        target.insert("address".to_owned(), json!(self.address));
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        target.insert("ttl_ms".to_owned(), json!(ttl_ms));
        if let Some(weight) = self.weight {
            target.insert("weight".to_owned(), json!(weight));
        }
        if let Some(priority) = self.priority {
            target.insert("priority".to_owned(), json!(priority));
        }
        if !self.label.is_empty() {
            let labels: Map<String, Value> = self
                .label
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect();
            target.insert("labels".to_owned(), labels.into());
        }
        target.into()
    }
}

impl Registration<'_> {
    fn path(&self) -> String {
        format!(
            "/v1/upstreams/{}/registrations/{}",
            self.upstream, self.instance
        )
    }

    /// Joins. Tries again where that may help.
    async fn join(&self) -> anyhow::Result<()> {
        loop {
            let error = match self.client.put(&self.path(), &self.target).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let failure = error.downcast_ref::<Failure>();
            if failure.is_some_and(|it| (400..500).contains(&it.status)) {
                return Err(error);
            }
            tracing::warn!("cannot register: {error:#}");
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Gives signs of life for as long as it is polled.
    async fn live(&self, interval: Duration) {
        let path = format!("/v1/upstreams/{}/heartbeats", self.upstream);
        let beat = json!({"instances": [self.instance]});
        let mut pause = interval;
        loop {
            sleep(pause).await;
            pause = interval;
            let beaten = match self.client.post(&path, &beat).await {
                // It was taken away, perhaps since this process was stopped for a while.
                Ok(answer) if answer["unknown"] != json!([]) => {
                    self.client.put(&self.path(), &self.target).await
                }
                beaten => beaten,
            };
            if let Err(error) = beaten {
                tracing::warn!("cannot say that `{}` lives: {error:#}", self.instance);
                pause = interval.min(RETRY_PAUSE);
            }
        }
    }

    /// Leaves, and waits until no node sends to it any more.
    async fn leave(&self, patience: &str) -> anyhow::Result<()> {
        let wait = Some(patience).filter(|it| parse_milliseconds(it) != Some(0));
        self.client.delete(&self.path(), &[("wait", wait)]).await
    }
}
