//! The paths of where rollouts stand.

use serde_json::{Value, json};

use super::{operation::Operation, path::Paths};
use crate::rollout::Action;

const TAG: &str = "rollouts";

pub(super) fn paths() -> Paths {
    let status = Operation::new("get_rollout_status", TAG, "Where a rollout stands")
        .takes(&["name"])
        .answers(200, &status())
        .fails(&["NotFound"]);
    let path = "/v1/rollouts/{name}/status".to_owned();
    let mut paths = vec![(path, json!({"get": status.done()}))];
    for action in Action::ALL {
        let summary = match action {
            Action::Pause => "Leave the canary its share; it is watched all the same",
            Action::Resume => "Go on with the present step; one that has ended begins anew",
            Action::Promote => "Give the canary all requests now",
            Action::Abort => "Take all requests from the canary now",
        };
        let name = action.as_str();
        let operation = Operation::new(format!("{name}_rollout"), TAG, summary)
            .takes(&["name", "wait", "comment"])
            .answers(200, &self::status())
            .answers(202, &self::status())
            .fails(&["NotFound", "Conflict", "NotApplied"]);
        let path = format!("/v1/rollouts/{{name}}/{name}");
        paths.push((path, json!({"post": operation.done()})));
    }
    paths
}

fn status() -> Value {
    let text = json!({"type": "string"});
    let whole = |description: &str| json!({"type": "integer", "description": description});
    let number = json!({"type": ["number", "null"]});
    let seen = json!({
        "type": "object",
        "properties": {
            "requests": {"type": "integer"},
            "errors": {"type": "integer"},
            "error_percent": number,
            "p99_ms": number,
        },
    });
    let phases = [
        "pending",
        "running",
        "paused",
        "held",
        "promoted",
        "rolled_back",
        "aborted",
        "superseded",
    ];
    let phase = json!({"type": "string", "enum": phases});
    let event = json!({
        "type": "object",
        "properties": {
            "at_ms": whole("When, in Unix milliseconds."),
            "phase": phase,
            "percent": whole("Share of the canary then, in percent."),
            "reason": text,
            "revision": whole("The revision that it was; 0: none, or not known."),
        },
    });
    json!({
        "type": "object",
        "properties": {
            "name": text, "route": text, "baseline": text, "canary": text,
            "enabled": {"type": "boolean"},
            "phase": phase,
            "reason": {"type": "string", "description": "Why it is in this phase; for people."},
            "since_ms": whole("Since when, in Unix milliseconds."),
            "percent": whole("Share of the canary, in percent."),
            "step": whole("The present step, from 1; 0 before the first."),
            "steps": whole("How many there are."),
            "step_since_ms": whole("Since when the step goes, in Unix milliseconds."),
            "step_ends_ms": {"type": ["integer", "null"]},
            "analyses": whole("How often it was looked at what nodes tell."),
            "analysed_ms": whole("When last, in Unix milliseconds."),
            "seen": {
                "type": "object",
                "description": "What nodes have counted since the step began.",
                "properties": {"canary": seen, "baseline": seen},
            },
            "wish": {
                "type": ["string", "null"],
                "description": "What a person wants and has not been done yet.",
            },
            "events": {"type": "array", "items": event},
        },
    })
}
