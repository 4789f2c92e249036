//! For orchestrators and for Prometheus.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::Api;

pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Ready when the catalog is loaded (it is, or nobody would be listening) and the database answers.
pub(super) async fn ready(State(api): State<Api>) -> impl IntoResponse {
    match api.catalog.store.head().await {
        Ok(_) => (StatusCode::OK, "ready"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer",
        ),
    }
}

pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let (state, nodes) = (api.catalog.present(), api.nodes.list());
    let behind = nodes
        .iter()
        .filter(|node| node.applied_revision < state.head.revision)
        .count();
    let rejects: usize = nodes.iter().map(|node| node.rejects.len()).sum();
    let mut text = String::new();
    for (name, help, value) in [
        (
            "config_revision",
            "Newest revision known here",
            state.head.revision,
        ),
        (
            "resources",
            "Resources of the configuration",
            state.entries.len() as u64,
        ),
        (
            "nodes_connected",
            "Nodes that follow this control plane",
            nodes.len() as u64,
        ),
        (
            "nodes_behind",
            "Of these, nodes that have not applied the newest revision",
            behind as u64,
        ),
        (
            "node_rejects",
            "Resources that nodes refuse",
            rejects as u64,
        ),
    ] {
        let _ = writeln!(
            text,
            "# HELP gatewright_{name} {help}.\n# TYPE gatewright_{name} gauge\ngatewright_{name} {value}"
        );
    }
    text.push_str("# EOF\n");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text)
}
