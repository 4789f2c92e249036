//! An authorizer that is asked over gRPC, by a server of tonic.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gatewright_proto::{
    Kind,
    ext_authz::{
        CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption,
        HttpStatus, OkHttpResponse, QueryParameter, Status,
        attribute_context::HttpRequest,
        authorization_server::{Authorization, AuthorizationServer},
        check_response::HttpResponse,
        header_value_option::HeaderAppendAction,
    },
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response,
    transport::{Identity, Server, ServerTlsConfig},
};

use crate::{
    gateway::{Gateway, body, status},
    upstream::echo,
};

/// Answers by what `X-Want` says, and keeps what it was asked.
#[derive(Clone, Default)]
struct Authorizer(Arc<Mutex<Vec<CheckRequest>>>);

impl Authorizer {
    fn asked(&self) -> CheckRequest {
        self.0.lock().unwrap().last().unwrap().clone()
    }

    fn told(&self) -> HttpRequest {
        let attributes = self.asked().attributes.unwrap();
        attributes.request.unwrap().http.unwrap()
    }
}

fn field(key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: key.to_owned(),
            value: value.to_owned(),
            raw_value: Vec::new(),
        }),
        ..HeaderValueOption::default()
    }
}

fn how(action: HeaderAppendAction, key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        append_action: action.into(),
        ..field(key, value)
    }
}

fn allowed() -> OkHttpResponse {
    use HeaderAppendAction as Action;
    let appended = HeaderValueOption {
        append: Some(true),
        ..field("x-list", "two")
    };
    OkHttpResponse {
        headers: vec![
            field("x-user", "u1"),
            appended,
            how(Action::OverwriteIfExists, "x-absent", "no"),
            how(Action::AddIfAbsent, "x-list", "no"),
            field("host", "evil"),
            field(":path", "/evil"),
        ],
        headers_to_remove: vec!["x-secret".to_owned(), "content-length".to_owned()],
        response_headers_to_add: vec![field("x-seen", "a"), field("x-seen", "b")],
        query_parameters_to_set: vec![QueryParameter {
            key: "tenant".to_owned(),
            value: "a&b".to_owned(),
        }],
        query_parameters_to_remove: vec!["debug".to_owned()],
        ..OkHttpResponse::default()
    }
}

fn denied(code: i32) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus { code }),
        headers: vec![field("x-why", "policy")],
        body: "no".to_owned(),
    }
}

#[tonic::async_trait]
impl Authorization for Authorizer {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, tonic::Status> {
        assert!(request.metadata().contains_key("grpc-timeout"));
        self.0.lock().unwrap().push(request.into_inner());
        let want = self.told().headers.get("x-want").cloned();
        let (code, said) = match want.as_deref() {
            Some("allow") => (0, Some(HttpResponse::OkResponse(allowed()))),
            Some("plainly") => (0, None),
            Some("deny") => (7, Some(HttpResponse::DeniedResponse(denied(429)))),
            Some("who") => (16, Some(HttpResponse::DeniedResponse(denied(401)))),
            Some("error") => return Err(tonic::Status::internal("a defect")),
            Some("contradiction") => (0, Some(HttpResponse::DeniedResponse(denied(403)))),
            Some("silent") => return Ok(Response::new(CheckResponse::default())),
            Some("large") => {
                let mut said = denied(403);
                said.body = "x".repeat(70_000);
                (7, Some(HttpResponse::DeniedResponse(said)))
            }
            _ => (7, None),
        };
        let message = String::new();
        Ok(Response::new(CheckResponse {
            status: Some(Status { code, message }),
            http_response: said,
            dynamic_metadata: None,
        }))
    }
}

/// An authorizer; in TLS for `localhost` where a certificate is given.
async fn authorizer(tls: Option<&CertifiedKey<rcgen::KeyPair>>) -> (Authorizer, SocketAddr) {
    let authorizer = Authorizer::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Server::builder();
    if let Some(CertifiedKey { cert, signing_key }) = tls {
        let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem());
        let config = ServerTlsConfig::new().identity(identity);
        server = server.tls_config(config).unwrap();
    }
    let service = AuthorizationServer::new(authorizer.clone());
    let served = server
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(served);
    (authorizer, address)
}

async fn guarded(settings: &Value, mode: &str) -> Gateway {
    let mut gateway = Gateway::start().await;
    let target = echo();
    let mut plugin =
        json!({"name": "p", "type": "ext-authz", "mode": mode, "attach": {"route": "r"}});
    plugin["settings"] = settings.clone();
    plugin["settings"]["timeout_ms"] = 5000.into();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{target}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (Kind::Plugin, plugin),
    ]);
    gateway
}

async fn ask(gateway: &Gateway, fields: &str, content: &str) -> String {
    let length = content.len();
    let request = format!(
        "POST /a%20b?debug=1&c=d HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{fields}\r\n{content}"
    );
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn an_authorizer_over_grpc_is_told_of_the_request_and_changes_it() {
    let (authorizer, address) = authorizer(None).await;
    let settings = json!({
        "url": format!("grpc://{address}"), "upstream_headers": ["x-user", "x-role"],
        "context": {"tenant": "shop", "kind": "api"}, "route_context": {"r": {"kind": "web"}},
        "send_identity": true,
    });
    let gateway = guarded(&settings, "enforce").await;
    let fields = "X-Want: allow\r\nX-User: forged\r\nX-Role: forged\r\nX-Secret: s\r\nX-List: one\r\nX-Two: a\r\nX-Two: b\r\n";
    let answer = ask(&gateway, fields, "hello").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let (head, forwarded) = answer.split_once("\r\n\r\n").unwrap();
    let (head, forwarded) = (head.to_lowercase(), forwarded.to_lowercase());
    assert!(head.contains("x-seen: a\r\nx-seen: b"), "{head}");
    assert!(
        forwarded.starts_with("post /a%20b?c=d&tenant=a%26b http/1.1"),
        "{forwarded}"
    );
    for there in [
        "x-user: u1\r\n",
        "x-list: one\r\n",
        "x-list: two\r\n",
        "\r\n\r\nhello",
    ] {
        assert!(forwarded.contains(there), "{there} in {forwarded}");
    }
    for gone in ["forged", "x-secret", "x-absent", "evil", "x-list: no"] {
        assert!(!forwarded.contains(gone), "{gone} in {forwarded}");
    }
    let told = authorizer.told();
    assert_eq!(
        (
            told.method.as_str(),
            told.path.as_str(),
            told.host.as_str(),
            told.scheme.as_str()
        ),
        ("POST", "/a%20b?debug=1&c=d", "shop.test", "http")
    );
    assert_eq!((told.size, told.body.as_str()), (5, ""));
    assert!(!told.id.is_empty());
    assert_eq!(told.headers["x-two"], "a,b");
    assert_eq!(told.headers["x-user"], "forged");
    assert_eq!(told.headers[":authority"], "shop.test");
    let attributes = authorizer.asked().attributes.unwrap();
    let context = attributes.context_extensions;
    assert_eq!(
        (context["tenant"].as_str(), context["kind"].as_str()),
        ("shop", "web")
    );
    assert_eq!(attributes.destination.unwrap().service, "s");
    let source = format!("{:?}", attributes.source.unwrap());
    assert!(source.contains("127.0.0.1"), "{source}");
    let known = attributes.metadata_context.unwrap().filter_metadata;
    assert!(known["gatewright"].fields.contains_key("consumer"));
    let plain = ask(&gateway, "X-Want: plainly\r\n", "").await;
    assert_eq!(status(&plain), 200, "{plain}");
    let line = "gatewright_plugin_calls_total{plugin=\"p\",outcome=\"answered\"}";
    assert_eq!(gateway.metric(line).await, 2);
}

#[tokio::test]
async fn an_authorizer_over_grpc_denies_and_what_is_no_answer_is_refused() {
    let (_authorizer, address) = authorizer(None).await;
    let settings =
        json!({"url": format!("grpc://{address}"), "challenge": "Bearer realm=\"shop\""});
    let gateway = guarded(&settings, "enforce").await;
    for (want, expected, text) in [
        ("deny", 429, "x-why: policy"),
        ("who", 401, "www-authenticate: bearer realm=\"shop\""),
        ("", 403, "cache-control: no-store"),
        ("error", 503, "\"authorizer_unavailable\""),
        ("contradiction", 503, "\"authorizer_unavailable\""),
        ("silent", 503, "\"authorizer_unavailable\""),
        ("large", 503, "\"authorizer_unavailable\""),
    ] {
        let answer = ask(&gateway, &format!("X-Want: {want}\r\n"), "").await;
        assert_eq!(status(&answer), expected, "{want} {answer}");
        assert!(answer.to_lowercase().contains(text), "{want} {answer}");
    }
    let shadow = guarded(&settings, "shadow").await;
    assert_eq!(status(&ask(&shadow, "X-Want: deny\r\n", "").await), 200);
}

#[tokio::test]
async fn a_body_is_sent_along_within_its_bound() {
    let (authorizer, address) = authorizer(None).await;
    let url = format!("grpc://{address}");
    let bounded = guarded(&json!({"url": url, "body": {"max_bytes": 4}}), "enforce").await;
    let allow = "X-Want: plainly\r\n";
    let answer = ask(&bounded, allow, "1234").await;
    assert_eq!(
        (status(&answer), authorizer.told().body.as_str()),
        (200, "1234")
    );
    assert!(body(&answer).ends_with("\r\n\r\n1234"), "{answer}");
    let answer = ask(&bounded, allow, "12345").await;
    assert_eq!(status(&answer), 413, "{answer}");
    let settings = json!({"url": url, "body": {"max_bytes": 4, "partial": true, "as_bytes": true}});
    let partial = guarded(&settings, "enforce").await;
    for (content, shown, flag) in [
        ("12", "12", "false"),
        ("1234", "1234", "false"),
        ("123456", "1234", "true"),
        (&"x".repeat(3_000), "xxxx", "true"),
    ] {
        let answer = ask(&partial, allow, content).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let forwarded = body(&answer).split_once("\r\n\r\n").unwrap().1;
        let sent = forwarded
            .matches(|it| content.contains(it) && it != '\r')
            .count();
        assert!(sent >= content.len(), "all of it goes on: {forwarded}");
        let told = authorizer.told();
        assert_eq!(told.raw_body, shown.as_bytes());
        assert_eq!(told.headers["x-envoy-auth-partial-body"], flag);
    }
}

#[tokio::test]
async fn an_authorizer_in_tls_is_checked_against_authorities_of_its_own() {
    let names = vec!["localhost".to_owned()];
    let certificate = generate_simple_self_signed(names).unwrap();
    let (_authorizer, address) = authorizer(Some(&certificate)).await;
    let url = format!("grpcs://localhost:{}", address.port());
    let settings = json!({"url": url, "ca": certificate.cert.pem()});
    let gateway = guarded(&settings, "enforce").await;
    let answer = ask(&gateway, "X-Want: plainly\r\n", "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let stranger = guarded(&json!({"url": url}), "enforce").await;
    let answer = ask(&stranger, "X-Want: plainly\r\n", "").await;
    assert_eq!(status(&answer), 503, "{answer}");
}
