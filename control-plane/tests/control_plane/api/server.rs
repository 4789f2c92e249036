//! An admin API on a database of its own, without a socket.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header::CONTENT_TYPE},
};
use gatewright_control_plane::{
    api::{Api, Tokens, router},
    catalog::Catalog,
    discovery::{Fleet, Nodes},
    registration::Limits,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::store::database::{Database, MASTER_KEY};

pub(super) const TOKEN: &str = "a-token-of-the-tests";

/// A token that may only register targets of the upstream `orders`.
pub(super) const AGENT: &str = "a-token-of-an-agent";

/// An admin API and its database.
pub(super) struct Server {
    router: Router,
    database: Option<Database>,
}

/// The API on a database; this much may register.
pub(super) async fn api_on(database: &Database, limits: Limits) -> Api {
    api_with(database, MASTER_KEY, limits).await
}

async fn api_with(database: &Database, master_keys: &str, limits: Limits) -> Api {
    let store = database.open_with(master_keys).await.unwrap();
    let catalog = Catalog::load(store).await.unwrap();
    let tokens = format!("tester={TOKEN},agent:register:orders={AGENT}");
    let tokens = Tokens::parse(&tokens.into()).unwrap();
    let fleet = Fleet::new(Nodes::default(), catalog.store.clone(), "test");
    Api::limited(catalog, fleet, tokens, limits)
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Server {
    /// On a file.
    pub(super) async fn start() -> Self {
        Self::on(Database::sqlite()).await
    }

    /// On this database.
    pub(super) async fn on(database: Database) -> Self {
        Self::limited(database, Limits::default()).await
    }

    /// On this database; this much may register.
    pub(super) async fn limited(database: Database, limits: Limits) -> Self {
        let router = router(api_on(&database, limits).await);
        let database = Some(database);
        Self { router, database }
    }

    /// On a file, with these master keys.
    pub(super) async fn with_master_key(keys: &str) -> Self {
        let database = Database::sqlite();
        let router = router(api_with(&database, keys, Limits::default()).await);
        let database = Some(database);
        Self { router, database }
    }

    /// Another one on the same database, which goes with this one.
    pub(super) async fn beside(&self) -> Self {
        Self {
            router: router(api_on(self.database(), Limits::default()).await),
            database: None,
        }
    }

    pub(super) const fn database(&self) -> &Database {
        self.database.as_ref().expect("not one beside another")
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Sends a request with a token, these header fields and a body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], Body::empty()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &[], Body::empty()).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, &body).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &body).await
    }

    pub(super) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, &body).await
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.call(method, path, &headers, body.to_string()).await
    }

    /// A service and a route to it, both called `orders`.
    pub(super) async fn with_orders() -> Self {
        let server = Self::start().await;
        let applied = server
            .post(
                "/v1/apply",
                json!({"services": [service("orders")], "routes": [route("orders")]}),
            )
            .await;
        assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
        server
    }
}

impl Answer {
    /// Its JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no `{name}` in {self:?}"));
        value.to_str().unwrap()
    }

    /// The revision that it speaks of.
    pub(super) fn revision(&self) -> u64 {
        self.header("gatewright-revision").parse().unwrap()
    }

    /// Its JSON, if it is a well-formed problem of this status and code.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(problem["type"], "about:blank");
        assert!(!problem["message"].as_str().unwrap().is_empty());
        assert!(problem["errors"].is_array(), "{self:?}");
        problem
    }

    /// The names of a list, and what the next page is after.
    #[track_caller]
    pub(super) fn names(&self) -> (Vec<String>, Option<String>) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let json = self.json();
        let items = json["items"].as_array().unwrap().iter();
        let names = items.map(|item| item["name"].as_str().unwrap().to_owned());
        (
            names.collect(),
            json["next"].as_str().map(ToOwned::to_owned),
        )
    }
}

pub(super) fn service(name: &str) -> Value {
    json!({"name": name, "url": "http://127.0.0.1:1"})
}

/// A route to the service of the same name.
pub(super) fn route(name: &str) -> Value {
    json!({"name": name, "service": name, "paths": [{"prefix": format!("/{name}")}]})
}
