//! Content hashes: of a resource, and of a set of them.

use std::fmt;

use crate::{Key, Resource};

/// Content hash of a resource: the first 16 bytes of the BLAKE3 of its canonical encoding. Equal on
/// all control planes, since encoding sorts maps and leaves out defaults.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// That of a resource.
    pub fn of(resource: &Resource) -> Self {
        Self::of_bytes(&resource.to_bytes())
    }

    /// That of a resource's canonical encoding.
    pub fn of_bytes(encoded: &[u8]) -> Self {
        Self(first_half(&blake3::hash(encoded)))
    }

    /// Its bytes, as on the stream.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads it from the stream; none where it is not 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads it from 32 hexadecimal digits, as in an ETag.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, place) in bytes.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Hash of a set of resources: XOR over the hashes of (kind, name, version), so that adding and
/// removing one are the same cheap step.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Adds a resource to the set, or takes it out of it.
    pub fn toggle(&mut self, key: &Key, version: &Version) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.kind.as_str().as_bytes());
        hasher.update(&[0]);
        hasher.update(key.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(version.as_bytes());
        for (mine, its) in self.0.iter_mut().zip(first_half(&hasher.finalize())) {
            *mine ^= its;
        }
    }

    /// Adds another set to this one; what is in both is in neither.
    pub fn join(&mut self, other: &Self) {
        for (mine, its) in self.0.iter_mut().zip(other.0) {
            *mine ^= its;
        }
    }

    /// Its bytes, as on the stream.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads it from the stream; none where it is not 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Version(self.0), out)
    }
}

fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}
