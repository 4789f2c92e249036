//! Waiting for something to become true.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest wait. Far above what anything takes, so that only what never happens fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `holds` says so.
///
/// # Panics
/// It did not within 20 seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "this never happened: {what}");
        sleep(PAUSE).await;
    }
}
