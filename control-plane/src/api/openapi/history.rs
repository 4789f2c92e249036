//! The paths of the history.

use serde_json::json;

use super::{
    operation::Operation,
    path::{Paths, page_of, schema_of},
};

pub(super) fn paths() -> Paths {
    let revision = schema_of("Revision");
    let list = Operation::new("list_revisions", "history", "Revisions, newest first")
        .takes(&["limit", "before"])
        .answers(200, &page_of(&revision));
    let show = Operation::new("get_revision", "history", "What a revision changed")
        .answers(200, &revision)
        .fails(&["NotFound", "Trimmed"]);
    let diff = Operation::new(
        "diff_revisions",
        "history",
        "What leads from the state at one revision to that at another",
    );
    let changes = json!({"type": "array", "items": schema_of("Change")});
    let changes = json!({"type": "object", "properties": {"changes": changes}});
    let diff = diff
        .answers(200, &changes)
        .fails(&["BadRequest", "NotFound", "Trimmed"]);
    let audit = Operation::new(
        "list_audit",
        "history",
        "Who asked for which change, from where, and what came of it; newest first",
    )
    .takes(&["limit", "before"])
    .answers(200, &page_of(&schema_of("Audited")))
    .fails(&["BadRequest"]);
    let mut audit = audit.done();
    if let Some(parameters) = audit["parameters"].as_array_mut() {
        parameters.push(json!({
            "name": "resource",
            "in": "query",
            "schema": {"type": "string"},
            "description": "Only what was asked of this resource, as `route/orders`.",
        }));
    }
    let number = |name: &str, place: &str, required: bool| json!([{"name": name, "in": place, "required": required, "schema": {"type": "integer", "minimum": 0}}]);
    let (mut show, mut diff) = (show.done(), diff.done());
    show["parameters"] = number("revision", "path", true);
    let (from, to) = (number("from", "query", true), number("to", "query", false));
    diff["parameters"] = json!([from[0], to[0]]);
    vec![
        ("/v1/audit".to_owned(), json!({"get": audit})),
        ("/v1/revisions".to_owned(), json!({"get": list.done()})),
        ("/v1/revisions/{revision}".to_owned(), json!({"get": show})),
        ("/v1/revisions/diff".to_owned(), json!({"get": diff})),
    ]
}
