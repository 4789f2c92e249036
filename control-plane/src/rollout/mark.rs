//! Up to where the counters of each node have been added up.

use std::collections::BTreeMap;

use gatewright_proto::v1::{NodeReport, Rollout};
use serde::{Deserialize, Serialize};

use super::tally::{Pair, Tally};
use crate::discovery::NodeView;

/// How long a node that is gone is remembered, in milliseconds: it may come back, and has counted on.
const REMEMBER_MS: i64 = 600_000;

/// Up to where the counters of a node have been added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    /// Which start of its process.
    boot_id: String,
    /// When it was last there, in Unix milliseconds.
    seen_ms: i64,
    seen: Pair,
}

/// Those of all nodes, by name.
pub(super) type Marks = BTreeMap<String, Mark>;

/// Moves the marks up to what nodes say now. Returns what has been counted since. A node that has not been seen before
/// may have counted for long; one that was and has started again has counted since its start.
pub(super) fn advance(
    marks: &mut Marks,
    nodes: &[NodeView],
    rollout: &Rollout,
    now_ms: i64,
) -> Pair {
    let latencies = counts_latencies(rollout);
    let mut sum = Pair::default();
    for node in nodes {
        let Some(report) = &node.facts else { continue };
        let seen = |service: &str| tally(report, service, latencies);
        let (canary, baseline) = (seen(&rollout.canary), seen(&rollout.baseline));
        if canary.is_none() && baseline.is_none() {
            // It has just connected, and told nothing yet.
            continue;
        }
        let known = marks.get(&node.node_id);
        let same = known.filter(|it| it.boot_id == node.boot_id);
        let before = match (known, same) {
            (_, Some(mark)) => Some(mark.seen.clone()),
            (Some(_), None) => Some(Pair::default()),
            (None, _) => None,
        };
        // A service that is not told of has counted no further.
        let blank = before.clone().unwrap_or_default();
        let seen = Pair {
            canary: canary.unwrap_or(blank.canary),
            baseline: baseline.unwrap_or(blank.baseline),
        };
        if let Some(before) = before {
            sum.add(&Pair {
                canary: seen.canary.since(&before.canary),
                baseline: seen.baseline.since(&before.baseline),
            });
        }
        let mark = Mark {
            boot_id: node.boot_id.clone(),
            seen_ms: now_ms,
            seen,
        };
        marks.insert(node.node_id.clone(), mark);
    }
    marks.retain(|_, mark| now_ms.saturating_sub(mark.seen_ms) < REMEMBER_MS);
    sum
}

/// Latencies take room, so that only who judges by them keeps them.
fn counts_latencies(rollout: &Rollout) -> bool {
    let analysis = rollout.analysis.as_ref();
    analysis.is_some_and(|it| it.max_p99_ms.is_some() || it.max_p99_ratio.is_some())
}

fn tally(report: &NodeReport, service: &str, latencies: bool) -> Option<Tally> {
    let state = report.services.iter().find(|it| it.service == service)?;
    let mut tally = Tally::of(state);
    if !latencies {
        tally.latency.clear();
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use gatewright_proto::v1::{NodeReport, Rollout, ServiceState};
    use serde_json::json;

    use super::{Marks, REMEMBER_MS, advance};
    use crate::discovery::NodeView;

    fn rollout() -> Rollout {
        let value = json!({"name": "r", "route": "r", "baseline": "a", "canary": "b"});
        serde_json::from_value(value).unwrap()
    }

    fn node(name: &str, boot: &str, services: &[(&str, u64, u64)]) -> NodeView {
        let state = |(service, requests, errors): &(&str, u64, u64)| ServiceState {
            service: (*service).to_owned(),
            requests: *requests,
            errors: *errors,
            ..ServiceState::default()
        };
        NodeView {
            node_id: name.to_owned(),
            boot_id: boot.to_owned(),
            facts: Some(NodeReport {
                services: services.iter().map(state).collect(),
                ..NodeReport::default()
            }),
            ..NodeView::default()
        }
    }

    /// Requests and errors of the canary that came to light, look by look, a minute apart.
    fn looks(looks: &[&[NodeView]]) -> Vec<(u64, u64)> {
        let (rollout, mut marks, mut now_ms) = (rollout(), Marks::new(), 0);
        let look = |nodes: &&[NodeView]| {
            now_ms += 60_000;
            let pair = advance(&mut marks, nodes, &rollout, now_ms);
            (pair.canary.requests, pair.canary.errors)
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn what_was_counted_before_the_first_look_does_not_count_and_all_nodes_do_later() {
        let found = looks(&[
            &[node("x", "1", &[("b", 1000, 900)])],
            &[
                node("x", "1", &[("b", 1010, 901)]),
                node("y", "1", &[("b", 5000, 0)]),
            ],
            &[
                node("x", "1", &[("b", 1010, 901)]),
                node("y", "1", &[("b", 5007, 2)]),
            ],
        ]);
        assert_eq!(found, [(0, 0), (10, 1), (7, 2)]);
    }

    #[test]
    fn a_node_that_started_again_counts_from_nothing_and_one_that_was_away_goes_on() {
        let found = looks(&[
            &[node("x", "1", &[("b", 100, 0)])],
            &[node("x", "2", &[])],
            &[node("x", "2", &[("b", 8, 3)])],
            &[],
            &[node("x", "2", &[("b", 9, 4)])],
        ]);
        assert_eq!(found, [(0, 0), (0, 0), (8, 3), (0, 0), (1, 1)]);
    }

    #[test]
    fn nodes_that_are_gone_are_forgotten() {
        let (rollout, mut marks) = (rollout(), Marks::new());
        advance(&mut marks, &[node("x", "1", &[("b", 1, 0)])], &rollout, 0);
        advance(&mut marks, &[], &rollout, REMEMBER_MS - 1);
        assert_eq!(marks.len(), 1);
        advance(&mut marks, &[], &rollout, REMEMBER_MS);
        assert_eq!(marks.len(), 0);
    }
}
