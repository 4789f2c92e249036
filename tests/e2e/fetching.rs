//! A control plane that fetches keys.

use std::sync::Arc;

use gatewright_control_plane::store::{self, Store, StoreSettings};
use gatewright_tests::{condition::eventually, control_plane::TestControlPlane};
use serde_json::Value;

/// It, and its database.
pub(crate) struct Plane {
    pub(crate) control_plane: TestControlPlane,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dir: tempfile::TempDir,
}

impl Plane {
    /// On an empty database.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        let control_plane = TestControlPlane::start(&url).await;
        let store = store::open(&url, &StoreSettings::default()).await.unwrap();
        Self {
            control_plane,
            store,
            dir,
        }
    }

    /// Creates or replaces a key set.
    pub(crate) async fn put(&self, name: &str, set: Value) {
        let admin = &self.control_plane.admin;
        admin.put(&format!("/v1/key_sets/{name}"), &set).await;
    }

    /// What came of its fetches.
    pub(crate) async fn fetched(&self, name: &str) -> Value {
        let admin = &self.control_plane.admin;
        admin
            .get(&format!("/v1/key_sets/{name}/fetched"))
            .await
            .json()
    }

    /// Names of the keys that were fetched.
    pub(crate) async fn kids(&self, name: &str) -> Vec<String> {
        let fetched = self.fetched(name).await;
        let keys = fetched["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Has it fetched again at once.
    pub(crate) async fn again(&self, name: &str) {
        self.store.hasten_fetch(name, 0).await.unwrap();
    }

    /// Waits until a fetch fails for this reason.
    pub(crate) async fn fails(&self, name: &str, reason: &str) {
        eventually("the fetch fails", async || {
            let fetched = self.fetched(name).await;
            let error = fetched["error"].as_str().unwrap();
            assert!(error.is_empty() || error.contains(reason), "{error}");
            !error.is_empty()
        })
        .await;
    }

    /// Waits until exactly these keys are known, and has it fetched again until then.
    pub(crate) async fn comes_to_know(&self, name: &str, kids: &[&str]) {
        eventually("the keys are known", async || {
            self.again(name).await;
            self.kids(name).await == kids
        })
        .await;
    }
}
