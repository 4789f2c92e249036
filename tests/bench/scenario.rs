//! What is measured.

use serde_json::{Value, json};

/// Where the gateway under test listens.
pub(crate) const GATEWAY: &str = "127.0.0.1:18080";
/// Where the origin listens.
pub(crate) const UPSTREAM: &str = "127.0.0.1:18001";
/// Routes of [`Scenario::Policies`].
pub(crate) const ROUTES: usize = 1000;
/// Consumers of [`Scenario::Policies`], a key each.
pub(crate) const CONSUMERS: usize = 10_000;

/// A piece of work that both gateways do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scenario {
    /// Forward everything.
    Plain,
    /// 1,000 routes, a key among 10,000, a limit for each consumer, header edits.
    Policies,
}

impl Scenario {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Policies];

    /// For the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain proxy",
            Self::Policies => "1,000 routes + key-auth + rate-limit + headers",
        }
    }

    /// The resources for `POST /v1/apply`.
    pub(crate) fn resources(self) -> Value {
        let service = json!({"name": "origin", "url": format!("http://{UPSTREAM}")});
        match self {
            Self::Plain => json!({
                "services": [service],
                "routes": [{"name": "all", "service": "origin"}],
            }),
            Self::Policies => policies(&service),
        }
    }

    /// Requests to send, in turn.
    pub(crate) fn requests(self) -> Vec<Vec<u8>> {
        let request = |path: &str, more: &str| {
            let text = format!(
                "GET {path} HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n{more}\r\n"
            );
            text.into_bytes()
        };
        match self {
            Self::Plain => vec![request("/", "")],
            // A stride that shares no factor with either count visits all pairs in a mixed order.
            Self::Policies => (0..8192)
                .map(|number: usize| {
                    let (route, key) = (number * 7919 % ROUTES, number * 104_729 % CONSUMERS);
                    request(
                        &format!("/svc{route}/items"),
                        &format!("X-Api-Key: key-{key:05}\r\n"),
                    )
                })
                .collect(),
        }
    }
}

fn policies(service: &Value) -> Value {
    let each = |count, make: fn(usize) -> Value| (0..count).map(make).collect::<Vec<_>>();
    let routes = each(ROUTES, |number| {
        json!({"name": format!("svc{number}"), "service": "origin",
            "paths": [{"prefix": format!("/svc{number}")}]})
    });
    let consumers = each(
        CONSUMERS,
        |number| json!({"name": format!("consumer-{number}")}),
    );
    let credentials = each(CONSUMERS, |number| {
        json!({"name": format!("key-{number}"), "consumer": format!("consumer-{number}"),
            "key": format!("key-{number:05}")})
    });
    let plugin = |name: &str, settings: Value| json!({"name": name, "type": name, "attach": {"global": true}, "settings": settings});
    json!({
        "services": [service],
        "routes": routes,
        "consumers": consumers,
        "credentials": credentials,
        "plugins": [
            plugin("key-auth", json!({"headers": ["x-api-key"]})),
            plugin("rate-limit", json!({"limits": [{"requests": 1_000_000, "per": "1s"}], "key": "consumer"})),
            plugin("headers", json!({
                "request": {"remove": ["accept"], "set": {"X-Gateway": "bench"}},
                "response": {"remove": ["x-request-id"]},
            })),
        ],
    })
}
