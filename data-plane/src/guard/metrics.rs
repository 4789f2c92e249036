//! Metrics of what protects services: only of those that have something.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use gatewright_engine::{
    Snapshot,
    guard::{Guard, RouteBreaker},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use crate::published::Published;

/// Reads what is published.
pub(crate) struct GuardMetrics(pub(crate) Arc<ArcSwap<Published>>);

impl fmt::Debug for GuardMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GuardMetrics")
    }
}

/// Rows of one metric: labels and value.
type Rows<'a> = Vec<(Vec<(&'static str, &'a str)>, f64)>;

struct Metric {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    rows: for<'a> fn(&'a Snapshot) -> Rows<'a>,
}

const METRICS: [Metric; 8] = [
    Metric {
        name: "breaker_state",
        help: "Circuit breakers of services and routes: 0 closed, 1 open, 2 half-open",
        kind: MetricType::Gauge,
        rows: |snapshot| breakers(snapshot, |it| f64::from(it.phase() as u8)),
    },
    Metric {
        name: "breaker_opened",
        help: "How often circuit breakers opened",
        kind: MetricType::Counter,
        rows: |snapshot| breakers(snapshot, |it| it.opened() as f64),
    },
    Metric {
        name: "concurrency_limit",
        help: "The adaptive limit on requests in flight",
        kind: MetricType::Gauge,
        rows: |snapshot| concurrency(snapshot, |it| f64::from(it.limit())),
    },
    Metric {
        name: "concurrency_in_flight",
        help: "Requests in flight under an adaptive limit",
        kind: MetricType::Gauge,
        rows: |snapshot| concurrency(snapshot, |it| f64::from(it.in_flight())),
    },
    Metric {
        name: "concurrency_baseline_seconds",
        help: "The latency without load, as measured for an adaptive limit",
        kind: MetricType::Gauge,
        rows: |snapshot| {
            concurrency(snapshot, |it| {
                it.undisturbed().unwrap_or_default().as_secs_f64()
            })
        },
    },
    Metric {
        name: "admission_rejection_ratio",
        help: "The share of requests that admission control drops",
        kind: MetricType::Gauge,
        rows: admission,
    },
    Metric {
        name: "shed_requests",
        help: "Requests to a service that were refused to protect it",
        kind: MetricType::Counter,
        rows: sheds,
    },
    Metric {
        name: "upstream_at_work",
        help: "What is at work towards an upstream that has limits",
        kind: MetricType::Gauge,
        rows: at_work,
    },
];

impl Collector for GuardMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let published = self.0.load();
        for metric in METRICS {
            let rows = (metric.rows)(&published.snapshot);
            if rows.is_empty() {
                continue;
            }
            let mut family =
                encoder.encode_descriptor(metric.name, metric.help, None, metric.kind)?;
            for (labels, value) in rows {
                let mut row = family.encode_family(&labels)?;
                match metric.kind {
                    MetricType::Counter => {
                        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
                        row.encode_counter(&value, none)?;
                    }
                    _ => row.encode_gauge(&value)?,
                }
            }
        }
        encode_plugins(&published.snapshot, &mut encoder)?;
        encode_events(&published.snapshot, &mut encoder)
    }
}

/// What plugins count.
fn encode_events(
    snapshot: &Snapshot,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let mut rows = Vec::new();
    for instance in snapshot.plugins.values() {
        instance.events(&mut |event, count| {
            rows.push((instance.name.to_string(), event, count));
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort();
    let help = "What has happened that plugins count";
    let mut family = encoder.encode_descriptor("plugin_events", help, None, MetricType::Counter)?;
    let none: Option<&Exemplar<NoLabelSet, f64>> = None;
    // Two of one plugin, as members of a tree, are one row.
    for same in rows.chunk_by(|one, other| (&one.0, one.1) == (&other.0, other.1)) {
        let count: u64 = same.iter().map(|(_, _, count)| count).sum();
        let labels = [("plugin", same[0].0.as_str()), ("event", same[0].1)];
        family
            .encode_family(&labels)?
            .encode_counter(&count, none)?;
    }
    Ok(())
}

/// One value of a plugin.
struct PluginRow {
    name: &'static str,
    help: &'static str,
    labels: [(&'static str, String); 2],
    value: f64,
}

fn encode_plugins(
    snapshot: &Snapshot,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let mut rows = Vec::new();
    for instance in snapshot.plugins.values() {
        instance.gauges(&mut |gauge| {
            let plugin = ("plugin", instance.name.to_string());
            rows.push(PluginRow {
                name: gauge.name,
                help: gauge.help,
                labels: [plugin, ("service", gauge.service.to_owned())],
                value: gauge.value,
            });
        });
    }
    rows.sort_by(|one, other| (one.name, &one.labels).cmp(&(other.name, &other.labels)));
    for metric in rows.chunk_by(|one, other| one.name == other.name) {
        let (name, help) = (metric[0].name, metric[0].help);
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for row in metric {
            family
                .encode_family(&row.labels)?
                .encode_gauge(&row.value)?;
        }
    }
    Ok(())
}

fn guards(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &Guard)> {
    let services = snapshot.services.iter();
    services.map(|service| (&*service.name, &*service.guard))
}

fn breakers(
    snapshot: &Snapshot,
    value: impl Fn(&gatewright_engine::guard::Breaker) -> f64,
) -> Rows<'_> {
    let mut rows = Rows::new();
    for (service, guard) in guards(snapshot) {
        if let Some(breaker) = &guard.breaker {
            let labels = vec![("service", service), ("route", "")];
            rows.push((labels, value(&breaker.state)));
        }
    }
    for route in &snapshot.routes {
        let guard = route.guard.as_deref();
        if let Some(RouteBreaker::Own(breaker)) = guard.map(|it| &it.breaker) {
            let labels = vec![("service", ""), ("route", &*route.name)];
            rows.push((labels, value(&breaker.state)));
        }
    }
    rows
}

fn concurrency(
    snapshot: &Snapshot,
    value: impl Fn(&gatewright_engine::guard::Gradient) -> f64,
) -> Rows<'_> {
    let row = |(service, guard): (_, &Guard)| {
        let concurrency = guard.concurrency.as_ref()?;
        Some((vec![("service", service)], value(&concurrency.state)))
    };
    guards(snapshot).filter_map(row).collect()
}

fn admission(snapshot: &Snapshot) -> Rows<'_> {
    let now = super::now();
    let row = |(service, guard): (_, &Guard)| {
        let admission = guard.admission.as_ref()?;
        let share = admission.state.share(&admission.settings, now);
        Some((vec![("service", service)], share))
    };
    guards(snapshot).filter_map(row).collect()
}

fn sheds(snapshot: &Snapshot) -> Rows<'_> {
    let mut rows = Rows::new();
    for (service, guard) in guards(snapshot) {
        for (reason, count) in guard.sheds.each().filter(|(_, count)| *count > 0) {
            let labels = vec![("service", service), ("reason", reason)];
            rows.push((labels, count as f64));
        }
    }
    rows
}

fn at_work(snapshot: &Snapshot) -> Rows<'_> {
    let mut rows = Rows::new();
    for service in &snapshot.services {
        let Some(limits) = &service.guard.limits else {
            continue;
        };
        let upstream = &*service.upstream.name;
        // Services of one upstream share its limits.
        if rows
            .iter()
            .any(|(labels, _): &(Vec<(_, &str)>, _)| labels[0].1 == upstream)
        {
            continue;
        }
        let state = &limits.state;
        for (what, places) in [
            ("connections", &state.connections),
            ("pending", &state.pending),
            ("requests", &state.requests),
            ("retries", &state.retries),
        ] {
            let labels = vec![("upstream", upstream), ("what", what)];
            rows.push((labels, f64::from(places.taken())));
        }
    }
    rows
}
