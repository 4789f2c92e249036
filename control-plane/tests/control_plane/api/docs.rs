use axum::http::StatusCode;
use gatewright_proto::Kind;

use super::server::Server;

#[tokio::test]
async fn the_description_covers_every_kind_and_is_valid_json() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    let document = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for kind in Kind::ALL {
        assert!(
            paths.contains_key(&format!("/v1/{}", kind.plural())),
            "{kind}"
        );
        assert!(
            paths.contains_key(&format!("/v1/{}/{{name}}", kind.plural())),
            "{kind}"
        );
    }
    for path in [
        "/v1/apply",
        "/v1/export",
        "/v1/revisions",
        "/v1/nodes",
        "/healthz",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}

#[tokio::test]
async fn the_pages_need_no_other_server() {
    let server = Server::start().await;
    let index = server.get("/docs/").await;
    assert_eq!(index.status, StatusCode::OK);
    assert!(index.header("content-type").starts_with("text/html"));
    assert!(
        index
            .header("content-security-policy")
            .contains("default-src 'self'")
    );
    for attribute in ["src=\"", "href=\""] {
        for link in index.text.split(attribute).skip(1) {
            assert!(
                !link.starts_with("http") && !link.starts_with("//"),
                "{link}"
            );
            let file = link.split('"').next().unwrap().trim_start_matches("./");
            let answer = server.get(&format!("/docs/{file}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{file}");
        }
    }
    let initializer = server.get("/docs/swagger-initializer.js").await;
    assert!(
        initializer.text.contains("../openapi.json"),
        "{initializer:?}"
    );
    assert!(!initializer.text.contains("petstore"), "{initializer:?}");
    let redirect = server.get("/docs").await;
    assert!(redirect.status.is_redirection());
    server
        .get("/docs/none.js")
        .await
        .problem(404, "unknown_path");
}

#[tokio::test]
async fn schemas_of_kinds_and_plugins_are_served() {
    let server = Server::start().await;
    let all = server.get("/v1/schemas").await.json();
    assert_eq!(all.as_object().unwrap().len(), Kind::ALL.len());
    for name in ["route", "routes"] {
        let schema = server.get(&format!("/v1/schemas/{name}")).await.json();
        assert!(
            schema["properties"]["paths"]["description"].is_string(),
            "{schema}"
        );
    }
    let types = server.get("/v1/schemas/plugins").await;
    let (names, _) = types.names();
    assert!(names.contains(&"rate-limit".to_owned()), "{names:?}");
    let schema = server.get("/v1/schemas/plugins/rate-limit").await.json();
    assert!(schema["properties"]["limits"].is_object(), "{schema}");
    server
        .get("/v1/schemas/nothing")
        .await
        .problem(404, "not_found");
    server
        .get("/v1/schemas/plugins/nothing")
        .await
        .problem(404, "not_found");
}
