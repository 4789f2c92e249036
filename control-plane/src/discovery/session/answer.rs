//! What a node says.

use gatewright_proto::v1::{Ack, NodeMessage, Outcome, node_message::Message};
use tokio::time::Instant;
use tonic::Status;

use super::{Flight, Owed, Session};
use crate::discovery::holding::{self, Holding};

impl Session {
    pub(super) async fn receive(&mut self, message: NodeMessage) -> Result<(), Status> {
        match (message.message, &mut self.owed) {
            (Some(Message::Report(report)), _) => self.registration.reported(report),
            (Some(Message::NodeReport(report)), _) => self.registration.fares(report)?,
            (Some(Message::Ack(ack)), Owed::Ack(flight)) if flight.nonce == ack.nonce => {
                if let Owed::Ack(flight) = std::mem::replace(&mut self.owed, Owed::Nothing) {
                    self.acknowledged(ack, &flight)?;
                }
            }
            // Of an earlier delta, or of none: it says nothing.
            (Some(Message::Ack(_)), _) => {}
            (Some(Message::Held(part)), Owed::List(listed, ..)) => {
                let last = part.last;
                listed.take(part)?;
                if last {
                    self.listed();
                }
            }
            (Some(Message::Held(_)), _) => {
                return Err(Status::invalid_argument("`held` was not asked for"));
            }
            (Some(Message::Hello(_)), _) => {
                return Err(Status::invalid_argument(
                    "`hello` is the first message only",
                ));
            }
            // Of a newer node.
            (None, _) => {}
        }
        Ok(())
    }

    /// The list is complete.
    fn listed(&mut self) {
        if let Owed::List(mut listed, _, permit) = std::mem::replace(&mut self.owed, Owed::Nothing)
        {
            listed.deviations.clone_from(&self.refused);
            self.holding = Holding::Listed(listed);
            self.admitted = Some(permit);
        }
    }

    fn acknowledged(&mut self, ack: Ack, flight: &Flight) -> Result<(), Status> {
        let metrics = self.discovery.nodes.metrics();
        metrics.answered(Instant::now() - flight.sent);
        let head = flight.state.head.clone();
        if ack.outcome == i32::from(Outcome::Rejected) {
            self.registration.stuck(ack.reason);
            self.holding = Holding::Stuck(head);
            return Ok(());
        }
        let deviations = holding::deviations(ack.deviations)?;
        let unchanged = std::collections::BTreeMap::new();
        let expected = holding::digest(&flight.state, &self.kinds, &unchanged, &deviations);
        let fits = ack.digest == expected.as_bytes();
        self.registration.digest(&ack.digest, fits, ack.compile_us);
        self.refused.clone_from(&deviations);
        if fits {
            self.registration.applied(head.revision, &deviations);
            self.holding = Holding::At(head, deviations);
            return Ok(());
        }
        tracing::error!(node.id = %self.registration.id(), revision = head.revision, "a node does not hold what it should");
        if flight.listed {
            return Err(Status::internal("the digest does not fit what was sent"));
        }
        self.holding = Holding::Unknown;
        Ok(())
    }
}
