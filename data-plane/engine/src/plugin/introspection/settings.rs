//! Settings of `introspection`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    jwt::Policy,
    plugin::{
        Authorities, InvalidSetting,
        identity::{
            binding::{DpopSettings, SenderConstrained},
            required_claims::{RequiredClaim, check_scopes, requirements},
        },
        oauth::ClientSettings,
    },
    reference::Reference,
};

/// Settings of `introspection`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::plugin) struct Settings {
    /// URL of the introspection endpoint: `https`; `http` only on a loopback address, or with `allow_http`.
    pub(super) endpoint: String,
    /// Authorities that its certificate is checked against: certificates in PEM, or a reference to a secret that has them.
    /// Default: those of the operating system.
    #[serde(default)]
    pub(super) ca: Option<Authorities>,
    /// Whether the endpoint may be `http`, which shows secret and tokens to anybody on the way.
    #[serde(default)]
    pub(super) allow_http: bool,
    /// Who asks.
    pub(super) client: ClientSettings,
    /// Further parameters of each question, up to 32.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    /// How long the endpoint may take, in milliseconds. 1 to 10,000.
    #[serde(default = "timeout_ms")]
    pub(super) timeout_ms: u64,
    /// How many tokens may be asked about at a time, on each node. 1 to 10,000.
    #[serde(default = "max_concurrent")]
    pub(super) max_concurrent: u32,
    /// For how long a token that was accepted needs not be asked about again, in seconds; never longer than it is valid. 0
    /// (ask for every request) to 3,600.
    #[serde(default = "remember_seconds")]
    pub(super) remember_seconds: u64,
    /// Likewise of a token that was refused. 0 to 600.
    #[serde(default = "remember_refused_seconds")]
    pub(super) remember_refused_seconds: u64,
    /// How many tokens of each outcome are remembered. 0 (none) to 1,000,000.
    #[serde(default = "remember")]
    pub(super) remember: usize,
    /// Issuers (`iss`), one of which the token must be of. Default: any.
    #[serde(default)]
    issuers: Vec<String>,
    /// Audiences (`aud`), one of which the token must be for. Default: any.
    #[serde(default)]
    audiences: Vec<String>,
    /// Subjects (`sub`), one of which the token must be of. Default: any.
    #[serde(default)]
    subjects: Vec<String>,
    /// Scopes, all of which the token must have. Default: none.
    #[serde(default)]
    scopes: Vec<String>,
    /// What else the server must say of the token.
    #[serde(default)]
    required_claims: Vec<RequiredClaim>,
    /// By how much clocks may differ, in seconds. 0 to 600.
    #[serde(default = "clock_skew_seconds")]
    clock_skew_seconds: u64,
    /// Claim that names the consumer: its name, or a JSON pointer. Default: the token stands for itself.
    #[serde(default)]
    pub(super) consumer_claim: Option<String>,
    /// Claim with groups of the caller, a text or a list of texts: its name, or a JSON pointer.
    #[serde(default)]
    pub(super) groups_claim: Option<String>,
    /// Header fields for the upstream by the claims that they take their values from, as of `jwt`. Such fields sent by the
    /// client are removed. Up to 32.
    #[serde(default)]
    pub(super) claims_to_headers: BTreeMap<String, String>,
    /// Names of header fields that may carry the token. In `Authorization` it follows `Bearer`. Up to 16.
    #[serde(default = "headers")]
    pub(super) headers: Vec<String>,
    /// Names of query parameters that may carry the token. Up to 16.
    #[serde(default)]
    pub(super) query: Vec<String>,
    /// Names of cookies that may carry the token. Up to 16.
    #[serde(default)]
    pub(super) cookies: Vec<String>,
    /// Largest token that is asked about, in bytes. 16 to 65,536.
    #[serde(default = "max_token_bytes")]
    max_token_bytes: usize,
    /// What the holder of a token must show, where tokens are bound to a key of theirs (`cnf`), as of `jwt`.
    #[serde(default)]
    pub(super) sender_constrained: SenderConstrained,
    /// Proofs of possession (DPoP, RFC 9449).
    #[serde(default)]
    pub(super) dpop: DpopSettings,
}

const fn timeout_ms() -> u64 {
    1000
}

const fn max_concurrent() -> u32 {
    100
}

const fn remember_seconds() -> u64 {
    60
}

const fn remember_refused_seconds() -> u64 {
    5
}

const fn remember() -> usize {
    10_000
}

const fn clock_skew_seconds() -> u64 {
    30
}

fn headers() -> Vec<String> {
    vec!["authorization".to_owned()]
}

const fn max_token_bytes() -> usize {
    8192
}

impl Settings {
    pub(super) fn references(&self) -> Vec<Reference> {
        let ca = self.ca.as_ref().and_then(|ca| ca.reference("ca"));
        let secrets = [self.client.reference(), ca, self.dpop.references()];
        secrets.into_iter().flatten().collect()
    }

    /// What is asked of tokens. Checks the bounds of all numbers.
    pub(super) fn policy(&self, mistakes: &mut Vec<InvalidSetting>) -> Policy {
        let mut wrong =
            |field: &str, reason: &str| mistakes.push(InvalidSetting::new(field, reason));
        if !(1..=10_000).contains(&self.max_concurrent) {
            wrong("max_concurrent", "must be 1 to 10,000");
        }
        if self.remember_seconds > 3600 {
            wrong("remember_seconds", "is more than 3,600");
        }
        if self.remember_refused_seconds > 600 {
            wrong("remember_refused_seconds", "is more than 600");
        }
        if self.remember > 1_000_000 {
            wrong("remember", "is more than 1,000,000");
        }
        if self.clock_skew_seconds > 600 {
            wrong("clock_skew_seconds", "is more than 600");
        }
        if !(16..=65_536).contains(&self.max_token_bytes) {
            wrong("max_token_bytes", "is not within 16 to 65,536");
        }
        check_scopes(&self.scopes, &mut wrong);
        let required = requirements(&self.required_claims, &mut wrong);
        let texts = |list: &[String]| list.iter().map(|it| it.as_str().into()).collect();
        Policy {
            max_bytes: self.max_token_bytes,
            issuers: texts(&self.issuers),
            audiences: texts(&self.audiences),
            subjects: texts(&self.subjects),
            scopes: texts(&self.scopes),
            required,
            clock_skew: self.clock_skew_seconds,
            // Where it does not say, the server's word alone counts (RFC 7662 section 2.2).
            require_expiry: false,
            ..Policy::default()
        }
    }
}
