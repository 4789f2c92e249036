//! Nodes as the admin API shows them.

use gatewright_proto::{Key, v1::NodeReport};
use serde::{Deserialize, Serialize};

use super::{Node, unix_ms};
use crate::{discovery::holding::Deviation, store::NodeElsewhere};

/// A node as the admin API shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeView {
    /// Its name.
    pub node_id: String,
    /// Differs for each start of its process.
    pub boot_id: String,
    /// The control plane that it is connected to.
    pub control_plane: String,
    /// Group of nodes.
    pub group: String,
    /// Version of its software.
    pub version: String,
    /// Where it connects from.
    pub address: String,
    /// Where it serves traffic.
    pub listeners: Vec<String>,
    /// How it goes.
    pub state: NodeState,
    /// Since when it has been connected, in Unix milliseconds.
    pub connected_since_ms: u64,
    /// How long it has been connected.
    pub connected_seconds: u64,
    /// The newest revision that it has acknowledged.
    pub applied_revision: u64,
    /// Since when there has been something newer, in Unix milliseconds; 0 where there is not.
    pub behind_since_ms: u64,
    /// For how long, in milliseconds.
    pub lag_ms: u64,
    /// Hash of all that it holds, in hexadecimal, as it last said; empty where it has not yet.
    pub digest: String,
    /// Whether it holds what it is believed to hold.
    pub digest_ok: bool,
    /// Time it took to compile and publish last, in microseconds.
    pub compile_us: u64,
    /// Exchanges in flight, as last reported.
    pub in_flight: u64,
    /// Requests since its start, as last reported.
    pub requests: u64,
    /// Kinds that it does not understand and therefore is not sent.
    pub withheld: Vec<String>,
    /// Why it refused all of the last delta; empty where it did not.
    pub stuck: String,
    /// What it refused, and why.
    pub rejects: Vec<Refusal>,
    /// How its targets and services fare, as it last told; only where one node is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<NodeReport>,
}

/// How a node goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It has applied all there is.
    Current,
    /// It has not yet.
    #[default]
    Behind,
    /// It refused all of the last delta.
    Stuck,
}

/// One mistake for which a node refused a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// As `route/orders`.
    pub resource: String,
    /// The version that it refused.
    pub version: String,
    /// The version that it serves instead; empty where it serves none, and what needs the resource is
    /// closed.
    pub held_version: String,
    /// Path within it.
    pub field: String,
    /// Stable.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// A node that has not applied a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lagging {
    /// Its name.
    pub node_id: String,
    /// What it has applied.
    pub applied_revision: u64,
}

impl NodeView {
    pub(super) fn of(id: &str, node: &Node) -> Self {
        let view = Self {
            node_id: id.to_owned(),
            boot_id: node.hello.boot_id.clone(),
            group: node.hello.group.clone(),
            version: node.hello.version.clone(),
            address: node.address.clone(),
            listeners: node.hello.listeners.clone(),
            state: match (&node.stuck, node.behind_since_ms) {
                (Some(_), _) => NodeState::Stuck,
                (None, Some(_)) => NodeState::Behind,
                (None, None) => NodeState::Current,
            },
            connected_since_ms: node.connected_since_ms,
            applied_revision: node.applied,
            behind_since_ms: node.behind_since_ms.unwrap_or(0),
            digest: node
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            digest_ok: node.digest_ok,
            compile_us: node.compile_us,
            in_flight: node.report.in_flight,
            requests: node.report.requests,
            withheld: node.withheld.clone(),
            stuck: node.stuck.clone().unwrap_or_default(),
            rejects: node
                .deviations
                .iter()
                .flat_map(|(key, it)| refusals(key, it))
                .collect(),
            facts: Some(node.facts.clone()),
            ..Self::default()
        };
        view.seen_at(unix_ms())
    }

    /// A node of another control plane, as that one told.
    pub(in crate::discovery) fn elsewhere(node: NodeElsewhere) -> Self {
        let row = node.row;
        // What a control plane of another version writes is read as far as it can be.
        let told: Self = serde_json::from_str(&row.body).unwrap_or_default();
        let view = Self {
            node_id: row.node_id,
            control_plane: node.control_plane,
            applied_revision: row.applied_revision,
            facts: serde_json::from_str(&row.facts).ok(),
            ..told
        };
        view.seen_at(unix_ms())
    }

    fn seen_at(self, now: u64) -> Self {
        let since = |then: u64| match then {
            0 => 0,
            then => now.saturating_sub(then),
        };
        Self {
            connected_seconds: since(self.connected_since_ms) / 1000,
            lag_ms: since(self.behind_since_ms),
            ..self
        }
    }
}

fn refusals(key: &Key, deviation: &Deviation) -> Vec<Refusal> {
    let text = |version: Option<gatewright_proto::Version>| {
        version.map_or_else(String::new, |it| it.to_string())
    };
    let blank = Refusal {
        resource: key.to_string(),
        version: text(deviation.refused),
        held_version: text(deviation.held),
        field: String::new(),
        code: "refused".to_owned(),
        reason: "the node does not say why".to_owned(),
    };
    let refusal = |mistake: &gatewright_proto::v1::Mistake| Refusal {
        field: mistake.field.clone(),
        code: mistake.code.clone(),
        reason: mistake.reason.clone(),
        ..blank.clone()
    };
    if deviation.mistakes.is_empty() {
        return vec![blank.clone()];
    }
    deviation.mistakes.iter().map(refusal).collect()
}
