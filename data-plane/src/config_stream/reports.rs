//! How the parts of a node fare, for the control plane: whoever knows something registers here.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use gatewright_engine::{
    plugin::UsedSecret,
    secret::{self, Lack},
};
use gatewright_proto::{
    Key, Kind,
    v1::{
        CredentialUse, KeySetState, MissingSecret, NodeReport, ServiceState, StranglerState,
        TargetHealth,
    },
};
use prost::Message as _;

/// Most bytes of a report, encoded. Control planes keep one of each node, and share it.
const MAX_REPORT_BYTES: usize = 64 << 10;

/// Most credentials in a report, beyond that: their names may have 253 bytes.
const MAX_CREDENTIALS: usize = 50;

/// A part of the node that knows how something fares. It is asked once a second, on the control runtime;
/// it must not wait.
pub(crate) trait Reporter: Send + Sync + fmt::Debug {
    /// Writes down what it knows.
    fn report(&self, draft: &mut Draft);
}

/// Everyone who reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    reporters: Arc<Mutex<Vec<Arc<dyn Reporter>>>>,
}

impl Reports {
    /// Asks this part as well from now on.
    pub(crate) fn register(&self, reporter: Arc<dyn Reporter>) {
        self.reporters().push(reporter);
    }

    /// What all of them say now.
    pub(crate) fn collect(&self) -> NodeReport {
        let mut draft = Draft::default();
        for reporter in self.reporters().iter() {
            reporter.report(&mut draft);
        }
        draft.finish()
    }

    fn reporters(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Reporter>>> {
        self.reporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A report that is being written. Several parts may know something of the same thing.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    targets: BTreeMap<(String, String, SocketAddr), TargetHealth>,
    services: BTreeMap<String, ServiceState>,
    stranglers: Vec<StranglerState>,
    key_sets: Vec<KeySetState>,
    missing_secrets: Vec<MissingSecret>,
    /// When credentials were last used.
    credentials: BTreeMap<String, u64>,
}

impl Draft {
    /// The row of one address of a target; healthy until somebody says otherwise.
    pub(crate) fn target(
        &mut self,
        upstream: &str,
        target: &str,
        address: SocketAddr,
    ) -> &mut TargetHealth {
        let key = (upstream.to_owned(), target.to_owned(), address);
        self.targets.entry(key).or_insert_with(|| TargetHealth {
            upstream: upstream.to_owned(),
            target: target.to_owned(),
            address: address.to_string(),
            healthy: true,
            ..TargetHealth::default()
        })
    }

    /// The row of a service.
    pub(crate) fn service(&mut self, service: &str) -> &mut ServiceState {
        let blank = || ServiceState {
            service: service.to_owned(),
            ..ServiceState::default()
        };
        self.services
            .entry(service.to_owned())
            .or_insert_with(blank)
    }

    /// Adds what still goes to a route's legacy service.
    pub(crate) fn strangler(&mut self, row: StranglerState) {
        self.stranglers.push(row);
    }

    /// Adds how a key set was needed.
    pub(crate) fn key_set(&mut self, row: KeySetState) {
        self.key_sets.push(row);
    }

    /// Adds a secret that a plugin needs and has not got.
    pub(crate) fn missing_secret(&mut self, plugin: &str, secret: &UsedSecret, lack: &Lack) {
        self.missing_secrets.push(MissingSecret {
            resource: Key::new(Kind::Plugin, plugin).to_string(),
            field: secret.field.clone(),
            reference: secret.place.to_string(),
            reason: match lack {
                Lack::Missing(reason) => reason.clone(),
                Lack::Elsewhere => "this node has no secrets of its own".to_owned(),
            },
        });
    }

    /// Adds a secret that a certificate or a service needs and has not got.
    pub(crate) fn missing_secret_of(&mut self, missing: &secret::MissingSecret) {
        self.missing_secrets.push(MissingSecret {
            resource: missing.key.to_string(),
            field: missing.field.clone(),
            reference: missing.place.to_string(),
            reason: missing.reason.clone(),
        });
    }

    /// Adds when a credential was last used.
    pub(crate) fn credential(&mut self, credential: &str, last_used_ms: u64) {
        self.credentials.insert(credential.to_owned(), last_used_ms);
    }

    /// Puts what is unwell first, and leaves off the last where it is too much.
    fn finish(self) -> NodeReport {
        let (mut targets, mut services): (Vec<_>, Vec<_>) = (
            self.targets.into_values().collect(),
            self.services.into_values().collect(),
        );
        targets.sort_by_key(|it| it.healthy && !it.ejected);
        // Rollouts decide by theirs.
        services.sort_by_key(|it| {
            it.latency.is_empty() && matches!(it.breaker.as_str(), "" | "closed")
        });
        let mut report = NodeReport::default();
        let (mut room, mut omitted) = (MAX_REPORT_BYTES, 0);
        let mut fits = |bytes: usize| {
            // Tag and length of a row take at most 4 bytes.
            let left = room.checked_sub(bytes + 4);
            room = left.unwrap_or(0);
            omitted += u32::from(left.is_none());
            left.is_some()
        };
        // In turns, so that many of the one leave room for the other.
        let (mut targets, mut services) = (targets.into_iter(), services.into_iter());
        loop {
            let (target, service) = (targets.next(), services.next());
            if target.is_none() && service.is_none() {
                break;
            }
            let target = target.filter(|it| fits(it.encoded_len()));
            report.targets.extend(target);
            let service = service.filter(|it| fits(it.encoded_len()));
            report.services.extend(service);
        }
        let stranglers = self.stranglers.into_iter();
        report.stranglers = stranglers.filter(|it| fits(it.encoded_len())).collect();
        let key_sets = self.key_sets.into_iter();
        report.key_sets = key_sets.filter(|it| fits(it.encoded_len())).collect();
        let mut missing = self.missing_secrets;
        missing.sort_by(|one, other| {
            (&one.resource, &one.field).cmp(&(&other.resource, &other.field))
        });
        let missing = missing.into_iter();
        report.missing_secrets = missing.filter(|it| fits(it.encoded_len())).collect();
        report.omitted = omitted;
        report.credentials = recent(self.credentials);
        report
    }
}

/// As many as there is room for, others each time.
fn recent(credentials: BTreeMap<String, u64>) -> Vec<CredentialUse> {
    let from = match credentials.len().checked_sub(MAX_CREDENTIALS) {
        None | Some(0) => 0,
        Some(_) => rand::random_range(0..credentials.len()),
    };
    let (all, count) = (credentials.into_iter(), MAX_CREDENTIALS);
    let used = |(credential, last_used_ms)| CredentialUse {
        credential,
        last_used_ms,
    };
    let mut uses: Vec<CredentialUse> = all.map(used).collect();
    uses.rotate_left(from);
    uses.truncate(count);
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says of each of its targets that it is unhealthy, or that all are well.
    #[derive(Debug)]
    struct Says {
        targets: u16,
        reason: &'static str,
    }

    impl Reporter for Says {
        fn report(&self, draft: &mut Draft) {
            for port in 0..self.targets {
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let row = draft.target("pool", &format!("target-{port}"), address);
                if !self.reason.is_empty() {
                    row.healthy = false;
                    row.reason = self.reason.to_owned();
                }
            }
            draft.service("orders").requests += 1;
        }
    }

    fn reports(reporters: impl IntoIterator<Item = Says>) -> NodeReport {
        let reports = Reports::default();
        for reporter in reporters {
            reports.register(Arc::new(reporter));
        }
        reports.collect()
    }

    #[test]
    fn parts_that_know_of_the_same_thing_share_a_row() {
        let well = Says {
            targets: 2,
            reason: "",
        };
        let unwell = Says {
            targets: 1,
            reason: "connection refused",
        };
        let report = reports([well, unwell]);
        let healthy: Vec<bool> = report.targets.iter().map(|it| it.healthy).collect();
        assert_eq!(healthy, [false, true]);
        assert_eq!((report.services.len(), report.services[0].requests), (1, 2));
        assert_eq!(report.omitted, 0);
    }

    #[test]
    fn a_report_is_bounded_and_what_is_unwell_is_in_it() {
        let well = Says {
            targets: 5000,
            reason: "",
        };
        let unwell = Says {
            targets: 10,
            reason: "timeout",
        };
        let report = reports([well, unwell]);
        assert!(report.encoded_len() <= MAX_REPORT_BYTES + 8);
        assert!(report.targets[..10].iter().all(|it| !it.healthy));
        assert_eq!(report.targets.len() + report.omitted as usize, 5000);
        assert_eq!(report.services.len(), 1);
    }
}
