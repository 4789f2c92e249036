//! What came of the fetches of a key set.

use serde::{Deserialize, Serialize};

/// What came of the fetches of a key set. Kept as JSON, beside the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Where the issuer says that its JWKS is; empty where that has yet to be asked.
    pub jwks_url: String,
    /// When the issuer said so, in Unix milliseconds.
    pub discovered_at_ms: i64,
    /// `ETag` of the last answer.
    pub etag: String,
    /// `Last-Modified` of the last answer.
    pub last_modified: String,
    /// When keys were last fetched, changed or not, in Unix milliseconds; 0: never.
    pub succeeded_at_ms: i64,
    /// Fetches that have failed since.
    pub failures: u32,
    /// Why the last fetch failed; empty where it did not.
    pub error: String,
    /// Keys of the last answer that cannot be used, and why.
    pub skipped: Vec<String>,
}

impl Standing {
    /// Reads it; as if nothing had been fetched where it cannot be read.
    pub fn read(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Writes it.
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("names of fields are strings")
    }
}
