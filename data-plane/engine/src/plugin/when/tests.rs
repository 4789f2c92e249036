use super::When;
use crate::plugin::tests::{Request, consumer};

fn holds(when: &str, request: &Request) -> Option<bool> {
    When::compile(when).unwrap().holds(&request.context)
}

fn order() -> Request {
    Request::get("/orders/7?full=1")
        .method("POST")
        .header("x-tenant", "a")
        .header("accept", "text/html")
        .header("accept", "text/plain")
        .of(consumer("alice", &["gold", "staff"]))
}

#[test]
fn it_sees_the_request_and_its_consumer() {
    for when in [
        "request.method == 'POST'",
        "request.host == 'example.com' && request.scheme == 'http'",
        "request.path.startsWith('/orders/') && request.query == 'full=1'",
        "request.client_address == '192.0.2.1'",
        "request.headers['x-tenant'] == 'a'",
        "request.headers.accept == 'text/html, text/plain'",
        "has(request.headers.accept) && !has(request.headers.cookie)",
        "!('x-debug' in request.headers)",
        "consumer != null && consumer.name == 'alice'",
        "'gold' in consumer.groups",
        "consumer.groups.exists(group, group.startsWith('st'))",
    ] {
        assert_eq!(holds(when, &order()), Some(true), "{when}");
        assert_eq!(
            holds(&format!("!({when})"), &order()),
            Some(false),
            "{when}"
        );
    }
    assert_eq!(holds("consumer == null", &Request::get("/")), Some(true));
}

#[test]
fn patterns_are_compiled_once_wherever_they_are() {
    for (when, expected) in [
        ("request.path.matches('^/orders/[0-9]+$')", true),
        ("matches(request.path, '^/[a-z]+$')", false),
        (
            "consumer.groups.exists(group, group.matches('^g.*d$')) && request.method.matches('POST')",
            true,
        ),
        (
            "[request.path.matches('x')][0] || {'a': request.host.matches('[.]com$')}.a",
            true,
        ),
    ] {
        assert_eq!(holds(when, &order()), Some(expected), "{when}");
    }
    for wrong in [
        "request.path.matches('(')",
        "request.path.matches(request.host)",
        "request.path.matches()",
    ] {
        assert!(When::compile(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_can_never_work_is_refused_when_it_is_written() {
    for wrong in [
        "request.method ==",
        "request.method",
        "1 + 1",
        "user == 'a'",
        "lower(request.path) == 'a'",
        "@pattern0 == 1",
    ] {
        assert!(When::compile(wrong).is_err(), "{wrong}");
    }
    assert!(When::compile(&format!("request.path == '{}'", "a".repeat(5000))).is_err());
}

#[test]
fn what_cannot_be_evaluated_for_this_request_is_neither_true_nor_false() {
    assert_eq!(holds("request.headers['x-none'] == 'a'", &order()), None);
    assert_eq!(holds("consumer.name == 'alice'", &Request::get("/")), None);
}
