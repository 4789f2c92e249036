//! `key-auth`: finds out who the consumer is by an API key.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use gatewright_proto::{Key, Kind};
use http::{HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

use self::source::Sources;
use super::{Build, Configure, Flow, InvalidSetting, Plugin};
use crate::{Code, Credential, Rejection, RequestContext, reference::Reference};

mod source;
#[cfg(test)]
mod tests;

/// Longest key that is looked at, as longest that can be configured.
const MAX_KEY_BYTES: usize = 512;
const CONSUMER_NAME: HeaderName = HeaderName::from_static("x-consumer-name");
const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct KeyAuth {
    sources: Sources,
    hide_credential: bool,
    anonymous: Option<Box<str>>,
    identity_headers: bool,
    challenge: HeaderValue,
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
    /// Whether the key is removed before the request is forwarded.
    hide_credential: bool,
    /// Name of the consumer that requests without any key are taken to be from. A wrong key is refused
    /// even so.
    anonymous: Option<String>,
    /// Whether the upstream is told who the consumer is, in `X-Consumer-Name` and `X-Consumer-Groups`.
    /// Such fields sent by the client are removed then.
    identity_headers: bool,
    /// Realm named in `WWW-Authenticate`.
    realm: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headers: vec!["x-api-key".to_owned()],
            query: Vec::new(),
            cookies: Vec::new(),
            hide_credential: true,
            anonymous: None,
            identity_headers: true,
            realm: "gatewright".to_owned(),
        }
    }
}

impl Configure for KeyAuth {
    const NAME: &'static str = "key-auth";
    const SUMMARY: &'static str = "Finds out who the consumer is by an API key.";
    const DOCS: &'static str = "\
Looks for a key in header fields, query parameters and cookies, and for the credential (type `key`) with
the same SHA-256; keys themselves are stored nowhere. The consumer of that credential is the one that
later plugins, limits and logs see.

Refused with 401, code `unauthorized`: no key (unless `anonymous` is given), a key that is not known or
is not that of an enabled consumer, and two different keys in one request. Several `key-auth` plugins
may apply to one request; one that finds no key is content with what an earlier one found, and a key of
another consumer than that is refused.";
    const EXAMPLE: &'static str = "\
headers: [x-api-key]
query: [api_key]
hide_credential: true";
    const ORDER: i32 = 1000;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = false;
    type Settings = Settings;

    fn configure(settings: Settings, _build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let sources = Sources::compile(&settings, &mut mistakes);
        let quoted = settings.realm.contains(['"', '\\']);
        let challenge = HeaderValue::from_str(&format!("ApiKey realm=\"{}\"", settings.realm));
        let Some(challenge) = challenge.ok().filter(|_| !quoted) else {
            let reason =
                "may have visible ASCII characters and spaces, but no quotes or backslashes";
            mistakes.push(InvalidSetting::new("realm", reason));
            return Err(mistakes);
        };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            sources,
            hide_credential: settings.hide_credential,
            anonymous: settings.anonymous.map(String::into_boxed_str),
            identity_headers: settings.identity_headers,
            challenge,
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let reference = |name| Reference {
            field: "anonymous".to_owned(),
            key: Key::new(Kind::Consumer, name),
        };
        settings.anonymous.iter().map(reference).collect()
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

impl Plugin for KeyAuth {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        let identified = match self.sources.find(request) {
            Found::One(hash) => self.identify(request, &hash),
            Found::Unusable => Err("one key of a known consumer is needed"),
            Found::None => self.without_key(request),
        };
        if let Err(detail) = identified {
            return Flow::Reject(
                Rejection::new(Code::Unauthorized, detail)
                    .with_header(header::WWW_AUTHENTICATE, self.challenge.clone()),
            );
        }
        if self.hide_credential {
            self.sources.hide(request);
        }
        if self.identity_headers {
            tell_upstream(request);
        }
        Flow::Continue
    }
}

impl KeyAuth {
    fn identify(&self, request: &mut RequestContext, hash: &[u8; 32]) -> Result<(), &'static str> {
        let known: Option<&Arc<Credential>> = request.snapshot.consumers.by_key.get(hash);
        let Some(credential) = known else {
            return Err("the key is not known");
        };
        let earlier = request.credential.as_ref();
        if earlier.is_some_and(|earlier| earlier.consumer.name != credential.consumer.name) {
            return Err("the request has credentials of different consumers");
        }
        let credential = Arc::clone(credential);
        request.consumer = Some(Arc::clone(&credential.consumer));
        request.credential = Some(credential);
        Ok(())
    }

    fn without_key(&self, request: &mut RequestContext) -> Result<(), &'static str> {
        if request.credential.is_some() {
            return Ok(());
        }
        let Some(name) = &self.anonymous else {
            return Err("a key is needed");
        };
        // Missing only where it is disabled or was refused by this node.
        let Some(consumer) = request.snapshot.consumers.by_name.get(&**name) else {
            return Err("a key is needed");
        };
        request.consumer = Some(Arc::clone(consumer));
        Ok(())
    }
}

/// Replaces what the client may have claimed by what is known.
fn tell_upstream(request: &mut RequestContext) {
    let consumer = request.consumer.as_ref();
    let fields = [
        (
            CONSUMER_NAME,
            consumer.and_then(|it| it.name_field.as_ref()),
        ),
        (
            CONSUMER_GROUPS,
            consumer.and_then(|it| it.groups_field.as_ref()),
        ),
    ];
    for (name, value) in fields {
        match value {
            Some(value) => request.headers.insert(name, value.clone()),
            None => request.headers.remove(name),
        };
    }
}
