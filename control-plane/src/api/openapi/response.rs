//! The problems that operations share, each with an example that the API could give.

use gatewright_proto::{Key, Kind, Version};
use serde_json::{Map, Value, json};

use crate::{api::ApiError, discovery::Lagging, write::Mistake};

/// The shared answers, by name.
pub(super) fn responses() -> Map<String, Value> {
    let all = requests().into_iter().chain(changes()).chain(states());
    let all = all.map(|(name, description, example)| {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let content = json!({"schema": schema, "example": example.problem()});
        let response = json!({
            "description": description,
            "content": {"application/problem+json": content},
        });
        (name.to_owned(), response)
    });
    all.collect()
}

/// Name, description, and what it is an example of.
type Example = (&'static str, &'static str, ApiError);

/// What is wrong with a request by itself.
fn requests() -> [Example; 5] {
    [
        (
            "BadRequest",
            "`invalid_json`, `invalid_yaml`, `invalid_query` or `invalid_header`",
            ApiError::InvalidJson("expected value at line 2 column 8".into()),
        ),
        (
            "Unauthorized",
            "`unauthorized`: no accepted token",
            ApiError::Unauthorized,
        ),
        (
            "Forbidden",
            "`forbidden`: the token may only register targets",
            ApiError::Forbidden,
        ),
        (
            "TooLarge",
            "`body_too_large`: over 10 MiB",
            ApiError::BodyTooLarge(10 * 1024 * 1024),
        ),
        (
            "UnsupportedContentType",
            "`unsupported_content_type`",
            ApiError::UnsupportedContentType("`application/json` or `application/yaml`"),
        ),
    ]
}

/// What is wrong with a change.
fn changes() -> [Example; 2] {
    let unknown = "unknown field `servise`; did you mean `service`?";
    let unknown = Mistake::invalid("route/orders", "servise", unknown).with_code("unknown_field");
    let referrer = "refers to `service/orders`, which is to be deleted";
    let referrer = Mistake::invalid("route/orders", "service", referrer);
    [
        (
            "Conflict",
            "`already_exists`, `still_referenced` with all referrers, or `registrations_full`",
            ApiError::StillReferenced(vec![referrer.with_code("still_referenced")]),
        ),
        (
            "Invalid",
            "`invalid`: everything that is wrong; nothing was changed",
            ApiError::Invalid(vec![unknown]),
        ),
    ]
}

/// What stands in the way.
fn states() -> [Example; 6] {
    let orders = Key::new(Kind::Service, "orders");
    let lagging = Lagging {
        node_id: "node-1".into(),
        applied_revision: 41,
    };
    [
        (
            "NotFound",
            "`not_found`, `unknown_path`",
            ApiError::NotFound(format!("`{orders}`")),
        ),
        (
            "Trimmed",
            "`history_trimmed`: the history does not reach back that far",
            ApiError::Trimmed(7),
        ),
        (
            "PreconditionFailed",
            "`precondition_failed`: it is at another version",
            ApiError::PreconditionFailed(orders, Some(Version::of_bytes(b"orders"))),
        ),
        (
            "Busy",
            "`busy`: too many ask for this at a time; try again",
            ApiError::TooMany("too many dry runs at a time"),
        ),
        (
            "Unavailable",
            "`busy`, `store_unavailable` or `timed_out`: try again",
            ApiError::StoreUnavailable,
        ),
        (
            "NotApplied",
            "`not_applied_in_time`: committed, but not applied by all nodes within `wait`",
            ApiError::NotApplied(42, vec![lagging]),
        ),
    ]
}
