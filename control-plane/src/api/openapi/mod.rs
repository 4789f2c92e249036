//! The description of the API (OpenAPI 3.1), made from the schemas of the kinds and the tables of
//! nested lists; the rest of the paths is described by hand in [`path`].

mod component;
mod example;
mod history;
mod operation;
mod path;
mod registration;
mod response;
mod rollout;
mod schema;

use std::sync::LazyLock;

use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// `GET /openapi.json`
pub(super) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

const DESCRIPTION: &str = "Configures the gateway. Every write is one revision: it is checked as a whole \
    before it is committed, and answers with the header `Gatewright-Revision`. With `?wait=5s` it answers \
    once every connected node has applied it.\n\n\
    Errors are `application/problem+json` with a stable `code`, a `message` for people, and `errors`: \
    everything that is wrong, each with resource, field and reason.";

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatewright admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        // Relative to where this document is.
        "servers": [{"url": "./"}],
        "security": [{"token": []}],
        "tags": path::tags(),
        "paths": path::paths(),
        "components": component::components(),
    })
}

#[cfg(test)]
mod tests;
