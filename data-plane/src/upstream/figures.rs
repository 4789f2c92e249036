//! What an upstream's balancing shows of itself: figures by target.

use std::{sync::Arc, time::Instant};

use gatewright_proto::v1::Balancer;

use super::LiveUpstream;

/// The figures of one target, over all of its addresses.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) target: Arc<str>,
    /// Requests in flight.
    pub(crate) in_flight: u32,
    /// How often it was picked.
    pub(crate) picks: u64,
    /// The largest estimate of its latency, in seconds; only where targets are picked by it.
    pub(crate) estimate: Option<f64>,
}

impl LiveUpstream {
    /// Of each target that has an address, in order of name.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        let now = Instant::now();
        let balance = &self.spec.balance;
        let estimated = balance.balancer == Balancer::PeakEwma;
        let mut all: Vec<Figures> = Vec::new();
        for address in self.addresses().iter() {
            let state = &address.state;
            let estimate = estimated.then(|| state.estimate(now, balance.ewma_decay));
            let one = Figures {
                target: Arc::clone(&address.target),
                in_flight: state.in_flight(),
                picks: state.picks(),
                estimate,
            };
            match all.last_mut().filter(|it| it.target == one.target) {
                None => all.push(one),
                Some(same) => {
                    same.in_flight += one.in_flight;
                    same.picks += one.picks;
                    let both = same.estimate.zip(one.estimate);
                    same.estimate = both.map(|(same, one)| same.max(one));
                }
            }
        }
        all
    }

    /// Whether too few of its addresses are usable, so that their health is ignored.
    pub(crate) fn panics(&self) -> bool {
        self.view().standing.panics()
    }
}
