mod challenges;

use std::sync::Arc;

use serde_json::json;

use super::{
    Authentication, Method, Refusal, Verdict,
    requirement::{Member, Requirement},
    shared::{Settings, Shared},
};
use crate::{
    Claims, Code, Identity, Methods, RequestContext,
    plugin::{
        Instance, Scope,
        tests::{Request, consumer, mistakes, plugin, reference_fields},
    },
};

/// Believes a header field of its name: a consumer, after a wait where `later:` stands before it;
/// `wrong` and `broken` are refused; `token` proves something of no consumer.
#[derive(Debug)]
struct Believes(&'static str);

impl Believes {
    fn verdict(name: &'static str, text: &str) -> Verdict {
        let identity = Identity {
            methods: Methods::from_elem(name, 1),
            ..Identity::default()
        };
        match text {
            "wrong" => Verdict::refused("it is wrong"),
            "broken" => Verdict::Refused(Refusal::because(Code::ConfigurationRefused, "no key")),
            "token" => Verdict::Proven(Identity {
                claims: Some(Arc::new(Claims {
                    groups: vec!["gold".into(), "named".into()],
                    scopes: vec!["read".into()],
                    ..Claims::default()
                })),
                ..identity
            }),
            consumer_name => Verdict::Proven(Identity {
                consumer: Some(Arc::new(consumer(consumer_name, &["gold"]))),
                ..identity
            }),
        }
    }
}

impl Method for Believes {
    fn verify(&self, request: &RequestContext) -> Verdict {
        let Some(value) = request.headers.get(self.0) else {
            return Verdict::Absent;
        };
        let (name, text) = (self.0, value.to_str().unwrap().to_owned());
        match text.strip_prefix("later:").map(str::to_owned) {
            Some(text) => Verdict::wait(async move { Self::verdict(name, &text) }),
            None => Self::verdict(name, &text),
        }
    }

    fn hide(&self, request: &mut RequestContext) {
        request.headers.remove(self.0);
    }

    fn challenge(&self, realm: &str, refusal: Option<&Refusal>) -> String {
        let error = refusal.map_or("", |_| ", error=\"wrong\"");
        format!("{} realm=\"{realm}\"{error}", self.0)
    }
}

fn method(name: &'static str) -> Requirement {
    Requirement::Method(Member {
        name,
        hides: true,
        method: Box::new(Believes(name)),
    })
}

fn asking(requirement: Requirement, settings: &serde_json::Value) -> Arc<Instance> {
    let settings: Settings = serde_json::from_value(settings.clone()).unwrap();
    let shared = Shared::compile(settings, &mut Vec::new());
    Arc::new(Instance {
        name: "test".into(),
        plugin_type: "authenticate",
        version: None,
        order: 1000,
        scope: Scope::Global,
        shadow: false,
        refuses: true,
        when: None,
        except: Box::new([]),
        plugin: Box::new(Authentication {
            name: "test".into(),
            requirement,
            shared,
        }),
        secrets: Box::new([]),
    })
}

fn any(names: &[&'static str]) -> Requirement {
    Requirement::Any(names.iter().copied().map(method).collect())
}

fn all(names: &[&'static str]) -> Requirement {
    Requirement::All(names.iter().copied().map(method).collect())
}

fn with(fields: &[(&str, &str)]) -> Request {
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    fields.iter().fold(Request::get("/"), add)
}

/// Who it was, or the code it was refused with.
async fn who(plugins: &[Arc<Instance>], fields: &[(&str, &str)]) -> String {
    let outcome = with(fields).through(plugins).await;
    match (outcome.refusal(), outcome.context.consumer) {
        (Some(code), _) => code.to_owned(),
        (None, Some(consumer)) => consumer.name.to_string(),
        (None, None) => "nobody".to_owned(),
    }
}

#[tokio::test]
async fn of_any_the_first_that_proves_something_decides() {
    let asks = [asking(any(&["a", "b"]), &json!({}))];
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[], "unauthorized"),
        (&[("a", "alice")], "alice"),
        (&[("b", "bob")], "bob"),
        (&[("a", "alice"), ("b", "bob")], "alice"),
        (&[("a", "wrong"), ("b", "bob")], "bob"),
        (&[("a", "wrong")], "unauthorized"),
        (&[("a", "later:wrong"), ("b", "later:bob")], "bob"),
        (&[("a", "broken"), ("b", "wrong")], "configuration_refused"),
    ];
    for (fields, expected) in cases {
        assert_eq!(who(&asks, fields).await, expected, "{fields:?}");
    }
}

#[tokio::test]
async fn all_have_to_prove_something_of_one_consumer() {
    let asks = [asking(all(&["a", "b"]), &json!({"optional": true}))];
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[], "nobody"),
        (&[("a", "alice")], "unauthorized"),
        (&[("b", "later:alice")], "unauthorized"),
        (&[("a", "alice"), ("b", "alice")], "alice"),
        (&[("a", "later:alice"), ("b", "later:alice")], "alice"),
        (&[("a", "alice"), ("b", "bob")], "unauthorized"),
        (&[("a", "alice"), ("b", "wrong")], "unauthorized"),
        (&[("a", "token"), ("b", "bob")], "bob"),
    ];
    for (fields, expected) in cases {
        assert_eq!(who(&asks, fields).await, expected, "{fields:?}");
    }
}

#[tokio::test]
async fn plugins_side_by_side_ask_for_all_of_their_credentials() {
    let asks = [
        asking(method("a"), &json!({})),
        asking(method("b"), &json!({})),
    ];
    assert_eq!(who(&asks, &[("a", "alice")]).await, "unauthorized");
    assert_eq!(
        who(&asks, &[("a", "alice"), ("b", "bob")]).await,
        "unauthorized"
    );
    assert_eq!(who(&asks, &[("a", "alice"), ("b", "alice")]).await, "alice");
    // The first one has hidden what the second one looks for.
    let same = [
        asking(method("a"), &json!({})),
        asking(any(&["b", "a"]), &json!({})),
    ];
    assert_eq!(who(&same, &[("a", "alice")]).await, "alice");
}

#[tokio::test]
async fn without_a_credential_it_is_nobody_where_that_is_allowed_and_a_wrong_one_is_refused() {
    let asks = [asking(method("a"), &json!({"optional": true}))];
    let fields = [("x-consumer-name", "root"), ("x-consumer-groups", "admins")];
    let outcome = with(&fields).through(&asks).await;
    assert_eq!(outcome.refusal(), None);
    assert!(outcome.context.headers.is_empty() && outcome.context.consumer.is_none());
    assert_eq!(who(&asks, &[("a", "wrong")]).await, "unauthorized");
}

#[tokio::test]
async fn what_a_token_says_is_known_to_later_plugins_and_to_the_upstream() {
    let asks = [asking(all(&["a", "b"]), &json!({}))];
    let outcome = with(&[("a", "token"), ("b", "bob")]).through(&asks).await;
    let context = outcome.context;
    assert!(context.has_scope("read") && !context.has_scope("write"));
    assert!(context.is_in_group("named") && context.is_in_group("gold"));
    assert_eq!(context.headers["x-consumer-groups"], "gold,named");
    assert_eq!(context.authenticated_by.as_slice(), ["a", "b"]);
    assert!(!context.headers.contains_key("a") && !context.headers.contains_key("b"));
}

#[test]
fn mistakes_in_trees_are_named() {
    let settings = json!({"any": [
        {"key-auth": {"headers": ["a b"]}},
        {"key_auth": {}},
        {"all": [{"key-auth": {"realm": "x"}}, {}]},
        {"any": []},
        {"all": [{"all": [{"all": [{"all": [{"key-auth": {}}]}]}]}]},
    ], "realm": "\""});
    let expected = [
        "settings.realm",
        "settings.any[0].key-auth.headers[0]",
        "settings.any[1].key_auth",
        "settings.any[2].all[0].key-auth.realm",
        "settings.any[2].all[1]",
        "settings.any[3].any",
        "settings.any[4].all[0].all[0].all[0].all",
    ];
    assert_eq!(mistakes("authenticate", &settings), expected);
    let both = json!({"any": [{"key-auth": {}}], "all": [{"key-auth": {}}]});
    assert_eq!(mistakes("authenticate", &both), ["settings"]);
    assert_eq!(mistakes("authenticate", &json!({})), ["settings"]);
    assert_eq!(
        mistakes("key-auth", &json!({"anonymus": "a"})),
        ["settings.anonymus"]
    );
}

#[tokio::test]
async fn a_tree_of_settings_asks_for_what_it_says() {
    let settings = json!({"any": [
        {"key-auth": {"headers": ["x-one"]}},
        {"all": [{"key-auth": {"headers": ["x-two"]}}, {"key-auth": {"headers": ["x-three"]}}]},
    ], "anonymous": "nobody", "hide_credential": false});
    let asks = [plugin("authenticate", &settings)];
    let request = |fields: &[(&str, &str)]| {
        let known = with(fields).knowing(consumer("alice", &[]), "alice-key");
        known
            .knowing(consumer("nobody", &[]), "unused-key")
            .through(&asks)
    };
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(Fields, Result<&str, &str>); 4] = [
        (&[("x-one", "alice-key")], Ok("alice")),
        (
            &[("x-two", "alice-key"), ("x-three", "alice-key")],
            Ok("alice"),
        ),
        (&[("x-two", "alice-key")], Err("unauthorized")),
        (&[], Ok("nobody")),
    ];
    for (fields, expected) in cases {
        let outcome = request(fields).await;
        let found = outcome.refusal().map_or_else(
            || Ok(outcome.context.consumer.as_ref().map_or("", |it| &*it.name)),
            Err,
        );
        assert_eq!(found, expected, "{fields:?}");
        assert_eq!(
            outcome.context.headers.contains_key("x-one"),
            fields.iter().any(|it| it.0 == "x-one")
        );
    }
    let references = reference_fields("authenticate", &settings);
    assert_eq!(references, ["settings.anonymous consumer/nobody"]);
}
