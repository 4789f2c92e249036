//! Secrets.

use gatewright_proto::{Kind, Resource};

use super::{Compiler, Mistake};
use crate::secret::{MAX_SECRET_BYTES as MAX_BYTES, Place};

impl Compiler<'_> {
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
