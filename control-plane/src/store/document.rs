//! Rows to resources and back.

use std::{fmt::Display, sync::Arc};

use gatewright_proto::{Key, Kind, Resource, Version};

use super::{Change, Head, Revision, StoreError, Stored};

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
pub(super) fn stored(row: &ResourceRow) -> Result<Stored, StoreError> {
    let (kind, name, body, revision, created_revision, updated_at_ms) = row;
    let (resource, version) = parse(&key(kind, name)?, body)?;
    Ok(Stored {
        resource,
        version,
        revision: number(name, *revision)?,
        created_revision: number(name, *created_revision)?,
        updated_at_ms: *updated_at_ms,
    })
}

/// A change, from its row.
pub(super) fn change(row: &ChangeRow) -> Result<Change, StoreError> {
    let (revision, kind, name, before, after, at_ms) = row;
    let key = key(kind, name)?;
    let side = |body: &Option<String>| {
        let body = body.as_deref();
        body.map(|body| parse(&key, body)).transpose()
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
pub(super) fn render(key: &Key, resource: &Resource) -> Result<(String, Versioned), StoreError> {
    let named = |error| corrupt(key, &error);
    let text = resource.to_json().map_err(named)?.to_string();
    let versioned = parse(key, &text)?;
    Ok((text, versioned))
}

/// The resource in a body, which must be the one that its row names.
pub(super) fn parse(key: &Key, body: &str) -> Result<Versioned, StoreError> {
    let mut json = serde_json::Deserializer::from_str(body);
    let resource = key.kind.from_json(&mut json);
    let resource = resource.map_err(|error| corrupt(key, &error))?;
    json.end().map_err(|error| corrupt(key, &error))?;
    if resource.name() != key.name {
        let reason = format!("its body is named `{}`", resource.name());
        return Err(corrupt(key, &reason));
    }
    let version = Version::of(&resource);
    Ok((Arc::new(resource), version))
}

fn key(kind: &str, name: &str) -> Result<Key, StoreError> {
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

fn corrupt(key: &dyn Display, reason: &dyn Display) -> StoreError {
    StoreError::Corrupt {
        key: key.to_string(),
        reason: reason.to_string(),
    }
}
