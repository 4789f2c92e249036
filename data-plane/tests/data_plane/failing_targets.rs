//! Load on targets of which some fail, and others the moment after.

use std::time::{Duration, Instant};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{fault::Fault, fleet::Fleet, gateway::status};

#[tokio::test]
async fn with_a_third_of_the_targets_failing_at_random_clients_see_no_error() {
    let on = json!({
        "on": ["server_error"], "attempts": 4, "per_try_timeout_ms": 100,
        "budget": {"percent": 100, "min": 16},
    });
    let fleet = Fleet::start(&[Fault::None; 6], json!({ "retry": on })).await;
    let faults = [
        Fault::Refuse,
        Fault::ResetMidHead,
        Fault::Status(503),
        Fault::Garbage,
        Fault::Hang,
        Fault::ResetAtOnce,
        Fault::HalfStatus,
    ];
    for (round, fault) in faults.iter().cycle().take(21).enumerate() {
        let failing = [round % 6, (round * 5 + 2) % 6];
        for (place, target) in fleet.targets.iter().enumerate() {
            target.set(if failing.contains(&place) {
                *fault
            } else {
                Fault::None
            });
        }
        let asked = (0..8).map(|_| fleet.send("GET", ""));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(status(&answer), 200, "{fault:?}: {answer}");
        }
    }
}

/// What a minute of load comes to.
struct Minute {
    asked: u64,
    failed: u64,
    /// Requests that reached targets, retries included; where a connection was refused, none did.
    reached: u64,
    /// Attempts after the first, refused ones included.
    retries: u64,
    /// Ejections that the share which may be ejected did not allow.
    spared: u64,
}

impl Minute {
    /// 48 clients ask as fast as they are answered, with the retries that docs/resilience.md has, while every two seconds
    /// the targets that are `failing`, by their place and the number of the round, fail in a way that is chosen at random.
    async fn pass(upstream: Value, failing: impl Fn(usize, usize) -> bool) -> Self {
        let on = json!({"on": ["server_error"], "attempts": 3, "per_try_timeout_ms": 500});
        let mut fleet = Fleet::start(&[Fault::None; 9], json!({ "retry": on })).await;
        fleet.gateway.apply(&[(Kind::Upstream, upstream)]);
        let end = Instant::now() + Duration::from_secs(60);
        let ask = async || {
            let (mut asked, mut failed) = (0u64, 0u64);
            while Instant::now() < end {
                failed += u64::from(status(&fleet.send("GET", "").await) != 200);
                asked += 1;
            }
            (asked, failed)
        };
        let rounds = async {
            for round in 0.. {
                if Instant::now() >= end {
                    return;
                }
                for (place, target) in fleet.targets.iter().enumerate() {
                    target.set(match failing(place, round) {
                        true => FAULTS[rand::random_range(0..FAULTS.len())],
                        false => Fault::None,
                    });
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        let all = futures_util::future::join_all((0..48).map(|_| ask()));
        let (counts, ()) = tokio::join!(all, rounds);
        Self {
            asked: counts.iter().map(|it| it.0).sum(),
            failed: counts.iter().map(|it| it.1).sum(),
            reached: fleet.total(),
            retries: sum(&fleet, "gatewright_retries_total{").await,
            spared: sum(&fleet, "gatewright_ejections_spared_total{").await,
        }
    }
}

/// The sum of all lines of a metric.
async fn sum(fleet: &Fleet, metric: &str) -> u64 {
    let metrics = fleet.gateway.status("/metrics").await;
    let lines = metrics.lines().filter(|it| it.starts_with(metric));
    let values = lines.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

impl std::fmt::Display for Minute {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            asked,
            failed,
            reached,
            retries,
            spared,
        } = self;
        write!(
            out,
            "{asked} requests, {failed} failed, {reached} reached targets, {retries} retries, {spared} ejections not allowed"
        )
    }
}

const FAULTS: [Fault; 5] = [
    Fault::Refuse,
    Fault::ResetMidHead,
    Fault::Status(503),
    Fault::Garbage,
    Fault::HalfStatus,
];

/// Three of nine targets fail, each now in this way and now in that, for a minute of load, with the budget and the outlier
/// detection that are the default. Prints its figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn with_a_third_of_the_targets_failing_for_a_minute_clients_see_next_to_no_error() {
    let minute = Minute::pass(json!({"name": "u"}), |place, _| place % 3 == 0).await;
    println!("{minute}");
    assert!(minute.failed * 1000 <= minute.asked, "{minute}");
    assert!(minute.retries * 5 <= minute.asked, "{minute}");
}

/// Another three of nine targets fail every two seconds: with ejections of thirty seconds, those that are well again fill the
/// share that may be ejected, and those that fail stay. Prints its figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn with_another_third_failing_every_two_seconds_ejections_are_to_be_as_short() {
    let another = |place: usize, round: usize| place % 3 == round % 3;
    let default = Minute::pass(json!({"name": "u"}), another).await;
    let count = json!({"count": 3, "within_ms": "1s"});
    let brief = json!({"failure_count": count, "base_ejection_ms": "2s", "max_ejection_ms": "2s", "max_ejection_percent": 80});
    let brief = Minute::pass(json!({"name": "u", "outlier_detection": brief}), another).await;
    println!("30 s: {default}");
    println!("2 s: {brief}");
    assert!(brief.failed * 100 <= brief.asked);
    assert!(brief.failed * 10 <= default.failed);
}
