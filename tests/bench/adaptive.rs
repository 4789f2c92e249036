//! `gatewright-bench adaptive`: an upstream whose latency triples beyond a rate that nobody has configured, behind
//! gateways that protect it in different ways.
//!
//! Requests arrive at a fixed rate, whatever becomes of those before them, as they do from many clients. Halfway,
//! the upstream loses half of its capacity. All in about two minutes, over the loopback interface only.

mod arrivals;
mod gateways;
mod knee;

use std::time::Duration;

use serde_json::json;

use arrivals::{Arrivals, Counted};
use gateways::{Gatewright, Nginx};
use knee::Knee;

/// Requests that arrive in a second.
const RATE: u32 = 400;
/// How long each part lasts.
const PART: Duration = Duration::from_secs(15);
/// Not counted: time for limits to settle after a part began.
const SETTLING: Duration = Duration::from_secs(3);

/// Measures all and prints a table.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!(
            "| protection | at 200/s: passed/s | p50 ms | p99 ms | at 100/s: passed/s | p50 ms | p99 ms |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        let knee = Knee::start().await?;
        let plain = Gatewright::start(&knee, json!({}), json!(null)).await?;
        row("none", plain.address(), &knee).await?;
        let fixed = Nginx::start(&knee, 200)?;
        row("NGINX `limit_req rate=200r/s`", fixed.address, &knee).await?;
        drop(fixed);
        let adaptive =
            Gatewright::start(&knee, json!({"concurrency": {}}), json!(null)).await?;
        row("Gatewright `concurrency: {}`", adaptive.address(), &knee).await?;
        let limit = json!({"limits": [{"requests": 400, "per": "1s"}], "key": "service", "adaptive": {}});
        let limited = Gatewright::start(&knee, json!({}), limit).await?;
        let name = "Gatewright `rate-limit` of 400/s with `adaptive: {}`";
        row(name, limited.address(), &knee).await
    })
}

async fn row(name: &str, gateway: std::net::SocketAddr, knee: &Knee) -> anyhow::Result<()> {
    let arrivals = Arrivals::to(gateway);
    // What the upstream is like without load can be known before it comes.
    knee.set(200);
    arrivals.send(RATE / 4, Duration::from_secs(5)).await;
    let mut cells = String::new();
    for per_second in [200, 100] {
        knee.set(per_second);
        arrivals.send(RATE, SETTLING).await;
        let counted: Counted = arrivals.send(RATE, PART).await;
        let (p50, p99) = (counted.percentile(50), counted.percentile(99));
        let passed = counted.passed() as f64 / PART.as_secs_f64();
        cells.push_str(&format!(" {passed:.0} | {p50:.0} | {p99:.0} |"));
    }
    println!("| {name} |{cells}");
    Ok(())
}
