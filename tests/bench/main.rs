//! `gatewright-bench`: NGINX and Gatewright side by side, the same work, one core each in turn.
//!
//! The gateway has core 0 to itself with one worker; origin and load generator share core 1. What is
//! printed is CPU time of the whole process for each request at saturation, and the ratio. The peers take
//! turns, a fresh process each time; the median of the repetitions counts. Compare ratios within one run,
//! never microseconds between runs.
//!
//! ```text
//! cargo build --profile dist --workspace && target/dist/gatewright-bench run
//! ```
#![allow(clippy::print_stdout)]

mod adaptive;
mod gatewright;
mod http;
mod load;
mod nginx;
mod process;
mod scenario;
mod upstream;

use std::{env, process::Command, time::Duration};

use anyhow::{Context as _, bail, ensure};

use crate::{
    load::Load,
    process::Pinned,
    scenario::{GATEWAY, Scenario, UPSTREAM},
};

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Row {
    cpu_us: f64,
    per_second: f64,
    resident_mb: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("upstream") => Ok(upstream::run(UPSTREAM.parse()?)?),
        Some("load") => load_here(arguments.get(1).context("load needs a scenario")?),
        Some("adaptive") => adaptive::run(),
        Some("run") => run(arguments.get(1).map_or(Ok(3), |text| text.parse())?),
        _ => bail!("usage: gatewright-bench run [REPETITIONS] | adaptive"),
    }
}

/// Runs as a process of its own, so that it can be pinned to core 1.
fn load_here(scenario: &str) -> anyhow::Result<()> {
    let scenario = Scenario::ALL[scenario.parse::<usize>()?];
    let mut load = Load {
        address: GATEWAY.parse()?,
        connections: 64,
        duration: Duration::from_millis(500),
        requests: scenario.requests(),
    };
    load.run()?;
    println!("warm");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    load.duration = Duration::from_millis(1500);
    let outcome = load.run()?;
    println!("{} {} {}", outcome.good, outcome.bad, outcome.closed);
    Ok(())
}

fn run(repetitions: usize) -> anyhow::Result<()> {
    let this = env::current_exe()?;
    let binaries = this.parent().context("no folder")?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("upstream.log").display().to_string();
    let mut origin = Pinned::start("1", Command::new(&this).arg("upstream"), &log)?;
    origin.listens(UPSTREAM.parse()?)?;
    println!(
        "| work | NGINX us | Gatewright us | ratio | NGINX req/s | Gatewright req/s | NGINX MB | Gatewright MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (number, scenario) in Scenario::ALL.into_iter().enumerate() {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for repetition in 0..repetitions {
            let place = folder.path().join(format!("{number}-{repetition}"));
            let mut command = nginx::command(&place, scenario)?;
            let log = place.join("nginx.log").display().to_string();
            let mut nginx = Pinned::start("0", &mut command, &log)?;
            nginx.listens(GATEWAY.parse()?)?;
            theirs.push(measure(&nginx, number)?);
            drop(nginx);
            let gatewright = gatewright::start(binaries, &place, scenario)?;
            ours.push(measure(&gatewright.node, number)?);
        }
        let (theirs, ours) = (median(theirs), median(ours));
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
            scenario.name(),
            theirs.cpu_us,
            ours.cpu_us,
            ours.cpu_us / theirs.cpu_us,
            theirs.per_second,
            ours.per_second,
            theirs.resident_mb,
            ours.resident_mb,
        );
    }
    Ok(())
}

fn measure(gateway: &Pinned, scenario: usize) -> anyhow::Result<Row> {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;
    let mut load = Command::new("taskset")
        .args(["-c", "1"])
        .arg(env::current_exe()?)
        .args(["load", &scenario.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(load.stdout.take().context("no output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let before = gateway.cpu_time()?;
    let started = std::time::Instant::now();
    load.stdin.take().context("no input")?.write_all(b"go\n")?;
    line.clear();
    output.read_line(&mut line)?;
    let (took, after) = (started.elapsed(), gateway.cpu_time()?);
    load.wait()?;
    let counts: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [good, bad, closed] = counts[..] else {
        bail!("the load generator said `{line}`");
    };
    ensure!(
        bad == 0 && closed == 0,
        "{bad} bad answers, {closed} closed connections"
    );
    ensure!(good > 0, "no answers");
    Ok(Row {
        cpu_us: (after - before).as_secs_f64() * 1e6 / good as f64,
        per_second: good as f64 / took.as_secs_f64(),
        resident_mb: gateway.resident_bytes()? as f64 / 1e6,
    })
}

fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
    rows[rows.len() / 2]
}
