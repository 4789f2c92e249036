//! Keys that are fetched: rotated, and kept where the endpoint is down, slow, oversized or hostile.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gatewright_control_plane::store::{self, Store, StoreSettings};
use gatewright_tests::{condition::eventually, control_plane::TestControlPlane};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Answers each path as it is told to; nothing it says goes through an HTTP library.
#[derive(Clone)]
struct Endpoint {
    address: SocketAddr,
    answers: Arc<Mutex<Vec<(String, Says)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
enum Says {
    /// This, as it is.
    Raw(String),
    /// A document.
    Json(Value),
    /// Nothing, for as long as it is waited for.
    Nothing,
    /// A body without end.
    Endless,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let serving = endpoint.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        endpoint
    }

    fn says(&self, path: &str, says: Says) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != path);
        answers.push((path.to_owned(), says));
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut head, mut part) = (Vec::new(), [0; 4096]);
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            match stream.read(&mut part).await {
                Ok(read @ 1..) => head.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        self.asked.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let known = self.answers.lock().unwrap().clone();
        let says = known.into_iter().find(|(known, _)| *known == path);
        let text = match says.map(|(_, says)| says) {
            Some(Says::Raw(text)) => text,
            Some(Says::Json(document)) => answer("200 OK", &document.to_string()),
            Some(Says::Nothing) => std::future::pending().await,
            Some(Says::Endless) => {
                let chunk = [b' '; 4096];
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&chunk).await.is_ok() {}
                return;
            }
            None => answer("404 Not Found", ""),
        };
        let _ = stream.write_all(text.as_bytes()).await;
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Keys of the table of tokens.
fn jwks(names: &[&str]) -> Value {
    let table: Value = serde_json::from_str(include_str!("../jwt/cases.json")).unwrap();
    let sets = table["sets"].as_object().unwrap().values();
    let known: Vec<&Value> = sets
        .filter_map(|set| set["keys"].as_array())
        .flatten()
        .collect();
    let key = |name: &&str| {
        let found = known.iter().find(|key| key["kid"] == **name);
        (*found.unwrap()).clone()
    };
    json!({"keys": names.iter().map(key).collect::<Vec<_>>()})
}

struct Plane {
    control_plane: TestControlPlane,
    store: Arc<dyn Store>,
    _dir: tempfile::TempDir,
}

impl Plane {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        let control_plane = TestControlPlane::start(&url).await;
        let store = store::open(&url, &StoreSettings::default()).await.unwrap();
        Self {
            control_plane,
            store,
            _dir: dir,
        }
    }

    async fn put(&self, name: &str, set: Value) {
        let admin = &self.control_plane.admin;
        admin.put(&format!("/v1/key_sets/{name}"), &set).await;
    }

    async fn fetched(&self, name: &str) -> Value {
        let admin = &self.control_plane.admin;
        admin
            .get(&format!("/v1/key_sets/{name}/fetched"))
            .await
            .json()
    }

    async fn kids(&self, name: &str) -> Vec<String> {
        let fetched = self.fetched(name).await;
        let keys = fetched["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Has it fetched again at once.
    async fn again(&self, name: &str) {
        self.store.hasten_fetch(name, 0).await.unwrap();
    }

    async fn fails(&self, name: &str, reason: &str) {
        eventually("the fetch fails", async || {
            let fetched = self.fetched(name).await;
            let error = fetched["error"].as_str().unwrap();
            assert!(error.is_empty() || error.contains(reason), "{error}");
            !error.is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_stay_where_the_endpoint_does_not_answer() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    endpoint.says("/keys", Says::Json(jwks(&["rsa"])));
    plane
        .put("login", json!({"url": endpoint.url("/keys")}))
        .await;
    let rotated = async |expected: &[&str]| {
        eventually("the keys are known", async || {
            plane.kids("login").await == expected
        })
        .await;
    };
    rotated(&["rsa"]).await;
    endpoint.says("/keys", Says::Json(jwks(&["rsa", "ed"])));
    plane.again("login").await;
    rotated(&["ed", "rsa"]).await;
    let before = plane.store.head().await.unwrap().revision;
    for says in [
        Says::Raw(answer("500 Internal Server Error", "")),
        Says::Raw(answer("200 OK", "<!doctype html>")),
        Says::Json(json!({"keys": []})),
    ] {
        endpoint.says("/keys", says);
        let failures = plane.fetched("login").await["failures"].as_u64().unwrap();
        eventually("it is asked again", async || {
            plane.again("login").await;
            plane.fetched("login").await["failures"].as_u64().unwrap() > failures
        })
        .await;
        assert_eq!(plane.kids("login").await, ["ed", "rsa"]);
    }
    // The same keys in another order, with more beside them, are no change.
    let mut same = jwks(&["ed", "rsa"]);
    same["keys"][0]["x5t"] = json!("abc");
    endpoint.says("/keys", Says::Json(same));
    eventually("it is fetched again", async || {
        plane.again("login").await;
        plane.fetched("login").await["failures"] == 0
    })
    .await;
    assert_eq!(plane.store.head().await.unwrap().revision, before);
    let shown = plane.control_plane.admin.get("/v1/key_sets/login").await;
    assert!(!shown.json().as_object().unwrap().contains_key("fetched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_slow_down_oversized_or_hostile_gives_no_keys_and_says_why() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    let elsewhere = endpoint.url("/elsewhere");
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let claims_more = "HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n{".to_owned();
    let twice = r#"{"keys":[],"keys":[]}"#;
    let oct =
        json!({"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]});
    let cases = [
        ("slow", Says::Nothing, "no answer in time"),
        ("drips", Says::Raw(claims_more), ""),
        ("endless", Says::Endless, "more than 256 KiB"),
        (
            "redirects",
            Says::Raw(redirect),
            "redirects are not followed",
        ),
        ("down", Says::Raw(String::new()), ""),
        ("twice", Says::Raw(answer("200 OK", twice)), "twice"),
        ("secrets", Says::Json(oct), "a secret"),
        (
            "unchanged",
            Says::Raw("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()),
            "304",
        ),
    ];
    for (name, says, _) in &cases {
        endpoint.says(&format!("/{name}"), says.clone());
        let url = endpoint.url(&format!("/{name}"));
        plane
            .put(name, json!({"url": url, "timeout_ms": 500}))
            .await;
    }
    for (name, _, reason) in &cases {
        plane.fails(name, reason).await;
        assert!(plane.kids(name).await.is_empty(), "{name}");
    }
    assert!(!endpoint.asked().iter().any(|it| it.contains("/elsewhere")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_says_where_its_keys_are_and_must_be_the_one_that_was_asked() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    let (good, evil) = (endpoint.url("/good"), endpoint.url("/evil"));
    endpoint.says("/keys", Says::Json(jwks(&["rsa"])));
    let configuration = json!({"issuer": good, "jwks_uri": endpoint.url("/keys")});
    let path = "/.well-known/openid-configuration";
    endpoint.says(&format!("/good{path}"), Says::Json(configuration.clone()));
    endpoint.says(&format!("/evil{path}"), Says::Json(configuration));
    let file = json!({"issuer": endpoint.url("/file"), "jwks_uri": "file:///etc/passwd"});
    endpoint.says(&format!("/file{path}"), Says::Json(file));
    plane.put("good", json!({"issuer": good})).await;
    plane.put("evil", json!({"issuer": evil})).await;
    let url = endpoint.url("/file");
    plane.put("file", json!({"issuer": url})).await;
    eventually("the keys are known", async || {
        plane.kids("good").await == ["rsa"]
    })
    .await;
    plane.fails("evil", "another issuer").await;
    plane.fails("file", "jwks_uri").await;
}
