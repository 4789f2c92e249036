//! One measurement, and several summed up.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    load::Load,
    probe,
    process::Pinned,
    scenario::{GATEWAY, Scenario},
};

/// Below this share of its core, a gateway waits for the load generator, and each request pays for waking up.
const SATURATED: f64 = 0.9;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    cpu_us: f64,
    per_second: f64,
    resident_mb: f64,
    /// Share of the core that the gateway used.
    busy: f64,
}

/// Several measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) cpu_us: f64,
    pub(crate) least_us: f64,
    pub(crate) most_us: f64,
    pub(crate) per_second: f64,
    pub(crate) resident_mb: f64,
    pub(crate) saturated: bool,
}

/// Measurements of one gateway and scenario.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    /// The head of the table.
    pub(crate) const HEAD: &str = "\
| work | NGINX us (min-max) | Gatewright us (min-max) | ratio | NGINX req/s | Gatewright req/s | NGINX MB | Gatewright MB |
| --- | --- | --- | --- | --- | --- | --- | --- |";

    /// One more.
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// A line of the table, these first.
    pub(crate) fn beside(&mut self, other: &mut Self, work: &str) -> String {
        let (theirs, least, most) = self.median();
        let (ours, our_least, our_most) = other.median();
        let waiting = theirs.busy.min(ours.busy) < SATURATED;
        let note = if waiting { " (not saturated)" } else { "" };
        format!(
            "| {work}{note} | {:.2} ({least:.2}-{most:.2}) | {:.2} ({our_least:.2}-{our_most:.2}) | {:.2} \
             | {:.0} | {:.0} | {:.0} | {:.0} |",
            theirs.cpu_us,
            ours.cpu_us,
            ours.cpu_us / theirs.cpu_us,
            theirs.per_second,
            ours.per_second,
            theirs.resident_mb,
            ours.resident_mb,
        )
    }

    /// The median, and how far the others are from it.
    pub(crate) fn summary(&mut self) -> Summary {
        let (row, least_us, most_us) = self.median();
        Summary {
            cpu_us: row.cpu_us,
            least_us,
            most_us,
            per_second: row.per_second,
            resident_mb: row.resident_mb,
            saturated: row.busy >= SATURATED,
        }
    }

    fn median(&mut self) -> (Row, f64, f64) {
        let rows = &mut self.0;
        rows.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
        let row = rows[rows.len() / 2];
        (row, rows[0].cpu_us, rows[rows.len() - 1].cpu_us)
    }
}

/// Generates load. Runs as a process of its own, so that it can be pinned to core 1.
pub(crate) fn load_here(scenario: Scenario) -> anyhow::Result<()> {
    let mut load = Load {
        address: GATEWAY.parse()?,
        connections: 64,
        duration: Duration::from_millis(500),
        requests: scenario.requests()?,
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

/// Checks what the gateway does, warms it up and measures it.
pub(crate) fn measure(gateway: &Pinned, scenario: usize) -> anyhow::Result<Row> {
    probe::settle(Scenario::ALL[scenario])?;
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
    let started = Instant::now();
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
    let used = (after - before).as_secs_f64();
    Ok(Row {
        cpu_us: used * 1e6 / good as f64,
        per_second: good as f64 / took.as_secs_f64(),
        resident_mb: gateway.resident_bytes()? as f64 / 1e6,
        busy: used / took.as_secs_f64(),
    })
}
