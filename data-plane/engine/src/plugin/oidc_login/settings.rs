//! Settings of `oidc-login`.

use std::collections::BTreeMap;

use gatewright_proto::Kind;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    plugin::{Authorities, SecretRef},
    reference::Reference,
};

/// Settings of `oidc-login`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct Settings {
    /// Name of the key set that ID tokens are checked with. One with an `issuer` also says where the provider's
    /// endpoints are.
    pub(super) key_set: String,
    /// The provider (`iss`). Default: the key set's `issuer`.
    pub(super) issuer: Option<String>,
    /// The name that the provider knows this client by.
    pub(super) client_id: String,
    /// The client's secret. Default: none, as of a public client; PKCE is used in either case.
    pub(super) client_secret: Option<SecretRef>,
    /// How the secret is shown to the provider (OpenID Connect Core 1.0, section 9).
    pub(super) client_authentication: ClientAuthentication,
    /// Keys that cookies are encrypted with: 32 bytes in base64 each (`head -c 32 /dev/urandom | base64`), the same on all
    /// nodes. The first encrypts, all decrypt. 1 to 8.
    pub(super) session_keys: Vec<SecretRef>,
    /// Scopes that are asked for. `openid` must be among them; with `offline_access` many providers give a token for
    /// refreshing. Up to 32.
    pub(super) scopes: Vec<String>,
    /// What the provider is to show although the browser has logged in there: `none`, `login`, `consent` or
    /// `select_account`; several with spaces between. Default: nothing said.
    pub(super) prompt: Option<String>,
    /// Longest time since the browser last logged in at the provider, in seconds. 0 to 31,536,000. The ID token must say
    /// then when that was. Default: any.
    pub(super) max_age_seconds: Option<u64>,
    /// Languages in which the provider may ask, preferred ones first, as `de-CH`. Up to 16.
    pub(super) ui_locales: Vec<String>,
    /// Further parameters of the authorization request, as `audience` or `acr_values`. Up to 16.
    pub(super) authorization_parameters: BTreeMap<String, String>,
    /// Where browsers are sent to log in. Default: as the issuer says.
    pub(super) authorization_endpoint: Option<String>,
    /// Where codes are exchanged for tokens. Default: as the issuer says.
    pub(super) token_endpoint: Option<String>,
    /// Where browsers are sent to log out at the provider too. Default: as the issuer says, if it does.
    pub(super) end_session_endpoint: Option<String>,
    /// Where tokens are revoked when a browser logs out. Default: as the issuer says, if it does.
    pub(super) revocation_endpoint: Option<String>,
    /// Authorities that the provider's certificates are checked against: certificates in PEM, or a reference to a secret
    /// that has them (`secret:NAME`, `file:PATH`, ...). Default: those of the operating system.
    pub(super) ca: Option<Authorities>,
    /// Whether the provider's endpoints may be reached without TLS. Default: from loopback addresses only.
    pub(super) allow_http: bool,
    /// Whether answers that do not name the issuer (`iss`, RFC 9207) are refused. Default: as the issuer says.
    pub(super) require_iss: Option<bool>,
    /// Where this gateway is for browsers, as `https://app.example.com`. Default: as in the request.
    pub(super) origin: Option<String>,
    /// Path that the provider sends browsers back to. It must be within what the plugin is attached to.
    pub(super) callback_path: String,
    /// Path that begins a login whatever is known of the browser. Its parameter `return_to` is the path to come back to.
    /// Default: none; logins begin where they are needed.
    pub(super) login_path: Option<String>,
    /// Path that ends the session, by GET or POST from pages of the same origin.
    pub(super) logout_path: String,
    /// Path that browsers are sent to once they have logged out; the provider must know its URL if it has an endpoint for
    /// that. Default: the provider's own page, or one that says so.
    pub(super) after_logout: Option<String>,
    /// Name of the cookies, after `__Host-`: letters, digits, `-` and `_`.
    pub(super) cookie_name: String,
    /// Most cookies that a session is divided among, of 3,800 characters each. 1 to 8.
    pub(super) max_cookies: u8,
    /// Whether browsers keep the session when they are closed.
    pub(super) persistent: bool,
    /// Whether browsers may log in over plain http. Cookies are without `Secure` and `__Host-` then: only for
    /// development.
    pub(super) plain_http: bool,
    /// How long a session lasts at most, in seconds. 60 to 2,592,000.
    pub(super) lifetime_seconds: u64,
    /// How long a session lasts without a request, in seconds. 60 to `lifetime_seconds`; 0: as long as with.
    pub(super) idle_seconds: u64,
    /// How long a login may take, in seconds. 30 to 3,600.
    pub(super) login_seconds: u64,
    /// How long before they expire tokens are refreshed, in seconds, but no longer than a quarter of their lifetime. 0 to
    /// 3,600.
    pub(super) refresh_ahead_seconds: u64,
    /// Whether a session goes on when its tokens have expired and cannot be refreshed because the provider gave no token
    /// for that.
    pub(super) outlive_tokens: bool,
    /// Claim of the ID token that names the consumer: its name, or a JSON pointer. Default: the token stands for itself.
    pub(super) consumer_claim: Option<String>,
    /// Claim with groups of the caller, a text or a list of texts: its name, or a JSON pointer.
    pub(super) groups_claim: Option<String>,
    /// Header fields for the upstream by the claims that they take their values from: names of claims, or JSON
    /// pointers. Lists are joined with commas. Such fields sent by the client are removed. Up to 32.
    pub(super) claims_to_headers: BTreeMap<String, String>,
    /// Algorithms that are accepted of ID tokens, of those that belong to the key. Default: all of these.
    pub(super) algorithms: Vec<String>,
    /// By how much clocks may differ, in seconds. 0 to 600.
    pub(super) clock_skew_seconds: u64,
    /// Which token the upstream gets.
    pub(super) upstream_token: UpstreamToken,
    /// Field that the upstream gets it in; in `authorization` after `Bearer`.
    pub(super) upstream_header: String,
    /// How long each question to the provider may take, in milliseconds. 100 to 30,000.
    pub(super) timeout_ms: u64,
    /// How many sessions are remembered in plain, so that they need not be decrypted again. 0 to 1,000,000.
    pub(super) remember: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_set: String::new(),
            issuer: None,
            client_id: String::new(),
            client_secret: None,
            client_authentication: ClientAuthentication::ClientSecretBasic,
            session_keys: Vec::new(),
            scopes: vec!["openid".to_owned()],
            prompt: None,
            max_age_seconds: None,
            ui_locales: Vec::new(),
            authorization_parameters: BTreeMap::new(),
            authorization_endpoint: None,
            token_endpoint: None,
            end_session_endpoint: None,
            revocation_endpoint: None,
            ca: None,
            allow_http: false,
            require_iss: None,
            origin: None,
            callback_path: "/oauth2/callback".to_owned(),
            login_path: None,
            logout_path: "/oauth2/logout".to_owned(),
            after_logout: None,
            cookie_name: "gatewright-session".to_owned(),
            max_cookies: 4,
            persistent: false,
            plain_http: false,
            lifetime_seconds: 43_200,
            idle_seconds: 3600,
            login_seconds: 600,
            refresh_ahead_seconds: 60,
            outlive_tokens: false,
            consumer_claim: None,
            groups_claim: None,
            claims_to_headers: BTreeMap::new(),
            algorithms: Vec::new(),
            clock_skew_seconds: 30,
            upstream_token: UpstreamToken::None,
            upstream_header: "authorization".to_owned(),
            timeout_ms: 5000,
            remember: 10_000,
        }
    }
}

/// How a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuthentication {
    /// In `Authorization`.
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Which token the upstream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UpstreamToken {
    /// None.
    None,
    /// The access token.
    AccessToken,
    /// The ID token.
    IdToken,
}

impl Settings {
    pub(super) fn references(&self) -> Vec<Reference> {
        let set = (!self.key_set.is_empty())
            .then(|| Reference::new("key_set", Kind::KeySet, &self.key_set));
        let secret = self.client_secret.as_ref();
        let secret = secret.and_then(|it| it.reference("client_secret"));
        let keys = self.session_keys.iter().enumerate();
        let keys = keys.filter_map(|(place, it)| it.reference(format!("session_keys[{place}]")));
        let ca = self.ca.as_ref().and_then(|ca| ca.reference("ca"));
        set.into_iter()
            .chain(secret)
            .chain(keys)
            .chain(ca)
            .collect()
    }
}
