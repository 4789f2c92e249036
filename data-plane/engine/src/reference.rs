//! Which resources a resource refers to.

use gatewright_proto::{Key, Resource};

/// That a field names another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Path of the field, as `attach.route`.
    pub field: String,
    /// What it names.
    pub key: Key,
}

/// All references of a resource, those in a plugin's settings included.
pub fn references(_resource: &Resource) -> Vec<Reference> {
    Vec::new()
}
