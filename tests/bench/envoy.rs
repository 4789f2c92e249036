//! Envoy, set up to check tokens (`jwt_authn`) in front of 1,000 routes.

use std::{env, fs, path::Path, process::Command};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{
    scenario::{GATEWAY, ROUTES, UPSTREAM},
    tokens::{AUDIENCE, ISSUER, jwks},
};

const TYPES: &str = "type.googleapis.com/envoy";
/// Tokens that it remembers: more than there are.
const REMEMBERED: u32 = 10_000;

/// Whether there is one to measure.
pub(crate) fn is_there() -> bool {
    env::var_os("ENVOY").is_some()
}

/// Writes its configuration into a folder and returns the command that starts it. The variable `ENVOY` names the binary.
pub(crate) fn command(folder: &Path, remembers: bool) -> anyhow::Result<Command> {
    fs::create_dir_all(folder)?;
    let file = folder.join("envoy.json");
    fs::write(&file, configuration(remembers)?.to_string())?;
    let mut command = Command::new(env::var_os("ENVOY").context("set ENVOY to the binary")?);
    command.arg("-c").arg(&file);
    command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"]);
    Ok(command)
}

fn configuration(remembers: bool) -> anyhow::Result<Value> {
    let manager = json!({
        "@type": format!("{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "h", "codec_type": "AUTO", "generate_request_id": false, "use_remote_address": true,
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "matcher": routes()}]},
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": tokens(remembers)},
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": format!("{TYPES}.extensions.filters.http.router.v3.Router"), "suppress_envoy_headers": true,
            }},
        ],
    });
    let filter =
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    let many = 1_000_000;
    let thresholds =
        json!([{"max_connections": many, "max_pending_requests": many, "max_requests": many}]);
    let endpoint = json!({"endpoint": {"address": address(UPSTREAM)?}});
    let listener = json!({"name": "l", "address": address(GATEWAY)?, "filter_chains": [{"filters": [filter]}]});
    Ok(json!({"static_resources": {
        "listeners": [listener],
        "clusters": [{
            "name": "up", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": thresholds},
            "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }],
    }}))
}

/// By a tree of prefixes, which is quicker than its list of routes.
fn routes() -> Value {
    let route = json!({
        "@type": format!("{TYPES}.config.route.v3.Route"), "match": {"prefix": "/"},
        "route": {"cluster": "up", "timeout": "0s"},
    });
    let action = json!({"action": {"name": "route", "typed_config": route}});
    let prefixes = (0..ROUTES).map(|number| (format!("/svc{number}/"), action.clone()));
    let prefixes: Map<String, Value> = prefixes.collect();
    json!({"matcher_tree": {
        "input": {"name": "path", "typed_config": {
            "@type": format!("{TYPES}.type.matcher.v3.HttpRequestHeaderMatchInput"), "header_name": ":path",
        }},
        "prefix_match_map": {"map": prefixes},
    }})
}

fn tokens(remembers: bool) -> Value {
    let cache = match remembers {
        true => json!({"jwt_cache_size": REMEMBERED}),
        false => Value::Null,
    };
    json!({
        "@type": format!("{TYPES}.extensions.filters.http.jwt_authn.v3.JwtAuthentication"),
        "providers": {"p": {
            "issuer": ISSUER, "audiences": [AUDIENCE], "local_jwks": {"inline_string": jwks().to_string()}, "forward": true,
            "jwt_cache_config": cache,
            "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}],
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
    })
}

fn address(text: &str) -> anyhow::Result<Value> {
    let (host, port) = text.split_once(':').context("an address has a port")?;
    let port: u16 = port.parse()?;
    Ok(json!({"socket_address": {"address": host, "port_value": port}}))
}
