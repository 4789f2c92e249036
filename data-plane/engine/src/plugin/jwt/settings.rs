//! Settings of `jwt`.

use std::collections::BTreeMap;

use gatewright_proto::{Key, Kind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    plugin::identity::{
        binding::{DpopSettings, SenderConstrained},
        required_claims::RequiredClaim,
    },
    reference::Reference,
};

/// Settings of `jwt`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct Settings {
    /// Whose tokens are accepted: 1 to 16. A token must satisfy one of them.
    pub(super) providers: Vec<ProviderSettings>,
    /// Names of header fields that may carry the token. In `Authorization` it follows `Bearer`. Up to 16; default
    /// `authorization`.
    pub(super) headers: Vec<String>,
    /// Names of query parameters that may carry the token. Up to 16. URLs end up in logs and histories: prefer a header.
    pub(super) query: Vec<String>,
    /// Names of cookies that may carry the token. Up to 16.
    pub(super) cookies: Vec<String>,
    /// Header fields for the upstream by the claims that they take their values from: names of claims, or JSON
    /// pointers as `/realm_access/roles`. Lists are joined with commas. Such fields sent by the client are removed.
    /// Up to 32.
    pub(super) claims_to_headers: BTreeMap<String, String>,
    /// Largest token that is looked at, in bytes. 256 to 65,536; default 8,192.
    pub(super) max_token_bytes: usize,
    /// How many accepted tokens of each provider are remembered. 0 (none) to 1,000,000; default 10,000.
    pub(super) remember: usize,
    /// What the holder of a token must show, where tokens are bound to a key of theirs (`cnf`). `when_bound`: what the
    /// token is bound to. `mtls`, `dpop`, `either`: every token must be bound so. `none`: what it is bound to does not
    /// count.
    pub(super) sender_constrained: SenderConstrained,
    /// Proofs of possession (DPoP, RFC 9449).
    pub(super) dpop: DpopSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            headers: vec!["authorization".to_owned()],
            query: Vec::new(),
            cookies: Vec::new(),
            claims_to_headers: BTreeMap::new(),
            max_token_bytes: 8192,
            remember: 10_000,
            sender_constrained: SenderConstrained::default(),
            dpop: DpopSettings::default(),
        }
    }
}

/// Whose tokens are accepted, and what is asked of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProviderSettings {
    /// Name of the key set with the keys.
    pub(super) key_set: String,
    /// Issuers (`iss`), one of which the token must be of. Default: the key set's `issuer`, where it has one.
    pub(super) issuers: Vec<String>,
    /// Audiences (`aud`), one of which the token must be for. Default: any.
    pub(super) audiences: Vec<String>,
    /// Subjects (`sub`), one of which the token must be of. Default: any.
    pub(super) subjects: Vec<String>,
    /// Scopes, all of which the token must have. Default: none.
    pub(super) scopes: Vec<String>,
    /// What else the token must say.
    pub(super) required_claims: Vec<RequiredClaim>,
    /// Algorithms that are accepted, of those that belong to the key. Default: all of these.
    pub(super) algorithms: Vec<String>,
    /// Types (`typ`) that are accepted, as `at+jwt`. Default: any but those of logout tokens, proofs of possession and
    /// the like.
    pub(super) types: Vec<String>,
    /// By how much clocks may differ, in seconds. 0 to 600; default 30.
    pub(super) clock_skew_seconds: u64,
    /// Whether the token must expire. Default true.
    pub(super) require_expiry: bool,
    /// Longest time from `iat` to `exp`, in seconds; tokens without either are refused then. Default: any.
    pub(super) max_lifetime_seconds: Option<u64>,
    /// Claim that names the consumer: its name, or a JSON pointer. Default: the token stands for itself.
    pub(super) consumer_claim: Option<String>,
    /// Claim with groups of the caller, a text or a list of texts: its name, or a JSON pointer.
    pub(super) groups_claim: Option<String>,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            key_set: String::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            subjects: Vec::new(),
            scopes: Vec::new(),
            required_claims: Vec::new(),
            algorithms: Vec::new(),
            types: Vec::new(),
            clock_skew_seconds: 30,
            require_expiry: true,
            max_lifetime_seconds: None,
            consumer_claim: None,
            groups_claim: None,
        }
    }
}

impl Settings {
    pub(super) fn references(&self) -> Vec<Reference> {
        let providers = self.providers.iter().enumerate();
        let named = providers.filter(|(_, it)| !it.key_set.is_empty());
        let reference = |(place, it): (usize, &ProviderSettings)| Reference {
            field: format!("providers[{place}].key_set"),
            key: Key::new(Kind::KeySet, &it.key_set),
        };
        let nonces = self.dpop.references();
        named.map(reference).chain(nonces).collect()
    }
}
