//! Secrets.

use std::borrow::Cow;

use gatewright_proto::{Key, Kind, Resource};

use super::{Compiler, Mistake};
use crate::secret::{Lack, MAX_SECRET_BYTES as MAX_BYTES, MissingSecret, Place, SecretSources};

impl Compiler<'_> {
    /// The text of a field that holds either a text or where it is. None where it is not there, or not known on this
    /// plane: that is no mistake, but what needs it is closed.
    pub(super) fn text<'t>(&self, key: &Key, field: &str, text: &'t str) -> Option<Cow<'t, str>> {
        let Ok(place) = Place::parse(text) else {
            return Some(Cow::Borrowed(text));
        };
        let refused = |name: String| self.is_bad(&Key::new(Kind::Secret, name));
        if place.resource().is_some_and(refused) {
            return None;
        }
        let sources = SecretSources {
            set: self.set,
            local: &*self.registry.local,
        };
        match sources.find(&place) {
            Ok(text) => Some(Cow::Owned(text.expose().to_owned())),
            Err(Lack::Elsewhere) => None,
            Err(Lack::Missing(reason)) => {
                let missing = MissingSecret {
                    key: key.clone(),
                    field: field.to_owned(),
                    place,
                    reason,
                };
                self.missing_secrets.borrow_mut().push(missing);
                None
            }
        }
    }

    /// Checks the values. They are read where they are referred to.
    pub(super) fn secrets(&mut self) {
        for (key, held) in self.held(Kind::Secret) {
            let Resource::Secret(secret) = &*held.resource else {
                continue;
            };
            if secret.value.is_empty() && secret.source.is_empty() {
                self.add(key, Mistake::required("value"));
            }
            let from_vault = matches!(Place::parse(&secret.source), Ok(Place::Vault(_)));
            if !secret.source.is_empty() && !from_vault {
                let reason = "must be `vault:MOUNT/PATH#FIELD`";
                self.add(key, Mistake::value("source", reason));
            }
            if secret.value.len() > MAX_BYTES {
                let reason = format!("{} bytes; at most {MAX_BYTES}", secret.value.len());
                self.add(key, Mistake::value("value", reason));
            }
        }
    }
}
