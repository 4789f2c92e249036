//! The last accepted configuration, on disk: a node starts from it when no control plane answers.
//!
//! One file, replaced by rename, readable by its owner only. What was refused is in it too, so that a
//! node comes back closed where it was closed. A file that is torn, foreign or of another format is ignored,
//! loudly.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use gatewright_engine::{Held, Refused, ResourceSet, live::Live};
use gatewright_proto::{Key, Kind, Version};
use prost::Message;

/// What the file begins with; another format has another one.
const MAGIC: &[u8; 8] = b"GWSTATE1";
/// Bytes of the checksum.
const SUM_BYTES: usize = 32;
const FILE: &str = "config";

/// Where the configuration is kept.
#[derive(Clone, Debug)]
pub(crate) struct ConfigCache {
    folder: PathBuf,
}

/// What was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// History that the revision belongs to.
    pub epoch: String,
    /// The revision.
    pub revision: u64,
    /// The resources.
    pub set: ResourceSet,
    /// Refused versions of resources that an earlier version is held of.
    pub outdated: BTreeMap<Key, Version>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "1")]
    epoch: String,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(message, repeated, tag = "3")]
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Message)]
struct Row {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "bytes", tag = "3")]
    version: Bytes,
    #[prost(bytes = "bytes", optional, tag = "4")]
    body: Option<Bytes>,
    /// Refused, and no earlier version is held.
    #[prost(bool, tag = "5")]
    refused: bool,
    /// The version that was refused, where this earlier one is held.
    #[prost(bytes = "bytes", tag = "6")]
    refused_version: Bytes,
}

impl ConfigCache {
    /// In this folder, which is created when something is kept.
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps what a node holds.
    ///
    /// # Errors
    /// The folder cannot be written to. What was kept before is untouched.
    pub(crate) fn keep(&self, epoch: &str, live: &Live) -> io::Result<()> {
        let file = File {
            epoch: epoch.to_owned(),
            revision: live.revision,
            rows: rows(live),
        };
        let body = file.encode_to_vec();
        fs::create_dir_all(&self.folder)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".config")
            .tempfile_in(&self.folder)?;
        temporary.write_all(MAGIC)?;
        temporary.write_all(blake3::hash(&body).as_bytes())?;
        temporary.write_all(&body)?;
        temporary.as_file().sync_all()?;
        // A temporary file has mode 0600, and keeps it.
        temporary
            .persist(self.folder.join(FILE))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// What was kept; none where there is nothing that can be used.
    pub(crate) fn load(&self) -> Option<Kept> {
        let path = self.folder.join(FILE);
        let bytes = match fs::read(&path) {
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
        match File::decode(body) {
            Ok(file) => Some(read(file)),
            Err(error) => ignored(&path, &error.to_string()),
        }
    }
}

fn ignored(path: &Path, reason: &str) -> Option<Kept> {
    tracing::warn!(path = %path.display(), reason, "the kept configuration cannot be used; waiting for a control plane");
    None
}

fn rows(live: &Live) -> Vec<Row> {
    let held = live.set.held.iter().map(|(key, held)| Row {
        kind: key.kind.to_string(),
        name: key.name.clone(),
        version: Bytes::copy_from_slice(held.version.as_bytes()),
        body: Some(held.resource.to_bytes()),
        refused: false,
        refused_version: live.outdated.get(key).map_or_else(Bytes::new, |version| {
            Bytes::copy_from_slice(version.as_bytes())
        }),
    });
    let refused = live.set.refused.iter().map(|(key, refused)| Row {
        kind: key.kind.to_string(),
        name: key.name.clone(),
        version: Bytes::copy_from_slice(refused.version.as_bytes()),
        body: refused
            .resource
            .as_ref()
            .map(|resource| resource.to_bytes()),
        refused: true,
        refused_version: Bytes::new(),
    });
    held.chain(refused).collect()
}

fn read(file: File) -> Kept {
    let mut kept = Kept {
        epoch: file.epoch,
        revision: file.revision,
        set: ResourceSet::default(),
        outdated: BTreeMap::new(),
    };
    for row in file.rows {
        let (Ok(kind), Some(version)) =
            (row.kind.parse::<Kind>(), Version::from_slice(&row.version))
        else {
            continue;
        };
        let key = Key::new(kind, row.name);
        let resource = row
            .body
            .and_then(|body| kind.decode(&body).ok())
            .map(Arc::new);
        if let Some(refused) = Version::from_slice(&row.refused_version) {
            kept.outdated.insert(key.clone(), refused);
        }
        match resource {
            Some(resource) if !row.refused => {
                kept.set.held.insert(key, Held { resource, version });
            }
            resource => {
                let refused = Refused {
                    resource,
                    version,
                    errors: Vec::new(),
                };
                kept.set.refused.insert(key, refused);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use gatewright_engine::{live::Change, plugin::Registry};
    use serde_json::json;

    use super::*;

    fn live() -> Live {
        let upsert = |kind: Kind, value| {
            let resource = kind.from_json(value).unwrap();
            (Key::of(&resource), Version::of(&resource), Some(resource))
        };
        let mut live = Live::new(Registry::default());
        live.apply(Change {
            revision: 7,
            upserts: vec![
                upsert(Kind::Service, json!({"name": "s", "url": "http://s"})),
                upsert(Kind::Route, json!({"name": "r", "service": "s"})),
                upsert(
                    Kind::Plugin,
                    json!({"name": "p", "type": "unknown", "attach": {"route": "r"}}),
                ),
            ],
            ..Change::default()
        });
        live
    }

    #[test]
    fn what_was_kept_comes_back_with_what_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ConfigCache::new(folder.path().join("state"));
        assert!(cache.load().is_none());
        let live = live();
        cache.keep("epoch", &live).unwrap();
        let kept = cache.load().unwrap();
        assert_eq!((kept.epoch.as_str(), kept.revision), ("epoch", 7));
        assert_eq!(kept.set.digest(), live.set.digest());
        let mut again = Live::new(Registry::default());
        again.restore(kept.set, kept.outdated, kept.revision);
        assert_eq!(again.deviations(), live.deviations());
        assert_eq!(
            again.current.load().routes[0].chain.instances.len(),
            1,
            "still closed"
        );
    }

    #[test]
    fn a_torn_or_foreign_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ConfigCache::new(folder.path().to_owned());
        cache.keep("epoch", &live()).unwrap();
        let path = folder.path().join(FILE);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[60] ^= 1;
        for bytes in [
            &good[..good.len() - 1],
            &good[..20],
            b"something else",
            &[],
            &bad,
        ] {
            fs::write(&path, bytes).unwrap();
            assert!(cache.load().is_none());
        }
    }
}
