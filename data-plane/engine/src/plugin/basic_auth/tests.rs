use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    password::PasswordHash,
    plugin::{
        Clients, Heavy, Instance, Job, Pending, Registry,
        tests::{Request, build, consumer, mistakes, resource},
    },
};

/// Runs jobs at once, as many as there is room for.
#[derive(Debug)]
struct Counted {
    room: usize,
    ran: AtomicUsize,
}

impl Heavy for Counted {
    fn run(&self, job: Job) -> Option<Pending> {
        if self.ran.fetch_add(1, Ordering::Relaxed) >= self.room {
            return None;
        }
        Some(Box::pin(async move { Some(job()) }))
    }
}

fn counted(room: usize) -> Arc<Counted> {
    Arc::new(Counted {
        room,
        ran: AtomicUsize::new(0),
    })
}

fn auth(heavy: &Arc<Counted>, settings: &Value) -> Arc<Instance> {
    let registry = Registry {
        clients: Clients {
            heavy: Some(Arc::clone(heavy) as _),
            ..Clients::default()
        },
        ..Registry::default()
    };
    build(&registry, &resource("basic-auth", settings)).unwrap()
}

fn hash(password: &str) -> Arc<PasswordHash> {
    let hash = bcrypt::hash(password, 4).unwrap();
    Arc::new(PasswordHash::read(&hash).unwrap())
}

/// A request with this `Authorization`, to a gateway that knows alice by this hash.
fn request(hash: &Arc<PasswordHash>, authorization: &str) -> Request {
    let request = match authorization {
        "" => Request::get("/"),
        value => Request::get("/").header("authorization", value),
    };
    request.knowing_login((consumer("alice", &[]), None), "al ice", hash)
}

fn basic(login: &str) -> String {
    format!("Basic {}", STANDARD.encode(login))
}

#[tokio::test]
async fn a_right_password_says_who_the_consumer_is_and_is_hidden() {
    let (auth, hash) = (auth(&counted(9), &json!({})), hash("pass:word"));
    for scheme in ["Basic", "bASIC"] {
        let value = basic("al ice:pass:word").replace("Basic", scheme);
        let forwarded = request(&hash, &value).forwarded(&auth).await;
        assert_eq!(&*forwarded.consumer.unwrap().name, "alice");
        assert!(forwarded.credential.is_some());
        assert!(!forwarded.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn everything_else_is_refused_alike() {
    let (auth, hash) = (
        auth(&counted(99), &json!({"realm": "shop"})),
        hash("password"),
    );
    for value in [
        "",
        "Basic",
        "Basic ?",
        "Basic YWxpY2U=",
        &basic("al ice:passwore"),
        &basic("al ice:"),
        &basic("bob:password"),
        &basic(&format!("al ice:{}", "x".repeat(300))),
    ] {
        let rejection = request(&hash, value).rejection(&auth).await.unwrap();
        assert_eq!(rejection.code.as_str(), "unauthorized", "{value}");
        let expected = "Basic realm=\"shop\", charset=\"UTF-8\"";
        assert_eq!(rejection.headers[0].1, expected);
    }
    let twice = request(&hash, &basic("al ice:password"));
    let twice = twice.header("authorization", &basic("al ice:password"));
    assert_eq!(twice.refusal(&auth).await, Some("unauthorized"));
    // What is for another method is no credential of this one.
    let other = request(&hash, "Basics abc").refusal(&auth).await;
    assert_eq!(other, Some("unauthorized"));
}

#[tokio::test]
async fn a_password_is_compared_once_and_a_changed_one_again() {
    let heavy = counted(99);
    let auth = auth(&heavy, &json!({}));
    let ran = |expected: usize| assert_eq!(heavy.ran.load(Ordering::Relaxed), expected);
    let first = hash("password");
    for _ in 0..3 {
        let right = request(&first, &basic("al ice:password"));
        assert_eq!(right.refusal(&auth).await, None);
    }
    ran(1);
    for _ in 0..3 {
        let wrong = request(&first, &basic("al ice:passwore"));
        assert_eq!(wrong.refusal(&auth).await, Some("unauthorized"));
        let unknown = request(&first, &basic("bob:password"));
        assert_eq!(unknown.refusal(&auth).await, Some("unauthorized"));
    }
    ran(3);
    let changed = request(&hash("another"), &basic("al ice:password"));
    assert_eq!(changed.refusal(&auth).await, Some("unauthorized"));
    ran(4);
}

#[tokio::test]
async fn where_too_many_are_compared_new_ones_are_refused_and_remembered_ones_pass() {
    let (auth, hash) = (auth(&counted(1), &json!({})), hash("password"));
    let right = || request(&hash, &basic("al ice:password"));
    assert_eq!(right().refusal(&auth).await, None);
    let wrong = request(&hash, &basic("al ice:wrong"));
    let rejection = wrong.rejection(&auth).await.unwrap();
    assert_eq!(rejection.code.as_str(), "authentication_busy");
    assert_eq!(rejection.headers[0].0, "retry-after");
    assert_eq!(right().refusal(&auth).await, None);
}

#[tokio::test]
async fn an_expired_credential_is_refused_though_its_password_is_remembered() {
    let (auth, hash) = (auth(&counted(1), &json!({})), hash("password"));
    let until = |end: SystemTime| {
        let request = Request::get("/").header("authorization", &basic("alice:password"));
        request.knowing_login((consumer("alice", &[]), Some(end)), "alice", &hash)
    };
    let hour = Duration::from_secs(3600);
    let valid = until(SystemTime::now() + hour);
    assert_eq!(valid.refusal(&auth).await, None);
    let expired = until(SystemTime::now() - hour);
    assert_eq!(expired.refusal(&auth).await, Some("unauthorized"));
}

#[test]
fn mistakes_are_named() {
    let settings = json!({"remember_seconds": 9999, "relm": "x"});
    let found = mistakes("basic-auth", &settings);
    assert_eq!(found, ["settings.relm"]);
    let found = mistakes("basic-auth", &json!({"remember_seconds": 9999}));
    assert_eq!(found, ["settings.remember_seconds"]);
}
