//! `acl`: lets consumers through by the groups they are in.

use std::sync::Arc;

use gatewright_proto::{Key, Kind};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Code, Consumer, Rejection, RequestContext, reference::Reference};

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Acl {
    allow: Vec<Arc<str>>,
    deny: Vec<Arc<str>>,
}

/// Settings of `acl`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Names of consumer groups; consumers in any of them may pass, all others may not. Empty: all may.
    allow: Vec<String>,
    /// Names of consumer groups; consumers in any of them may not pass, even if `allow` has another of
    /// their groups.
    deny: Vec<String>,
}

impl Configure for Acl {
    const NAME: &'static str = "acl";
    const SUMMARY: &'static str = "Lets consumers through by the groups they are in.";
    const DOCS: &'static str = "\
Runs after the plugins that find out who the consumer is. A request without a consumer is refused with
401, code `unauthorized`; one whose consumer is in a group of `deny`, or in none of `allow` where that
has entries, with 403, code `forbidden`. `deny` wins. An anonymous consumer is a consumer, with its own
groups.

Disabled groups count as if nobody were in them. A group that is named here cannot be deleted.";
    const EXAMPLE: &'static str = "allow: [gold, silver]\ndeny: [suspended]";
    const ORDER: i32 = 2000;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        if settings.allow.is_empty() && settings.deny.is_empty() {
            return Err(vec![InvalidSetting::new(
                "",
                "give `allow`, `deny` or both",
            )]);
        }
        let shared = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
        Ok(Self {
            allow: shared(settings.allow),
            deny: shared(settings.deny),
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let mut references = Vec::new();
        for (list, names) in [("allow", &settings.allow), ("deny", &settings.deny)] {
            for (index, name) in names.iter().enumerate() {
                references.push(Reference {
                    field: format!("{list}[{index}]"),
                    key: Key::new(Kind::ConsumerGroup, name),
                });
            }
        }
        references
    }
}

impl Plugin for Acl {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let Some(consumer) = &request.consumer else {
            let challenge = HeaderValue::from_static("ApiKey");
            return Flow::Reject(
                Rejection::new(Code::Unauthorized, "who sends this request is not known")
                    .with_header(header::WWW_AUTHENTICATE, challenge),
            );
        };
        let allowed = self.allow.is_empty() || is_in_any(consumer, &self.allow);
        if allowed && !is_in_any(consumer, &self.deny) {
            Flow::Continue
        } else {
            Flow::Reject(Rejection::new(
                Code::Forbidden,
                "the consumer is not in a group that is allowed",
            ))
        }
    }
}

fn is_in_any(consumer: &Consumer, groups: &[Arc<str>]) -> bool {
    groups.iter().any(|group| consumer.groups.contains(group))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plugin::tests::{Request, consumer, mistakes, plugin, reference_fields};

    #[tokio::test]
    async fn the_consumer_must_be_in_an_allowed_group_and_in_no_denied_one() {
        let acl = plugin("acl", &json!({"allow": ["gold"], "deny": ["suspended"]}));
        let groups: [(&[&str], _); 4] = [
            (&["gold"], None),
            (&["gold", "suspended"], Some("forbidden")),
            (&["silver"], Some("forbidden")),
            (&[], Some("forbidden")),
        ];
        for (groups, code) in groups {
            let request = Request::get("/").of(consumer("alice", groups));
            assert_eq!(request.refusal(&acl).await, code, "{groups:?}");
        }
    }

    #[tokio::test]
    async fn a_request_of_nobody_is_refused_even_where_only_deny_is_given() {
        let acl = plugin("acl", &json!({"deny": ["suspended"]}));
        assert_eq!(Request::get("/").refusal(&acl).await, Some("unauthorized"));
        let known = Request::get("/").of(consumer("alice", &[]));
        assert_eq!(known.refusal(&acl).await, None);
    }

    #[test]
    fn its_groups_are_references() {
        let settings = json!({"allow": ["gold"], "deny": ["suspended"]});
        let expected = [
            "settings.allow[0] consumer_group/gold",
            "settings.deny[0] consumer_group/suspended",
        ];
        assert_eq!(reference_fields("acl", &settings), expected);
        assert_eq!(mistakes("acl", &json!({})), ["settings"]);
    }
}
