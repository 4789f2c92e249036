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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Forward everything. NGINX does the least that a proxy does, Gatewright what it always does.
    Bare,
    /// Forward everything, with the same forwarding fields and request id.
    Plain,
    /// 1,000 routes, a key among 10,000, a limit for each consumer, header edits.
    Policies,
    /// The same, and Gatewright tells clients where they stand, which NGINX cannot.
    Announced,
}

/// Path, key, and the status that the answer must have.
pub(crate) type Probe = (&'static str, &'static str, u16);

impl Scenario {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Bare, Self::Plain, Self::Policies, Self::Announced];

    /// For the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "plain proxy, NGINX with fewer header fields",
            Self::Plain => "plain proxy, equal header fields",
            Self::Policies => "1,000 routes + key-auth + rate-limit + headers",
            Self::Announced => "the same, with `RateLimit` fields from Gatewright only",
        }
    }

    /// What shows that the work is done.
    pub(crate) const fn probes(self) -> &'static [Probe] {
        match self {
            Self::Bare | Self::Plain => &[("/", "", 200), ("/any/path?and=query", "", 200)],
            Self::Policies | Self::Announced => &[
                ("/svc7/items", "key-00077", 200),
                ("/svc999/items", "key-09999", 200),
                ("/svc7/items", "", 401),
                ("/svc7/items", "key-77", 401),
                ("/none/items", "key-00077", 404),
            ],
        }
    }

    /// The resources for `POST /v1/apply`.
    pub(crate) fn resources(self) -> Value {
        let service = json!({"name": "origin", "url": format!("http://{UPSTREAM}")});
        match self {
            Self::Bare | Self::Plain => json!({
                "services": [service],
                "routes": [{"name": "all", "service": "origin"}],
            }),
            Self::Policies | Self::Announced => policies(&service, self == Self::Announced),
        }
    }

    /// Requests to send, in turn.
    pub(crate) fn requests(self) -> Vec<Vec<u8>> {
        match self {
            Self::Bare | Self::Plain => vec![request("/", "")],
            // A stride that shares no factor with either count visits all pairs in a mixed order.
            Self::Policies | Self::Announced => (0..8192)
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

/// A request as clients of the benchmark send it.
pub(crate) fn request(path: &str, more: &str) -> Vec<u8> {
    let text = format!(
        "GET {path} HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n{more}\r\n"
    );
    text.into_bytes()
}

fn policies(service: &Value, announce: bool) -> Value {
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
            plugin("rate-limit", json!({"limits": [{"requests": 1_000_000, "per": "1s"}], "key": "consumer",
                "announce": announce})),
            plugin("headers", json!({
                "request": {"remove": ["accept"], "set": {"X-Gateway": "bench"}},
                "response": {"remove": ["cache-control"]},
            })),
        ],
    })
}
