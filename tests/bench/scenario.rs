//! What is measured.

use serde_json::{Value, json};

use crate::tokens::{AUDIENCE, ISSUER, jwks, token};

/// Where the gateway under test listens.
pub(crate) const GATEWAY: &str = "127.0.0.1:18080";
/// Where the origin listens.
pub(crate) const UPSTREAM: &str = "127.0.0.1:18001";
/// Routes of [`Scenario::Policies`].
pub(crate) const ROUTES: usize = 1000;
/// Consumers of [`Scenario::Policies`], a key each.
pub(crate) const CONSUMERS: usize = 10_000;

/// A piece of work that gateways do.
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
    /// 1,000 routes and a key among 10,000, nothing else.
    Keys,
    /// 1,000 routes and a token that is signed with RS256, of one subject.
    Token,
    /// The same, of 4,000 subjects.
    Tokens,
}

/// Subjects of [`Scenario::Tokens`].
const SUBJECTS: usize = 4000;

/// Path, credential, and the status that the answer must have.
pub(crate) type Probe = (&'static str, &'static str, u16);

impl Scenario {
    /// All.
    pub(crate) const ALL: [Self; 7] = [
        Self::Bare,
        Self::Plain,
        Self::Policies,
        Self::Announced,
        Self::Keys,
        Self::Token,
        Self::Tokens,
    ];

    /// Those that NGINX can do too, in the order of the table; the first of all.
    pub(crate) const BESIDE_NGINX: [Self; 4] =
        [Self::Bare, Self::Plain, Self::Policies, Self::Announced];

    /// Its place among all.
    pub(crate) fn number(self) -> usize {
        let place = Self::ALL.iter().position(|it| *it == self);
        place.expect("all are there")
    }

    /// For the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "plain proxy, NGINX with fewer header fields",
            Self::Plain => "plain proxy, equal header fields",
            Self::Policies => "1,000 routes + key-auth + rate-limit + headers",
            Self::Announced => "the same, with `RateLimit` fields from Gatewright only",
            Self::Keys => "1,000 routes + a key among 10,000",
            Self::Token => "1,000 routes + RS256, 1 subject",
            Self::Tokens => "1,000 routes + RS256, 4,000 subjects",
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
            Self::Keys => &[
                ("/svc7/items", "key-00077", 200),
                ("/svc7/items", "", 401),
                ("/svc7/items", "key-77", 401),
                ("/none/items", "key-00077", 404),
            ],
            Self::Token | Self::Tokens => &[
                ("/svc7/items", "good", 200),
                ("/svc999/items", "good", 200),
                ("/svc7/items", "", 401),
                ("/svc7/items", "forged", 401),
                ("/none/items", "good", 404),
            ],
        }
    }

    /// The field with a credential of [`Self::probes`].
    pub(crate) fn credential(self, text: &str) -> anyhow::Result<String> {
        if !matches!(self, Self::Token | Self::Tokens) {
            return Ok(format!("X-Api-Key: {text}\r\n"));
        }
        let mut token = token(0)?;
        if text == "forged" {
            let signature = token.rfind('.').map_or(0, |at| at + 1);
            let other = if token[signature..].starts_with('A') {
                "B"
            } else {
                "A"
            };
            token.replace_range(signature..=signature, other);
        }
        Ok(format!("Authorization: Bearer {token}\r\n"))
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
            Self::Keys => with_routes(&service, keys(), vec![key_auth()]),
            Self::Token | Self::Tokens => {
                let provider =
                    json!({"key_set": "login", "issuers": [ISSUER], "audiences": [AUDIENCE]});
                let settings =
                    json!({"providers": [provider], "claims_to_headers": {"sub": "x-user"}});
                let sets = json!({"key_sets": [{"name": "login", "jwks": jwks()}]});
                with_routes(&service, sets, vec![plugin("jwt", &settings)])
            }
        }
    }

    /// Requests to send, in turn.
    pub(crate) fn requests(self) -> anyhow::Result<Vec<Vec<u8>>> {
        let subjects = match self {
            Self::Bare | Self::Plain => return Ok(vec![request("/", "")]),
            Self::Policies | Self::Announced | Self::Keys => 0,
            Self::Token => 1,
            Self::Tokens => SUBJECTS,
        };
        let tokens: Vec<String> = (0..subjects).map(token).collect::<anyhow::Result<_>>()?;
        // A stride that shares no factor with either count visits all pairs in a mixed order.
        let requests = (0..8192).map(|number: usize| {
            let (route, credential) = (number * 7919 % ROUTES, number * 104_729);
            let field = match subjects {
                0 => format!("X-Api-Key: key-{:05}", credential % CONSUMERS),
                count => format!("Authorization: Bearer {}", tokens[credential % count]),
            };
            request(&format!("/svc{route}/items"), &format!("{field}\r\n"))
        });
        Ok(requests.collect())
    }
}

/// A request as clients of the benchmark send it.
pub(crate) fn request(path: &str, more: &str) -> Vec<u8> {
    let text = format!(
        "GET {path} HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n{more}\r\n"
    );
    text.into_bytes()
}

fn plugin(name: &str, settings: &Value) -> Value {
    json!({"name": name, "type": name, "attach": {"global": true}, "settings": settings})
}

fn key_auth() -> Value {
    plugin("key-auth", &json!({"headers": ["x-api-key"]}))
}

fn policies(service: &Value, announce: bool) -> Value {
    let limits = json!({"limits": [{"requests": 1_000_000, "per": "1s"}], "key": "consumer",
        "announce": announce});
    let headers = json!({
        "request": {"remove": ["accept"], "set": {"X-Gateway": "bench"}},
        "response": {"remove": ["cache-control"]},
    });
    let plugins = vec![
        key_auth(),
        plugin("rate-limit", &limits),
        plugin("headers", &headers),
    ];
    with_routes(service, keys(), plugins)
}

/// Consumers, and a key each.
fn keys() -> Value {
    let each = |make: fn(usize) -> Value| (0..CONSUMERS).map(make).collect::<Vec<_>>();
    let consumers = each(|number| json!({"name": format!("consumer-{number}")}));
    let credentials = each(|number| {
        json!({"name": format!("key-{number}"), "consumer": format!("consumer-{number}"),
            "key": format!("key-{number:05}")})
    });
    json!({"consumers": consumers, "credentials": credentials})
}

/// 1,000 routes to a service, with these plugins and what they need.
fn with_routes(service: &Value, mut needed: Value, plugins: Vec<Value>) -> Value {
    let routes = (0..ROUTES).map(|number| {
        json!({"name": format!("svc{number}"), "service": "origin",
            "paths": [{"prefix": format!("/svc{number}")}]})
    });
    needed["services"] = json!([service]);
    needed["routes"] = routes.collect();
    needed["plugins"] = plugins.into();
    needed
}
