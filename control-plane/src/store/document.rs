//! Rows to resources and back.

use std::{fmt::Display, sync::Arc};

use gatewright_proto::{Key, Kind, Resource, Version};
use serde::Deserialize as _;

use super::{Change, Head, Revision, StoreError, Stored};
use crate::secrets::{self, Keyring, SealError};

/// Epoch, revision, trimmed.
pub(super) type HeadRow = (String, i64, i64);
/// Kind, name, body, revision, created revision, updated at.
pub(super) type ResourceRow = (String, String, String, i64, i64, i64);
/// Revision, kind, name, before, after, at.
pub(super) type ChangeRow = (i64, String, String, Option<String>, Option<String>, i64);
/// Revision, at, author, comment, changes.
pub(super) type RevisionRow = (i64, i64, String, String, i32);

/// A resource and its content hash.
pub(super) type Versioned = (Arc<Resource>, Version);

/// The head, and up to which revision changes were trimmed.
pub(super) fn head((epoch, revision, trimmed): HeadRow) -> Result<(Head, u64), StoreError> {
    let revision = number("revision", revision)?;
    let trimmed = number("revision", trimmed)?;
    Ok((Head { epoch, revision }, trimmed))
}

/// A resource, from its row.
pub(super) fn stored(row: &ResourceRow, keyring: &Keyring) -> Result<Stored, StoreError> {
    let (kind, name, body, revision, created_revision, updated_at_ms) = row;
    let (resource, version) = parse(&key(kind, name)?, body, keyring)?;
    Ok(Stored {
        resource,
        version,
        revision: number(name, *revision)?,
        created_revision: number(name, *created_revision)?,
        updated_at_ms: *updated_at_ms,
    })
}

/// A change, from its row.
pub(super) fn change(row: &ChangeRow, keyring: &Keyring) -> Result<Change, StoreError> {
    let (revision, kind, name, before, after, at_ms) = row;
    let key = key(kind, name)?;
    let side = |body: &Option<String>| {
        let body = body.as_deref();
        body.map(|body| parse(&key, body, keyring)).transpose()
    };
    Ok(Change {
        revision: number("change", *revision)?,
        before: side(before)?,
        after: side(after)?,
        at_ms: *at_ms,
        key,
    })
}

/// A commit, from its row.
pub(super) fn revision(row: RevisionRow) -> Result<Revision, StoreError> {
    let (revision, at_ms, author, comment, changes) = row;
    Ok(Revision {
        revision: number("revision_log", revision)?,
        at_ms,
        author,
        comment,
        changes: u32::try_from(changes).map_err(|error| corrupt(&"revision_log", &error))?,
    })
}

/// The text to store for a resource, and the resource as everyone will read it from there: a number in
/// a plugin's settings may come back in another spelling, and all control planes must agree on the
/// content version.
pub(super) fn render(
    key: &Key,
    resource: &Resource,
    keyring: &Keyring,
) -> Result<(Body, Versioned), StoreError> {
    let named = |error| corrupt(key, &error);
    let mut json = resource.to_json().map_err(named)?;
    let any = secrets::seal(key, &mut json, keyring).map_err(|reason| sealed(key, reason))?;
    let with = keyring.current().filter(|_| any).unwrap_or_default();
    let body = Body {
        text: json.to_string(),
        sealed_with: Some(with.to_owned()),
    };
    let versioned = parse(key, &body.text, keyring)?;
    Ok((body, versioned))
}

/// The text of a resource that was there before, encrypted with the first master key. Without any it stays as it is.
pub(super) fn rewrite(
    key: &Key,
    text: String,
    resource: &Resource,
    keyring: &Keyring,
) -> Result<Body, StoreError> {
    if !secrets::hides().any(|kind| kind == key.kind) {
        return Ok(Body {
            text,
            sealed_with: Some(String::new()),
        });
    }
    if keyring.current().is_none() {
        return Ok(Body {
            text,
            sealed_with: None,
        });
    }
    Ok(render(key, resource, keyring)?.0)
}

/// A body as it is stored.
pub(super) struct Body {
    /// The document, with what is secret encrypted.
    pub(super) text: String,
    /// Id of the master key; empty where nothing is secret; none where what is secret may be in clear.
    pub(super) sealed_with: Option<String>,
}

/// The resource in a body, which must be the one that its row names.
pub(super) fn parse(key: &Key, body: &str, keyring: &Keyring) -> Result<Versioned, StoreError> {
    let mut json = serde_json::Deserializer::from_str(body);
    let resource = if secrets::hides().any(|kind| kind == key.kind) {
        let mut document = serde_json::Map::deserialize(&mut json);
        let document = document.as_mut().map_err(|error| corrupt(key, error))?;
        secrets::open(key, document, keyring).map_err(|reason| sealed(key, reason))?;
        key.kind
            .from_json(serde_json::Value::Object(std::mem::take(document)))
    } else {
        key.kind.from_json(&mut json)
    };
    let resource = resource.map_err(|error| corrupt(key, &error))?;
    json.end().map_err(|error| corrupt(key, &error))?;
    if resource.name() != key.name {
        let reason = format!("its body is named `{}`", resource.name());
        return Err(corrupt(key, &reason));
    }
    let version = Version::of(&resource);
    Ok((Arc::new(resource), version))
}

pub(super) fn key(kind: &str, name: &str) -> Result<Key, StoreError> {
    let unknown = |error| corrupt(&format_args!("{kind}/{name}"), &error);
    let known: Kind = kind.parse().map_err(unknown)?;
    Ok(Key::new(known, name))
}

/// A number that is never negative.
pub(super) fn number(row: &str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|error| corrupt(&row, &error))
}

/// For binding: the database's integers are signed. No revision is ever near the limit, and a question
/// about one beyond it is answered as the limit would be.
pub(super) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

pub(super) fn sealed(key: &Key, reason: SealError) -> StoreError {
    StoreError::Sealed {
        key: key.to_string(),
        reason,
    }
}

fn corrupt(key: &dyn Display, reason: &dyn Display) -> StoreError {
    StoreError::Corrupt {
        key: key.to_string(),
        reason: reason.to_string(),
    }
}
