//! What still goes to legacy services, in metrics and for the control plane.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use gatewright_engine::{
    Action, Snapshot,
    strangler::{Tally, Way},
};
use gatewright_proto::v1::{LegacyPath, StranglerState};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use crate::{config_stream::Draft, published::Published};

/// Most kinds of requests that are told of a route.
const MAX_PATHS: usize = 20;

/// Reads what is published.
pub(crate) struct PublishedStranglers(pub(crate) Arc<ArcSwap<Published>>);

impl fmt::Debug for PublishedStranglers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PublishedStranglers")
    }
}

/// Routes whose service takes over from a legacy one, and what went where.
fn tallies(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &Tally)> {
    snapshot.routes.iter().filter_map(|route| {
        let Action::Strangler(strangler) = &route.action else {
            return None;
        };
        Some((&*route.name, &*strangler.fall_through.tally))
    })
}

impl Collector for PublishedStranglers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let published = self.0.load();
        let help = "Requests of routes with a legacy service, and which of the two answered";
        let (name, kind) = ("strangler_requests", MetricType::Counter);
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        for (route, tally) in tallies(&published.snapshot) {
            for way in Way::ALL {
                for (method, count) in tally.by_method(way) {
                    if count > 0 {
                        let result = way.as_str();
                        let labels = [("route", route), ("method", method), ("result", result)];
                        family
                            .encode_family(&labels)?
                            .encode_counter(&count, none)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Tells the control plane.
pub(crate) fn report(snapshot: &Snapshot, draft: &mut Draft) {
    for (route, tally) in tallies(snapshot) {
        let path = |it: gatewright_engine::strangler::LegacyPath| LegacyPath {
            method: it.method.to_owned(),
            path: it.path,
            legacy: it.direct,
            fell_through: it.fell_through,
        };
        draft.strangler(StranglerState {
            route: route.to_owned(),
            new: tally.total(Way::New),
            legacy: tally.total(Way::Legacy),
            fell_through: tally.total(Way::FellThrough),
            paths: tally.top(MAX_PATHS).into_iter().map(path).collect(),
        });
    }
}
