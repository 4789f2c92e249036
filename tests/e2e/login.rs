//! People who log in with a browser, over sockets: from the provider's form to the upstream, on two nodes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gatewright_tests::{
    node::TestNode,
    upstream::{Upstream, route},
};
use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

use crate::{
    fetching::Plane,
    provider::{CLIENT, Provider, Twist},
};

const SITE: &str = "https://app.test";

/// Two nodes in front of a site, and the provider that people log in at.
struct Scene {
    provider: Provider,
    plane: Plane,
    nodes: [TestNode; 2],
    _upstream: Upstream,
}

impl Scene {
    async fn start(lifetime: u64, more: &Value) -> Self {
        Box::pin(Self::started(lifetime, more)).await
    }

    async fn started(lifetime: u64, more: &Value) -> Self {
        let (plane, provider) = (Plane::start().await, Provider::start(lifetime).await);
        let upstream = Upstream::start().await;
        let urls = [plane.control_plane.url()];
        let first = TestNode::start("node-0", &urls, plane.dir.path()).await;
        let second = TestNode::start("node-1", &urls, plane.dir.path()).await;
        plane.control_plane.followed_by(2, 0).await;
        let made = rcgen::generate_simple_self_signed(vec!["app.test".to_owned()]).unwrap();
        let mut settings = json!({
            "key_set": "login", "client_id": CLIENT.0, "client_secret": "secret:client",
            "session_keys": ["secret:session"], "origin": SITE, "login_path": "/login",
            "claims_to_headers": {"sub": "x-user"}, "after_logout": "/goodbye", "timeout_ms": 500,
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let document = json!({
            "services": [upstream.service()],
            "routes": [route("site", "/")],
            "certificates": [{"name": "site", "certificate": made.cert.pem(),
                "private_key": made.signing_key.serialize_pem()}],
            "secrets": [{"name": "client", "value": CLIENT.1},
                {"name": "session", "value": BASE64_STANDARD.encode([7; 32])}],
            "key_sets": [{"name": "login", "issuer": provider.url}],
            "plugins": [{"name": "people", "type": "oidc-login", "attach": {"route": "site"},
                "settings": settings}],
        });
        plane.control_plane.admin.apply(&document).await;
        plane.comes_to_know("login", &["k1"]).await;
        let revision = plane.store.head().await.unwrap().revision;
        for node in [&first, &second] {
            node.serves(revision).await;
        }
        Self {
            provider,
            plane,
            nodes: [first, second],
            _upstream: upstream,
        }
    }

    fn visitor(&self) -> Visitor {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .resolve("app.test", ([127, 0, 0, 1], 0).into())
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(20));
        Visitor {
            client: client.build().unwrap(),
            ports: [0, 1].map(|place: usize| self.nodes[place].running.https.port()),
            node: 0,
            cookies: BTreeMap::new(),
        }
    }
}

/// A browser, as far as logging in goes.
struct Visitor {
    client: Client,
    ports: [u16; 2],
    /// The node that the load balancer takes.
    node: usize,
    cookies: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Seen {
    status: u16,
    location: String,
    challenge: String,
    body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Visitor {
    /// Asks for a page.
    async fn open(&mut self, path: &str) -> Seen {
        let fields = [
            ("accept", "text/html,*/*"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.ask(Method::GET, path, &fields).await
    }

    async fn ask(&mut self, method: Method, path: &str, fields: &[(&str, &str)]) -> Seen {
        let path = path.strip_prefix(SITE).unwrap_or(path);
        let url = format!("{SITE}:{}{path}", self.ports[self.node]);
        let mut request = self.client.request(method, url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies.iter();
        let cookies: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let response = request.send().await.unwrap();
        for field in response.headers().get_all("set-cookie") {
            self.keep(field.to_str().unwrap());
        }
        let text = |name: &str| {
            let value = response.headers().get(name);
            value.map_or("", |it| it.to_str().unwrap()).to_owned()
        };
        Seen {
            status: response.status().as_u16(),
            location: text("location"),
            challenge: text("www-authenticate"),
            body: response.text().await.unwrap(),
        }
    }

    /// As browsers do (RFC 6265bis, section 5.7).
    fn keep(&mut self, field: &str) {
        let mut parts = field.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let rest: Vec<&str> = parts.collect();
        assert!(name.starts_with("__Host-"), "{field}");
        for needed in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(rest.contains(&needed), "{needed}: {field}");
        }
        assert!(field.len() < 4096 && !field.contains("Domain"), "{field}");
        if rest.contains(&"Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Fills in the form of the provider, and says where it sends the browser back to.
    async fn fill_in(&self, location: &str, password: &str) -> String {
        let page = self.client.get(location).send().await.unwrap();
        assert_eq!(page.status(), 200, "{location}");
        let page = page.text().await.unwrap();
        let hidden = page.split("<input type=hidden name=").skip(1);
        let mut form: Vec<(String, String)> = hidden
            .map(|it| {
                let (name, rest) = it.split_once(" value='").unwrap();
                (name.to_owned(), rest.split('\'').next().unwrap().to_owned())
            })
            .collect();
        form.push(("username".to_owned(), "alice".to_owned()));
        form.push(("password".to_owned(), password.to_owned()));
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (base, _) = location.split_once("/authorize").unwrap();
        let answer = self
            .client
            .post(format!("{base}/login"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(pairs.join("&"))
            .send()
            .await
            .unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn log_in(&mut self, path: &str) -> Seen {
        let away = self.open(path).await;
        assert_eq!(away.status, 303, "{away:?}");
        let back = self.fill_in(&away.location, "correct").await;
        let welcome = self.open(&back).await;
        assert_eq!(welcome.status, 303, "{welcome:?}");
        welcome
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_on_one_node_comes_back_to_another_and_logs_out() {
    let scene = Scene::start(3600, &json!({"prompt": "login"})).await;
    let mut alice = scene.visitor();
    let away = alice.open("/orders?page=2").await;
    assert_eq!(away.status, 303, "{away:?}");
    assert_eq!(scene.provider.asked().get("prompt"), None);
    let back = alice.fill_in(&away.location, "correct").await;
    assert_eq!(scene.provider.asked()["prompt"], "login");
    alice.node = 1;
    let welcome = alice.open(&back).await;
    assert_eq!(
        welcome.location,
        format!("{SITE}/orders?page=2"),
        "{welcome:?}"
    );
    for node in [1, 0] {
        alice.node = node;
        let page = alice.open("/orders?page=2").await;
        assert_eq!(page.status, 200, "{page:?}");
        let headers = &page.json()["headers"];
        assert_eq!(headers["x-user"], "alice");
        assert!(headers.get("cookie").is_none(), "{headers}");
    }
    let cross = [("sec-fetch-site", "cross-site")];
    let forged = alice.ask(Method::POST, "/oauth2/logout", &cross).await;
    assert_eq!(
        (forged.status, &forged.json()["code"]),
        (403, &json!("cross_site"))
    );
    assert_eq!(alice.open("/").await.status, 200);
    let gone = alice.open("/oauth2/logout").await;
    let end = format!(
        "{}/end_session?client_id=web&id_token_hint=",
        scene.provider.url
    );
    assert!(gone.location.starts_with(&end), "{gone:?}");
    let after = "post_logout_redirect_uri=https%3A%2F%2Fapp.test%2Fgoodbye";
    assert!(gone.location.ends_with(after), "{gone:?}");
    assert_eq!(scene.provider.revoked(), 1);
    assert!(alice.cookies.is_empty(), "{:?}", alice.cookies);
    assert_eq!(alice.open("/").await.status, 303);
    let metrics = scene.nodes[1].running.status;
    let metrics = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = "gatewright_plugin_events_total{plugin=\"people\",event=\"completed\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    drop(scene.plane);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_in_the_browser_that_began_it_and_once() {
    let scene = Scene::start(3600, &json!({})).await;
    let (mut alice, mut thief) = (scene.visitor(), scene.visitor());
    // Two tabs at once, in either order.
    let tabs = [alice.open("/a").await, alice.open("/b").await];
    let first = alice.fill_in(&tabs[0].location, "correct").await;
    let second = alice.fill_in(&tabs[1].location, "correct").await;
    let stolen = thief.open(&second).await;
    assert_eq!(
        (stolen.status, &stolen.json()["code"]),
        (403, &json!("login_refused"))
    );
    assert!(stolen.body.contains("in another browser"), "{stolen:?}");
    assert!(thief.cookies.is_empty());
    assert_eq!(alice.open(&second).await.location, format!("{SITE}/b"));
    assert_eq!(alice.open(&first).await.location, format!("{SITE}/a"));
    let again = alice.open(&first).await;
    assert_eq!(again.status, 403, "{again:?}");
    assert_eq!(alice.open("/").await.status, 200, "the session stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_browsers_that_ask_for_a_page_are_sent_to_log_in() {
    let scene = Scene::start(3600, &json!({})).await;
    let mut alice = scene.visitor();
    let page = ("accept", "text/html");
    let cases: [(Method, &[(&str, &str)]); 6] = [
        (Method::GET, &[("accept", "*/*")]),
        (Method::GET, &[("accept", "application/json")]),
        (Method::POST, &[page]),
        (Method::GET, &[page, ("x-requested-with", "XMLHttpRequest")]),
        (Method::GET, &[page, ("sec-fetch-mode", "cors")]),
        (Method::GET, &[page, ("sec-purpose", "prefetch")]),
    ];
    for (method, fields) in cases {
        let seen = alice.ask(method, "/api", fields).await;
        assert_eq!(seen.status, 401, "{fields:?}: {seen:?}");
        assert_eq!(
            seen.challenge,
            "OpenID realm=\"gatewright\", login=\"/login\""
        );
        assert!(alice.cookies.is_empty(), "{fields:?}");
    }
    for (target, status) in [
        ("/login?return_to=/a%3Fb", 303),
        ("/login?return_to=//evil.example", 400),
        ("/login?return_to=https://evil.example", 400),
        ("/login?return_to=/%5Cevil.example", 400),
    ] {
        assert_eq!(alice.open(target).await.status, status, "{target}");
    }
}

/// Ways in which a provider misbehaves, and what browsers are told then.
fn twists() -> Vec<(Twist, (u16, &'static str))> {
    let claims = |claims: Value| Twist {
        claims,
        ..Twist::default()
    };
    let answer = |status, text: &str| Twist {
        answer: Some((status, text.to_owned())),
        ..Twist::default()
    };
    let (refused, down) = ((403, "login_refused"), (503, "login_unavailable"));
    let bearer = r#"{"token_type": "Bearer", "access_token": "a"}"#;
    vec![
        (claims(json!({"nonce": "another"})), refused),
        (claims(json!({"nonce": null})), refused),
        (claims(json!({"aud": "another"})), refused),
        (claims(json!({"aud": ["web", "another"]})), refused),
        (claims(json!({"azp": "another"})), refused),
        (claims(json!({"iss": "https://evil.example"})), refused),
        (claims(json!({"exp": 1})), refused),
        (claims(json!({"sub": null})), refused),
        (claims(json!({"iat": null})), refused),
        (claims(json!({"at_hash": "another"})), refused),
        (
            Twist {
                forged: true,
                ..Twist::default()
            },
            refused,
        ),
        (
            Twist {
                iss: Some("https://evil.example".to_owned()),
                ..Twist::default()
            },
            refused,
        ),
        (answer(400, r#"{"error": "invalid_grant"}"#), refused),
        (answer(401, r#"{"error": "invalid_client"}"#), down),
        (answer(500, ""), down),
        (answer(302, ""), down),
        (answer(200, "<html>"), down),
        (answer(200, bearer), down),
        (answer(200, &" ".repeat(300_000)), down),
        (
            Twist {
                hangs: true,
                ..Twist::default()
            },
            down,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_or_token_that_is_not_as_it_must_be_gives_no_session() {
    let scene = Scene::start(3600, &json!({})).await;
    for (place, (twist, (status, code))) in twists().into_iter().enumerate() {
        let mut alice = scene.visitor();
        scene.provider.twist(twist);
        let away = alice.open("/").await;
        let back = alice.fill_in(&away.location, "correct").await;
        let began = Instant::now();
        let seen = alice.open(&back).await;
        assert_eq!(
            (seen.status, &seen.json()["code"]),
            (status, &json!(code)),
            "{place}: {seen:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{place}");
        assert!(alice.cookies.is_empty(), "{place}");
    }
    scene.provider.twist(Twist::default());
    let mut alice = scene.visitor();
    let away = alice.open("/").await;
    let back = alice.fill_in(&away.location, "deny").await;
    let seen = alice.open(&back).await;
    let detail = "the provider refused the login: access_denied (scriptno/script)";
    assert_eq!((seen.status, &seen.json()["detail"]), (403, &json!(detail)));
    for query in [
        "",
        "?code=a",
        "?state=a&code=b",
        "?state=a&state=b&code=c",
        "?state=a",
    ] {
        let seen = alice.open(&format!("/oauth2/callback{query}")).await;
        assert_eq!(seen.status, 403, "{query}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_refreshed_once_and_sessions_outlive_an_outage_until_they_expire() {
    let scene = Scene::start(0, &json!({})).await;
    let mut alice = scene.visitor();
    alice.log_in("/").await;
    scene.provider.lifetime(3600);
    let before = alice.cookies.clone();
    // The tokens have expired; several requests of the session come at once.
    let mut tabs = [0, 1, 2].map(|_| scene.visitor());
    for tab in &mut tabs {
        tab.cookies = before.clone();
    }
    let [one, two, three] = &mut tabs;
    let pages = tokio::join!(one.open("/a"), two.open("/b"), three.open("/c"));
    for page in [pages.0, pages.1, pages.2] {
        assert_eq!(page.status, 200, "{page:?}");
    }
    assert_eq!(scene.provider.refreshes(), 1);
    // Cookies from before are still understood for a while, and the provider is not asked again.
    assert_eq!(alice.open("/").await.status, 200);
    assert_eq!(scene.provider.refreshes(), 1);
    assert_ne!(alice.cookies, before);
    // Another node has not seen that: the provider refuses the old token there.
    let mut late = scene.visitor();
    (late.cookies, late.node) = (before, 1);
    assert_eq!(late.open("/").await.status, 303);

    // With tokens that have expired, nobody can tell while the provider is down.
    scene.provider.lifetime(0);
    let mut bob = scene.visitor();
    bob.log_in("/").await;
    scene.provider.twist(Twist {
        answer: Some((500, String::new())),
        ..Twist::default()
    });
    let down = bob.open("/").await;
    assert_eq!(
        (down.status, &down.json()["code"]),
        (503, &json!("login_unavailable"))
    );
    assert_eq!(alice.open("/").await.status, 200, "hers have not");
}
