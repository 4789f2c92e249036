//! `gatewright-bench identity`: what it costs to know who calls, by a key and by tokens that are signed with RS256 and
//! remembered, on 1,000 routes; with the variable `ENVOY` beside Envoy's `jwt_authn`, which remembers them too.

use std::{path::Path, process::Command};

use crate::{
    binaries, envoy, gatewright,
    measure::{Row, Rows, Summary, measure},
    process::Pinned,
    scenario::{GATEWAY, Scenario, UPSTREAM},
};

/// Most that a remembered token may cost, beside a key.
const MOST_BESIDE_KEY: f64 = 1.10;
/// Most that it may cost, beside Envoy.
const MOST_BESIDE_ENVOY: f64 = 0.30;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Gatewright,
    /// As it is unless told otherwise: it checks each signature.
    Envoy,
    /// With its cache of tokens.
    EnvoyRemembering,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Gatewright => "Gatewright",
            Self::Envoy => "Envoy",
            Self::EnvoyRemembering => "Envoy with `jwt_cache_config`",
        }
    }
}

/// What is measured, of whom.
const ROWS: [(Scenario, Peer); 7] = [
    (Scenario::Keys, Peer::Gatewright),
    (Scenario::Token, Peer::Gatewright),
    (Scenario::Tokens, Peer::Gatewright),
    (Scenario::Token, Peer::Envoy),
    (Scenario::Tokens, Peer::Envoy),
    (Scenario::Token, Peer::EnvoyRemembering),
    (Scenario::Tokens, Peer::EnvoyRemembering),
];

/// Measures all in turn and prints a table.
pub(crate) fn run(repetitions: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("upstream.log").display().to_string();
    let mut upstream = Command::new(std::env::current_exe()?);
    let mut origin = Pinned::start("1", upstream.arg("upstream"), &log)?;
    origin.listens(UPSTREAM.parse()?)?;
    let wanted = ROWS
        .iter()
        .filter(|(_, peer)| *peer == Peer::Gatewright || envoy::is_there());
    let mut rows: Vec<(Scenario, Peer, Rows)> = wanted
        .map(|(scenario, peer)| (*scenario, *peer, Rows::default()))
        .collect();
    for repetition in 0..repetitions {
        for (place, (scenario, peer, rows)) in rows.iter_mut().enumerate() {
            let place = folder.path().join(format!("{repetition}-{place}"));
            rows.add(measured(&place, *scenario, *peer)?);
        }
    }
    let summed: Vec<(Scenario, Peer, Summary)> = rows
        .into_iter()
        .map(|(scenario, peer, mut rows)| (scenario, peer, rows.summary()))
        .collect();
    print(&summed);
    Ok(())
}

fn measured(place: &Path, scenario: Scenario, peer: Peer) -> anyhow::Result<Row> {
    std::fs::create_dir_all(place)?;
    match peer {
        Peer::Gatewright => {
            let gatewright = gatewright::start(&binaries()?, place, scenario)?;
            measure(&gatewright.node, scenario.number())
        }
        Peer::Envoy | Peer::EnvoyRemembering => {
            let envoy = start_envoy(place, peer == Peer::EnvoyRemembering)?;
            measure(&envoy, scenario.number())
        }
    }
}

fn start_envoy(place: &Path, remembers: bool) -> anyhow::Result<Pinned> {
    let mut command = envoy::command(place, remembers)?;
    let log = place.join("envoy.log").display().to_string();
    let mut envoy = Pinned::start("0", &mut command, &log)?;
    envoy.listens(GATEWAY.parse()?)?;
    Ok(envoy)
}

fn print(rows: &[(Scenario, Peer, Summary)]) {
    let of = |scenario: Scenario, peer: Peer| {
        let row = rows.iter().find(|it| (it.0, it.1) == (scenario, peer));
        row.map(|(_, _, summary)| summary.cpu_us)
    };
    println!("| work | gateway | us (min-max) | beside key-auth | req/s | MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let keys = of(Scenario::Keys, Peer::Gatewright).unwrap_or(f64::NAN);
    for (scenario, peer, it) in rows {
        println!(
            "| {}{} | {} | {:.2} ({:.2}-{:.2}) | {:.2} | {:.0} | {:.0} |",
            scenario.name(),
            if it.saturated { "" } else { " (not saturated)" },
            peer.name(),
            it.cpu_us,
            it.least_us,
            it.most_us,
            it.cpu_us / keys,
            it.per_second,
            it.resident_mb,
        );
    }
    for scenario in [Scenario::Token, Scenario::Tokens] {
        let envoys = [Peer::Envoy, Peer::EnvoyRemembering];
        let envoys = envoys.map(|it| (it.name(), of(scenario, it), MOST_BESIDE_ENVOY));
        let bounds = [("key-auth", Some(keys), MOST_BESIDE_KEY)];
        let ours = of(scenario, Peer::Gatewright).unwrap_or(f64::NAN);
        for (whom, theirs, most) in bounds.into_iter().chain(envoys) {
            let Some(theirs) = theirs else {
                continue;
            };
            let (name, ratio) = (scenario.name(), ours / theirs);
            let said = if ratio <= most {
                "holds"
            } else {
                "does NOT hold"
            };
            println!("{name}: at most {most:.2} x {whom} {said} ({ratio:.2})");
        }
    }
}
