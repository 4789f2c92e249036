//! Spans as a collector gets them.

use std::time::Duration;

use gatewright_proto::Kind;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{
    fault::Fault,
    fleet::Fleet,
    gateway::{Gateway, body, status},
    upstream,
};

struct Collector(mpsc::Sender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter();
        let spans = spans.flat_map(|it| it.scope_spans).flat_map(|it| it.spans);
        for span in spans {
            let _ = self.0.send(span).await;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector on a free port, and what it is sent.
async fn collector() -> (String, mpsc::Receiver<Span>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, spans) = mpsc::channel(64);
    let service = TraceServiceServer::new(Collector(sender));
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (endpoint, spans)
}

#[tokio::test]
async fn a_collector_gets_the_exchange_and_its_stages_as_a_part_of_the_client_s_trace() {
    let (endpoint, mut spans) = collector().await;
    let mut gateway = Gateway::start_with(&["--otlp-endpoint", &endpoint]).await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    let answer = gateway.raw(request.as_bytes()).await;
    assert_eq!(status(&answer), 200);
    let mut all = Vec::new();
    while all.last().is_none_or(|span: &Span| span.name != "GET") {
        let span = timeout(Duration::from_secs(10), spans.recv()).await;
        all.push(span.unwrap().unwrap());
    }
    let names: Vec<&str> = all.iter().map(|span| &*span.name).collect();
    assert_eq!(
        names,
        [
            "read", "match", "admit", "pick", "forward", "respond", "GET"
        ]
    );
    let exchange = &all[6];
    assert_eq!(
        exchange.parent_span_id,
        0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()
    );
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128;
    assert!(all.iter().all(|span| span.trace_id == trace.to_be_bytes()));
    let forward: String = all[4]
        .span_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(body(&answer).contains(&forward), "{answer}");
    gateway.node.drain().await;
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own_and_the_parent_of_its_target_s() {
    let (endpoint, mut spans) = collector().await;
    let policy = json!({"on": ["server_error"], "backoff": {"base_ms": 1}});
    let faults = [Fault::HalfStatus];
    let flags = ["--otlp-endpoint", &endpoint];
    let fleet = Fleet::start_with(&flags, &faults, json!({ "retry": policy })).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!(status(&answer), 200);
    let mut all = Vec::new();
    while all.last().is_none_or(|span: &Span| span.name != "GET") {
        let span = timeout(Duration::from_secs(10), spans.recv()).await;
        all.push(span.unwrap().unwrap());
    }
    let attempts: Vec<&Span> = all.iter().filter(|span| span.name == "forward").collect();
    let [first, second] = *attempts else {
        panic!("two attempts: {all:?}");
    };
    let has = |span: &Span, name: &str| span.attributes.iter().any(|it| it.key == name);
    assert!(!has(first, "http.request.resend_count"), "{first:?}");
    assert!(has(second, "http.request.resend_count"), "{second:?}");
    assert!(has(second, "gatewright.retry_reason"), "{second:?}");
    let id = |span: &Span| -> String {
        let bytes = span.span_id.iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    };
    assert_ne!(id(first), id(second));
    assert!(body(&answer).contains(&id(second)), "{answer}");
    fleet.gateway.node.drain().await;
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_and_still_goes_on() {
    let (endpoint, mut spans) = collector().await;
    let flags = ["--otlp-endpoint", &endpoint, "--trace-ratio", "0"];
    let mut gateway = Gateway::start_with(&flags).await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let answer = gateway.get("/").await;
    let seen = body(&answer);
    let parent = seen.split("traceparent: ").nth(1).unwrap_or_default();
    assert_eq!(parent.get(52..55), Some("-00"), "{seen}");
    gateway.node.drain().await;
    assert!(spans.try_recv().is_err());
}
