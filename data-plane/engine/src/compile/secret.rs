//! Secrets.

use gatewright_proto::{Kind, Resource};

use super::{Compiler, Mistake};

/// Largest value, in bytes.
const MAX_BYTES: usize = 64 * 1024;

impl Compiler<'_> {
    /// Checks the values. They are read where they are referred to.
    pub(super) fn secrets(&mut self) {
        for (key, held) in self.held(Kind::Secret) {
            let Resource::Secret(secret) = &*held.resource else {
                continue;
            };
            if secret.value.is_empty() {
                self.add(key, Mistake::required("value"));
            } else if secret.value.len() > MAX_BYTES {
                let reason = format!("{} bytes; at most {MAX_BYTES}", secret.value.len());
                self.add(key, Mistake::value("value", reason));
            }
        }
    }
}
