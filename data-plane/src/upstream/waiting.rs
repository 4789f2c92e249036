//! Requests that come before it is known where they may go: names are being asked for, targets are being
//! checked for the first time.

use std::{pin::pin, sync::Arc};

use super::{Address, LiveUpstream, Pick};

impl LiveUpstream {
    /// Picks once something can be picked; none where there is nothing to wait for.
    pub(super) async fn pick_later(&self, pick: &Pick<'_>) -> Option<Arc<Address>> {
        let mut resolved = self.resolved.clone();
        if !*resolved.borrow() {
            let _ = resolved.wait_for(|done| *done).await;
        }
        loop {
            let mut checked = pin!(self.state.health.checked());
            // From here on nothing is missed.
            checked.as_mut().enable();
            let picked = self.pick_now(pick);
            let waits = pick.tried.is_empty() && self.state.health.is_warming();
            if picked.is_some() || !waits {
                return picked;
            }
            checked.await;
        }
    }
}
