//! The keys of a key set in `describe`.

use serde_json::Value;

use crate::{command::revisions::utc, output};

/// Which keys are in force, since when, and how fetching them goes.
pub(super) fn lines(fetched: &Value) -> Vec<String> {
    let list = |field: &str| fetched[field].as_array().cloned().unwrap_or_default();
    let key = |key: &Value| {
        let (kid, algorithms) = (output::cell(&key["kid"]), output::cell(&key["algorithms"]));
        format!("{kid}: {algorithms}")
    };
    let mut lines: Vec<String> = list("keys").iter().map(key).collect();
    lines.extend(fetching(fetched));
    let unused = |it: &Value| format!("not used: {}", output::cell(it));
    lines.extend(list("skipped").iter().map(unused));
    lines
}

/// How fetching goes; nothing for keys that are not fetched.
fn fetching(fetched: &Value) -> Option<String> {
    let failures = fetched["failures"].as_u64().unwrap_or(0);
    let last = match fetched["fetched_at_ms"].as_i64() {
        Some(at_ms) => format!("fetched {}", utc(at_ms / 1000)),
        None if failures > 0 => "never fetched".to_owned(),
        None => return None,
    };
    Some(match failures {
        0 => last,
        1 => format!("{last}; 1 failure: {}", output::cell(&fetched["error"])),
        _ => {
            let error = output::cell(&fetched["error"]);
            format!("{last}; {failures} failures, the last: {error}")
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lines;

    #[test]
    fn keys_are_shown_with_when_they_were_fetched_and_what_failed_since() {
        let never = json!({"keys": [], "fetched_at_ms": null, "failures": 1, "error": "refused"});
        assert_eq!(lines(&never), ["never fetched; 1 failure: refused"]);
        let stale = json!({
            "keys": [{"kid": "1", "algorithms": ["RS256"]}], "skipped": ["2: a secret"],
            "fetched_at_ms": 1_795_540_465_541_i64, "failures": 3, "error": "refused",
        });
        let expected = [
            "1: RS256",
            "fetched 2026-11-24T17:14:25Z; 3 failures, the last: refused",
            "not used: 2: a secret",
        ];
        assert_eq!(lines(&stale), expected);
        let inline = json!({"keys": [], "fetched_at_ms": null, "failures": 0});
        assert_eq!(lines(&inline), [""; 0]);
    }
}
