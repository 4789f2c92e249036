use std::sync::Arc;

use gatewright_proto::Version;
use http::{HeaderValue, response};
use serde_json::json;

use crate::{
    Code, Rejection, RequestContext,
    plugin::{
        Flow, Instance, Plugin, Scope,
        tests::{Request, build, consumer, plugin, resource},
        when::When,
    },
};

/// Writes its name into the request, and into the response on the way back.
#[derive(Debug)]
struct Trace {
    name: &'static str,
    does: Does,
}

#[derive(Clone, Copy, Debug)]
enum Does {
    GoOn,
    Wait,
    Refuse,
}

impl Plugin for Trace {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        request
            .headers
            .append("x-trace", HeaderValue::from_static(self.name));
        match self.does {
            Does::GoOn => Flow::Continue,
            Does::Wait => Flow::Wait(Box::pin(async move {
                tokio::task::yield_now().await;
                request
                    .headers
                    .append("x-trace", HeaderValue::from_static("waited"));
                Flow::Continue
            })),
            Does::Refuse => Flow::Reject(Rejection::new(Code::Forbidden, "no")),
        }
    }

    fn on_response(&self, _request: &RequestContext, response: &mut response::Parts) {
        response
            .headers
            .append("x-trace", HeaderValue::from_static(self.name));
    }
}

fn trace(name: &'static str, order: i32, does: Does) -> Instance {
    Instance {
        name: name.into(),
        plugin_type: "trace",
        version: Version::from_slice(&[0; 16]),
        order,
        scope: Scope::Global,
        shadow: false,
        refuses: true,
        when: None,
        except: Box::new([]),
        plugin: Box::new(Trace { name, does }),
        secrets: Box::new([]),
    }
}

fn shared<const N: usize>(instances: [Instance; N]) -> Vec<Arc<Instance>> {
    instances.into_iter().map(Arc::new).collect()
}

fn traces(headers: &http::HeaderMap) -> Vec<&str> {
    let values = headers.get_all("x-trace").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

/// With `key-auth` at its place, 1000, and a consumer with plugins of its own.
fn identified(of_consumer: Vec<Arc<Instance>>) -> Request {
    let mut alice = consumer("alice", &["gold"]);
    alice.plugins = of_consumer;
    Request::get("/")
        .knowing(alice, "alice-key")
        .header("x-api-key", "alice-key")
}

#[tokio::test]
async fn they_run_in_order_and_back_in_reverse() {
    let chain = shared([
        trace("b", 2, Does::Wait),
        trace("a", 1, Does::GoOn),
        trace("c", 3, Does::GoOn),
    ]);
    let outcome = Request::get("/").through(&chain).await;
    assert!(outcome.answer.is_none());
    assert_eq!(traces(&outcome.context.headers), ["a", "b", "waited", "c"]);
    assert_eq!(traces(&outcome.headers), ["c", "b", "a"]);
}

#[tokio::test]
async fn after_a_refusal_only_those_that_ran_see_the_answer() {
    let chain = shared([
        trace("a", 1, Does::GoOn),
        trace("no", 2, Does::Refuse),
        trace("c", 3, Does::GoOn),
    ]);
    let outcome = Request::get("/").through(&chain).await;
    assert_eq!(outcome.refusal(), Some("forbidden"));
    assert_eq!(traces(&outcome.headers), ["no", "a"]);
    let [decision] = &outcome.context.decisions[..] else {
        panic!("one decision");
    };
    assert_eq!(
        (&*decision.plugin, decision.code, decision.shadow),
        ("no", Code::Forbidden, false)
    );
}

#[tokio::test]
async fn in_shadow_mode_a_refusal_is_only_recorded() {
    let mut shadow = trace("no", 1, Does::Refuse);
    shadow.shadow = true;
    let outcome = Request::get("/")
        .through(&shared([shadow, trace("b", 2, Does::GoOn)]))
        .await;
    assert!(outcome.answer.is_none());
    assert_eq!(traces(&outcome.context.headers), ["no", "b"]);
    assert_eq!(outcome.context.decisions.len(), 1);
    assert!(outcome.context.decisions[0].shadow);
}

#[tokio::test]
async fn plugins_of_the_consumer_run_among_those_of_the_route() {
    let mut chain = shared([trace("a", 1500, Does::GoOn), trace("c", 3500, Does::GoOn)]);
    chain.push(plugin("key-auth", &json!({})));
    let of_consumer = shared([
        trace("late", 1, Does::GoOn),
        trace("b", 2500, Does::GoOn),
        trace("d", 4500, Does::GoOn),
    ]);
    let outcome = identified(of_consumer).through(&chain).await;
    assert_eq!(
        traces(&outcome.context.headers),
        ["late", "a", "b", "c", "d"]
    );
    assert_eq!(traces(&outcome.headers), ["d", "c", "b", "a", "late"]);
}

#[tokio::test]
async fn a_limit_of_the_consumer_is_enforced_although_the_route_has_none() {
    let limit = plugin(
        "rate-limit",
        &json!({"limits": [{"requests": 1, "per": "1h"}]}),
    );
    let chain = [plugin("key-auth", &json!({}))];
    let request = || identified(vec![Arc::clone(&limit)]);
    assert_eq!(request().through(&chain).await.refusal(), None);
    let over = request().through(&chain).await;
    assert_eq!(over.refusal(), Some("rate_limited"));
    assert!(
        over.headers.contains_key("ratelimit"),
        "the gateway's own answers have it too"
    );
}

#[tokio::test]
async fn what_is_excepted_is_told_when_a_request_is_there() {
    let cases = [
        (Scope::Consumer("alice".into()), None),
        (Scope::ConsumerGroup("gold".into()), None),
        (Scope::Consumer("bob".into()), Some("forbidden")),
        (Scope::ConsumerGroup("staff".into()), Some("forbidden")),
        (Scope::Route("test".into()), None),
        (Scope::Route("other".into()), Some("forbidden")),
        (Scope::Service("other".into()), Some("forbidden")),
    ];
    for (except, code) in cases {
        let mut refuses = trace("no", 2000, Does::Refuse);
        refuses.except = Box::new([except]);
        let chain = [plugin("key-auth", &json!({})), Arc::new(refuses)];
        assert_eq!(identified(Vec::new()).through(&chain).await.refusal(), code);
    }
    let mut early = trace("no", 1, Does::Refuse);
    early.except = Box::new([Scope::Consumer("alice".into())]);
    let chain = [plugin("key-auth", &json!({})), Arc::new(early)];
    let refusal = identified(Vec::new()).through(&chain).await.refusal();
    assert_eq!(refusal, Some("forbidden"), "nobody is known that early");
}

#[tokio::test]
async fn a_condition_decides_whether_it_runs_and_one_that_fails_does_not_unprotect() {
    for (when, refuses, code) in [
        ("request.method == 'GET'", true, Some("forbidden")),
        ("request.method == 'POST'", true, None),
        ("request.headers['x-none'] == 'a'", true, Some("forbidden")),
        ("request.headers['x-none'] == 'a'", false, None),
    ] {
        let mut instance = trace("no", 1, Does::Refuse);
        instance.when = Some(When::compile(when).unwrap());
        instance.refuses = refuses;
        let outcome = Request::get("/").through(&shared([instance])).await;
        assert_eq!(outcome.refusal(), code, "{when}");
        let failed = |it: &&crate::Decision| it.code == Code::Internal && it.shadow;
        let failures = outcome.context.decisions.iter().filter(failed).count();
        assert_eq!(failures, usize::from(when.contains("x-none")), "{when}");
    }
}

#[tokio::test]
async fn what_was_refused_by_the_node_closes_the_route_even_for_preflights() {
    let cors = plugin("cors", &json!({"origins": ["*"]}));
    let chain = [cors, Instance::closed("orders-key".into())];
    let preflight = Request::get("/")
        .method("OPTIONS")
        .header("origin", "https://a.com")
        .header("access-control-request-method", "PUT");
    assert_eq!(
        preflight.through(&chain).await.refusal(),
        Some("configuration_refused")
    );
}

#[tokio::test]
async fn answers_of_the_gateway_have_the_fields_of_cors() {
    let chain = [
        plugin("cors", &json!({"origins": ["https://app.example.com"]})),
        plugin("key-auth", &json!({})),
    ];
    let request = Request::get("/").header("origin", "https://app.example.com");
    let outcome = request.through(&chain).await;
    assert_eq!(outcome.refusal(), Some("unauthorized"));
    assert_eq!(
        outcome.headers["access-control-allow-origin"],
        "https://app.example.com"
    );
}

#[tokio::test]
async fn several_instances_of_a_type_all_run_and_keep_their_own_notes() {
    let registry = crate::plugin::Registry::default();
    let limited = |name: &str, requests: u32| {
        let settings = json!({"limits": [{"requests": requests, "per": "1m"}]});
        let mut resource = resource("rate-limit", &settings);
        resource.name = name.to_owned();
        build(&registry, &resource).unwrap()
    };
    let chain = [limited("a", 10), limited("b", 20)];
    let outcome = Request::get("/").through(&chain).await;
    let told: Vec<_> = outcome.headers.get_all("ratelimit").iter().collect();
    assert_eq!(told, ["\"b\";r=19;t=3", "\"a\";r=9;t=6"]);
}
