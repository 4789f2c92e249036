//! What the engine costs a request, and what it costs to compile a configuration.
//!
//! ```text
//! cargo bench -p gatewright-engine
//! ```
//!
//! Prints the least of several rounds: what disturbs a round only adds to it.
#![allow(clippy::print_stdout)]

use std::{
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use gatewright_engine::{
    Client, Payload, Query, RequestContext, ResourceSet, Snapshot, compile,
    plugin::{Registry, admit, respond},
};
use gatewright_proto::{Kind, Resource};
use http::{HeaderMap, HeaderValue, Method, Response};
use serde_json::{Value, json};

const CONSUMERS: usize = 10_000;
const ROUNDS: usize = 7;

fn main() {
    for routes in [10, 1_000, 100_000] {
        look_up(routes);
    }
    run_plugins();
    compile_routes(10_000);
}

/// Finds routes by prefix.
fn look_up(routes: usize) {
    let snapshot = compiled(&with_routes(routes));
    let paths: Vec<String> = (0..4096)
        .map(|number| format!("/svc{}/items", number * 7919 % routes))
        .collect();
    let headers = HeaderMap::new();
    let took = least(|| {
        for path in &paths {
            let found = snapshot.find(&Query {
                host: "bench.local",
                path,
                query: None,
                method: &Method::GET,
                headers: &headers,
                client: [192, 0, 2, 1].into(),
                peer: [192, 0, 2, 1].into(),
                secure: false,
                server_name: None,
                body: Payload::None,
            });
            black_box(found.expect("there is a route").prefix_bytes);
        }
    });
    report(&format!("route among {routes}"), took, paths.len());
}

/// The chain key-auth, rate-limit, headers, for a request and its answer.
fn run_plugins() {
    let mut resources = with_routes(10);
    resources.extend((0..CONSUMERS).flat_map(|number| {
        let name = format!("consumer-{number}");
        let credential = json!({"name": format!("key-{number}"), "consumer": name,
            "digest": digest(&format!("key-{number:05}"))});
        [
            (Kind::Consumer, json!({"name": name})),
            (Kind::Credential, credential),
        ]
    }));
    let plugins = [
        ("key-auth", json!({"headers": ["x-api-key"]})),
        (
            "rate-limit",
            json!({"limits": [{"requests": 1_000_000, "per": "1s"}], "key": "consumer"}),
        ),
        (
            "headers",
            json!({"request": {"remove": ["accept"], "set": {"x-gateway": "bench"}},
                "response": {"remove": ["cache-control"]}}),
        ),
    ];
    resources.extend(plugins.map(|(name, settings)| {
        let plugin =
            json!({"name": name, "type": name, "attach": {"global": true}, "settings": settings});
        (Kind::Plugin, plugin)
    }));
    let snapshot = Arc::new(compiled(&resources));
    let mut contexts = Vec::new();
    let mut took = Duration::MAX;
    for _ in 0..ROUNDS {
        contexts.clear();
        contexts.extend((0..4096).map(|number| request(&snapshot, number * 7919 % CONSUMERS)));
        let began = Instant::now();
        for context in &mut contexts {
            exchange(context);
        }
        took = took.min(began.elapsed());
    }
    report("key-auth + rate-limit + headers", took, contexts.len());
}

fn exchange(request: &mut RequestContext) {
    let admitted = pin!(admit(request)).poll(&mut Context::from_waker(Waker::noop()));
    let std::task::Poll::Ready((ran, answer)) = admitted else {
        panic!("none of these plugins waits");
    };
    assert!(answer.is_none(), "{answer:?}");
    let (mut response, ()) = Response::new(()).into_parts();
    respond(&ran, request, &mut response);
    black_box(response);
}

fn request(snapshot: &Arc<Snapshot>, consumer: usize) -> RequestContext {
    let key = HeaderValue::from_str(&format!("key-{consumer:05}")).expect("visible ASCII");
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert("x-api-key", key);
    headers.insert("accept", HeaderValue::from_static("*/*"));
    RequestContext {
        snapshot: Arc::clone(snapshot),
        route: Arc::clone(&snapshot.routes[0]),
        client: Client {
            address: [192, 0, 2, 1].into(),
            secure: false,
            tls: None,
        },
        method: Method::GET,
        host: "bench.local".into(),
        path: "/svc0/items".to_owned(),
        query: None,
        written: None,
        has_body: false,
        headers,
        consumer: None,
        credential: None,
        claims: None,
        certificate: None,
        authenticated_by: Default::default(),
        decisions: Default::default(),
        fault: None,
        renewal: None,
        notes: Default::default(),
    }
}

fn digest(key: &str) -> String {
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// From resources to a snapshot, as for a node that starts.
fn compile_routes(routes: usize) {
    let set = set(&with_routes(routes));
    let took = least(|| {
        black_box(compile(1, &set, &Registry::default(), None).errors.len());
    });
    report(&format!("compile {routes} routes, each"), took, routes);
}

fn with_routes(routes: usize) -> Vec<(Kind, Value)> {
    let service = json!({"name": "origin", "url": "http://127.0.0.1:18001"});
    let route = |number| {
        json!({"name": format!("svc{number}"), "service": "origin",
            "paths": [{"prefix": format!("/svc{number}")}]})
    };
    let routes = (0..routes).map(|number| (Kind::Route, route(number)));
    routes.chain([(Kind::Service, service)]).collect()
}

fn set(resources: &[(Kind, Value)]) -> ResourceSet {
    let read = |(kind, value): &(Kind, Value)| -> Resource {
        kind.from_json(value.clone()).expect("a resource")
    };
    resources.iter().map(read).collect()
}

fn compiled(resources: &[(Kind, Value)]) -> Snapshot {
    let compiled = compile(1, &set(resources), &Registry::default(), None);
    assert!(compiled.errors.is_empty(), "{:?}", compiled.errors.first());
    compiled.snapshot
}

fn least(mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..ROUNDS).map(round).min().expect("there are rounds")
}

fn report(what: &str, took: Duration, times: usize) {
    println!("{what}: {:.0} ns", took.as_secs_f64() * 1e9 / times as f64);
}
