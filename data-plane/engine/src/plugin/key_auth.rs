//! `key-auth`: finds out who the consumer is by an API key.

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, InvalidSetting,
    identity::{ConfigureMethod, Method, Refusal, Verdict, source::Sources},
};
use crate::{Identity, RequestContext};

#[cfg(test)]
mod tests;

/// Longest key that is looked at, as longest that can be configured.
const MAX_KEY_BYTES: usize = 512;

/// See [`ConfigureMethod::DOCS`].
#[derive(Debug)]
pub(super) struct KeyAuth {
    sources: Sources,
}

/// Settings of `key-auth`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Names of header fields that may carry the key.
    headers: Vec<String>,
    /// Names of query parameters that may carry the key. URLs end up in logs and histories: prefer a
    /// header.
    query: Vec<String>,
    /// Names of cookies that may carry the key.
    cookies: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headers: vec!["x-api-key".to_owned()],
            query: Vec::new(),
            cookies: Vec::new(),
        }
    }
}

impl ConfigureMethod for KeyAuth {
    const NAME: &'static str = "key-auth";
    const SUMMARY: &'static str = "Finds out who the consumer is by an API key.";
    const DOCS: &'static str = "\
Looks for a key in header fields, query parameters and cookies, and for the credential (type `key`) with
the same SHA-256; keys themselves are stored nowhere. The consumer of that credential is the one that
later plugins, limits and logs see.

Refused with 401, code `unauthorized`: no key (unless `anonymous` or `optional` is given), a key that is
not known or is not that of an enabled consumer, and two different keys in one request. Several
`key-auth` plugins may apply to one request; one that finds no key is content with what an earlier one
found, and a key of another consumer than that is refused.";
    const EXAMPLE: &'static str = "\
headers: [x-api-key]
query: [api_key]
hide_credential: true";
    const HIDES: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let lists = [
            ("headers", &*settings.headers),
            ("query", &*settings.query),
            ("cookies", &*settings.cookies),
        ];
        let sources = Sources::compile(lists, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self { sources })
    }
}

/// The keys of a request.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    None,
    /// One, by its SHA-256. The same one several times is one.
    One([u8; 32]),
    /// Different ones, or one that is too long to be one.
    Unusable,
}

impl Found {
    fn take(&mut self, key: &[u8]) {
        if key.len() > MAX_KEY_BYTES {
            *self = Self::Unusable;
            return;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        *self = match self {
            Self::None => Self::One(hash),
            Self::One(first) if *first == hash => return,
            Self::One(_) | Self::Unusable => Self::Unusable,
        };
    }
}

impl Method for KeyAuth {
    fn verify(&self, request: &RequestContext) -> Verdict {
        let mut found = Found::None;
        self.sources.each(request, whole, |key| found.take(&key));
        match found {
            Found::One(hash) => match request.snapshot.consumers.by_key.get(&hash) {
                Some(credential) if !credential.is_in_force() => {
                    Verdict::refused("the key has expired")
                }
                Some(credential) => {
                    Verdict::Proven(Identity::of_credential(Self::NAME, credential))
                }
                None => Verdict::refused("the key is not known"),
            },
            Found::Unusable => Verdict::refused("one key of a known consumer is needed"),
            Found::None => Verdict::Absent,
        }
    }

    fn hide(&self, request: &mut RequestContext) {
        self.sources.hide(request, whole);
    }

    fn challenge(&self, realm: &str, _refusal: Option<&Refusal>) -> String {
        format!("ApiKey realm=\"{realm}\"")
    }
}

/// A field has nothing but the key.
#[expect(
    clippy::unnecessary_wraps,
    reason = "others read only a part of some fields"
)]
fn whole<'v>(_name: &HeaderName, value: &'v HeaderValue) -> Option<&'v [u8]> {
    Some(value.as_bytes())
}
