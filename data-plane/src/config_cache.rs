//! The last accepted configuration, on disk: a node starts from it when no control plane answers.
//!
//! One file, replaced by rename, readable by its owner only. What was refused is in it too, so that a
//! node comes back closed where it was closed. A file that is torn, foreign or of another format is ignored,
//! loudly.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use gatewright_engine::{Held, Refused, ResourceSet, live::Live};
use gatewright_proto::{Key, Kind, Version, v1::Mistake};
use prost::Message;

use crate::config_stream::Refusal;

#[cfg(test)]
mod tests;

/// What the file begins with; another format has another one.
const MAGIC: &[u8; 8] = b"GWSTATE2";
/// Bytes of the checksum.
const SUM_BYTES: usize = 32;
const FILE: &str = "config";
/// Largest file that is read. A delta is bounded in the same way.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Where the configuration is kept.
#[derive(Clone, Debug)]
pub(crate) struct ConfigCache {
    folder: PathBuf,
}

/// What was kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// History that the revision belongs to.
    pub(crate) epoch: String,
    /// The revision.
    pub(crate) revision: u64,
    /// Version of the software that kept it.
    pub(crate) software: String,
    /// The resources.
    pub(crate) set: ResourceSet,
    /// What was refused, with or without an earlier version in `set`.
    pub(crate) refusals: BTreeMap<Key, Refusal>,
}

#[derive(Clone, PartialEq, Message)]
struct Document {
    #[prost(string, tag = "1")]
    epoch: String,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(message, repeated, tag = "3")]
    held: Vec<Row>,
    #[prost(message, repeated, tag = "4")]
    refused: Vec<Row>,
    #[prost(string, tag = "5")]
    software: String,
}

#[derive(Clone, PartialEq, Message)]
struct Row {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "bytes", tag = "3")]
    version: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    body: Bytes,
    #[prost(message, repeated, tag = "5")]
    mistakes: Vec<Mistake>,
}

impl Row {
    fn of(key: &Key, version: &Version, body: Bytes) -> Self {
        Self {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: Bytes::copy_from_slice(version.as_bytes()),
            body,
            mistakes: Vec::new(),
        }
    }

    fn key(&self) -> Option<(Key, Version)> {
        let kind: Kind = self.kind.parse().ok()?;
        let version = Version::from_slice(&self.version)?;
        Some((Key::new(kind, self.name.as_str()), version))
    }
}

impl ConfigCache {
    /// In this folder, which is created when something is kept.
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps what a node holds. When this returns it is on the disk.
    ///
    /// # Errors
    /// The folder cannot be written to. What was kept before is untouched.
    pub(crate) fn keep(
        &self,
        epoch: &str,
        live: &Live,
        refusals: &BTreeMap<Key, Refusal>,
    ) -> io::Result<()> {
        let held = live.set.held.iter();
        let held = held.map(|(key, held)| Row::of(key, &held.version, held.resource.to_bytes()));
        let refused = refusals.iter().map(|(key, refusal)| Row {
            mistakes: refusal.mistakes.clone(),
            ..Row::of(key, &refusal.version, refusal.body.clone())
        });
        let document = Document {
            epoch: epoch.to_owned(),
            revision: live.revision,
            held: held.collect(),
            refused: refused.collect(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.write(&document.encode_to_vec())
    }

    fn write(&self, body: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".config")
            .tempfile_in(&self.folder)?;
        temporary.write_all(MAGIC)?;
        temporary.write_all(blake3::hash(body).as_bytes())?;
        temporary.write_all(body)?;
        temporary.as_file().sync_all()?;
        // A temporary file has mode 0600, and keeps it.
        temporary
            .persist(self.folder.join(FILE))
            .map_err(|error| error.error)?;
        // The rename itself is durable once the folder is.
        File::open(&self.folder)?.sync_all()
    }

    /// What was kept; none where there is nothing that can be used.
    pub(crate) fn load(&self) -> Option<Kept> {
        let path = self.folder.join(FILE);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return ignored(&path, &error.to_string()),
        };
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return ignored(&path, "it has another format");
        };
        let Some((sum, body)) = rest.split_at_checked(SUM_BYTES) else {
            return ignored(&path, "it is incomplete");
        };
        if blake3::hash(body).as_bytes() != sum {
            return ignored(&path, "its checksum is wrong");
        }
        match Document::decode(body) {
            Ok(document) => match Kept::of(document) {
                Some(kept) => Some(kept),
                None => ignored(&path, "it holds a resource that this version cannot read"),
            },
            Err(error) => ignored(&path, &error.to_string()),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn ignored(path: &Path, reason: &str) -> Option<Kept> {
    tracing::warn!(path = %path.display(), reason, "the kept configuration cannot be used; waiting for a control plane");
    None
}

impl Kept {
    /// None where something cannot be read: serving the rest could be serving with less protection.
    fn of(document: Document) -> Option<Self> {
        let mut kept = Self {
            epoch: document.epoch,
            revision: document.revision,
            software: document.software,
            ..Self::default()
        };
        for row in document.held {
            let (key, version) = row.key()?;
            let resource = Arc::new(key.kind.decode(&row.body).ok()?);
            kept.set.held.insert(key, Held { resource, version });
        }
        for row in document.refused {
            let (key, version) = row.key()?;
            if !kept.set.held.contains_key(&key) {
                let refused = Refused {
                    resource: key.kind.decode(&row.body).ok().map(Arc::new),
                    version,
                    errors: Vec::new(),
                };
                kept.set.refused.insert(key.clone(), refused);
            }
            let refusal = Refusal {
                version,
                body: row.body,
                mistakes: row.mistakes,
            };
            kept.refusals.insert(key, refusal);
        }
        Some(kept)
    }

    /// Refused versions of resources that an earlier version is held of.
    pub(crate) fn outdated(&self) -> BTreeMap<Key, Version> {
        let held = |key: &Key| self.set.held.contains_key(key);
        let outdated = self.refusals.iter().filter(|(key, _)| held(key));
        outdated
            .map(|(key, refusal)| (key.clone(), refusal.version))
            .collect()
    }
}
