//! `gatewright-bench`: NGINX and Gatewright side by side, the same work, one core each in turn.
//!
//! The gateway has core 0 to itself with one worker; origin and load generator share core 1. What is
//! printed is CPU time of the whole process for each request at saturation, and the ratio. The peers take
//! turns, a fresh process each time; the median of the repetitions counts, and the least and the most stand
//! beside it. Compare ratios within one run, never microseconds between runs.
//!
//! ```text
//! cargo build --profile dist --workspace && target/dist/gatewright-bench run
//! ```
#![allow(clippy::print_stdout)]

mod adaptive;
mod envoy;
mod gatewright;
mod heartbeats;
mod http;
mod identity;
mod load;
mod measure;
mod nginx;
mod probe;
mod process;
mod scenario;
mod tokens;
mod upstream;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    measure::{Rows, measure},
    process::Pinned,
    scenario::{GATEWAY, Scenario, UPSTREAM},
};

const USAGE: &str = "usage: gatewright-bench run [REPETITIONS]   measures both, prints a table
       gatewright-bench identity [REPETITIONS]
                                          measures what it costs to know who calls; beside the Envoy in the variable ENVOY
       gatewright-bench adaptive          measures what protects an upstream whose latency rises
       gatewright-bench heartbeats [S]    measures what 10,000 registered targets cost a control plane
       gatewright-bench exchange          prints what origin and client see through both
       gatewright-bench fill SCENARIO DIR writes a node's state, and prints how to start one from it";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |place: usize| arguments.get(place).context(USAGE);
    match arguments.first().map(String::as_str) {
        Some("upstream") => Ok(upstream::run(UPSTREAM.parse()?)?),
        Some("load") => measure::load_here(scenario(argument(1)?)?),
        Some("run") => run(arguments.get(1).map_or(Ok(3), |text| text.parse())?),
        Some("identity") => identity::run(arguments.get(1).map_or(Ok(3), |text| text.parse())?),
        Some("adaptive") => adaptive::run(),
        Some("exchange") => exchange(),
        Some("fill") => fill(scenario(argument(1)?)?, Path::new(argument(2)?)),
        Some("heartbeats") => {
            heartbeats::run(arguments.get(1).map_or(Ok(60), |text| text.parse())?)
        }
        _ => bail!(USAGE),
    }
}

fn scenario(number: &str) -> anyhow::Result<Scenario> {
    let number: usize = number.parse().context("a scenario is a number")?;
    Scenario::ALL
        .get(number)
        .copied()
        .context("no such scenario")
}

fn binaries() -> anyhow::Result<PathBuf> {
    let this = env::current_exe()?;
    Ok(this.parent().context("no folder")?.to_owned())
}

fn run(repetitions: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("upstream.log").display().to_string();
    let mut origin = Pinned::start("1", Command::new(env::current_exe()?).arg("upstream"), &log)?;
    origin.listens(UPSTREAM.parse()?)?;
    println!("{}", Rows::HEAD);
    for (number, scenario) in Scenario::BESIDE_NGINX.into_iter().enumerate() {
        let (mut theirs, mut ours) = (Rows::default(), Rows::default());
        for repetition in 0..repetitions {
            let place = folder.path().join(format!("{number}-{repetition}"));
            let nginx = start_nginx(&place, scenario)?;
            theirs.add(measure(&nginx, number)?);
            drop(nginx);
            let gatewright = gatewright::start(&binaries()?, &place, scenario)?;
            ours.add(measure(&gatewright.node, number)?);
        }
        println!("{}", theirs.beside(&mut ours, scenario.name()));
    }
    Ok(())
}

fn start_nginx(place: &Path, scenario: Scenario) -> anyhow::Result<Pinned> {
    let mut command = nginx::command(place, scenario)?;
    let log = place.join("nginx.log").display().to_string();
    let mut nginx = Pinned::start("0", &mut command, &log)?;
    nginx.listens(GATEWAY.parse()?)?;
    Ok(nginx)
}

fn exchange() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (number, scenario) in Scenario::BESIDE_NGINX.into_iter().enumerate() {
        let place = folder.path().join(number.to_string());
        let nginx = start_nginx(&place, scenario)?;
        let theirs = probe::exchange(scenario, UPSTREAM)?;
        drop(nginx);
        let gatewright = gatewright::start(&binaries()?, &place, scenario)?;
        let ours = probe::exchange(scenario, UPSTREAM)?;
        drop(gatewright);
        let name = scenario.name();
        println!("== {name}, NGINX\n{theirs}\n== {name}, Gatewright\n{ours}\n");
    }
    Ok(())
}

fn fill(scenario: Scenario, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    drop(gatewright::start(&binaries()?, &folder, scenario)?);
    let mut command = gatewright::node(&binaries()?, &folder);
    // Nobody listens there: the node goes by what it kept.
    command.env("GATEWRIGHT_CONTROL_PLANE", "http://127.0.0.1:1");
    println!("{command:?}");
    Ok(())
}
