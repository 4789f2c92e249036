//! Encrypts again what is not encrypted with the first master key, a bounded number of rows at a time, so that writes
//! of others go on in between.

use crate::store::{Outdated, Store, StoreError};

/// Most rows of one transaction; one has at most a few hundred kilobytes.
const BATCH: u32 = 100;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Rows that have been encrypted again.
    pub done: u64,
    /// Rows that are left.
    pub left: u64,
}

/// Encrypts everything with the first master key, the history included, and tells how far it is after each
/// transaction. What has been done stays done when it is interrupted.
///
/// # Errors
/// There is no master key; a row needs one that is not there; the database.
pub async fn rotate(
    store: &dyn Store,
    mut progress: impl FnMut(Rotated) + Send,
) -> Result<Rotated, StoreError> {
    let mut rotated = Rotated {
        done: 0,
        left: store.outdated().await?,
    };
    progress(rotated);
    loop {
        let done = store.reseal(Outdated::All, BATCH).await?;
        if done == 0 {
            rotated.left = 0;
            return Ok(rotated);
        }
        rotated.done += done;
        rotated.left = rotated.left.saturating_sub(done);
        progress(rotated);
    }
}

/// Encrypts what was stored before there was a master key. Returns how many rows that were.
///
/// # Errors
/// The database.
pub async fn encrypt_plain(store: &dyn Store) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        match store.reseal(Outdated::Plain, BATCH).await? {
            0 => return Ok(total),
            done => total += done,
        }
    }
}
