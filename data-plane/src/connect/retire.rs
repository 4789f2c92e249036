//! Connections made as a revision before this one said. What TLS settings no service has any more has no idle
//! connections either: a certificate that was withdrawn is not used for one more request.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gatewright_engine::Tls;
use gatewright_proto::Version;

use super::Origin;

/// The TLS settings in force.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identities(HashSet<Version>);

impl Identities {
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Arc<Tls>>) -> Self {
        Self(all.map(|tls| tls.identity()).collect())
    }

    /// Whether a connection to this origin may be kept.
    pub(crate) fn keep(&self, origin: &Origin) -> bool {
        let tls = origin.link.tls.as_ref();
        tls.is_none_or(|tls| self.0.contains(&tls.identity()))
    }
}

/// Someone who keeps connections.
pub(crate) trait Retire: Send + Sync {
    /// Keeps only those of these identities: idle ones are closed, others once they are.
    fn retire(&self, current: &Arc<Identities>);
}

/// All who keep connections of this node.
#[derive(Default)]
pub(crate) struct Pools {
    all: Mutex<Vec<Weak<dyn Retire>>>,
    current: Mutex<Arc<Identities>>,
}

impl fmt::Debug for Pools {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pools")
    }
}

impl Pools {
    /// Adds one.
    pub(crate) fn add(&self, pool: Weak<dyn Retire>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(pool);
    }

    /// From now on only these are in force.
    pub(crate) fn retire(&self, current: Identities) {
        let mut present = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if **present == current {
            return;
        }
        *present = Arc::new(current);
        let current = Arc::clone(&present);
        drop(present);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for pool in all.iter().filter_map(Weak::upgrade) {
            pool.retire(&current);
        }
    }
}
