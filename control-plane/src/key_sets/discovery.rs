//! What an issuer says of itself (OpenID Connect Discovery 1.0).

use gatewright_engine::{jwt::parse_strict_json, key_set::check_url};
use gatewright_proto::v1;
use reqwest::Client;
use serde_json::Value;

use super::answer::{self, FetchError};

/// Longest URL that is kept, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// What is used of it.
pub(super) struct Discovered {
    /// Where its JWKS is.
    pub(super) jwks_url: String,
    /// Where logins go.
    pub(super) endpoints: v1::FetchedEndpoints,
}

/// Asks an issuer (section 4). It must be the one that was asked (section 4.3).
pub(super) async fn ask(
    client: &Client,
    issuer: &str,
    allow_http: bool,
) -> Result<Discovered, FetchError> {
    let base = issuer.trim_end_matches('/');
    let url = format!("{base}/.well-known/openid-configuration");
    let wrong = |reason: &str| FetchError(format!("{url}: {reason}"));
    let answer = answer::ask(client, &url, ("", "")).await?;
    let body = answer.body.unwrap_or_default();
    let document = parse_strict_json(&body).map_err(|_| wrong("not JSON"))?;
    if document["issuer"] != issuer {
        return Err(wrong("it is the configuration of another issuer"));
    }
    let jwks_url = document["jwks_uri"].as_str();
    let jwks_url = jwks_url.ok_or_else(|| wrong("it has no `jwks_uri`"))?;
    if !is_usable(jwks_url, allow_http) {
        return Err(wrong("its `jwks_uri` is not one that may be fetched"));
    }
    Ok(Discovered {
        jwks_url: jwks_url.to_owned(),
        endpoints: endpoints(&document, allow_http),
    })
}

/// An endpoint that may not be used is left out: its keys are good all the same.
fn endpoints(document: &Value, allow_http: bool) -> v1::FetchedEndpoints {
    let url = |name: &str| {
        let url = document[name].as_str();
        let url = url.filter(|url| is_usable(url, allow_http));
        url.unwrap_or_default().to_owned()
    };
    v1::FetchedEndpoints {
        authorization: url("authorization_endpoint"),
        token: url("token_endpoint"),
        end_session: url("end_session_endpoint"),
        revocation: url("revocation_endpoint"),
        names_issuer: document["authorization_response_iss_parameter_supported"] == true,
    }
}

fn is_usable(url: &str, allow_http: bool) -> bool {
    url.len() <= MAX_URL_BYTES && check_url(url, allow_http).is_ok()
}
