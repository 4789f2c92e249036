//! The type of a setting that is a secret, for plugins: the setting holds a reference, and the plugin is built with the
//! text that it leads to.

use std::{borrow::Cow, cell::RefCell};

use gatewright_proto::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{Build, Code, Flow, Plugin};
use crate::{
    Rejection, RequestContext,
    reference::Reference,
    secret::{Lack, Place, SecretSources, SecretText},
};

/// A setting that refers to a secret: `secret:NAME`, `secret:NAME#FIELD`, `env:NAME`, `file:PATH` or
/// `vault:MOUNT/PATH#FIELD`.
///
/// A plugin takes the text with [`Build::secret`] when it is built, and is built again when the text changes. It names
/// the reference in [`super::Configure::references`] with [`SecretRef::reference`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRef(Place);

impl SecretRef {
    /// Where it leads.
    pub const fn place(&self) -> &Place {
        &self.0
    }

    /// The resource that it names, if it names one that must be there.
    pub fn reference(&self, field: impl Into<String>) -> Option<Reference> {
        match &self.0 {
            Place::Secret(name, _) => Some(Reference::new(field, Kind::Secret, name)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Place::parse(&text).map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "secret-reference",
            "pattern": "^(secret|env|file|vault):.+",
            "description": "Where the secret is: `secret:NAME`, `secret:NAME#FIELD`, `env:NAME`, `file:PATH` or `vault:MOUNT/PATH#FIELD`.",
        })
    }
}

/// A secret that an instance was built with, or without.
#[derive(Clone, Debug)]
pub struct UsedSecret {
    /// Path of the setting, as `settings.secret`.
    pub field: String,
    /// Where it leads.
    pub place: Place,
    /// The SHA-256 of the text; or why there is none.
    pub found: Result<[u8; 32], Lack>,
}

impl UsedSecret {
    /// Whether what it leads to is what it was.
    pub(super) fn is_same(&self, sources: &SecretSources<'_>) -> bool {
        sources.find(&self.place).map(|text| text.digest()) == self.found
    }
}

impl Build<'_> {
    /// The text that a setting refers to. `field` is its path within the settings.
    ///
    /// Where there is none the text is empty, and what is built with it never runs: the instance refuses all
    /// requests, with a code of its own.
    pub fn secret(&self, field: impl Into<String>, reference: &SecretRef) -> SecretText {
        let found = self.sources.find(reference.place());
        self.used.borrow_mut().push(UsedSecret {
            field: format!("settings.{}", field.into()),
            place: reference.place().clone(),
            found: found.as_ref().map(SecretText::digest).map_err(Lack::clone),
        });
        found.unwrap_or_else(|_| SecretText::new(""))
    }
}

/// The secrets that were asked for while a plugin was built.
pub(super) type Used = RefCell<Vec<UsedSecret>>;

/// Stands for a plugin whose secret is missing.
#[derive(Debug)]
pub(super) struct Unavailable;

impl Plugin for Unavailable {
    fn on_request<'a>(&'a self, _request: &'a mut RequestContext) -> Flow<'a> {
        Flow::Reject(Rejection::new(
            Code::SecretUnavailable,
            "a secret that is needed for this request is missing on this node",
        ))
    }
}
