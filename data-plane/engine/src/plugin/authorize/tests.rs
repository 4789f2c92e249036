use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Claims,
    plugin::tests::{Request, consumer, mistakes, plugin},
};

fn with_claims(mut request: Request, scopes: &[&str], claims: Value) -> Request {
    let Value::Object(values) = claims else {
        panic!("claims are an object");
    };
    request.context.claims = Some(Arc::new(Claims {
        groups: vec!["token-group".into()],
        scopes: scopes.iter().map(|it| Arc::from(*it)).collect(),
        values,
    }));
    request
}

#[tokio::test]
async fn the_first_rule_that_denies_wins_and_is_named() {
    let rules = json!({
        "deny": [
            {"name": "no-deletes", "when": "request.method == 'DELETE'"},
            {"name": "never", "when": "true"},
        ],
        "allow": [{"name": "all", "when": "true"}],
    });
    let rules = plugin("authorize", &rules);
    for (method, rule) in [("DELETE", "`no-deletes`"), ("GET", "`never`")] {
        let refused = Request::get("/").method(method).rejection(&rules).await;
        let refused = refused.unwrap();
        assert_eq!(refused.code.as_str(), "forbidden");
        assert!(refused.detail.contains(rule), "{}", refused.detail);
    }
}

#[tokio::test]
async fn what_no_rule_is_true_of_gets_the_default() {
    let closed = json!({"allow": [{"name": "staff", "when": "'staff' in groups"}]});
    let open = json!({"default": "allow", "deny": [{"name": "bad", "when": "'bad' in groups"}]});
    let (closed, open) = (plugin("authorize", &closed), plugin("authorize", &open));
    let of = |group: &'static str| Request::get("/").of(consumer("alice", &[group]));
    assert_eq!(of("staff").refusal(&closed).await, None);
    assert_eq!(of("guest").refusal(&closed).await, Some("forbidden"));
    assert_eq!(Request::get("/").refusal(&closed).await, Some("forbidden"));
    assert_eq!(of("guest").refusal(&open).await, None);
    assert_eq!(of("bad").refusal(&open).await, Some("forbidden"));
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_lets_nothing_through() {
    let expression = "claims.tenant == 'a'";
    let deny = json!({"default": "allow", "deny": [{"name": "a", "when": expression}]});
    let allow = json!({"allow": [{"name": "a", "when": expression}]});
    for settings in [deny, allow] {
        let rules = plugin("authorize", &settings);
        let refused = Request::get("/").refusal(&rules).await;
        assert_eq!(refused, Some("forbidden"), "{settings}");
    }
}

#[tokio::test]
async fn rules_see_claims_scopes_parameters_cookies_and_the_address() {
    for (when, holds) in [
        ("'read' in scopes && !('write' in scopes)", true),
        (
            "claims.sub == 'u1' && claims.level > 2 && claims.realm.roles[0] == 'r'",
            true,
        ),
        ("has(claims.nothing)", false),
        ("'token-group' in groups && 'gold' in groups", true),
        ("'1' in request.parameters.debug", true),
        ("'a b' in request.parameters.name", true),
        ("'v' in request.cookies.c", true),
        (
            "cidr(request.client_address, '192.0.2.0/24', '10.0.0.0/8')",
            true,
        ),
        (
            "request.client_address.cidr('10.0.0.0/8', '2001:db8::/32')",
            false,
        ),
        ("authenticated_by.size() == 0", true),
    ] {
        let rules = plugin(
            "authorize",
            &json!({"allow": [{"name": "a", "when": when}]}),
        );
        let claims = json!({"sub": "u1", "level": 3, "realm": {"roles": ["r"]}});
        let request = Request::get("/?debug=0&debug=1&name=a+%62")
            .header("cookie", "c=w; c=v")
            .of(consumer("alice", &["gold"]));
        let refused = with_claims(request, &["read"], claims)
            .refusal(&rules)
            .await;
        assert_eq!(refused.is_none(), holds, "{when}");
    }
}

#[tokio::test]
async fn what_is_too_long_to_go_over_is_refused() {
    let rules = json!({"default": "allow", "deny": [
        {"name": "a", "when": "request.parameters.exists(name, name == 'x')"},
    ]});
    let rules = plugin("authorize", &rules);
    for (count, refused) in [(200, None), (257, Some("forbidden"))] {
        let path = format!("/?{}", "a=1&".repeat(count));
        assert_eq!(
            Request::get(&path).refusal(&rules).await,
            refused,
            "{count}"
        );
    }
    let rules = json!({"allow": [{"name": "a", "when": "claims.sub == 'u'"}]});
    let rules = plugin("authorize", &rules);
    for (count, refused) in [(256, None), (257, Some("forbidden"))] {
        let claims = json!({"sub": "u", "list": vec![1; count]});
        let request = with_claims(Request::get("/"), &[], claims);
        assert_eq!(request.refusal(&rules).await, refused, "{count}");
    }
}

#[test]
fn mistakes_are_named_with_their_rule() {
    let nested = "[1].all(a, [1].all(b, [1].all(c, a + b + c > 0)))";
    let settings = json!({
        "deny": [{"name": "a", "when": "request.method =="}, {"name": "a", "when": nested}],
        "allow": [
            {"name": "", "when": "1 + 1"},
            {"name": "b", "when": "cidr(request.client_address, 'x')"},
            {"name": "c", "when": "cidr(request.client_address)"},
        ],
    });
    let expected = [
        "settings.deny[0].when",
        "settings.deny[1].name",
        "settings.deny[1].when",
        "settings.allow[0].name",
        "settings.allow[0].when",
        "settings.allow[1].when",
        "settings.allow[2].when",
    ];
    assert_eq!(mistakes("authorize", &settings), expected);
    assert_eq!(mistakes("authorize", &json!({})), ["settings"]);
    let open = json!({"default": "allow", "allow": [{"name": "a", "when": "true"}]});
    assert_eq!(mistakes("authorize", &open), ["settings.default"]);
}
