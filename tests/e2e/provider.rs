//! An OpenID Connect provider, as strict as an honest one: it checks the client, the redirect URI, PKCE and its own
//! login form, takes each code once, and rotates refresh tokens.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::signer::{Signer, jwks, now};

/// Its one client, and the client's secret.
pub(crate) const CLIENT: (&str, &str) = ("web", "a secret & more");
/// The one URI that it sends browsers back to.
pub(crate) const REDIRECT_URI: &str = "https://app.test/oauth2/callback";

type Parameters = BTreeMap<String, String>;

/// How it misbehaves.
#[derive(Clone, Default)]
pub(crate) struct Twist {
    /// Claims of ID tokens instead of the right ones; null leaves one out.
    pub(crate) claims: Value,
    /// ID tokens are signed by somebody else.
    pub(crate) forged: bool,
    /// It answers browsers as this issuer.
    pub(crate) iss: Option<String>,
    /// It answers questions for tokens with this status and text.
    pub(crate) answer: Option<(u16, String)>,
    /// It does not answer questions for tokens at all.
    pub(crate) hangs: bool,
}

struct Grant {
    nonce: String,
    challenge: String,
}

#[derive(Default)]
struct Kept {
    codes: HashMap<String, Grant>,
    /// Refresh tokens that were not yet used.
    refresh: Vec<String>,
    twist: Twist,
    lifetime: u64,
    asked: Parameters,
    refreshes: usize,
    revoked: Vec<String>,
}

/// A running provider, until the runtime ends.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
    signers: Arc<[Signer; 2]>,
}

impl Provider {
    /// Starts one whose tokens live for this many seconds.
    pub(crate) async fn start(lifetime: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kept = Kept {
            lifetime,
            ..Kept::default()
        };
        let provider = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            kept: Arc::new(Mutex::new(kept)),
            signers: Arc::new([Signer::new("k1"), Signer::new("k1")]),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/login", post(login))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn twist(&self, twist: Twist) {
        self.kept.lock().unwrap().twist = twist;
    }

    /// How long tokens live from now on, in seconds.
    pub(crate) fn lifetime(&self, seconds: u64) {
        self.kept.lock().unwrap().lifetime = seconds;
    }

    /// What the last authorization request asked for.
    pub(crate) fn asked(&self) -> Parameters {
        self.kept.lock().unwrap().asked.clone()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.kept.lock().unwrap().refreshes
    }

    pub(crate) fn revoked(&self) -> usize {
        self.kept.lock().unwrap().revoked.len()
    }

    /// Tokens for whoever logged in with this nonce.
    fn tokens(&self, kept: &mut Kept, nonce: Option<&str>) -> Value {
        let access = random();
        let hash = digest(&SHA256, access.as_bytes());
        let mut claims = json!({
            "iss": self.url, "sub": "alice", "aud": CLIENT.0, "iat": now(), "email": "alice@example.com",
            "at_hash": BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        for (name, value) in kept.twist.claims.as_object().into_iter().flatten() {
            match value {
                Value::Null => _ = claims.as_object_mut().unwrap().remove(name),
                value => claims[name] = value.clone(),
            }
        }
        let signer = &self.signers[usize::from(kept.twist.forged)];
        let refresh = random();
        kept.refresh.push(refresh.clone());
        json!({
            "token_type": "Bearer", "access_token": access, "id_token": signer.token(&claims),
            "refresh_token": refresh, "expires_in": kept.lifetime,
        })
    }
}

fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

async fn configuration(State(provider): State<Provider>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.url);
    Json(json!({
        "issuer": provider.url, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"), "end_session_endpoint": at("/end_session"),
        "revocation_endpoint": at("/revoke"), "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    Json(jwks(&[&provider.signers[0]]))
}

/// Shows the form, which brings the request along.
async fn authorize(State(provider): State<Provider>, Query(asked): Query<Parameters>) -> Response {
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|it| it == value);
    let long = |name: &str| asked.get(name).is_some_and(|it| it.len() >= 43);
    let scope = asked.get("scope").map_or("", String::as_str);
    let good = is("client_id", CLIENT.0)
        && is("redirect_uri", REDIRECT_URI)
        && is("response_type", "code")
        && is("code_challenge_method", "S256")
        && ["state", "nonce", "code_challenge"]
            .iter()
            .all(|it| long(it))
        && scope.split(' ').any(|it| it == "openid");
    if !good {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    provider.kept.lock().unwrap().asked = asked.clone();
    let hidden = |name: &str| format!("<input type=hidden name={name} value='{}'>", asked[name]);
    let hidden: String = ["state", "nonce", "code_challenge"].map(hidden).concat();
    Html(format!(
        "<form method=post action=/login>{hidden}<input name=username><input name=password type=password><button>Log in</button></form>"
    ))
    .into_response()
}

/// Sends the browser back with a code, or with an error where the password is `deny`.
async fn login(State(provider): State<Provider>, Form(form): Form<Parameters>) -> Response {
    let mut kept = provider.kept.lock().unwrap();
    let iss = kept.twist.iss.clone();
    let iss = iss.unwrap_or_else(|| provider.url.clone());
    let outcome = match form["password"].as_str() {
        "correct" => {
            let code = random();
            let grant = Grant {
                nonce: form["nonce"].clone(),
                challenge: form["code_challenge"].clone(),
            };
            kept.codes.insert(code.clone(), grant);
            format!("code={code}")
        }
        "deny" => "error=access_denied&error_description=%3Cscript%3Eno%3C/script%3E".to_owned(),
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    let location = format!("{REDIRECT_URI}?{outcome}&state={}&iss={iss}", form["state"]);
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    let twist = provider.kept.lock().unwrap().twist.clone();
    if twist.hangs {
        std::future::pending::<()>().await;
    }
    if let Some((status, text)) = twist.answer {
        return (StatusCode::from_u16(status).unwrap(), text).into_response();
    }
    if !is_client(&headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let mut kept = provider.kept.lock().unwrap();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let nonce = match field("grant_type").as_str() {
        "authorization_code" => {
            let grant = kept.codes.remove(&field("code"));
            let verifier = digest(&SHA256, field("code_verifier").as_bytes());
            let challenge = BASE64_URL_SAFE_NO_PAD.encode(verifier);
            match grant.filter(|it| it.challenge == challenge) {
                Some(grant) if field("redirect_uri") == REDIRECT_URI => Some(grant.nonce),
                _ => return refused(StatusCode::BAD_REQUEST, "invalid_grant"),
            }
        }
        "refresh_token" => {
            kept.refreshes += 1;
            let shown = field("refresh_token");
            let known = kept.refresh.iter().position(|it| *it == shown);
            match known {
                Some(place) => _ = kept.refresh.remove(place),
                None => return refused(StatusCode::BAD_REQUEST, "invalid_grant"),
            }
            None
        }
        _ => return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    };
    Json(provider.tokens(&mut kept, nonce.as_deref())).into_response()
}

async fn revoke(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    if !is_client(&headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let mut kept = provider.kept.lock().unwrap();
    kept.refresh.retain(|it| *it != form["token"]);
    kept.revoked.push(form["token"].clone());
    StatusCode::OK.into_response()
}

/// Name and secret are escaped before they are joined (RFC 6749 section 2.3.1).
fn is_client(headers: &HeaderMap) -> bool {
    let shown = BASE64_STANDARD.encode("web:a%20secret%20%26%20more");
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|it| *it == format!("Basic {shown}"))
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}
