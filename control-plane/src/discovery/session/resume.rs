//! Whether what a node holds can be built on.

use gatewright_proto::v1::Resume;
use tonic::Status;

use super::{
    super::{
        Metrics,
        holding::{self, Holding},
    },
    Session,
};
use crate::store::{Head, StoreError};

impl Session {
    /// Finds out whether what the node holds can be built on.
    pub(super) async fn resume(&mut self, resume: Option<Resume>) -> Result<(), Status> {
        let Some(resume) = resume else {
            return Ok(());
        };
        self.holding = Holding::Unknown;
        let Ok(deviations) = holding::deviations(resume.deviations) else {
            return Ok(());
        };
        self.refused.clone_from(&deviations);
        let catalog = &self.discovery.catalog;
        let from = Head {
            epoch: resume.epoch,
            revision: resume.revision,
        };
        let ready = async {
            // Another control plane may have told it of a commit that is not known here yet.
            let state = match catalog.present() {
                state if state.head.revision < from.revision => catalog.fresh().await?,
                state => state,
            };
            catalog.read_back(&from).await?;
            Ok::<_, StoreError>(state)
        };
        let state = match ready.await {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%error, "cannot read the history; the node is asked what it holds");
                return Ok(());
            }
        };
        let Some(earlier) = catalog.between(&from, &state.head) else {
            return Ok(());
        };
        let expected = holding::digest(&state, &self.kinds, &earlier, &deviations);
        if resume.digest == expected.as_bytes() {
            Metrics::add(&self.discovery.nodes.metrics().resumes, 1);
            self.registration.applied(from.revision, &deviations);
            self.holding = Holding::At(from, deviations);
        }
        Ok(())
    }
}
