//! Load on targets of which some fail, and others the moment after.

use std::time::{Duration, Instant};

use serde_json::json;

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

/// Three of nine targets fail, each now in this way and now in that, for a minute of load, with the budget and the outlier
/// detection that are the default. Prints its figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn with_a_third_of_the_targets_failing_for_a_minute_clients_see_next_to_no_error() {
    let on = json!({"on": ["server_error"], "attempts": 3, "per_try_timeout_ms": 500});
    let fleet = Fleet::start(&[Fault::None; 9], json!({ "retry": on })).await;
    let faults = [
        Fault::Refuse,
        Fault::ResetMidHead,
        Fault::Status(503),
        Fault::Garbage,
        Fault::HalfStatus,
    ];
    let end = Instant::now() + Duration::from_secs(60);
    let ask = async || {
        let (mut asked, mut failed) = (0u64, 0u64);
        while Instant::now() < end {
            failed += u64::from(status(&fleet.send("GET", "").await) != 200);
            asked += 1;
        }
        (asked, failed)
    };
    let failing = async {
        while Instant::now() < end {
            for target in fleet.targets.iter().step_by(3) {
                target.set(faults[rand::random_range(0..faults.len())]);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let all = futures_util::future::join_all((0..48).map(|_| ask()));
    let (counts, ()) = tokio::join!(all, failing);
    let asked: u64 = counts.iter().map(|it| it.0).sum();
    let failed: u64 = counts.iter().map(|it| it.1).sum();
    let reached = fleet.total();
    println!("{asked} requests, {failed} failed, {reached} reached targets");
    assert!(failed * 1000 <= asked, "{failed} of {asked}");
    assert!(reached <= asked + asked / 5, "{reached} for {asked}");
}
