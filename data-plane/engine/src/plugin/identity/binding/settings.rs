//! Settings of tokens that are bound to a key.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::nonces::Nonces;
use crate::{
    jwt::{
        Algorithm,
        dpop::{Rules, origin},
    },
    plugin::{Build, InvalidSetting, SecretRef},
    reference::Reference,
};

/// Most origins.
const MAX_ORIGINS: usize = 16;
/// Shortest secret of nonces, in bytes.
const MIN_SECRET_BYTES: usize = 32;
/// Algorithms of proofs, unless settings say otherwise.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Ps256,
];

/// What the holder of a token must show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::plugin) enum SenderConstrained {
    /// Nothing; what tokens are bound to does not count.
    None,
    /// The client's certificate: every token must be bound to one (RFC 8705).
    Mtls,
    /// A proof of possession: every token must be bound to the key of one (RFC 9449).
    Dpop,
    /// One of both.
    Either,
    /// What the token is bound to, where it is.
    #[default]
    WhenBound,
}

/// Settings of proofs of possession (DPoP, RFC 9449).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct DpopSettings {
    /// Algorithms of proofs that are accepted; never those of secrets. Default `ES256`, `ES384`, `EdDSA` and `PS256`.
    algorithms: Vec<String>,
    /// How old a proof may be, in seconds. 1 to 600; default 60.
    max_age_seconds: u64,
    /// By how much the clocks of clients may differ, in seconds. 0 to 60; default 5.
    clock_skew_seconds: u64,
    /// Where clients send requests to, as `https://api.example.com`: proofs must be for one of these. Up to 16. Default:
    /// scheme and `Host` of each request.
    origins: Vec<String>,
    /// Whether proofs must have a nonce of the gateway, which it tells in `DPoP-Nonce`. Default false.
    require_nonce: bool,
    /// For how long a nonce is handed out, in seconds; it is accepted for up to twice as long. 10 to 3,600; default 60.
    nonce_seconds: u64,
    /// Secret that nonces are made with, of 32 bytes or more, so that all nodes know them. Default: one of each node's
    /// own.
    nonce_secret: Option<SecretRef>,
}

impl Default for DpopSettings {
    fn default() -> Self {
        Self {
            algorithms: ALGORITHMS.map(|it| it.as_str().to_owned()).to_vec(),
            max_age_seconds: 60,
            clock_skew_seconds: 5,
            origins: Vec::new(),
            require_nonce: false,
            nonce_seconds: 60,
            nonce_secret: None,
        }
    }
}

impl DpopSettings {
    /// The resource that it names, if it does.
    pub(in crate::plugin) fn references(&self) -> Option<Reference> {
        let secret = self.nonce_secret.as_ref()?;
        secret.reference("dpop.nonce_secret")
    }

    pub(super) fn rules(&self, mistakes: &mut Vec<InvalidSetting>) -> Rules {
        let mut wrong = |field: String, reason: &str| {
            mistakes.push(InvalidSetting::new(format!("dpop.{field}"), reason));
        };
        if !(1..=600).contains(&self.max_age_seconds) {
            wrong("max_age_seconds".to_owned(), "is not within 1 to 600");
        }
        if self.clock_skew_seconds > 60 {
            wrong("clock_skew_seconds".to_owned(), "is more than 60");
        }
        let mut algorithms = Vec::new();
        for (place, name) in self.algorithms.iter().enumerate() {
            match Algorithm::named(name).filter(|it| !it.is_of_secrets()) {
                Some(algorithm) => algorithms.push(algorithm),
                None => wrong(
                    format!("algorithms[{place}]"),
                    "is not an algorithm that proofs can have",
                ),
            }
        }
        if self.algorithms.is_empty() {
            wrong("algorithms".to_owned(), "name one or more");
        }
        Rules {
            algorithms,
            max_age: self.max_age_seconds.min(600),
            clock_skew: self.clock_skew_seconds.min(60),
        }
    }

    pub(super) fn origins(&self, mistakes: &mut Vec<InvalidSetting>) -> Vec<Box<str>> {
        if self.origins.len() > MAX_ORIGINS {
            let reason = format!("has more than {MAX_ORIGINS} entries");
            mistakes.push(InvalidSetting::new("dpop.origins", reason));
        }
        let mut origins = HashSet::new();
        for (place, text) in self.origins.iter().enumerate() {
            let parts = text.split_once("://");
            let bare = parts.filter(|(_, authority)| !authority.contains(['/', '?', '#']));
            match bare.and_then(|(scheme, authority)| origin(scheme, authority)) {
                Some(origin) => {
                    origins.insert(origin.into_boxed_str());
                }
                None => {
                    let field = format!("dpop.origins[{place}]");
                    let reason = "must be `https://HOST`, maybe with a port, and without a path";
                    mistakes.push(InvalidSetting::new(field, reason));
                }
            }
        }
        origins.into_iter().collect()
    }

    pub(super) fn nonces(
        &self,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Option<Nonces> {
        if !(10..=3600).contains(&self.nonce_seconds) {
            let reason = "is not within 10 to 3,600";
            mistakes.push(InvalidSetting::new("dpop.nonce_seconds", reason));
        }
        let field = "dpop.nonce_secret";
        let secret = self.nonce_secret.as_ref();
        let secret = secret.map(|secret| build.secret(field, secret));
        let short = |text: &str| text.len() < MIN_SECRET_BYTES;
        if secret.as_ref().is_some_and(|it| short(it.expose())) {
            let reason = format!("is shorter than {MIN_SECRET_BYTES} bytes");
            mistakes.push(InvalidSetting::new(field, reason));
        }
        let text = secret.as_ref().map(|it| it.expose());
        self.require_nonce
            .then(|| Nonces::new(text, self.nonce_seconds.max(1)))
    }
}
