//! The certificate for a name.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use gatewright_engine::{Certificate, Snapshot};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::published::Published;

/// Finds certificates in what is served at the time of a handshake.
#[derive(Debug)]
pub(super) struct ByName {
    published: Arc<ArcSwap<Published>>,
    index: ArcSwap<Index>,
}

impl ByName {
    pub(super) fn new(published: Arc<ArcSwap<Published>>) -> Self {
        Self {
            published,
            index: ArcSwap::default(),
        }
    }

    /// The certificate for the exact name, else for a wildcard over it; of several, the first by the
    /// name of the resource.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Certificate>> {
        let published = self.published.load();
        let mut index = self.index.load_full();
        if !index.is_of(&published.snapshot) {
            index = Arc::new(Index::of(&published.snapshot));
            self.index.store(Arc::clone(&index));
        }
        index.find(&name.to_ascii_lowercase()).map(Arc::clone)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = self.find(hello.server_name()?)?;
        Some(Arc::clone(&certificate.certified))
    }
}

/// The certificates of one snapshot by host.
#[derive(Debug, Default)]
struct Index {
    /// Tells the snapshot from others without keeping it alive.
    snapshot: Weak<Snapshot>,
    exact: HashMap<Box<str>, Arc<Certificate>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Arc<Certificate>>,
}

impl Index {
    fn of(snapshot: &Arc<Snapshot>) -> Self {
        let mut index = Self {
            snapshot: Arc::downgrade(snapshot),
            ..Self::default()
        };
        for certificate in &snapshot.certificates {
            for host in &certificate.hosts {
                let (map, key) = match host.strip_prefix("*.") {
                    Some(parent) => (&mut index.wildcard, parent),
                    None => (&mut index.exact, &**host),
                };
                map.entry(key.into())
                    .or_insert_with(|| Arc::clone(certificate));
            }
        }
        index
    }

    fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
    }

    fn find(&self, name: &str) -> Option<&Arc<Certificate>> {
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.wildcard.get(parent)
        };
        self.exact.get(name).or_else(wildcard)
    }
}
