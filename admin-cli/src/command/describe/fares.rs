//! How a service fares on each node: its targets, its breaker and the limits in force.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{Client, Terminal, output};

/// Most nodes that are asked.
const MAX_NODES: usize = 64;

/// How a service fares on each node.
#[derive(Debug)]
pub(super) struct Fares {
    nodes: Vec<OnNode>,
    /// How many more nodes there are.
    others: usize,
}

/// How it fares on one node.
#[derive(Debug)]
struct OnNode {
    node: String,
    /// As the node reports it; null where it does not know the service, or has not reported yet.
    service: Value,
    targets: Vec<Value>,
    /// How many rows its report has left off.
    omitted: u64,
}

impl Fares {
    /// Asks each of these nodes, as the API lists them.
    ///
    /// # Errors
    /// The control plane does not answer.
    pub(super) async fn ask(
        service: &Value,
        nodes: &Value,
        client: &Client,
    ) -> anyhow::Result<Self> {
        let listed = nodes["items"].as_array().map_or(&[][..], Vec::as_slice);
        let mut asked = Vec::new();
        for node in listed.iter().take(MAX_NODES) {
            let name = output::cell(&node["node_id"]);
            // One that has left in the meantime is left out.
            if let Some(facts) = facts(&name, client).await? {
                asked.push(OnNode::of(name, service, &facts));
            }
        }
        let others = listed.len().saturating_sub(MAX_NODES);
        let more = usize::from(!nodes["next"].is_null());
        Ok(Self {
            nodes: asked,
            others: others + more,
        })
    }

    pub(super) fn json(&self) -> Value {
        let node = |it: &OnNode| {
            json!({
                "node": it.node,
                "service": it.service,
                "targets": it.targets,
                "omitted": it.omitted,
            })
        };
        self.nodes.iter().map(node).collect()
    }

    pub(super) fn write(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        terminal.line(&terminal.bold("Nodes:"))?;
        if self.nodes.is_empty() {
            terminal.line("  none is connected")?;
            return Ok(());
        }
        let rows = self.nodes.iter().map(OnNode::service_row);
        output::table(terminal, &SERVICE, rows.collect())?;
        terminal.line(&terminal.bold("Targets:"))?;
        let now = SystemTime::now();
        let rows = self.nodes.iter().flat_map(|it| it.target_rows(now));
        output::table(terminal, &TARGET, rows.collect())?;
        for node in self.nodes.iter().filter(|it| it.omitted > 0) {
            let (name, omitted) = (&node.node, node.omitted);
            terminal.line(&format!(
                "{name} has left {omitted} rows off its report; what is unwell comes first"
            ))?;
        }
        if self.others > 0 {
            terminal.line(&format!(
                "there are more nodes; `gatewright nodes` lists them (shown: {MAX_NODES})"
            ))?;
        }
        Ok(())
    }
}

async fn facts(node: &str, client: &Client) -> anyhow::Result<Option<Value>> {
    let path = format!("/v1/nodes/{}", path_segment(node));
    match client.get(&path).await {
        Ok(mut node) => Ok(Some(node["facts"].take())),
        Err(error) => match error.downcast_ref::<crate::Failure>() {
            Some(failure) if failure.status == 404 => Ok(None),
            _ => Err(error),
        },
    }
}

/// A name as a part of a path: names of nodes are not restricted.
fn path_segment(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            b'.' if name != "." && name != ".." => segment.push('.'),
            // Writing to a string does not fail.
            other => {
                let _ = write!(segment, "%{other:02X}");
            }
        }
    }
    segment
}

const SERVICE: [&str; 9] = [
    "node",
    "breaker",
    "in_flight",
    "limit",
    "rate",
    "requests",
    "errors",
    "p50_ms",
    "p99_ms",
];
const TARGET: [&str; 6] = ["target", "address", "node", "health", "why", "since"];

impl OnNode {
    fn of(node: String, service: &Value, facts: &Value) -> Self {
        let name = output::cell(&service["name"]);
        let upstream = match &service["upstream"] {
            Value::String(upstream) if !upstream.is_empty() => upstream.clone(),
            // A service with a URL has an upstream of its own.
            _ => format!("url:{name}"),
        };
        let rows = |list: &str| facts[list].as_array().cloned().unwrap_or_default();
        let mut targets = rows("targets");
        targets.retain(|it| it["upstream"] == *upstream);
        let mut services = rows("services").into_iter();
        Self {
            node,
            service: services
                .find(|it| it["service"] == *name)
                .unwrap_or_default(),
            targets,
            omitted: facts["omitted"].as_u64().unwrap_or(0),
        }
    }

    fn service_row(&self) -> Vec<String> {
        let cell = |column: &&str| match *column {
            "node" => self.node.clone(),
            _ if self.service.is_null() => "?".to_owned(),
            "rate" => unless_zero(&self.service["rate_percent"], " %"),
            "limit" => unless_zero(&self.service["limit"], ""),
            "breaker" => match output::cell(&self.service["breaker"]) {
                none if none.is_empty() => "-".to_owned(),
                state => state,
            },
            "p50_ms" | "p99_ms" => milliseconds(&self.service[*column]),
            column => output::cell(&self.service[column]),
        };
        SERVICE.iter().map(cell).collect()
    }

    fn target_rows(&self, now: SystemTime) -> impl Iterator<Item = Vec<String>> {
        let row = move |target: &Value| {
            let health = match (&target["healthy"], &target["ejected"]) {
                (Value::Bool(false), Value::Bool(true)) => "unhealthy, ejected",
                (Value::Bool(false), _) => "unhealthy",
                (_, Value::Bool(true)) => "ejected",
                _ => "healthy",
            };
            vec![
                output::cell(&target["target"]),
                output::cell(&target["address"]),
                self.node.clone(),
                health.to_owned(),
                output::cell(&target["reason"]),
                since(target["since_ms"].as_u64().unwrap_or(0), now),
            ]
        };
        self.targets.iter().map(row)
    }
}

fn unless_zero(value: &Value, unit: &str) -> String {
    match value.as_u64() {
        None | Some(0) => "-".to_owned(),
        Some(value) => format!("{value}{unit}"),
    }
}

fn milliseconds(value: &Value) -> String {
    match value.as_f64() {
        Some(ms) if ms > 0.0 => format!("{ms:.1}"),
        _ => "-".to_owned(),
    }
}

/// How long ago that was, as the node's clock has it; `start` where it has been so since the node knows it.
fn since(unix_ms: u64, now: SystemTime) -> String {
    if unix_ms == 0 {
        return "start".to_owned();
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ago = now.saturating_sub(Duration::from_millis(unix_ms)).as_secs();
    match ago {
        0..60 => format!("{ago}s"),
        60..3600 => format!("{}m {}s", ago / 60, ago % 60),
        3600..86_400 => format!("{}h {}m", ago / 3600, ago / 60 % 60),
        _ => format!("{}d {}h", ago / 86_400, ago / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::{OnNode, path_segment, since};

    #[test]
    fn only_what_belongs_to_the_service_is_shown() {
        let facts = json!({
            "services": [
                {"service": "b", "breaker": "open", "limit": 7, "in_flight": 2, "requests": 9, "errors": 1,
                 "p50_ms": 1.25, "p99_ms": 0.0, "rate_percent": 40},
                {"service": "a", "requests": 3},
            ],
            "targets": [
                {"upstream": "pool", "target": "t", "address": "127.0.0.1:1", "healthy": false, "ejected": true,
                 "reason": "timeout", "since_ms": 1000},
                {"upstream": "url:a", "target": "url", "address": "127.0.0.1:2", "healthy": true},
            ],
            "omitted": 2,
        });
        let node = OnNode::of(
            "n".to_owned(),
            &json!({"name": "b", "upstream": "pool"}),
            &facts,
        );
        let expected = ["n", "open", "2", "7", "40 %", "9", "1", "1.2", "-"];
        assert_eq!(node.service_row(), expected);
        let now = UNIX_EPOCH + Duration::from_secs(91);
        let rows: Vec<_> = node.target_rows(now).collect();
        let expected = [
            "t",
            "127.0.0.1:1",
            "n",
            "unhealthy, ejected",
            "timeout",
            "1m 30s",
        ];
        assert_eq!(rows, [expected.map(str::to_owned).to_vec()]);
        assert_eq!(node.omitted, 2);
        let node = OnNode::of("n".to_owned(), &json!({"name": "a"}), &facts);
        assert_eq!(node.targets.len(), 1);
        assert_eq!(node.service_row()[1..4], ["-", "", "-"]);
        let unknown = OnNode::of("n".to_owned(), &json!({"name": "c"}), &facts);
        assert_eq!(unknown.service_row()[1], "?");
    }

    #[test]
    fn a_node_may_have_any_name() {
        assert_eq!(path_segment("node-1.example"), "node-1.example");
        assert_eq!(path_segment("a/b?c"), "a%2Fb%3Fc");
        assert_eq!(path_segment(".."), "%2E%2E");
    }

    #[test]
    fn times_are_said_roughly() {
        let now = UNIX_EPOCH + Duration::from_secs(200_000);
        let ago = |seconds: u64| since((200_000 - seconds) * 1000, now);
        assert_eq!(
            [59, 61, 3661, 90_000].map(ago),
            ["59s", "1m 1s", "1h 1m", "1d 1h"]
        );
        assert_eq!(since(0, now), "start");
        assert_eq!(since(300_000_000, now), "0s", "clocks differ");
    }
}
