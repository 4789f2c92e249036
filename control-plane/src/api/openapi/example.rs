//! A resource of every kind, as one would write it.

use gatewright_proto::Kind;
use serde_json::{Value, json};

/// An example of a kind. The examples refer to each other and make up a configuration.
pub(super) fn of(kind: Kind) -> Value {
    match kind {
        Kind::Service => json!({
            "name": "orders",
            "upstream": "orders",
            "path": "/v2",
            "connect_timeout_ms": 1000,
        }),
        Kind::Route => json!({
            "name": "orders",
            "service": "orders",
            "hosts": ["api.example.com"],
            "paths": [{"prefix": "/orders"}],
            "methods": ["GET", "POST"],
            "strip_prefix": true,
        }),
        Kind::Upstream => json!({"name": "orders", "balancer": "least_request"}),
        Kind::Target => json!({
            "name": "orders-1",
            "upstream": "orders",
            "address": "orders.internal:8080",
            "weight": 100,
        }),
        Kind::Consumer => json!({
            "name": "alice",
            "labels": {"team": "shop"},
            "groups": ["gold"],
        }),
        Kind::ConsumerGroup => json!({"name": "gold"}),
        Kind::Credential => json!({
            "name": "alice-laptop",
            "consumer": "alice",
            "type": "key",
            "key": "the-key-of-alice",
        }),
        Kind::Plugin => json!({
            "name": "orders-limit",
            "type": "rate-limit",
            "attach": {"route": "orders"},
            "settings": {"limits": [{"requests": 100, "per": "1m"}], "key": "consumer"},
        }),
        Kind::Certificate => json!({
            "name": "api",
            "certificate": "-----BEGIN CERTIFICATE-----\n...",
            "private_key": "secret:api-key",
            "hosts": ["api.example.com"],
        }),
        Kind::KeySet => json!({"name": "login", "issuer": "https://login.example.com"}),
        Kind::Secret => json!({"name": "api-key", "value": "-----BEGIN PRIVATE KEY-----\n..."}),
        Kind::Rollout => json!({
            "name": "orders",
            "route": "orders",
            "baseline": "orders",
            "canary": "orders-v2",
            "steps": [{"percent": 5}, {"percent": 25, "for_ms": 600_000}],
        }),
    }
}
