//! `gatewright-bench heartbeats`: what the signs of life of 10,000 registered targets cost a control plane.
//!
//! Each target gives one every five seconds, evenly spread: in batches of 100 for agents that speak for many, by a
//! POST each, and by repeating its PUT. What is printed is CPU time of the control plane's process, in percent of a
//! core, beside that of doing nothing. The database is an SQLite file, or what `GATEWRIGHT_DATABASE_URL` names.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::process::Pinned;

const ADMIN: &str = "127.0.0.1:19080";
const TOKEN: &str = "bench-token-that-is-long-enough";
const TARGETS: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(5);
/// Instances that an agent speaks for.
const BATCH: usize = 100;
/// Pause between two looks at what is due.
const STEP: Duration = Duration::from_millis(10);

/// How signs of life are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    None,
    Batches,
    Posts,
    Puts,
}

/// Measures each manner for so many seconds.
pub(crate) fn run(seconds: u64) -> anyhow::Result<()> {
    let this = env::current_exe()?;
    let binaries = this.parent().context("no folder")?;
    let folder = tempfile::tempdir()?;
    let mut control_plane = start(binaries, folder.path())?;
    control_plane.listens(ADMIN.parse()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&control_plane, Duration::from_secs(seconds)))
}

fn start(binaries: &Path, folder: &Path) -> anyhow::Result<Pinned> {
    let file = format!("sqlite:{}", folder.join("bench.db").display());
    let mut command = Command::new(binaries.join("gatewright-control-plane"));
    command
        .env(
            "GATEWRIGHT_DATABASE_URL",
            env::var("GATEWRIGHT_DATABASE_URL").unwrap_or(file),
        )
        .env("GATEWRIGHT_ADMIN_LISTEN", ADMIN)
        .env("GATEWRIGHT_DISCOVERY_LISTEN", "127.0.0.1:0")
        .env("GATEWRIGHT_ADMIN_TOKEN", TOKEN)
        .env("GATEWRIGHT_LOG", "warn");
    let log = folder.join("control-plane.log").display().to_string();
    Pinned::start("0", &mut command, &log)
}

async fn measure(control_plane: &Pinned, time: Duration) -> anyhow::Result<()> {
    // Nothing else in this process has installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    register(&client).await?;
    let revision = revision(&client).await?;
    println!("| signs of life | requests/s | CPU |");
    println!("| --- | --- | --- |");
    for manner in [Manner::None, Manner::Batches, Manner::Posts, Manner::Puts] {
        let (before, began) = (control_plane.process_time()?, Instant::now());
        let requests = give(&client, manner, time).await?;
        let (cpu, took) = (control_plane.process_time()? - before, began.elapsed());
        println!(
            "| {manner:?} | {:.0} | {:.2} % |",
            requests as f64 / took.as_secs_f64(),
            cpu.as_secs_f64() / took.as_secs_f64() * 100.0
        );
    }
    let now = self::revision(&client).await?;
    ensure!(now == revision, "revision {now}, not {revision}");
    println!("\nrevision {revision} throughout");
    Ok(())
}

async fn register(client: &Client) -> anyhow::Result<()> {
    let upstream = "/v1/upstreams/pool";
    call(client, Method::PUT, upstream, &json!({})).await?;
    let join = async |number: usize| put(client, number).await;
    let mut joined = stream::iter((0..TARGETS).map(join)).buffer_unordered(500);
    while let Some(joined) = joined.next().await {
        joined?;
    }
    Ok(())
}

async fn put(client: &Client, number: usize) -> anyhow::Result<()> {
    let path = format!("/v1/upstreams/pool/registrations/i{number}");
    let address = format!("10.0.{}.{}:80", number / 250, number % 250);
    let body = json!({"address": address, "ttl_ms": 3_600_000});
    call(client, Method::PUT, &path, &body).await.map(drop)
}

/// Gives signs of life for so long. Returns how many requests that took.
async fn give(client: &Client, manner: Manner, time: Duration) -> anyhow::Result<usize> {
    let began = Instant::now();
    let at_a_time = match manner {
        Manner::Batches => BATCH,
        _ => 1,
    };
    let (mut given, mut requests, mut running) = (0, 0, JoinSet::new());
    while began.elapsed() < time {
        tokio::time::sleep(STEP).await;
        let share = began.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        let due = match manner {
            Manner::None => 0,
            _ => (share * TARGETS as f64) as usize,
        };
        while given + at_a_time <= due {
            let client = client.clone();
            let first = given % TARGETS;
            running.spawn(async move { one(&client, manner, first).await });
            given += at_a_time;
            requests += 1;
        }
        while let Some(done) = running.try_join_next() {
            done??;
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(requests)
}

async fn one(client: &Client, manner: Manner, first: usize) -> anyhow::Result<()> {
    match manner {
        Manner::Batches => {
            let names = (first..first + BATCH).map(|number| format!("i{number}"));
            let body = json!({"instances": names.collect::<Vec<_>>()});
            let path = "/v1/upstreams/pool/heartbeats";
            call(client, Method::POST, path, &body).await.map(drop)
        }
        Manner::Puts => put(client, first).await,
        Manner::Posts | Manner::None => {
            let path = format!("/v1/upstreams/pool/registrations/i{first}/heartbeat");
            call(client, Method::POST, &path, &Value::Null)
                .await
                .map(drop)
        }
    }
}

async fn revision(client: &Client) -> anyhow::Result<String> {
    let path = "/v1/revisions?limit=1";
    let text = call(client, Method::GET, path, &Value::Null).await?;
    let list: Value = serde_json::from_str(&text)?;
    Ok(list["items"][0]["revision"].to_string())
}

async fn call(client: &Client, method: Method, path: &str, body: &Value) -> anyhow::Result<String> {
    let request = client.request(method, format!("http://{ADMIN}{path}"));
    let response = request.bearer_auth(TOKEN).json(body).send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "{path}: {status}: {text}");
    Ok(text)
}
