use axum::{
    body::Body,
    http::{Request, StatusCode},
};

use super::server::{Answer, Server, TOKEN};

async fn ask(server: &Server, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::builder().uri(path);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn nothing_is_told_without_a_token() {
    let server = Server::start().await;
    let basic = format!("Basic {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    let named = format!("Bearer tester={TOKEN}");
    for authorization in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some(&*basic),
        Some(&*longer),
        Some(&*named),
        Some(TOKEN),
    ] {
        for path in [
            "/v1/routes",
            "/v1/nodes",
            "/v1/export",
            "/v1/nothing/at/all/there",
            "/v1",
        ] {
            let answer = ask(&server, path, authorization).await;
            answer.problem(401, "unauthorized");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {TOKEN}");
        let answer = ask(&server, "/v1/routes", Some(&authorization)).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn probes_and_documentation_are_open() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/"] {
        let answer = ask(&server, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_template_and_status() {
    let server = Server::with_orders().await;
    server.get("/v1/routes/orders").await;
    server.get("/v1/routes/none").await;
    let metrics = ask(&server, "/metrics", None).await.text;
    for line in [
        "gatewright_admin_requests_total{method=\"GET\",path=\"/v1/{kinds}/{name}\",status=\"200\"} 1",
        "gatewright_admin_requests_total{method=\"GET\",path=\"/v1/{kinds}/{name}\",status=\"404\"} 1",
        "gatewright_admin_problems_total{code=\"not_found\"} 1",
        "gatewright_revision 1",
        "gatewright_resources{kind=\"route\"} 1",
        "gatewright_nodes 0",
        "gatewright_discovery_snapshots_total 0",
        "gatewright_discovery_acknowledge_duration_seconds_count 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}
