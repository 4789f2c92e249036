//! The paths.

use gatewright_proto::Kind;
use serde_json::{Map, Value, json};

use super::{
    component::schema_name, example, history, operation::Operation, registration, rollout, schema,
};
use crate::api::nested::NESTED;

/// The groups that paths are shown in.
pub(super) fn tags() -> Value {
    let kinds = Kind::ALL.iter().map(|kind| json!({"name": kind.plural()}));
    let others = [
        "apply",
        "registrations",
        "history",
        "nodes",
        "schemas",
        "probes",
    ];
    let others = others.iter().map(|name| json!({"name": name}));
    others.chain(kinds).collect()
}

pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for &kind in Kind::ALL {
        paths.insert(format!("/v1/{}", kind.plural()), collection(kind));
        paths.insert(format!("/v1/{}/{{name}}", kind.plural()), one(kind));
    }
    for &(parent, child) in NESTED {
        let (parent, child) = (parent.plural(), child.plural());
        let path = format!("/v1/{parent}/{{name}}/{child}");
        let summary = format!("The {child} of one of the {parent}");
        let operation = Operation::new(format!("list_{parent}_{child}"), child, &summary)
            .takes(&["name", "limit", "after", "label"])
            .answers(200, &page(child))
            .fails(&["NotFound"]);
        let mut methods = json!({"get": operation.done()});
        if (parent, child) == (Kind::Consumer.plural(), Kind::Credential.plural()) {
            methods["post"] = issue();
        }
        paths.insert(path, methods);
    }
    paths.extend(many());
    paths.extend(history::paths());
    paths.extend(nodes());
    paths.extend(registration::paths());
    paths.extend(rollout::paths());
    paths.insert("/v1/explain".to_owned(), explain());
    paths.extend(schema::paths());
    paths.extend(probes());
    paths
}

/// Gives a consumer a credential.
fn issue() -> Value {
    let resource = schema_of(&schema_name(Kind::Credential));
    let summary = "Give a consumer a credential; a key that is made for it is shown this once";
    let example = json!({"expires_at_ms": "2027-01-31T00:00:00Z"});
    Operation::new("issue_credential", "credentials", summary)
        .takes(&["name", "dry_run", "wait", "comment"])
        .takes_body(DOCUMENT_TYPES, &resource, &example)
        .answers(201, &resource)
        .tells_version(201)
        .fails(&["NotFound", "Conflict", "NotApplied"])
        .done()
}

pub(super) const DOCUMENT_TYPES: &[&str] = &["application/json", "application/yaml"];

pub(super) fn schema_of(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn page(plural: &str) -> Value {
    let kind = plural
        .parse()
        .map_or_else(|_| "Problem".to_owned(), schema_name);
    page_of(&schema_of(&kind))
}

pub(super) fn page_of(item: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "`after` of the next page."},
        },
    })
}

fn collection(kind: Kind) -> Value {
    let plural = kind.plural();
    let resource = schema_of(&schema_name(kind));
    let list = Operation::new(format!("list_{plural}"), plural, &format!("List {plural}"))
        .takes(&["limit", "after", "label"])
        .answers(200, &page(plural))
        .fails(&["BadRequest"]);
    let create = Operation::new(
        format!("create_{kind}"),
        plural,
        &format!("Create a {kind}"),
    )
    .takes(&["dry_run", "wait", "comment"])
    .takes_body(DOCUMENT_TYPES, &resource, &example::of(kind))
    .answers(201, &resource)
    .tells_version(201)
    .fails(&["Conflict", "NotApplied"]);
    json!({"get": list.done(), "post": create.done()})
}

fn one(kind: Kind) -> Value {
    let plural = kind.plural();
    let resource = schema_of(&schema_name(kind));
    let get = Operation::new(format!("get_{kind}"), plural, &format!("Read a {kind}"))
        .takes(&["name", "if_none_match"])
        .answers(200, &resource)
        .tells_version(200)
        .answers_empty(304, "At the version that the client knows")
        .fails(&["NotFound"]);
    let write = [
        "name",
        "dry_run",
        "wait",
        "if_match",
        "if_none_match",
        "comment",
    ];
    let put = Operation::new(
        format!("put_{kind}"),
        plural,
        &format!("Create or replace a {kind}"),
    )
    .takes(&write)
    .takes_body(DOCUMENT_TYPES, &resource, &example::of(kind))
    .answers(200, &resource)
    .tells_version(200)
    .answers(201, &resource)
    .tells_version(201)
    .fails(&["PreconditionFailed", "NotApplied"]);
    let summary = format!("Change a {kind} by a JSON merge patch (RFC 7396)");
    let patch = Operation::new(format!("patch_{kind}"), plural, &summary)
        .takes(&write)
        .takes_body(
            &["application/merge-patch+json"],
            &json!({"type": "object"}),
            &json!({"enabled": false}),
        )
        .answers(200, &resource)
        .tells_version(200)
        .fails(&["NotFound", "PreconditionFailed", "NotApplied"]);
    let delete = Operation::new(
        format!("delete_{kind}"),
        plural,
        &format!("Delete a {kind}"),
    )
    .takes(&["name", "dry_run", "wait", "if_match", "comment"])
    .answers_empty(204, "Deleted")
    .fails(&["NotFound", "Conflict", "PreconditionFailed", "NotApplied"]);
    json!({
        "get": get.done(), "put": put.done(), "patch": patch.done(), "delete": delete.done(),
    })
}

pub(super) type Paths = Vec<(String, Value)>;

fn many() -> Paths {
    let bundle = schema_of("Bundle");
    let shown = json!({"upstreams": [example::of(Kind::Upstream)]});
    let apply = Operation::new("apply", "apply", "Apply many resources, all or none")
        .takes(&["dry_run", "prune", "registered", "label", "wait", "comment"])
        .takes_body(DOCUMENT_TYPES, &bundle, &shown)
        .answers(200, &schema_of("Plan"))
        .fails(&["Busy", "Conflict", "NotApplied"]);
    let summary = "The configuration as one document, without write-only fields";
    let export = Operation::new("export", "apply", summary)
        .takes(&["kind", "label", "registered"])
        .answers(200, &bundle)
        .fails(&["BadRequest"]);
    let mut export = export.done();
    export["responses"]["200"]["content"]["application/yaml"] = json!({"schema": bundle});
    vec![
        ("/v1/apply".to_owned(), json!({"post": apply.done()})),
        ("/v1/export".to_owned(), json!({"get": export})),
    ]
}

fn nodes() -> Paths {
    let node = schema_of("Node");
    let list = Operation::new("list_nodes", "nodes", "Connected nodes of the fleet")
        .takes(&["limit", "after"])
        .answers(200, &page_of(&node));
    let show = Operation::new(
        "get_node",
        "nodes",
        "A connected node, with how its targets and services fare",
    )
    .takes(&["name"])
    .answers(200, &node)
    .fails(&["NotFound"]);
    let chain = Operation::new(
        "get_route_chain",
        "routes",
        "The plugins that run for a route, in order",
    )
    .takes(&["name"])
    .answers(200, &json!({"type": "object"}))
    .fails(&["NotFound"]);
    let strangler = Operation::new(
        "get_route_strangler",
        "routes",
        "What still goes to the legacy service of a route, as all nodes have counted",
    )
    .takes(&["name"])
    .answers(200, &json!({"type": "object"}))
    .fails(&["NotFound"]);
    let fetched = Operation::new(
        "get_key_set_fetched",
        "key_sets",
        "How the fetching of a key set goes, and which keys are in force",
    )
    .takes(&["name"])
    .answers(200, &json!({"type": "object"}))
    .fails(&["NotFound"]);
    vec![
        (
            "/v1/key_sets/{name}/fetched".to_owned(),
            json!({"get": fetched.done()}),
        ),
        ("/v1/nodes".to_owned(), json!({"get": list.done()})),
        ("/v1/nodes/{name}".to_owned(), json!({"get": show.done()})),
        (
            "/v1/routes/{name}/chain".to_owned(),
            json!({"get": chain.done()}),
        ),
        (
            "/v1/routes/{name}/strangler".to_owned(),
            json!({"get": strangler.done()}),
        ),
    ]
}

fn explain() -> Value {
    let text = json!({"type": "string"});
    let body = json!({
        "type": "object",
        "required": ["url"],
        "properties": {
            "method": text,
            "url": text,
            "headers": {"type": "object", "additionalProperties": text},
            "client": text,
            "peer": text,
            "server_name": text,
            "body": text,
        },
    });
    let example = json!({"method": "GET", "url": "https://api.example.com/orders/7"});
    let summary = "Which route a request takes, and why the others do not";
    let operation = Operation::new("explain_request", "routes", summary)
        .takes_body(DOCUMENT_TYPES, &body, &example)
        .answers(200, &json!({"type": "object"}))
        .fails(&["Busy"]);
    json!({"post": operation.done()})
}

fn probes() -> Paths {
    let get = |path: &str, summary: &str| {
        let id = path.trim_start_matches('/').to_owned();
        let operation = Operation::new(id, "probes", summary)
            .answers_empty(200, "As asked")
            .open_to_all();
        (path.to_owned(), json!({"get": operation.done()}))
    };
    vec![
        get("/healthz", "Whether the process answers"),
        get(
            "/readyz",
            "Whether the configuration is loaded and the database answers",
        ),
        get("/metrics", "Counters, as OpenMetrics text"),
    ]
}
