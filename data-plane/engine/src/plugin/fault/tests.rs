use std::time::Duration;

use serde_json::json;

use crate::plugin::{
    Injection,
    tests::{Request, limited_registry, mistakes, plugin},
};

async fn fault(request: Request, settings: &serde_json::Value) -> Option<Box<Injection>> {
    request.forwarded(&plugin("fault", settings)).await.fault
}

#[tokio::test]
async fn a_request_waits_and_is_then_answered() {
    let settings = json!({"delay": {"ms": 250}, "abort": {"status": 418}});
    let fault = fault(Request::get("/"), &settings).await.unwrap();
    assert_eq!(fault.delay, Some(Duration::from_millis(250)));
    let answer = fault.abort.as_ref().unwrap();
    assert_eq!(answer.status(), 418);
    let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("fault_injected"), &json!(418))
    );
}

#[tokio::test]
async fn a_share_of_none_is_none() {
    let settings =
        json!({"delay": {"ms": 250, "percent": 0}, "abort": {"status": 503, "percent": 0}});
    assert!(fault(Request::get("/"), &settings).await.is_none());
    let settings = json!({"delay": {"ms": 250, "percent": 0}, "abort": {"status": 503}});
    let fault = fault(Request::get("/"), &settings).await.unwrap();
    assert!(
        fault.delay.is_none() && fault.abort.is_some(),
        "each by itself"
    );
}

#[tokio::test]
async fn grpc_gets_a_status_of_its_own_kind() {
    let settings = json!({"abort": {"grpc_status": 14}});
    assert!(fault(Request::get("/"), &settings).await.is_none());
    let grpc = Request::get("/").header("content-type", "application/grpc+proto");
    let found = fault(grpc, &settings).await.unwrap();
    let answer = found.abort.as_ref().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn clients_say_what_they_want_only_where_they_may() {
    let asks = || {
        Request::get("/")
            .header("gatewright-fault-delay-ms", "90000")
            .header("gatewright-fault-status", "502")
    };
    let settings = json!({"by_header": true});
    assert!(fault(Request::get("/"), &settings).await.is_none());
    let context = asks().forwarded(&plugin("fault", &settings)).await;
    assert!(context.headers.is_empty(), "{:?}", context.headers);
    let fault = context.fault.unwrap();
    assert_eq!(fault.delay, Some(Duration::from_secs(60)), "bounded");
    assert_eq!(fault.abort.as_ref().unwrap().status(), 502);
    let settings = json!({"delay": {"ms": 1, "percent": 0}});
    assert!(self::fault(asks(), &settings).await.is_none());
}

#[tokio::test]
async fn a_body_is_slowed() {
    let settings = json!({"pace": {"kib_per_second": 8}});
    let found = fault(Request::get("/"), &settings).await.unwrap();
    assert_eq!((found.pace, found.delay), (Some(8), None));
    let asks = Request::get("/").header("gatewright-fault-kib-per-second", "0");
    let found = fault(asks, &json!({"by_header": true})).await.unwrap();
    assert_eq!(found.pace, Some(1));
}

#[tokio::test]
async fn there_are_only_so_many_at_a_time() {
    let planes = limited_registry();
    let settings = json!({"delay": {"ms": 10}, "max_active": 2});
    let fault = planes.plugin("fault", &settings);
    let first = Request::get("/").forwarded(&fault).await.fault;
    // As after a change of the configuration.
    let again = planes.plugin("fault", &settings);
    let second = Request::get("/").forwarded(&again).await.fault;
    assert!(first.is_some() && second.is_some());
    assert!(Request::get("/").forwarded(&again).await.fault.is_none());
    drop(first);
    assert!(Request::get("/").forwarded(&again).await.fault.is_some());
}

#[test]
fn every_mistake_is_named() {
    let found = mistakes(
        "fault",
        &json!({"delay": {"ms": 60_001, "percent": 101}, "abort": {"percent": -1}, "pace": {"kib_per_second": 0}, "max_active": 0}),
    );
    let expected = [
        "delay.ms",
        "delay.percent",
        "abort",
        "abort.percent",
        "pace.kib_per_second",
        "max_active",
    ];
    assert_eq!(found, expected.map(|it| format!("settings.{it}")));
    assert_eq!(mistakes("fault", &json!({})), ["settings"]);
    assert_eq!(
        mistakes("fault", &json!({"abort": {"status": 199}})),
        ["settings.abort.status"]
    );
}
