//! Which rows are encrypted with which master key.

use async_trait::async_trait;

use super::{
    Store, StoreError,
    document::{self, Body},
};
use crate::secrets::{self, Keyring};

/// Which rows are to be encrypted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outdated {
    /// Those in clear.
    Plain,
    /// Those in clear, and those encrypted with another key than the first one.
    All,
}

/// Encryption of what is stored.
#[async_trait]
pub trait Sealing {
    /// Id of the master key that encrypts; none where nothing can be encrypted.
    fn master_key(&self) -> Option<&str>;

    /// The master keys that rows are encrypted with.
    async fn keys_in_use(&self) -> Result<Vec<String>, StoreError>;

    /// How many rows are not encrypted with the first master key, those in clear included.
    async fn outdated(&self) -> Result<u64, StoreError>;

    /// Encrypts at most `limit` rows again, of the configuration and of its history, in one transaction. Returns how
    /// many it were.
    async fn reseal(&self, which: Outdated, limit: u32) -> Result<u64, StoreError>;
}

/// The master keys in use.
pub(super) const KEYS_IN_USE: &str = "
    select sealed_with from resource where sealed_with is not null and sealed_with <> ''
    union select sealed_with from change where sealed_with is not null and sealed_with <> ''";

/// Kind, name, body.
pub(super) type BodyRow = (String, String, String);
/// Revision, position, kind, name, before, after.
pub(super) type BodiesRow = (i64, i32, String, String, Option<String>, Option<String>);

/// Checks that every master key is there that something is encrypted with.
pub(super) async fn check(store: &dyn Store, keyring: &Keyring) -> Result<(), StoreError> {
    let known = keyring.ids();
    let in_use = store.keys_in_use().await?;
    match in_use.into_iter().find(|id| !known.contains(&&**id)) {
        None => Ok(()),
        Some(id) => Err(StoreError::MasterKey(keyring.unknown(&id))),
    }
}

/// The kinds that have secrets, as in the tables.
pub(super) fn kinds() -> Vec<&'static str> {
    secrets::hides()
        .map(gatewright_proto::Kind::as_str)
        .collect()
}

/// A body, encrypted again.
pub(super) fn again(
    (kind, name): (&str, &str),
    body: &str,
    keyring: &Keyring,
) -> Result<Body, StoreError> {
    let key = document::key(kind, name)?;
    let (resource, _) = document::parse(&key, body, keyring)?;
    Ok(document::render(&key, &resource, keyring)?.0)
}

/// The two bodies of a change, encrypted again, and the id of their master key.
pub(super) fn both_again(
    row: &BodiesRow,
    keyring: &Keyring,
) -> Result<(Option<String>, Option<String>, String), StoreError> {
    let (_, _, kind, name, before, after) = row;
    let mut with = String::new();
    let mut side = |body: &Option<String>| -> Result<Option<String>, StoreError> {
        let Some(body) = body else {
            return Ok(None);
        };
        let body = again((kind, name), body, keyring)?;
        let id = body.sealed_with.unwrap_or_default();
        if !id.is_empty() {
            with = id;
        }
        Ok(Some(body.text))
    };
    let (before, after) = (side(before)?, side(after)?);
    Ok((before, after, with))
}
