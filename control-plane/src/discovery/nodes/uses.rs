//! When credentials were used, as nodes tell it, on its way to the database.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use gatewright_proto::v1::CredentialUse;
use tokio::time::sleep;

use super::lock;
use crate::store::{Store, Used};

/// How often the database is told.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Most credentials that wait; what is over that is told by nodes again.
const MAX_WAITING: usize = 100_000;
/// Most credentials in one statement.
const MAX_ROWS: usize = 1000;

/// Uses that the database has yet to be told.
#[derive(Debug, Default)]
pub(in crate::discovery) struct Uses(Mutex<BTreeMap<String, u64>>);

impl Uses {
    /// A node has told them.
    pub(super) fn note(&self, uses: Vec<CredentialUse>) {
        let mut waiting = lock(&self.0);
        for told in uses {
            let full = waiting.len() >= MAX_WAITING;
            match waiting.get_mut(&told.credential) {
                Some(known) => *known = told.last_used_ms.max(*known),
                None if full => {}
                None => _ = waiting.insert(told.credential, told.last_used_ms),
            }
        }
    }

    /// Tells the database for as long as it is polled. What it does not take is told by nodes again, a minute later at
    /// the latest, if it is used still.
    pub(in crate::discovery) async fn tell(&self, store: &dyn Store) {
        loop {
            sleep(TELL_EVERY).await;
            let waiting = std::mem::take(&mut *lock(&self.0));
            let uses = waiting.into_iter();
            let uses: Vec<Used> = uses
                .map(|(credential, at_ms)| Used { credential, at_ms })
                .collect();
            for part in uses.chunks(MAX_ROWS) {
                if let Err(error) = store.used(part).await {
                    tracing::debug!(%error, "cannot write down when credentials were used");
                    break;
                }
            }
        }
    }
}
