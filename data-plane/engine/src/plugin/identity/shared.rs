//! What the settings of all methods have in common.

use std::sync::Arc;

use gatewright_proto::{Key, Kind};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Consumer, RequestContext, plugin::InvalidSetting, reference::Reference};

/// Names of the fields of [`Settings`].
pub(super) const FIELDS: [&str; 5] = [
    "anonymous",
    "hide_credential",
    "identity_headers",
    "optional",
    "realm",
];
const CONSUMER_NAME: HeaderName = HeaderName::from_static("x-consumer-name");
const CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");

/// Settings that every method has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Name of the consumer that requests without any credential are taken to be from. A wrong credential
    /// is refused even so.
    anonymous: Option<String>,
    /// Whether requests without any credential pass, as of nobody. A wrong credential is refused even so.
    optional: bool,
    /// Whether the credential is removed before the request is forwarded.
    pub(super) hide_credential: Option<bool>,
    /// Whether the upstream is told who the consumer is, in `X-Consumer-Name` and `X-Consumer-Groups`.
    /// Such fields sent by the client are removed then.
    identity_headers: bool,
    /// Realm named in `WWW-Authenticate`: visible ASCII characters and spaces, no quotes or backslashes.
    realm: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            anonymous: None,
            optional: false,
            hide_credential: None,
            identity_headers: true,
            realm: "gatewright".to_owned(),
        }
    }
}

/// The settings, compiled.
#[derive(Debug)]
pub(super) struct Shared {
    anonymous: Option<Box<str>>,
    pub(super) optional: bool,
    pub(super) identity_headers: bool,
    pub(super) realm: Box<str>,
}

impl Shared {
    pub(super) fn compile(settings: Settings, mistakes: &mut Vec<InvalidSetting>) -> Self {
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        if !settings.realm.bytes().all(plain) {
            let reason =
                "may have visible ASCII characters and spaces, but no quotes or backslashes";
            mistakes.push(InvalidSetting::new("realm", reason));
        }
        Self {
            anonymous: settings.anonymous.map(String::into_boxed_str),
            optional: settings.optional,
            identity_headers: settings.identity_headers,
            realm: settings.realm.into(),
        }
    }

    /// The consumer of requests without credentials. Also none where it is disabled or was refused by
    /// this node.
    pub(super) fn anonymous<'r>(&self, request: &'r RequestContext) -> Option<&'r Arc<Consumer>> {
        let name = self.anonymous.as_deref()?;
        request.snapshot.consumers.by_name.get(name)
    }
}

/// Which resources the settings name.
pub(super) fn references(settings: &Settings) -> Vec<Reference> {
    let reference = |name| Reference {
        field: "anonymous".to_owned(),
        key: Key::new(Kind::Consumer, name),
    };
    settings.anonymous.iter().map(reference).collect()
}

/// Replaces what the client may have claimed by what is known.
pub(super) fn tell_upstream(request: &mut RequestContext) {
    let consumer = request.consumer.as_ref();
    let name = consumer.and_then(|it| it.name_field.clone());
    let groups = groups(request);
    for (field, value) in [(CONSUMER_NAME, name), (CONSUMER_GROUPS, groups)] {
        match value {
            Some(value) => request.headers.insert(field, value),
            None => request.headers.remove(field),
        };
    }
}

/// Those of the consumer, and those that the token names.
fn groups(request: &RequestContext) -> Option<HeaderValue> {
    let own = request.consumer.as_ref();
    let named = request.claims.as_ref().filter(|it| !it.groups.is_empty());
    let Some(named) = named else {
        return own.and_then(|it| it.groups_field.clone());
    };
    let own = own.map_or(&[][..], |it| &it.groups);
    let more = named.groups.iter().filter(|group| !own.contains(group));
    let all: Vec<&str> = own.iter().chain(more).map(|group| &**group).collect();
    HeaderValue::from_str(&all.join(",")).ok()
}
