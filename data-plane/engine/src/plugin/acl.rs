//! `acl`: lets consumers through by the groups they are in, and by what their credentials allow.

use std::sync::Arc;

use gatewright_proto::{Key, Kind};
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Code, Rejection, RequestContext, reference::Reference};

/// Most entries of a list.
const MAX_ENTRIES: usize = 256;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct Acl {
    allow: Vec<Arc<str>>,
    deny: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    any_scope: Vec<Arc<str>>,
    /// What a client is told that lacks a scope.
    insufficient: HeaderValue,
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
    /// Scopes that the credential or the token must have, every one of them.
    scopes: Vec<String>,
    /// Scopes of which the credential or the token must have one at least. Empty: none is needed.
    any_scope: Vec<String>,
}

impl Configure for Acl {
    const NAME: &'static str = "acl";
    const SUMMARY: &'static str =
        "Lets consumers through by their groups and by the scopes of their credentials.";
    const DOCS: &'static str = "\
Runs after the plugins that find out who calls. A request of nobody, which has neither a consumer nor a
token that was verified, is refused with 401, code `unauthorized`; one whose consumer or token is in a group
of `deny`, or in none of `allow` where that has entries, or that lacks a scope, with 403, code `forbidden`;
lacking a scope is said in `WWW-Authenticate` too (RFC 6750, `insufficient_scope`). `deny` wins. All that is
given has to hold: groups and scopes. An anonymous consumer is a consumer, with its own groups and no scopes.

Groups are those of the consumer and those that the token names; scopes are those of the credential
(`scopes`) and those of the token. Disabled groups count as if nobody were in them. A group that is named
here cannot be deleted.";
    const EXAMPLE: &'static str = "allow: [gold, silver]\ndeny: [suspended]\nscopes: [orders:read]";
    const ORDER: i32 = 2000;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let lists = [
            ("allow", &settings.allow),
            ("deny", &settings.deny),
            ("scopes", &settings.scopes),
            ("any_scope", &settings.any_scope),
        ];
        let mut mistakes = Vec::new();
        if lists.iter().all(|(_, list)| list.is_empty()) {
            let reason = "give `allow`, `deny`, `scopes`, `any_scope` or several";
            mistakes.push(InvalidSetting::new("", reason));
        }
        for (name, list) in lists {
            if list.len() > MAX_ENTRIES {
                let reason = format!("has more than {MAX_ENTRIES} entries");
                mistakes.push(InvalidSetting::new(name, reason));
            }
        }
        for (name, list) in &lists[2..] {
            for (place, _) in list
                .iter()
                .enumerate()
                .filter(|(_, scope)| !is_scope(scope))
            {
                let reason = "must be visible ASCII characters without quotes and backslashes";
                mistakes.push(InvalidSetting::new(format!("{name}[{place}]"), reason));
            }
        }
        let wanted = [settings.scopes.as_slice(), &settings.any_scope].concat();
        let insufficient = insufficient(&wanted);
        let Some(insufficient) = insufficient.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let shared = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
        Ok(Self {
            allow: shared(settings.allow),
            deny: shared(settings.deny),
            scopes: shared(settings.scopes),
            any_scope: shared(settings.any_scope),
            insufficient,
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

/// As RFC 6749 section 3.3 has them.
fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| (b'!'..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(allowed)
}

fn insufficient(scopes: &[String]) -> Option<HeaderValue> {
    let scopes = scopes.join(" ");
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
    HeaderValue::from_str(&challenge).ok()
}

impl Plugin for Acl {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        if request.consumer.is_none() && !request.is_authenticated() {
            let challenge = HeaderValue::from_static("ApiKey");
            return Flow::Reject(
                Rejection::new(Code::Unauthorized, "who sends this request is not known")
                    .with_header(header::WWW_AUTHENTICATE, challenge),
            );
        }
        let in_group = |group: &Arc<str>| request.is_in_group(group);
        let allowed = self.allow.is_empty() || self.allow.iter().any(in_group);
        if !allowed || self.deny.iter().any(in_group) {
            let detail = "the consumer is not in a group that is allowed";
            return Flow::Reject(Rejection::new(Code::Forbidden, detail));
        }
        let has_scope = |scope: &Arc<str>| request.has_scope(scope);
        let any = self.any_scope.is_empty() || self.any_scope.iter().any(has_scope);
        if any && self.scopes.iter().all(has_scope) {
            return Flow::Continue;
        }
        Flow::Reject(
            Rejection::new(Code::Forbidden, "the credential does not allow this")
                .with_header(header::WWW_AUTHENTICATE, self.insufficient.clone()),
        )
    }
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

    #[tokio::test]
    async fn every_scope_is_needed_and_one_of_those_of_which_any_will_do() {
        let settings = json!({"scopes": ["read"], "any_scope": ["orders", "items"]});
        let acl = plugin("acl", &settings);
        let cases: [(&[&str], _); 5] = [
            (&["read", "items"], None),
            (&["read", "orders", "write"], None),
            (&["read"], Some("forbidden")),
            (&["orders", "items"], Some("forbidden")),
            (&[], Some("forbidden")),
        ];
        for (scopes, code) in cases {
            let request = Request::get("/").with_scopes(consumer("alice", &[]), scopes);
            assert_eq!(request.refusal(&acl).await, code, "{scopes:?}");
        }
        let lacks = Request::get("/").with_scopes(consumer("alice", &[]), &["read"]);
        let rejection = lacks.rejection(&acl).await.unwrap();
        let expected = "Bearer error=\"insufficient_scope\", scope=\"read orders items\"";
        assert_eq!(rejection.headers[0].1, expected);
        let anonymous = Request::get("/").of(consumer("alice", &[]));
        assert_eq!(anonymous.refusal(&acl).await, Some("forbidden"));
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
        let quoted = json!({"scopes": ["a", "b\"c"]});
        assert_eq!(mistakes("acl", &quoted), ["settings.scopes[1]"]);
    }
}
