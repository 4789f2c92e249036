use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::plugin::{
    Answering, CallError, Caller, Clients, Instance, Question, Registry,
    tests::{Request, build, consumer, mistakes, plugin, reference_fields, resource},
};
use crate::secret::{Lack, LocalSecrets, SecretText};

/// A machine on which every variable of the environment is a secret.
#[derive(Debug)]
struct Known;

impl LocalSecrets for Known {
    fn env(&self, _name: &str) -> Result<SecretText, Lack> {
        Ok(SecretText::new("s3cret"))
    }

    fn file(&self, _path: &str) -> Result<SecretText, Lack> {
        Err(Lack::Elsewhere)
    }
}

/// Answers in turn, and then with the last one again.
#[derive(Debug)]
struct Answers {
    list: Mutex<VecDeque<Result<(u16, String), CallError>>>,
    asked: AtomicU32,
    forms: Mutex<Vec<String>>,
}

impl Caller for Answers {
    fn call(&self, question: Question) -> Answering {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let form = String::from_utf8(question.request.body().to_vec()).unwrap();
        self.forms.lock().unwrap().push(form);
        let mut list = self.list.lock().unwrap();
        let answer = match list.len() {
            1 => list[0].clone(),
            _ => list.pop_front().unwrap(),
        };
        Box::pin(async move {
            let (status, body) = answer?;
            let response = Response::builder().status(status);
            let response = response.header(CONTENT_TYPE, "application/json");
            Ok(response.body(Bytes::from(body)).unwrap())
        })
    }
}

fn answers(list: &[Result<(u16, &str), CallError>]) -> Arc<Answers> {
    let owned =
        |it: &Result<(u16, &str), CallError>| it.map(|(status, body)| (status, body.to_owned()));
    Arc::new(Answers {
        list: Mutex::new(list.iter().map(owned).collect()),
        asked: AtomicU32::new(0),
        forms: Mutex::default(),
    })
}

fn method(settings: &Value, answers: &Arc<Answers>) -> Arc<Instance> {
    let mut all = json!({
        "endpoint": "http://127.0.0.1:1/introspect", "client": {"id": "gw", "secret": "env:SECRET"},
    });
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let registry = Registry {
        clients: Clients {
            caller: Some(Arc::clone(answers) as _),
            ..Clients::default()
        },
        local: Arc::new(Known),
        ..Registry::default()
    };
    build(&registry, &resource("introspection", &all)).unwrap()
}

fn bearer(token: &str) -> Request {
    Request::get("/a").header("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn what_the_server_says_decides_and_nonsense_lets_nobody_pass() {
    let rows = include_str!("cases.tsv").lines();
    for row in rows.filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [status, body, code, reason] = columns[..] else {
            panic!("{row}");
        };
        let answer = match status {
            "timeout" => Err(CallError::Timeout),
            "failed" => Err(CallError::Failed),
            "busy" => Err(CallError::Busy),
            status => Ok((status.parse().unwrap(), body)),
        };
        let answers = answers(std::slice::from_ref(&answer));
        let settings = json!({"scopes": ["read"], "audiences": ["orders"]});
        let method = method(&settings, &answers);
        let rejection = bearer("t").rejection(&method).await;
        let said = rejection.as_ref().map_or("ok", |it| it.code.as_str());
        assert_eq!(said, code, "{row}");
        let why = rejection.and_then(|it| it.reason).unwrap_or("-");
        assert_eq!(why, reason, "{row}");
        // What nobody could tell is asked again, and nothing else.
        let again = bearer("t").refusal(&method).await.unwrap_or("ok");
        assert_eq!(again, code, "{row}");
        let times = if code == "introspection_unavailable" {
            2
        } else {
            1
        };
        assert_eq!(answers.asked.load(Ordering::Relaxed), times, "{row}");
    }
}

#[tokio::test]
async fn the_token_says_who_calls_and_nothing_is_asked_of_what_can_be_none() {
    let good = r#"{"active":true,"client_id":"alice","roles":["staff"],"sub":"u1"}"#;
    let answers = answers(&[Ok((200, good))]);
    let settings = json!({
        "consumer_claim": "client_id", "groups_claim": "roles", "claims_to_headers": {"sub": "x-user"},
        "hide_credential": true, "parameters": {"resource": "a b"},
    });
    let method = method(&settings, &answers);
    let request = bearer("a+b/c~d=").header("x-user", "forged");
    let request = request.knowing(consumer("alice", &["gold"]), "key");
    let outcome = request.through(std::slice::from_ref(&method)).await;
    assert_eq!(outcome.refusal(), None);
    let context = &outcome.context;
    assert_eq!(context.headers["x-user"], "u1");
    assert_eq!(&*context.consumer.as_ref().unwrap().name, "alice");
    assert!(context.is_in_group("staff") && context.is_in_group("gold"));
    assert!(!context.headers.contains_key("authorization"));
    let form = answers.forms.lock().unwrap()[0].clone();
    assert_eq!(
        form,
        "token=a%2Bb%2Fc%7Ed%3D&token_type_hint=access_token&resource=a%20b"
    );
    let unknown = bearer("other").refusal(&method).await;
    assert_eq!(unknown, Some("unauthorized"), "no such consumer");
    let asked = answers.asked.load(Ordering::Relaxed);
    for token in ["", "a b", "ä", &"a".repeat(8193)] {
        let refused = bearer(token).refusal(&method).await;
        assert_eq!(refused, Some("unauthorized"), "{token}");
    }
    assert_eq!(
        Request::get("/").refusal(&method).await,
        Some("unauthorized")
    );
    assert_eq!(answers.asked.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn a_bound_token_does_not_pass_as_a_plain_one() {
    let print = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
    let good = format!(r#"{{"active":true,"cnf":{{"jkt":"{print}"}}}}"#);
    let answers = answers(&[Ok((200, &good))]);
    let strict = method(&json!({}), &answers);
    let rejection = bearer("t").rejection(&strict).await.unwrap();
    assert_eq!(rejection.reason, Some("bound_as_bearer"));
    let lax = method(&json!({"sender_constrained": "none"}), &answers);
    assert_eq!(bearer("t").refusal(&lax).await, None);
}

#[tokio::test]
async fn without_anybody_to_ask_or_a_secret_requests_are_refused() {
    let settings = json!({
        "endpoint": "http://127.0.0.1:1/introspect", "client": {"id": "gw", "secret": "env:MISSING"},
    });
    let closed = plugin("introspection", &settings);
    let refused = bearer("t").refusal(&closed).await;
    assert_eq!(refused, Some("secret_unavailable"));
}

#[test]
fn mistakes_in_settings_say_where() {
    let settings = json!({
        "endpoint": "http://login.example.com/", "client": {"id": "", "secret": "env:SECRET"},
        "parameters": {"token": "x"}, "timeout_ms": 0, "max_concurrent": 0, "remember_seconds": 3601,
        "remember_refused_seconds": 601, "clock_skew_seconds": 601, "scopes": ["a b"],
    });
    let expected = [
        "settings.max_concurrent",
        "settings.remember_seconds",
        "settings.remember_refused_seconds",
        "settings.clock_skew_seconds",
        "settings.scopes",
        "settings.timeout_ms",
        "settings.client.id",
        "settings.parameters.token",
        "settings.endpoint",
    ];
    assert_eq!(mistakes("introspection", &settings), expected);
    let settings = json!({
        "endpoint": "https://a", "ca": "secret:ca", "client": {"id": "a", "secret": "secret:client"},
    });
    let expected = [
        "settings.client.secret secret/client",
        "settings.ca secret/ca",
    ];
    assert_eq!(reference_fields("introspection", &settings), expected);
}
